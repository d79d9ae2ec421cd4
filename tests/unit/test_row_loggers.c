/* JSON lines byte for byte, and merged rows of CSV. */
#include "check.h"
#include "logger.h"

#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>

static mr_logger *jsonl(void)
{
    return mr_jsonl_logger_new(NULL);
}

static void test_rows(void)
{
    static const char *const names[] = { "loss", "acc" };
    const double values[] = { (double)0.1f, 3 };
    CHECK_EQ_I64(log_open(jsonl(), "rows", false), MR_OK);
    CHECK_EQ_STR(file_contents(in_folder("rows/metrics.jsonl"), NULL), "");
    CHECK(file_exists(in_folder("rows/metrics.jsonl")));
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, INT64_C(12345678901), 2, 2, names, values }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_VALIDATION, 7, 0, 1, names + 1, values }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_EPOCH, 7, -1, 0, NULL, NULL }), MR_OK);
    CHECK_EQ_I64(log_one("x", NAN, 0, 0), MR_OK);
    CHECK_EQ_I64(log_one("x", INFINITY, 0, 0), MR_OK);
    CHECK_EQ_I64(log_one("x", -INFINITY, 0, 0), MR_OK);
    CHECK_EQ_I64(log_one("x", 1e-300, 0, 0), MR_OK);
    CHECK_EQ_I64(log_one("x", -0.0, 0, 0), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(
        file_contents(in_folder("rows/metrics.jsonl"), NULL),
        "{\"kind\":\"step\",\"epoch\":2,\"step\":12345678901,\"loss\":0.10000000149011612,\"acc\":3.0}\n"
        "{\"kind\":\"validation\",\"epoch\":0,\"step\":7,\"acc\":0.10000000149011612}\n"
        "{\"kind\":\"epoch\",\"step\":7}\n"
        "{\"kind\":\"step\",\"epoch\":0,\"step\":0,\"x\":\"NaN\"}\n"
        "{\"kind\":\"step\",\"epoch\":0,\"step\":0,\"x\":\"Infinity\"}\n"
        "{\"kind\":\"step\",\"epoch\":0,\"step\":0,\"x\":\"-Infinity\"}\n"
        "{\"kind\":\"step\",\"epoch\":0,\"step\":0,\"x\":1e-300}\n"
        "{\"kind\":\"step\",\"epoch\":0,\"step\":0,\"x\":-0.0}\n");
}

/* Names that are the row's own, and odd ones, as jansson reads them. */
static void test_names(void)
{
    static const char *const own[] = { "step", "kind", "epoch" };
    static const char *const odd[] = { "a\"b\\c/d", "two\nlines\x01\x7f",
                                       ("gr\xc3\xb6\xc3\x9f" /* an e would go on with the byte before it */
                                        "e \xf0\x9f\x98\x80"),
                                       " " };
    const double values[] = { 1.5, 2, 3, 4 };
    CHECK_EQ_I64(log_open(jsonl(), "names", false), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 9, 9, 3, own, values }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 9, 8, 1, own, values }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 1, 2, 4, odd, values }), MR_OK);
    CHECK_EQ_I64(log_one("\xff", 1, 0, 0), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "logger jsonl: a name that was logged is not UTF-8: '\xff'");
    CHECK_EQ_I64(log_close(), MR_OK);
    const char *text = file_contents(in_folder("names/metrics.jsonl"), NULL);
    static const char first[] = "{\"step\":1.5,\"kind\":2.0,\"epoch\":3.0}\n"
                                "{\"kind\":\"step\",\"epoch\":8,\"step\":1.5}\n";
    if (!CHECK(strncmp(text, first, strlen(first)) == 0))
        printf("    %s", text);
    json_t *row = json_loads(text + strlen(first), 0, NULL);
    CHECK_EQ_I64(json_object_size(row), 7);
    for (int i = 0; i < 4; i++)
        CHECK(json_real_value(json_object_get(row, odd[i])) == values[i]);
    json_decref(row);
}

/* ---- merged rows ---- */

static const char *merged(const char *folder)
{
    char path[64];
    snprintf(path, sizeof path, "%s/merged.csv", folder);
    return file_contents(in_folder(path), NULL);
}

static mr_logger *merged_new(void)
{
    return mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true });
}

/* What comes under one number is one row, which others see as soon as there is something of it. */
static void test_merged(void)
{
    static const char *const names[] = { "loss", "lr" }, *const step[] = { "step", "x" };
    const double values[] = { 0.5, 0.1 }, of_step[] = { 7.5, 1 };
    CHECK_EQ_I64(log_open(merged_new(), "merged", false), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK(!file_exists(in_folder("merged/merged.csv")));
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 0, 0, 2, names, values }), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK_EQ_STR(merged("merged"), "epoch,step,loss,lr\r\n0,0,0.5,0.1\r\n");
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 1, 0, 1, names, values }), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK_EQ_STR(merged("merged"), "epoch,step,loss,lr\r\n0,0,0.5,0.1\r\n0,1,0.5,\r\n");
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_EPOCH, 1, 0, 1, names + 1, values }), MR_OK);
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK_EQ_STR(merged("merged"), "epoch,step,loss,lr\r\n0,0,0.5,0.1\r\n0,1,0.5,0.5\r\n");
    CHECK_EQ_I64(log_one("val_loss", 0.25, 0, 1), MR_OK);
    CHECK_EQ_I64(log_one("loss", 4, 0, 1), MR_OK); /* the last one counts */
    CHECK_EQ_I64(log_flush(), MR_OK);
    CHECK_EQ_STR(merged("merged"), "epoch,step,loss,lr,val_loss\r\n0,0,0.5,0.1,\r\n0,1,4.0,0.5,0.25\r\n");
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 2, 1, 2, step, of_step }), MR_OK);
    CHECK_EQ_I64(log_row((mr_log_row){ MR_ROW_STEP, 3, 1, 1, step, of_step }), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(merged("merged"), "epoch,step,loss,lr,val_loss,x\r\n"
                                   "0,0,0.5,0.1,,\r\n"
                                   "0,1,4.0,0.5,0.25,\r\n"
                                   ",7.5,,,,1.0\r\n");
}

/* A row that is not complete is in the position, not in the part of the file that counts. */
static void test_merged_resumed(void)
{
    CHECK_EQ_I64(log_open(merged_new(), "going_on", false), MR_OK);
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(log_one("loss", NAN, 0, 1), MR_OK);
    CHECK_EQ_I64(log_sync(), MR_OK);
    CHECK_EQ_STR(merged("going_on"), "epoch,step,loss\r\n0,0,0.5\r\n0,1,nan\r\n");
    CHECK_EQ_I64(log_one("val", 1, 0, 1), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_I64(log_open(merged_new(), "going_on", true), MR_OK);
    CHECK_EQ_STR(merged("going_on"), "epoch,step,loss\r\n0,0,0.5\r\n");
    CHECK_EQ_I64(log_one("acc", 1, 0, 1), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK_EQ_STR(merged("going_on"), "epoch,step,loss,acc\r\n0,0,0.5,\r\n0,1,nan,1.0\r\n");
}

/* A row that is in the file stays there while it is closed: a process may end in between. Files cannot grow here, so that one
 * which was taken off would be missed. */
static void test_merged_closed(void)
{
    struct rlimit before;
    CHECK_EQ_I64(log_open(merged_new(), "closed", false), MR_OK);
    CHECK_EQ_I64(log_one("loss", 0.5, 0, 0), MR_OK);
    CHECK_EQ_I64(log_one("loss", 0.25, 0, 1), MR_OK);
    CHECK_EQ_I64(log_sync(), MR_OK);
    if (!CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0))
        return;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 0, before.rlim_max }) == 0);
    CHECK_EQ_I64(log_close(), MR_OK);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    signal(SIGXFSZ, handler);
    CHECK_EQ_STR(merged("closed"), "epoch,step,loss\r\n0,0,0.5\r\n0,1,0.25\r\n");
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_rows);
    RUN(test_names);
    RUN(test_merged);
    RUN(test_merged_resumed);
    RUN(test_merged_closed);
    return files_report();
}
