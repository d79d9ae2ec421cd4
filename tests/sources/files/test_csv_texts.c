/* CSV: cells as texts; what is said of columns that are not there, or there twice, or taken for words. */
#include <millrace/sources/csv.h>

#include "check.h"
#include "files.h"
#include "refuse.h"
#include "row_checks.h"

#include <millrace/ragged.h>

static const char *put(const char *text)
{
    file_put(in_folder("a.csv"), text, strlen(text));
    return in_folder("a.csv");
}

static const mr_csv_field fields[] = {
    { .name = "label", .dtype = MR_INT64 },
    { .name = "text", .dtype = MR_UINT8, .shape = { 1, { -1 } }, .missing = MR_MISSING_FILL },
};

/* ---- texts ---- */

static void check_text(const mr_batch *sample, int row)
{
    static const char *const text[] = { "plain \xc3\xbc", "a \"quote\",\na line", "", "NA", "" };
    const mr_tensor *x = sample->field[1];
    CHECK_EQ_I64(*(const int64_t *)mr_tensor_data(sample->field[0]), row);
    if (CHECK_EQ_I64(mr_tensor_size(x, 0), (int64_t)strlen(text[row])) && *text[row])
        CHECK(memcmp(mr_tensor_data(x), text[row], strlen(text[row])) == 0);
}

static const char rows[] =
    "label,more,text\n0,x,plain \xc3\xbc\n1,,\"a \"\"quote\"\",\na line\"\n2,y,\"\"\n3,y,NA\n4,y,\n";

static void test_texts(void)
{
    const char *path = put(rows);
    mr_dataset *d = mr_csv_new(path, fields, 2, NULL), *stream = mr_csv_stream_new(path, fields, 2, NULL);
    mr_cursor *cursor = mr_stream_open(stream);
    const mr_batch *sample;
    CHECK_EQ_I64(mr_dataset_len(d), 5);
    for (int i = 0; i < 5; i++) {
        mr_batch *b = mr_dataset_get(d, 4 - i);
        if (CHECK(b != NULL))
            check_text(b, 4 - i);
        mr_batch_free(b);
        if (CHECK_EQ_I64(mr_cursor_next(cursor, &sample), MR_OK))
            check_text(sample, i);
    }
    mr_cursor_free(cursor);
    mr_dataset_free(stream);

    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 5 });
    mr_loader_set_collate(loader, mr_collate_pad, NULL);
    if (CHECK_EQ_I64(mr_loader_next(loader, &sample), MR_OK)) {
        CHECK_EQ_I64(mr_tensor_size(sample->field[1], 1), 17);
        CHECK(memcmp((const char *)mr_tensor_data(sample->field[1]) + 3 * 17, "NA\0\0", 4) == 0);
    }
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
}

/* A text that is empty and has no quotes is missing. */
static void test_missing(void)
{
    mr_csv_field f[] = { fields[0], fields[1] };
    f[1].missing = MR_MISSING_SKIP;
    mr_dataset *d = mr_csv_new(put(rows), f, 2, &(mr_csv_opts){ .keep_index = true });
    CHECK_EQ_I64(mr_dataset_len(d), 4);
    mr_dataset_free(d);
    f[1] = (mr_csv_field){ .name = "text", .missing = MR_MISSING_SKIP }; /* the index is of other rows */
    d = mr_csv_new(in_folder("a.csv"), f, 2, &(mr_csv_opts){ .keep_index = true });
    CHECK_EQ_I64(mr_dataset_len(d), 2);
    mr_dataset_free(d);
    f[1] = fields[1];
    f[1].missing = MR_MISSING_FAIL;
    d = mr_csv_new(in_folder("a.csv"), f, 2, NULL);
    CHECK(!mr_dataset_get(d, 4));
    check_said("': line 7, column 'text': '' is missing (the field's .missing may be MR_MISSING_FILL, "
               "MR_MISSING_NAN "
               "or MR_MISSING_SKIP)");
    mr_dataset_free(d);
}

static void test_resumed(void)
{
    FILE *file = fopen(in_folder("long.csv"), "w");
    fputs("label,text\n", file);
    for (int i = 0; i < 300; i++)
        fprintf(file, "%d,\"%.*s\n\"\n", i, i % 40, "012345678901\n34567890123456789012345678901");
    fclose(file);
    mr_dataset *d = mr_csv_new(in_folder("long.csv"), fields, 2, NULL),
               *stream = mr_csv_stream_new(in_folder("long.csv"), fields, 2, NULL);
    check_each_once(d, (mr_loader_opts){ .batch_size = 7, .shuffle = true }, 300);
    check_each_once(stream, (mr_loader_opts){ .batch_size = 7, .shards = 3 }, 300);
    check_resumed(d, (mr_loader_opts){ .batch_size = 50 }, 300);
    check_resumed(stream, (mr_loader_opts){ .batch_size = 50, .shards = 3 }, 300);
    mr_dataset_free(stream);
    mr_dataset_free(d);
}

static double read_texts(mr_status *status)
{
    return sum_of_rows(mr_csv_new(in_folder("a.csv"), fields, 2, NULL), status);
}

static double stream_texts(mr_status *status)
{
    return sum_of_rows(mr_csv_stream_new(in_folder("a.csv"), fields, 2, NULL), status);
}

static void test_memory(void)
{
    put(rows);
    refuse_begin();
    refuse_each("read_texts", read_texts, 20);
    refuse_each("stream_texts", stream_texts, 20);
    refuse_end();
}

/* ---- what is refused ---- */

static void check_refused(const char *text, mr_csv_field f, const char *wanted)
{
    CHECK(!mr_csv_new(put(text), &f, 1, NULL));
    check_said(wanted);
}

static void test_shapes(void)
{
    static const char no_text[] =
        "csv_new: field 'a': a shape is MR_SHAPE(-1), of MR_UINT8, for a cell's text; several "
        "columns make an array without one";
    static const char *const words[] = { "x" };
    check_refused("a,b\n1,2\n", (mr_csv_field){ .name = "a", .shape = { 1, { -1 } } }, no_text);
    check_refused("a,b\n1,2\n", (mr_csv_field){ .name = "a", .dtype = MR_UINT8, .shape = { 1, { 2 } } },
                  no_text);
    check_refused("a,b\n1,2\n", (mr_csv_field){ .name = "a", .dtype = MR_UINT8, .shape = { 2, { -1, 1 } } },
                  no_text);
    check_refused(
        "a,b\n1,2\n",
        (mr_csv_field){
            .name = "a", .dtype = MR_UINT8, .shape = { 1, { -1 } }, .words = words, .word_count = 1 },
        no_text);
    check_refused("a,b\n1,2\n",
                  (mr_csv_field){ .name = "a", .columns = "a,b", .dtype = MR_UINT8, .shape = { 1, { -1 } } },
                  "csv_new: field 'a': a text is of one column, not of 2");
}

static void test_columns(void)
{
    char many[600] = "a0", wanted[600] = "has no column 'z': it has the columns 'a0'";
    for (int i = 1; i < 100; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ",a%d", i);
    strcat(many, "\n");
    for (int i = 1; i < 29; i++)
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), ", 'a%d'", i);
    check_refused(many, (mr_csv_field){ .name = "z" }, wanted);
    check_refused(many, (mr_csv_field){ .name = "z" }, " more");
    check_refused("age;height\n1;2\n", (mr_csv_field){ .name = "age" },
                  "has no column 'age': it has 'age;height' (.delimiter may be ';')");
    check_refused("age\theight\n1\t2\n", (mr_csv_field){ .name = "age" }, "(.delimiter may be '\\t')");
    check_refused("x,y,x\n1,2,3\n", (mr_csv_field){ .name = "x" },
                  "a.csv' has several columns 'x': \"#0\", \"#1\" and so on name one");
    check_refused("x,y,x\n1,2,3\n", (mr_csv_field){ .name = "z", .columns = "y:x" },
                  "has several columns 'x'");
    check_refused("x,y,x\n1,2,3\n", (mr_csv_field){ .name = "z", .columns = "y,x" },
                  "has several columns 'x'");
    mr_dataset *d =
        mr_csv_new(put("x,y,x\n1,2,3\n"), &(mr_csv_field){ .name = "z", .columns = "y,#2" }, 1, NULL);
    CHECK(d != NULL);
    mr_dataset_free(d);
}

/* ---- columns that are taken for words ---- */

static char heard[2000];

static void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    CHECK_EQ_I64(level, MR_LOG_WARNING);
    snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%s\n", line);
}

static void test_guess(void)
{
    char wanted[2000];
    heard[0] = 0;
    mr_set_log_hook(hear, NULL);
    const char *path = put("age,name,price,x\n17,ann,\"1,5\",NA\nTRUE,bob,\"2,5\",2\n0x10,cid,\"2,5\",3\n");
    mr_dataset *d = mr_csv_new(path, NULL, 0, NULL);
    snprintf(wanted, sizeof wanted,
             "csv_new: '%s': column 'age' is taken for words, 3 of them, since 'TRUE' is no number: name "
             "fields if it has "
             "numbers\n"
             "csv_new: '%s': column 'price' is taken for words, 2 of them, since '1,5' is no number: name "
             "fields if it has "
             "numbers\n",
             path, path);
    CHECK_EQ_STR(heard, wanted);
    mr_dataset_free(d);

    heard[0] = 0;
    d = mr_csv_new(put("a,b,c,d,e,f,g,h,i,j\n1x,1x,1x,1x,1x,1x,1x,1x,1x,1x\n"), NULL, 0, NULL);
    CHECK(strstr(heard, "a.csv': so are 2 more columns\n") != NULL);
    CHECK(strstr(heard, "column 'i'") == NULL);
    mr_dataset_free(d);
    heard[0] = 0;
    mr_dataset_free(mr_csv_new(put("x,name\n1,a\n-.5,b\n"), NULL, 0, NULL));
    CHECK_EQ_STR(heard, "");
    mr_set_log_hook(NULL, NULL);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_texts);
    RUN(test_missing);
    RUN(test_resumed);
    RUN(test_memory);
    RUN(test_shapes);
    RUN(test_columns);
    RUN(test_guess);
    return files_report();
}
