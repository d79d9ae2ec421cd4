/* TensorBoard's event files: bytes beside those of protobuf's own library, and read back by a reader of the test's. */
#include "check.h"
#include "logger.h"

#include <stdlib.h>
#include <time.h>

static const mr_hparam hparams[] = { { .name = "bias", .kind = MR_HPARAM_BOOL, .integer = 1 },
                                     { .name = "dropout", .kind = MR_HPARAM_BOOL },
                                     { .name = "layers", .kind = MR_HPARAM_INT, .integer = 3 },
                                     { .name = "lr", .real = 1e-3 },
                                     { .name = "optimizer",
                                       .kind = MR_HPARAM_TEXT,
                                       .text = "gr\xc3\xb6\xc3\x9f"
                                               "e" } };

static mr_status open_in(const char *folder, bool clock, size_t hparam_count)
{
    char dir[300];
    snprintf(dir, sizeof dir, "%s", in_folder(folder));
    mkdir(dir, 0777);
    const mr_log_run run = { .name = "net", .dir = dir, .hparams = hparams, .hparam_count = hparam_count };
    return log_open_run(mr_tensorboard_logger_new(&(mr_tensorboard_logger_opts){ .clock = clock }), &run,
                        (mr__position){ NULL, 0 });
}

static mr_status put(int64_t step, int64_t epoch, size_t count, const char *const *names,
                     const double *values)
{
    return log_row((mr_log_row){ MR_ROW_STEP, step, epoch, count, names, values });
}

/* What make_tensorboard.py writes. */
static void test_golden(void)
{
    static char golden[1 << 10];
    size_t size, golden_size;
    CHECK_EQ_I64(open_in("golden", false, 5), MR_OK);
    CHECK_EQ_I64(put(0, 0, 1, (const char *[]){ "loss" }, (double[]){ 0.1 }), MR_OK);
    CHECK_EQ_I64(put(1, 0, 2,
                     (const char *[]){ "loss", "gr\xc3\xb6\xc3\x9f"
                                               "e/a" },
                     (double[]){ NAN, INFINITY }),
                 MR_OK);
    CHECK_EQ_I64(put(300, 2, 1, (const char *[]){ "val_loss" }, (double[]){ 0 }), MR_OK);
    CHECK_EQ_I64(put(INT64_C(1) << 40, 3, 2, (const char *[]){ "epoch", "acc" }, (double[]){ -1.5, 1e-50 }),
                 MR_OK);
    CHECK_EQ_I64(put(9, 3, 2, (const char *[]){ "step", "acc" }, (double[]){ 7, 1 }), MR_OK);
    CHECK_EQ_I64(put(8, -1, 1, (const char *[]){ "acc" }, (double[]){ 1 }), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    const char *text = file_contents(MR_TEST_DATA "/tensorboard.events", &golden_size);
    CHECK(golden_size > 400 && golden_size < sizeof golden);
    memcpy(golden, text, sizeof golden);
    text = file_contents(in_folder("golden/events.out.tfevents.millrace"), &size);
    CHECK_EQ_I64(size, golden_size);
    CHECK(memcmp(text, golden, golden_size) == 0);
}

/* ---- a reader ---- */

static uint32_t masked_crc(const unsigned char *bytes, size_t count)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

static uint64_t little_endian(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static uint64_t varint(const unsigned char **at)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        const unsigned char byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

/* One event: its time, step, and the first value of its summary. */
typedef struct event {
    double time;
    int64_t step;
    char tag[40];
    float value;
} event;

static void read_message(const unsigned char *at, const unsigned char *end, int depth, event *e)
{
    while (at < end) {
        const uint64_t key = varint(&at), field = key >> 3;
        if ((key & 7) == 0) {
            uint64_t value = varint(&at);
            if (depth == 0 && field == 2)
                e->step = (int64_t)value;
        } else if ((key & 7) == 1) {
            uint64_t bits = little_endian(at, 8);
            if (depth == 0 && field == 1)
                memcpy(&e->time, &bits, sizeof bits);
            at += 8;
        } else if ((key & 7) == 5) {
            uint32_t bits = (uint32_t)little_endian(at, 4);
            if (depth == 2 && field == 2)
                memcpy(&e->value, &bits, sizeof bits);
            at += 4;
        } else if (CHECK((key & 7) == 2)) {
            const uint64_t count = varint(&at);
            if (depth == 2 && field == 1)
                snprintf(e->tag, sizeof e->tag, "%.*s", (int)count, (const char *)at);
            else if ((depth == 0 && field == 5) || (depth == 1 && !*e->tag))
                read_message(at, at + count, depth + 1, e);
            at += count;
        } else {
            return;
        }
    }
    CHECK(at == end);
}

/* The next record, with its checksums; false at the end. */
static bool read_event(const unsigned char **at, const unsigned char *end, event *e)
{
    memset(e, 0, sizeof *e);
    if (*at == end)
        return false;
    const uint64_t count = little_endian(*at, 8);
    const unsigned char *data = *at + 12;
    if (!CHECK(count + 16 <= (uint64_t)(end - *at)))
        return false;
    CHECK_EQ_I64(little_endian(*at + 8, 4), masked_crc(*at, 8));
    CHECK_EQ_I64(little_endian(data + count, 4), masked_crc(data, count));
    read_message(data, data + count, 0, e);
    *at = data + count + 4;
    return true;
}

/* Many rows, with the time. */
static void test_many(void)
{
    enum { ROWS = 1000 };
    const double before = (double)time(NULL);
    size_t size;
    CHECK_EQ_I64(open_in("many", true, 0), MR_OK);
    for (int i = 0; i < ROWS; i++)
        CHECK_EQ_I64(log_one("loss", 1.0 / (i + 1), i / 100, i), MR_OK);
    CHECK_EQ_I64(log_close(), MR_OK);
    const unsigned char *at = (const unsigned char *)file_contents(
                            in_folder("many/events.out.tfevents.millrace"), &size),
                        *end = at + size;
    event e;
    double last = before;
    CHECK(read_event(&at, end, &e) && !*e.tag);
    for (int i = 0; i < ROWS && CHECK(read_event(&at, end, &e)); i++) {
        CHECK_EQ_I64(e.step, i);
        CHECK_EQ_STR(e.tag, "loss");
        CHECK(e.value == (float)(1.0 / (i + 1)));
        CHECK(e.time >= last && e.time < before + 1000);
        last = e.time;
    }
    CHECK(!read_event(&at, end, &e));
}

static void test_names(void)
{
    CHECK_EQ_I64(open_in("names", false, 0), MR_OK);
    CHECK_EQ_I64(log_one("a\x80", 1, 0, 0), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "logger tensorboard: a name that was logged is not UTF-8: 'a\x80'");
    CHECK_EQ_I64(log_close(), MR_OK);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_golden);
    RUN(test_many);
    RUN(test_names);
    return files_report();
}
