/* Streams of Arrow arrays: every type, nulls, offsets, dictionaries, lists, and a producer or arrays that are not sound. */
#include "producer.h"
#include "row_checks.h"

#include <millrace/ops.h>

static mr_rng *rng;

static mr_dataset *open_stream(struct ArrowArrayStream stream, const mr_table_field *fields, int count)
{
    mr_dataset *d = mr_arrow_stream_new(&stream, fields, count);
    CHECK(!stream.release); /* adopted, in any case */
    return d;
}

/* The next sample; NULL, with a line, when there is none. */
static const mr_batch *next_of(mr_cursor *cursor)
{
    const mr_batch *b = NULL;
    if (!CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK))
        printf("    %s\n", mr_error());
    return b;
}

static void close_all(mr_cursor *cursor, mr_dataset *d)
{
    mr_cursor_free(cursor);
    mr_dataset_free(d);
    CHECK_EQ_I64(pieces_live, 0);
    pieces_live = 0;
}

/* ---- types ---- */

static const struct {
    const char *format;
    mr_dtype dtype;
    double value; /* of the second of the elements below */
} types[] = {
    { "c", MR_INT8, -2 },        { "C", MR_UINT8, 254 },   { "s", MR_INT16, -2 },
    { "S", MR_UINT16, 65534 },   { "i", MR_INT32, -2 },    { "I", MR_INT64, 4294967294 },
    { "l", MR_INT64, -2 },       { "L", MR_INT64, 7 },     { "e", MR_FLOAT32, -1.5 },
    { "f", MR_FLOAT32, 0.25 },   { "g", MR_FLOAT64, 0.1 }, { "tdD", MR_INT32, -2 },
    { "tdm", MR_INT64, -2 },     { "tts", MR_INT32, -2 },  { "ttu", MR_INT64, -2 },
    { "tsn:UTC", MR_INT64, -2 }, { "tss:", MR_INT64, -2 }, { "tDm", MR_INT64, -2 },
    { "b", MR_BOOL, 1 },
};
enum { TYPES = sizeof types / sizeof *types };

static double value_of(const mr_tensor *t)
{
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *wide = mr_tensor_keep(mr_cast(tape, (mr_tensor *)(uintptr_t)t, MR_FLOAT64));
    double value = *(double *)mr_tensor_data(wide);
    mr_tensor_free(wide);
    mr_tape_free(tape);
    return value;
}

static void test_types(void)
{
    static const int64_t minus_two[] = { 9, -2 }, seven[] = { 1, 7 };
    static const int32_t narrow[] = { 9, -2 };
    static const int16_t short_ones[] = { 9, -2 }, halves[] = { 0x3c00, (int16_t)0xbe00 };
    static const int8_t bytes[] = { 9, -2 };
    static const float floats[] = { 1, 0.25f };
    static const double doubles[] = { 1, 0.1 };
    static const unsigned char bits = 2;
    const void *const data[] = { bytes,     bytes,     short_ones, short_ones, narrow, narrow,    minus_two,
                                 seven,     halves,    floats,     doubles,    narrow, minus_two, narrow,
                                 minus_two, minus_two, minus_two,  minus_two,  &bits };
    for (int i = 0; i < TYPES; i++) {
        mr_dataset *d = open_stream(stream_of(schema("+s", "", 1, schema(types[i].format, "x", 0)), 1,
                                              BATCH(2, 1, numbers(2, NULL, data[i]))),
                                    NULL, 0);
        mr_cursor *cursor = mr_stream_open(d);
        next_of(cursor);
        const mr_batch *b = next_of(cursor);
        if (b && (!CHECK_EQ_I64(mr_tensor_dtype(b->field[0]), types[i].dtype) ||
                  !CHECK(value_of(b->field[0]) == types[i].value)))
            printf("    format %s\n", types[i].format);
        CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
        close_all(cursor, d);
    }
}

/* All numbers of half precision, as the library casts them. */
static void test_halves(void)
{
    static uint16_t bits[65536];
    for (int i = 0; i < 65536; i++)
        bits[i] = (uint16_t)i;
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *half = mr_tensor_wrap(MR_FLOAT16, MR_SHAPE(65536), bits);
    const float *wanted = mr_tensor_data(mr_cast(tape, half, MR_FLOAT32));
    mr_dataset *d = open_stream(
        stream_of(schema("+s", "", 1, schema("e", "x", 0)), 1, BATCH(65536, 1, numbers(65536, NULL, bits))),
        NULL, 0);
    mr_cursor *cursor = mr_stream_open(d);
    for (int i = 0; i < 65536; i++) {
        const mr_batch *b = NULL;
        float x = mr_cursor_next(cursor, &b) == MR_OK ? *(float *)mr_tensor_data(b->field[0]) : -12345;
        if (!(x == wanted[i] || (isnan(x) && isnan(wanted[i]))) && !CHECK_EQ_I64(i, -1))
            break;
    }
    close_all(cursor, d);
    mr_tensor_free(half);
    mr_tape_free(tape);
}

/* ---- what has a length of its own; arrays begin somewhere else, and so do record batches ---- */

static const char letters[] = "..K\xc3\xb6lnBonn";
static const int32_t ends[] = { 0, 2, 7, 7, 11 };
static const int64_t wide_ends[] = { 0, 2, 7, 7, 11 };

static bool has(const mr_tensor *t, const void *bytes, int64_t count)
{
    const void *data = mr_tensor_data((mr_tensor *)(uintptr_t)t);
    return mr_tensor_numel(t) == count &&
           (!count || memcmp(data, bytes, (size_t)count * mr_dtype_size(mr_tensor_dtype(t))) == 0);
}

static void test_texts(void)
{
    static const unsigned char pixels[] = { 9, 9, 1, 2, 3, 4, 5, 6 };
    struct ArrowSchema *root = schema("+s", "", 5, schema("u", "a", 0), schema("U", "b", 0),
                                      schema("z", "c", 0), schema("Z", "d", 0), schema("w:2", "e", 0));
    struct ArrowArray *batch = BATCH(3, 5, from_offset(1, array(4, 3, NULL, ends, letters, 0)),
                                     from_offset(1, array(4, 3, NULL, wide_ends, letters, 0)),
                                     from_offset(1, array(4, 3, NULL, ends, letters, 0)),
                                     from_offset(1, array(4, 3, NULL, wide_ends, letters, 0)),
                                     from_offset(1, numbers(4, NULL, pixels)));
    mr_dataset *d = open_stream(stream_of(root, 1, from_offset(1, batch)), NULL, 0);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b = next_of(cursor);
    for (int f = 0; b && f < 4; f++)
        CHECK_EQ_I64(mr_tensor_numel(b->field[f]), 0);
    CHECK(b && has(b->field[4], "\3\4", 2));
    b = next_of(cursor);
    for (int f = 0; b && f < 4; f++)
        CHECK(has(b->field[f], "Bonn", 4));
    CHECK(b && has(b->field[4], "\5\6", 2));
    close_all(cursor, d);
}

static struct ArrowArray *numbers_of_list(void)
{
    static const float values[] = { -1, 0, 1, 2, 3, 4, 5 };
    return from_offset(3, numbers(7, NULL, values)); /* 2, 3, 4, 5 */
}

static void test_lists(void)
{
    static const int32_t places[] = { 0, 0, 1, 1, 3 };
    static const int64_t wide_places[] = { 0, 0, 1, 1, 3 };
    static const int16_t grid[] = { 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    struct ArrowSchema *root =
        schema("+s", "", 4, schema("+l", "a", 1, schema("f", "item", 0)),
               schema("+L", "b", 1, schema("f", "item", 0)),
               schema("+w:2", "c", 1, schema("+w:2", "item", 1, schema("s", "item", 0))),
               schema("+l", "d", 1, schema("+w:2", "item", 1, schema("s", "item", 0))));
    struct ArrowArray *batch = BATCH(
        3, 4, from_offset(1, array(4, 2, NULL, places, NULL, 1, numbers_of_list())),
        from_offset(1, array(4, 2, NULL, wide_places, NULL, 1, numbers_of_list())),
        from_offset(
            1, array(4, 1, NULL, NULL, NULL, 1, array(8, 1, NULL, NULL, NULL, 1, numbers(16, NULL, grid)))),
        from_offset(1, array(4, 2, NULL, places, NULL, 1,
                             from_offset(1, array(8, 1, NULL, NULL, NULL, 1, numbers(16, NULL, grid))))));
    mr_dataset *d = open_stream(stream_of(root, 1, batch), NULL, 0);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b = next_of(cursor);
    static const float two = 2, rest[] = { 3, 4 };
    CHECK(b && has(b->field[0], &two, 1) && has(b->field[1], &two, 1) && has(b->field[2], grid + 4, 4) &&
          has(b->field[3], grid + 2, 2));
    b = next_of(cursor);
    CHECK(b && has(b->field[0], NULL, 0) && has(b->field[1], NULL, 0) && has(b->field[2], grid + 8, 4) &&
          mr_tensor_size(b->field[3], 0) == 0 && mr_tensor_size(b->field[3], 1) == 2);
    b = next_of(cursor);
    CHECK(b && has(b->field[0], rest, 2) && has(b->field[1], rest, 2) && has(b->field[2], grid + 12, 4) &&
          has(b->field[3], grid + 4, 4));
    close_all(cursor, d);
}

/* Lists in lists, converted; a list whose length is always the same. */
static void test_converted_lists(void)
{
    static const int32_t outer[] = { 0, 2, 4 }, inner[] = { 0, 2, 4, 6, 8 };
    static const uint16_t values[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    static const unsigned char bits = 0x0f;
    const mr_table_field fields[] = {
        { .name = "grid", .shape = { 2, { -1, 2 } } },
        { .name = "square", .dtype = MR_INT64, .columns = "same", .shape = { 2, { 2, 2 } } },
        { .name = "bits", .dtype = MR_INT32, .shape = { 1, { 3 } } },
    };
    struct ArrowSchema *root =
        schema("+s", "", 3, schema("+l", "grid", 1, schema("+l", "", 1, schema("S", "", 0))),
               schema("+l", "same", 1, schema("+l", "", 1, schema("S", "", 0))),
               schema("+w:3", "bits", 1, schema("b", "", 0)));
    struct ArrowArray *one =
        array(2, 2, NULL, outer, NULL, 1, array(4, 2, NULL, inner, NULL, 1, numbers(8, NULL, values)));
    struct ArrowArray *other =
        array(2, 2, NULL, outer, NULL, 1, array(4, 2, NULL, inner, NULL, 1, numbers(8, NULL, values)));
    mr_dataset *d = open_stream(
        stream_of(root, 1,
                  BATCH(2, 3, one, other, array(2, 1, NULL, NULL, NULL, 1, numbers(6, NULL, &bits)))),
        fields, 3);
    mr_cursor *cursor = mr_stream_open(d);
    next_of(cursor);
    const mr_batch *b = next_of(cursor);
    static const float wanted[] = { 5, 6, 7, 8 };
    static const int64_t whole[] = { 5, 6, 7, 8 };
    static const int32_t three[] = { 1, 0, 0 };
    CHECK(b && has(b->field[0], wanted, 4) && has(b->field[1], whole, 4) && has(b->field[2], three, 3));
    close_all(cursor, d);
}

static void test_dictionaries(void)
{
    static const int8_t places[] = { 5, 1, 0, 1 };
    static const uint16_t wide_places[] = { 0, 1, 1, 0 };
    static const double values[] = { 0.5, 7 };
    static const char *const words[] = { "Bonn", "K\xc3\xb6ln" };
    const mr_table_field fields[] = {
        { .name = "letters", .columns = "town", .dtype = MR_UINT8, .shape = { 1, { -1 } } },
        { .name = "word", .columns = "town", .words = words, .word_count = 2 },
        { .name = "x" }
    };
    static const int32_t towns[] = { 0, 4, 9 };
    struct ArrowSchema *root = schema("+s", "", 2, by_dictionary(schema("c", "town", 0), schema("u", "", 0)),
                                      by_dictionary(schema("S", "x", 0), schema("g", "", 0)));
    struct ArrowArray *town = indices(from_offset(1, numbers(4, NULL, places)),
                                      array(2, 3, NULL, towns, "BonnK\xc3\xb6ln", 0)),
                      *x = indices(from_offset(1, numbers(4, NULL, wide_places)), numbers(2, NULL, values));
    mr_dataset *d = open_stream(stream_of(root, 1, BATCH(3, 2, town, x)), fields, 3);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b = next_of(cursor);
    CHECK(b && has(b->field[0], words[1], 5) && value_of(b->field[1]) == 1 && value_of(b->field[2]) == 7);
    b = next_of(cursor);
    CHECK(b && has(b->field[0], words[0], 4) && value_of(b->field[1]) == 0 && value_of(b->field[2]) == 7);
    b = next_of(cursor);
    CHECK(b && has(b->field[0], words[1], 5) && value_of(b->field[1]) == 1 && value_of(b->field[2]) == 0.5);
    close_all(cursor, d);
}

/* ---- no values ---- */

/* x is 1, NULL, (2), 4; list [1], NULL, ([3]), [NULL, 5]; the third row is NULL in the record batch itself. `none` has
 * no values. */
static mr_dataset *with_nulls(const mr_table_field *fields, int count)
{
    static const float values[] = { 0, 1, 2, 2, 4 }, items[] = { 1, 2, 3, 4, 5 };
    static const int32_t places[] = { 0, 1, 2, 3, 5 };
    static const unsigned char x = 0x1a, list = 0x0d, item = 0x17, row = 0x0b;
    struct ArrowSchema *root =
        schema("+s", "", 3, schema("f", "x", 0), schema("+l", "list", 1, schema("f", "item", 0)),
               schema("n", "none", 0));
    struct ArrowArray *batch = array(4, 1, &row, NULL, NULL, 3, from_offset(1, numbers(5, &x, values)),
                                     array(4, 2, &list, places, NULL, 1, numbers(5, &item, items)),
                                     array(4, 0, NULL, NULL, NULL, 0));
    return open_stream(stream_of(root, 1, batch), fields, count);
}

static void check_nulls(mr_missing missing, const float *x, int rows)
{
    const mr_table_field fields[] = { { .name = "x", .missing = missing, .fill = -1 },
                                      { .name = "none", .missing = MR_MISSING_FILL, .fill = 5 } };
    mr_dataset *d = with_nulls(fields, 2);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    for (int i = 0; i < rows; i++)
        if ((b = next_of(cursor))) {
            CHECK_NEAR(value_of(b->field[0]), x[i], 0);
            CHECK(value_of(b->field[1]) == 5);
        }
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    close_all(cursor, d);
}

/* What the last of the rows has. */
static void check_null_lists(mr_missing missing, int rows, const float *last, int count)
{
    const mr_table_field field = { .name = "list", .missing = missing, .fill = 7, .shape = { 1, { -1 } } };
    mr_dataset *d = with_nulls(&field, 1);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b = NULL;
    for (int i = 0; i < rows; i++)
        b = next_of(cursor);
    for (int i = 0; b && i < count; i++)
        CHECK_NEAR(((const float *)mr_tensor_data(b->field[0]))[i], last[i], 0);
    CHECK(b && mr_tensor_numel(b->field[0]) == count);
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    close_all(cursor, d);
}

static void test_nulls(void)
{
    static const float filled[] = { 1, -1, -1, 4 }, nan[] = { 1, NAN, NAN, 4 }, skipped[] = { 1, 4 },
                       list_filled[] = { 7, 5 }, list_nan[] = { NAN, 5 }, whole[] = { 7 };
    check_nulls(MR_MISSING_FILL, filled, 4);
    check_nulls(MR_MISSING_NAN, nan, 4);
    check_nulls(MR_MISSING_SKIP, skipped, 2);
    check_null_lists(MR_MISSING_FILL, 4, list_filled, 2);
    check_null_lists(MR_MISSING_NAN, 4, list_nan, 2);
    check_null_lists(MR_MISSING_SKIP, 1, (const float[]){ 1 }, 1);

    const mr_table_field one = {
        .name = "list", .missing = MR_MISSING_FILL, .fill = 7, .shape = { 1, { 1 } }
    };
    mr_dataset *d = with_nulls(&one, 1);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b;
    for (int i = 0; i < 3; i++)
        if ((b = next_of(cursor)))
            CHECK(has(b->field[0], i ? whole : (const float[]){ 1 }, 1));
    CHECK(mr_cursor_next(cursor, &b) < 0);
    check_said("arrow: row 4 of the stream, column 'list': 2 items, not 1");
    close_all(cursor, d);

    const mr_table_field strict[] = { { .name = "x" }, { .name = "list", .shape = { 1, { -1 } } } };
    static const char *const said[] = {
        "arrow: row 2 of the stream, column 'x': NULL, not a value (the field's .missing may be "
        "MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)",
        "arrow: row 4 of the stream, column 'list': NULL, not a value (the field's .missing may be "
        "MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)"
    };
    for (int i = 0; i < 2; i++) {
        d = with_nulls(&strict[i], 1);
        cursor = mr_stream_open(d);
        next_of(cursor);
        for (int row = 1; row < 4; row++)
            CHECK(mr_cursor_next(cursor, &b) == (i == 0 && row == 3 ? MR_OK : MR_ERR_FORMAT) &&
                  (row != (i ? 3 : 1) || strstr(mr_error(), said[i])));
        mr_error_clear();
        close_all(cursor, d);
    }
}

/* Where no fields are named a number with a point is NaN, and of other columns nothing stands in for a value. */
static void test_nulls_of_every_column(void)
{
    static const float values[] = { 1, 2, 3 };
    static const int32_t numbers_of[] = { 1, 2, 3 };
    static const unsigned char x = 5, n = 3;
    mr_dataset *d = open_stream(stream_of(schema("+s", "", 2, schema("f", "x", 0), schema("i", "n", 0)), 1,
                                          BATCH(3, 2, numbers(3, &x, values), numbers(3, &n, numbers_of))),
                                NULL, 0);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b = next_of(cursor);
    CHECK(b && value_of(b->field[0]) == 1);
    b = next_of(cursor);
    CHECK(b && isnan(value_of(b->field[0])) && value_of(b->field[1]) == 2);
    CHECK(mr_cursor_next(cursor, &b) < 0);
    check_said("arrow: row 3 of the stream, column 'n': NULL, not a value (the field's .missing may be "
               "MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)");
    close_all(cursor, d);
}

/* ---- many rows ---- */

static int64_t counted[1000];
static const mr_table_field n = { .name = "n", .dtype = MR_INT64 };

/* 0 to 999, in batches of different lengths. */
static mr_dataset *thousand(void)
{
    for (int i = 0; i < 1000; i++)
        counted[i] = i;
    return open_stream(stream_of(schema("+s", "", 1, schema("l", "n", 0)), 5,
                                 BATCH(0, 1, numbers(0, NULL, NULL)), BATCH(1, 1, numbers(1, NULL, counted)),
                                 BATCH(600, 1, from_offset(1, numbers(601, NULL, counted))),
                                 BATCH(0, 1, numbers(0, NULL, NULL)),
                                 BATCH(399, 1, from_offset(601, numbers(1000, NULL, counted)))),
                       &n, 1);
}

static void test_loaders(void)
{
    char text[80];
    const mr_batch *b;
    mr_dataset *rows = thousand();
    mr_cursor *cursor = mr_stream_open(rows);
    for (int i = 0; i < 700; i++)
        CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_OK);
    CHECK(mr_cursor_origin(cursor, 0, text, sizeof text) > 0);
    CHECK_EQ_STR(text, "arrow: row 700 of the stream");
    close_all(cursor, rows);
    for (int workers = 0; workers < 3; workers++) {
        mr_dataset *d = thousand();
        int64_t values[1000];
        const mr_loader_opts opts = { .batch_size = 7, .workers = workers, .shards = 1 + workers };
        CHECK_EQ_I64(mr_dataset_len(d), -1);
        CHECK_EQ_I64(rows_of(d, &opts, values, 1000), 1000);
        CHECK(memcmp(values, counted, sizeof values) == 0);
        mr_cursor *again = mr_stream_open(d);
        CHECK(!again);
        check_said("arrow: the stream can be read once only");
        close_all(again, d);
    }
}

/* Another stream of the same rows is passed over up to where the first one stopped. */
static void test_resumed(void)
{
    const mr_batch *b;
    const void *bytes;
    size_t size;
    for (int workers = 0; workers < 3; workers++) {
        mr_dataset *first = thousand();
        mr_loader *stopped = mr_loader_new(first, rng, &(mr_loader_opts){ .batch_size = 90 });
        for (int i = 0; i < 5; i++)
            CHECK_EQ_I64(mr_loader_next(stopped, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_save(stopped, &bytes, &size), MR_OK);
        void *saved = malloc(size);
        memcpy(saved, bytes, size);
        mr_loader_free(stopped);
        mr_dataset_free(first);

        mr_dataset *second = thousand();
        mr_loader *loader =
            mr_loader_new(second, rng, &(mr_loader_opts){ .batch_size = 90, .workers = workers });
        CHECK_EQ_I64(mr_loader_restore(loader, saved, size), MR_OK);
        int64_t row = 450;
        while (mr_loader_next(loader, &b) == MR_OK)
            for (int64_t i = 0; i < b->rows; i++, row++)
                if (!CHECK_EQ_I64(((int64_t *)mr_tensor_data(b->field[0]))[i], row))
                    i = b->rows;
        CHECK_EQ_I64(row, 1000);
        mr_loader_free(loader);
        close_all(NULL, second);
        free(saved);
    }
}

/* A cursor outlives the dataset. */
static void test_outlived(void)
{
    mr_dataset *d = thousand();
    mr_cursor *cursor = mr_stream_open(d);
    next_of(cursor);
    mr_dataset_free(d);
    close_all(cursor, NULL);
    close_all(NULL, thousand()); /* nobody has read */
}

int main(void)
{
    rng = mr_rng_new(1);
    RUN(test_types);
    RUN(test_halves);
    RUN(test_texts);
    RUN(test_lists);
    RUN(test_converted_lists);
    RUN(test_dictionaries);
    RUN(test_nulls);
    RUN(test_nulls_of_every_column);
    RUN(test_loaders);
    RUN(test_resumed);
    RUN(test_outlived);
    mr_rng_free(rng);
    return check_report();
}
