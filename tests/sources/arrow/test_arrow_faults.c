/* Producers that fail, schemas and arrays that are not sound, columns that do not fit, memory that runs out. */
#include "producer.h"
#include "refuse.h"
#include "row_checks.h"

static const int32_t four[] = { 1, 2, 3, 4 };
static const mr_table_field x = { .name = "x" };

static void check_released(void)
{
    CHECK_EQ_I64(pieces_live, 0);
    pieces_live = 0;
}

/* ---- producers ---- */

static void refused(struct ArrowArrayStream stream, const mr_table_field *fields, int count,
                    const char *wanted)
{
    CHECK(!mr_arrow_stream_new(&stream, fields, count));
    check_said(wanted);
    CHECK(!stream.release);
    check_released();
}

static void test_producers(void)
{
    CHECK(!mr_arrow_stream_new(NULL, NULL, 0));
    check_said("arrow_stream_new: stream is NULL");
    refused((struct ArrowArrayStream){ 0 }, NULL, 0, "arrow_stream_new: the stream was released");
    refused(stream_of(NULL, 0), NULL, 0, "arrow: the producer gave no schema");
    struct ArrowArrayStream stream = stream_of(NULL, 0);
    stream.get_next = NULL;
    refused(stream, NULL, 0, "arrow_stream_new: a stream without its functions");
    stream = stream_of(NULL, 0);
    producer.schema_code = ENOENT;
    refused(stream, NULL, 0, "arrow: the producer failed: No such file or directory");
    stream = stream_of(NULL, 0);
    producer.schema_code = EIO;
    producer.says = "the query is wrong\nin two lines";
    refused(stream, NULL, 0, "arrow: the producer failed: the query is wrong");
    stream = stream_of(NULL, 0);
    stream.get_last_error = NULL;
    producer.schema_code = ENOMEM;
    refused(stream, NULL, 0, "arrow: the producer failed: Cannot allocate memory");

    stream = stream_of(schema("+s", "", 1, schema("i", "x", 0)), 1, BATCH(1, 1, numbers(1, NULL, four)));
    producer.batch_code = EIO;
    producer.says = "the connection is lost";
    mr_dataset *d = mr_arrow_stream_new(&stream, &x, 1);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK(mr_cursor_next(cursor, &b) < 0);
    CHECK_EQ_STR(mr_error(),
                 "cursor_next: sample 1: behind row 1: arrow: the producer failed: the connection is lost");
    mr_error_clear();
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    check_released();
}

/* A producer that has failed is asked no more. */
static void test_broken_producer(void)
{
    struct ArrowArrayStream stream =
        stream_of(schema("+s", "", 1, schema("i", "x", 0)), 1, BATCH(4, 1, numbers(4, NULL, four)));
    producer.batch_code = EIO;
    producer.says = "the connection is lost";
    mr_dataset *d = mr_arrow_stream_new(&stream, &x, 1);
    check_breaks_off(d, 0, 4, "arrow: the producer failed: the connection is lost");
    CHECK_EQ_I64(producer.failures, 1);
    mr_dataset_free(d);
    check_released();
}

/* ---- schemas ---- */

static void bad_schema(struct ArrowSchema *root, const char *wanted)
{
    refused(stream_of(root, 0), NULL, 0, wanted);
}

static struct ArrowSchema *one(struct ArrowSchema *column)
{
    return schema("+s", "", 1, column);
}

static void test_schemas(void)
{
    static const char *const formats[] = { "+s",  "+m", "+ud:0,1", "v", "vx",   "+r",
                                           "tiM", "ii", "tdX",     "?", "\xff", "bb" };
    char text[100];
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        snprintf(text, sizeof text,
                 "arrow: column 'x' has the format '%s', which is no field's: name the fields", formats[i]);
        bad_schema(one(schema(formats[i], "x", 0)), text);
    }
    bad_schema(schema("i", "x", 0), "arrow: the stream's schema is no struct of columns");
    bad_schema(schema(NULL, "x", 0), "arrow: the stream's schema is no struct of columns");
    bad_schema(schema("+s", "", 0), "arrow: the stream's schema has no columns");
    struct ArrowSchema *root = one(schema("i", "x", 0));
    root->n_children = -1;
    root->children[0]->release(root->children[0]);
    bad_schema(root, "arrow: the stream's schema has no columns");
    root = one(NULL);
    bad_schema(root, "arrow: column 0 of the stream's schema is not there");
    bad_schema(one(schema(NULL, "x", 0)), "arrow: column 'x': a schema without a format");
    bad_schema(one(schema("", "x", 0)), "arrow: column 'x': a schema without a format");
    bad_schema(one(schema("i", "", 0)), "arrow_stream_new: a field without a name");
    bad_schema(one(schema("w:", "x", 0)), "arrow: column 'x': the format 'w:' has no size");
    bad_schema(one(schema("w:-1", "x", 0)), "arrow: column 'x': the format 'w:-1' has no size");
    bad_schema(one(schema("w:2x", "x", 0)), "arrow: column 'x': the format 'w:2x' has no size");
    bad_schema(one(schema("+w:99999999999999999999", "x", 1, schema("i", "", 0))),
               "arrow: column 'x': the format '+w:99999999999999999999' has no size");
    static const char *const decimals[] = {
        "d:",     "d:9",       "d:9,",        "d:x,2",   "d:0,0",    "d:77,2",    "d:9,2x",
        "d:9,2,", "d:9,2,100", "d:9,2,128,1", "d:-9,-2", "d:9,1001", "d:9,-1001", "d:999999999999,2"
    };
    for (size_t i = 0; i < sizeof decimals / sizeof *decimals; i++) {
        snprintf(text, sizeof text, "arrow: column 'x': the format '%s' is no decimal's", decimals[i]);
        bad_schema(one(schema(decimals[i], "x", 0)), text);
    }
    bad_schema(one(schema("+l", "x", 0)), "arrow: column 'x': a list whose schema has no child");
    bad_schema(one(schema("+vL", "x", 0)), "arrow: column 'x': a list whose schema has no child");
    bad_schema(one(schema("+l", "x", 1, NULL)), "arrow: column 'x': a schema that is not there");
    bad_schema(one(schema("+l", "x", 1, schema("+l", "", 1, schema("i", "", 0)))),
               "arrow: column 'x' has the format '+l', which is no field's: name the fields");
    bad_schema(one(schema("+l", "x", 1, schema("u", "", 0))),
               "arrow: column 'x' has the format '+l', which is no field's: name the fields");
    bad_schema(one(by_dictionary(schema("f", "x", 0), schema("u", "", 0))),
               "arrow: column 'x': a dictionary whose indices are no whole numbers");
    bad_schema(one(by_dictionary(schema("i", "x", 0), schema("+l", "", 1, schema("i", "", 0)))),
               "arrow: column 'x' has the format 'i', which is no field's: name the fields");

    struct ArrowSchema *deep = schema("i", "", 0);
    for (int i = 0; i < 30; i++)
        deep = schema("+w:1", "x", 1, deep);
    bad_schema(one(deep), "arrow: column 'x': lists in lists without an end");
    deep = schema("i", "", 0);
    for (int i = 0; i < 9; i++)
        deep = schema("+w:1", "x", 1, deep);
    bad_schema(one(deep), "arrow: column 'x' has the format '+w:1', which is no field's: name the fields");
}

/* Any format is a type, another one, or a fault. */
static void test_any_format(void)
{
    static const char alphabet[] = "+lLwsudvtmnbcefgziZSIDX:0123456789-, ";
    char format[8];
    mr_rng *rng = mr_rng_new(1);
    int64_t made = 0;
    for (int i = 0; i < 20000; i++) {
        const uint32_t length = mr_rng_u32(rng) % 6;
        for (uint32_t k = 0; k < length; k++)
            format[k] = alphabet[mr_rng_u32(rng) % (sizeof alphabet - 1)];
        format[length] = 0;
        struct ArrowSchema *inner = mr_rng_u32(rng) % 2 ? schema("i", "", 0) : NULL;
        struct ArrowArrayStream stream =
            stream_of(one(inner ? schema(format, "x", 1, inner) : schema(format, "x", 0)), 0);
        mr_dataset *d = mr_arrow_stream_new(&stream, NULL, 0);
        CHECK((d == NULL) == (*mr_error() != 0));
        made += d != NULL;
        mr_error_clear();
        mr_dataset_free(d);
        check_released();
    }
    CHECK(made > 500);
    mr_rng_free(rng);
}

/* Columns that are not there, or do not fit. */
static void test_columns(void)
{
    static const char *const words[] = { "a" };
    const mr_table_field y = { .name = "y" }, word = { .name = "x", .words = words, .word_count = 1 },
                         flat = { .name = "x", .shape = { 1, { -1 } } },
                         square = { .name = "x", .shape = { 2, { 2, 3 } } };
    refused(stream_of(one(schema("i", "x", 0)), 0), &y, 1, "arrow: the stream has no column 'y'");
    refused(stream_of(one(schema("u", "x", 0)), 0), &x, 1,
            "arrow: column 'x' has the format 'u', and is to be a number");
    refused(stream_of(one(schema("+m", "x", 0)), 0), &x, 1,
            "arrow: column 'x' has the format '+m', and is to be a number");
    refused(stream_of(one(schema("i", "x", 0)), 0), &word, 1,
            "arrow: column 'x' has the format 'i', and is to be a text");
    refused(stream_of(one(schema("i", "x", 0)), 0), &flat, 1,
            "arrow: column 'x' has the format 'i', and is to be bytes, or lists of numbers");
    refused(stream_of(one(schema("+w:2", "x", 1, schema("i", "", 0))), 0), &square, 1,
            "arrow: column 'x' has the format '+w:2', and is to be lists of numbers as deep as the field's "
            "shape");
    refused(stream_of(one(schema("+w:3", "x", 1, schema("+w:3", "", 1, schema("i", "", 0)))), 0), &square, 1,
            "arrow: column 'x' has the format '+w:3', and is to be lists of the field's shape");
    refused(stream_of(one(schema("i", "x", 0)), 0), &x, 0,
            "arrow_stream_new: a list of no fields: NULL instead of it takes every column");
}

/* ---- arrays ---- */

static void bad_batch(const char *format, struct ArrowSchema *inner, struct ArrowArray *batch,
                      const char *wanted)
{
    struct ArrowArrayStream stream =
        stream_of(one(inner ? schema(format, "x", 1, inner) : schema(format, "x", 0)), 1, batch);
    mr_dataset *d = mr_arrow_stream_new(&stream, NULL, 0);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    mr_status s;
    while ((s = mr_cursor_next(cursor, &b)) == MR_OK)
        ;
    CHECK(s < 0);
    check_said(wanted);
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    check_released();
}

/* A batch of four whole numbers, of which one thing is changed: bad(n_buffers = 1) */
#define BAD(change, wanted)                                                               \
    do {                                                                                  \
        struct ArrowArray *column = numbers(4, NULL, four), *batch = BATCH(4, 1, column); \
        change;                                                                           \
        bad_batch("i", NULL, batch, "arrow: " wanted);                                    \
    } while (0)

static void test_batches(void)
{
    BAD(batch->length = -1, "a record batch that is none of the schema's");
    BAD(batch->offset = -1, "a record batch that is none of the schema's");
    BAD(batch->offset = INT64_MAX, "a record batch that is none of the schema's");
    BAD(batch->n_buffers = 0, "a record batch that is none of the schema's");
    BAD(batch->buffers = NULL, "a record batch that is none of the schema's");
    BAD(batch->null_count = 1, "a record batch that is none of the schema's");
    BAD((batch->n_children = 0, column->release(column)), "a record batch that is none of the schema's");
    BAD((batch->children = NULL, column->release(column)), "a record batch that is none of the schema's");
    BAD(column->release(column), "column 'x': an array that is not there");
    BAD(column->length = -4,
        "column 'x': an array with a length, an offset or a number of nulls that is none");
    BAD(column->offset = -1,
        "column 'x': an array with a length, an offset or a number of nulls that is none");
    BAD(column->offset = INT64_MAX,
        "column 'x': an array with a length, an offset or a number of nulls that is none");
    BAD(column->null_count = -2,
        "column 'x': an array with a length, an offset or a number of nulls that is none");
    BAD(column->length = 3, "column 'x': an array that is too short");
    BAD(batch->length = INT64_MAX, "column 'x': an array that is too short");
    BAD(batch->offset = 1, "column 'x': an array that is too short");
    BAD(column->n_buffers = 3, "column 'x': an array with another number of buffers than its type has");
    BAD(column->n_buffers = -1, "column 'x': an array with another number of buffers than its type has");
    BAD(column->buffers = NULL, "column 'x': an array with another number of buffers than its type has");
    BAD(column->null_count = 1, "column 'x': an array with nulls and without a bitmap of them");
    BAD(column->buffers[1] = NULL, "column 'x': an array without its buffer");
    BAD((column->n_children = 1, column->children = NULL),
        "column 'x': an array with another number of children than its type has");
    BAD(column->dictionary = numbers(4, NULL, four),
        "column 'x': an array with a dictionary that its type has not");
}

static void test_lists(void)
{
    static const int32_t back[] = { 0, 2, 1, 3, 4 }, below[] = { -1, 0, 0, 0, 0 },
                         behind[] = { 0, 1, 2, 3, 5 };
    const char *const row = "arrow: row 2 of the stream, column 'x': offsets that go back";
    bad_batch("u", NULL, BATCH(4, 1, array(4, 3, NULL, back, "abcd", 0)), row);
    bad_batch("u", NULL, BATCH(4, 1, array(4, 3, NULL, below, "abcd", 0)),
              "arrow: row 1 of the stream, column 'x': offsets that go back");
    bad_batch("u", NULL, BATCH(4, 1, array(4, 3, NULL, behind, NULL, 0)),
              "arrow: row 1 of the stream, column 'x': an array without its buffer");
    bad_batch("+l", schema("i", "", 0), BATCH(4, 1, array(4, 2, NULL, back, NULL, 1, numbers(4, NULL, four))),
              row);
    bad_batch("+l", schema("i", "", 0),
              BATCH(4, 1, array(4, 2, NULL, behind, NULL, 1, numbers(4, NULL, four))),
              "arrow: row 4 of the stream, column 'x': a list that ends behind its items");
    bad_batch("+l", schema("i", "", 0), BATCH(4, 1, array(4, 2, NULL, behind, NULL, 0)),
              "arrow: column 'x': an array with another number of children than its type has");
    bad_batch("+l", schema("i", "", 0), BATCH(4, 1, array(4, 2, NULL, behind, NULL, 1, NULL)),
              "arrow: column 'x': an array that is not there");
    bad_batch("+w:2", schema("i", "", 0),
              BATCH(4, 1, array(4, 1, NULL, NULL, NULL, 1, numbers(4, NULL, four))),
              "arrow: column 'x': an array that is too short");
    struct ArrowArray *long_one = array(4, 1, NULL, NULL, NULL, 1, numbers(4, NULL, four));
    long_one->length = INT64_MAX / 2;
    bad_batch("+w:9", schema("i", "", 0), BATCH(4, 1, long_one),
              "arrow: column 'x': an array with a length that is none");
    static const uint64_t large[] = { UINT64_MAX };
    bad_batch("L", NULL, BATCH(1, 1, numbers(1, NULL, large)),
              "arrow: row 1 of the stream, column 'x': a number, not a whole number");
}

static void test_dictionaries(void)
{
    static const int8_t places[] = { 0, 1, 2, -1 };
    const char *const wanted[] = {
        "arrow: row 3 of the stream, column 'x': an index outside its dictionary",
        "arrow: row 1 of the stream, column 'x': an index outside its dictionary"
    };
    for (int i = 0; i < 3; i++) {
        struct ArrowArray *values = i < 2 ? numbers(2, NULL, four) : NULL;
        struct ArrowArrayStream stream =
            stream_of(one(by_dictionary(schema("c", "x", 0), schema("i", "", 0))), 1,
                      BATCH(1, 1, indices(numbers(4, NULL, places), values)));
        producer.batch[0]->length = i == 0 ? 4 : 1;
        producer.batch[0]->offset = i == 1 ? 3 : 0;
        mr_dataset *d = mr_arrow_stream_new(&stream, NULL, 0);
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *b;
        for (int row = 0; i == 0 && row < 2; row++)
            CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
        CHECK(mr_cursor_next(cursor, &b) < 0);
        check_said(i < 2 ? wanted[i] : "arrow: column 'x': an array without its dictionary");
        mr_cursor_free(cursor);
        mr_dataset_free(d);
        check_released();
    }
}

/* In the third of several batches: an array that is not sound, and a value that does not fit. */
static void test_planted(void)
{
    static const int32_t back[] = { 0, 2, 1, 3, 4 }, ends[] = { 0, 1, 2, 3, 4 };
    static const char *const wanted[] = {
        "cursor_next: sample 8: behind row 8: arrow: column 'x': an array that is too short",
        "cursor_next: sample 9: arrow: row 10 of the stream, column 'x': offsets that go back"
    };
    for (int i = 0; i < 2; i++) {
        struct ArrowArray *bad = array(i ? 4 : 3, 3, NULL, i ? back : ends, "abcd", 0);
        struct ArrowArrayStream stream =
            stream_of(one(schema("u", "x", 0)), 3, BATCH(4, 1, array(4, 3, NULL, ends, "abcd", 0)),
                      BATCH(4, 1, array(4, 3, NULL, ends, "abcd", 0)), BATCH(4, 1, bad));
        mr_dataset *d = mr_arrow_stream_new(&stream, NULL, 0);
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *b;
        for (int row = 0; row < 8 + i; row++)
            CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
        CHECK(mr_cursor_next(cursor, &b) < 0);
        CHECK_EQ_STR(mr_error(), wanted[i]);
        mr_error_clear();
        mr_cursor_free(cursor);
        mr_dataset_free(d);
        check_released();
    }
}

/* Three views of which the second is bad. */
static void bad_view(int32_t size, int32_t buffer, int32_t first, int buffers, const char *wanted)
{
    static const int64_t lengths[] = { 20, 20 };
    static const char bytes[] = "12345678901234567890";
    const void *all[] = { NULL, NULL, bytes, NULL, lengths };
    const void *none[] = { NULL, NULL, NULL };
    int32_t views[3][4] = { { 0 }, { size, 0, buffer, first }, { 0 } };
    struct ArrowArray *column = array(3, buffers, NULL, NULL, NULL, 0);
    all[1] = none[1] = views;
    column->buffers = buffers == 3 ? none : all;
    bad_batch("vu", NULL, BATCH(3, 1, column), wanted);
}

static void test_views(void)
{
    static const int32_t starts[] = { 0, 3, 3, 0 }, sizes[] = { 1, 1, 2, 0 }, below[] = { 0, -1, 0, 0 };
    static const int64_t wide[] = { 0, INT64_MAX, 0, 0 }, ones[] = { 1, 1, 1, 1 };
    const char *const
        none = "arrow: row 2 of the stream, column 'x': a view of a buffer that is not there",
        *const behind = "arrow: row 2 of the stream, column 'x': a view that ends behind its buffer",
        *const odd = "arrow: row 2 of the stream, column 'x': a list with an offset or a length that is none";
    bad_view(-1, 0, 0, 5, "arrow: row 2 of the stream, column 'x': a view with a length that is none");
    bad_view(13, -1, 0, 5, none);
    bad_view(13, 2, 0, 5, none);
    bad_view(13, 1, 0, 5, none);
    bad_view(13, 0, 0, 3, none);
    bad_view(13, 0, 8, 5, behind);
    bad_view(13, 0, -1, 5, behind);
    bad_view(INT32_MAX, 0, INT32_MAX, 5, behind);
    bad_batch("vu", NULL, BATCH(1, 1, numbers(1, NULL, four)),
              "arrow: column 'x': an array with another number of buffers than its type has");
    const void *some[] = { NULL, four, four, NULL };
    struct ArrowArray *column = array(1, 4, NULL, NULL, NULL, 0);
    column->buffers = some;
    bad_batch("vz", NULL, BATCH(1, 1, column), "arrow: column 'x': an array without its buffer");

    bad_batch("+vl", schema("i", "", 0),
              BATCH(4, 1, array(4, 3, NULL, starts, sizes, 1, numbers(4, NULL, four))),
              "arrow: row 3 of the stream, column 'x': a list that ends behind its items");
    bad_batch("+vl", schema("i", "", 0),
              BATCH(4, 1, array(4, 3, NULL, below, sizes, 1, numbers(4, NULL, four))), odd);
    bad_batch("+vl", schema("i", "", 0),
              BATCH(4, 1, array(4, 3, NULL, sizes, below, 1, numbers(4, NULL, four))), odd);
    bad_batch("+vL", schema("i", "", 0),
              BATCH(4, 1, array(4, 3, NULL, wide, ones, 1, numbers(4, NULL, four))), odd);
    bad_batch("+vl", schema("i", "", 0),
              BATCH(4, 1, array(4, 3, NULL, sizes, NULL, 1, numbers(4, NULL, four))),
              "arrow: column 'x': an array without its buffer");
    bad_batch("+vl", schema("i", "", 0),
              BATCH(4, 1, array(4, 2, NULL, sizes, NULL, 1, numbers(4, NULL, four))),
              "arrow: column 'x': an array with another number of buffers than its type has");
}

/* Decimals with a fraction, or of more than 64 bits, are no whole numbers. */
static void test_decimals(void)
{
    static const uint64_t large[] = { 0, 1 }, half[] = { 15, 0 };
    const mr_table_field whole = { .name = "x", .dtype = MR_INT64 };
    const struct {
        const char *format;
        const void *data;
    } cases[] = { { "d:38,0", large }, { "d:38,1", half } };
    for (int i = 0; i < 2; i++) {
        struct ArrowArrayStream stream =
            stream_of(one(schema(cases[i].format, "x", 0)), 1, BATCH(1, 1, numbers(1, NULL, cases[i].data)));
        mr_dataset *d = mr_arrow_stream_new(&stream, &whole, 1);
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *b;
        CHECK(mr_cursor_next(cursor, &b) < 0);
        check_said("arrow: row 1 of the stream, column 'x': a number, not a whole number");
        mr_cursor_free(cursor);
        mr_dataset_free(d);
        check_released();
    }
}

/* A bad batch is a bad sample: those behind it are read. */
static void test_left_out(void)
{
    struct ArrowArray *bad = numbers(4, NULL, four);
    bad->length = 2;
    struct ArrowArrayStream stream =
        stream_of(one(schema("i", "x", 0)), 3, BATCH(4, 1, numbers(4, NULL, four)), BATCH(4, 1, bad),
                  BATCH(4, 1, numbers(4, NULL, four)));
    mr_dataset *d = mr_arrow_stream_new(&stream, &(mr_table_field){ .name = "x", .dtype = MR_INT64 }, 1);
    int64_t values[8];
    CHECK_EQ_I64(rows_of(d, &(mr_loader_opts){ .batch_size = 2, .on_bad_sample = MR_BAD_SKIP }, values, 8),
                 8);
    CHECK_EQ_I64(values[4], 1);
    mr_dataset_free(d);
    check_released();
}

/* ---- memory ---- */

static double read_all(mr_status *status)
{
    static const int32_t places[] = { 0, 1, 1, 4 };
    static const int64_t n[] = { 5, 7, 9 };
    static const char *const words[] = { "a", "bcd", "" };
    const mr_table_field fields[] = { { .name = "n", .dtype = MR_INT64 },
                                      { .name = "list", .shape = { 1, { -1 } } },
                                      { .name = "w", .words = words, .word_count = 3 } };
    struct ArrowArrayStream stream =
        stream_of(schema("+s", "", 3, schema("l", "n", 0), schema("+l", "list", 1, schema("i", "", 0)),
                         schema("u", "w", 0)),
                  1,
                  BATCH(3, 3, numbers(3, NULL, n), array(3, 2, NULL, places, NULL, 1, numbers(4, NULL, four)),
                        array(3, 3, NULL, places, "abcd", 0)));
    double sum = sum_of_rows(mr_arrow_stream_new(&stream, fields, 3), status);
    check_released();
    return sum;
}

static double guess_all(mr_status *status)
{
    static const int64_t n[] = { 5, 7, 9 };
    static const int32_t places[] = { 0, 1, 1, 4 };
    struct ArrowArrayStream stream =
        stream_of(schema("+s", "", 2, schema("l", "n", 0), schema("u", "w", 0)), 1,
                  BATCH(3, 2, numbers(3, NULL, n), array(3, 3, NULL, places, "abcd", 0)));
    double sum = sum_of_rows(mr_arrow_stream_new(&stream, NULL, 0), status);
    check_released();
    return sum;
}

static void test_memory(void)
{
    refuse_begin();
    refuse_each("read_all", read_all, 20);
    refuse_each("guess_all", guess_all, 20);
    refuse_end();
}

int main(void)
{
    RUN(test_producers);
    RUN(test_broken_producer);
    RUN(test_schemas);
    RUN(test_any_format);
    RUN(test_columns);
    RUN(test_batches);
    RUN(test_lists);
    RUN(test_dictionaries);
    RUN(test_planted);
    RUN(test_views);
    RUN(test_decimals);
    RUN(test_left_out);
    RUN(test_memory);
    return check_report();
}
