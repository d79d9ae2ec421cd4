/* Types of which each element says where it is, decimals, and numbers of half precision. */
#include "producer.h"
#include "row_checks.h"

static mr_dataset *open_stream(struct ArrowArrayStream stream, const mr_table_field *fields, int count)
{
    mr_dataset *d = mr_arrow_stream_new(&stream, fields, count);
    if (!CHECK(d != NULL))
        printf("    %s\n", mr_error());
    return d;
}

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

static bool has(const mr_tensor *t, const void *bytes, int64_t count)
{
    const void *data = mr_tensor_data((mr_tensor *)(uintptr_t)t);
    return mr_tensor_numel(t) == count &&
           (!count || memcmp(data, bytes, (size_t)count * mr_dtype_size(mr_tensor_dtype(t))) == 0);
}

/* ---- views ---- */

enum { TEXTS = 6 };

static const char *const texts[TEXTS] = {
    "", "K\xc3\xb6ln", "twelve bytes", "thirteen byte", "somewhere in the second", "thirteen"
};
static char first_bytes[] = "..thirteen byte", second_bytes[] = "somewhere in the second";
static const int64_t lengths[] = { sizeof first_bytes - 1, sizeof second_bytes - 1 };
static struct view {
    int32_t size;
    char first[4];
    int32_t buffer, at;
} views[1 + TEXTS];
static const void *view_buffers[3][5];

/* The texts above, behind one that is passed over. */
static struct ArrowArray *text_views(int which)
{
    for (int i = 0; i < TEXTS; i++) {
        struct view *v = &views[1 + i];
        v->size = (int32_t)strlen(texts[i]);
        memcpy(v->first, texts[i], v->size > 12 ? 4 : (size_t)v->size);
        if (v->size > 12) {
            v->buffer = i == 4;
            v->at = i == 4 ? 0 : 2;
        }
    }
    struct ArrowArray *a = from_offset(1, array(1 + TEXTS, 5, NULL, NULL, NULL, 0));
    memcpy(view_buffers[which], (const void *[]){ NULL, views, first_bytes, second_bytes, lengths },
           sizeof view_buffers[which]);
    a->buffers = view_buffers[which];
    return a;
}

static void test_texts(void)
{
    static const int8_t places[] = { 4, 3, 2, 1, 0, 5 };
    const mr_table_field fields[] = {
        { .name = "a", .dtype = MR_UINT8, .shape = { 1, { -1 } } },
        { .name = "b", .dtype = MR_UINT8, .shape = { 1, { -1 } } },
        { .name = "c", .dtype = MR_UINT8, .shape = { 1, { -1 } } },
        { .name = "word", .columns = "a", .words = texts, .word_count = TEXTS },
    };
    for (int named = 0; named < 2; named++) {
        struct ArrowSchema *root = schema("+s", "", 3, schema("vu", "a", 0), schema("vz", "b", 0),
                                          by_dictionary(schema("c", "c", 0), schema("vu", "", 0)));
        struct ArrowArray *batch = BATCH(TEXTS, 3, text_views(0), text_views(1),
                                         indices(numbers(TEXTS, NULL, places), text_views(2)));
        mr_dataset *d = open_stream(stream_of(root, 1, batch), named ? fields : NULL, named ? 4 : 0);
        mr_cursor *cursor = mr_stream_open(d);
        for (int i = 0; i < TEXTS; i++) {
            const mr_batch *b = next_of(cursor);
            const int place = places[i];
            if (!b)
                break;
            CHECK(has(b->field[0], texts[i], (int64_t)strlen(texts[i])));
            CHECK(has(b->field[1], texts[i], (int64_t)strlen(texts[i])));
            CHECK(has(b->field[2], texts[place], (int64_t)strlen(texts[place])));
            if (named)
                CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[3]), i);
        }
        close_all(cursor, d);
    }
}

/* Without a text that is long there is no other buffer, and of none at all nothing. */
static void test_short_texts(void)
{
    static const struct view one[] = { { .size = 1, .first = "x" } };
    mr_dataset *d = open_stream(stream_of(schema("+s", "", 1, schema("vu", "a", 0)), 2,
                                          BATCH(0, 1, array(0, 3, NULL, NULL, NULL, 0)),
                                          BATCH(1, 1, array(1, 3, NULL, one, NULL, 0))),
                                NULL, 0);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b = next_of(cursor);
    CHECK(b && has(b->field[0], "x", 1));
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END);
    close_all(cursor, d);
}

/* Lists in any order, which may have the same items. */
static void test_lists(void)
{
    static const int32_t starts[] = { 9, 2, 0, 4, 1 }, sizes[] = { 9, 2, 0, 1, 3 };
    static const int64_t wide_starts[] = { 9, 2, 0, 4, 1 }, wide_sizes[] = { 9, 2, 0, 1, 3 };
    static const float values[] = { -1, 0, 1, 2, 3, 4, 5 };
    static const unsigned char there = 0x1f;
    const mr_table_field narrower[] = { { .name = "a", .shape = { 1, { -1 } } },
                                        { .name = "b", .dtype = MR_FLOAT64, .shape = { 1, { -1 } } } };
    for (int named = 0; named < 2; named++) {
        struct ArrowSchema *root = schema("+s", "", 2, schema("+vl", "a", 1, schema("f", "item", 0)),
                                          schema("+vL", "b", 1, schema("f", "item", 0)));
        struct ArrowArray *a =
            array(5, 3, &there, starts, sizes, 1, from_offset(2, numbers(7, NULL, values)));
        struct ArrowArray *b =
            array(5, 3, NULL, wide_starts, wide_sizes, 1, from_offset(2, numbers(7, NULL, values)));
        mr_dataset *d = open_stream(stream_of(root, 1, BATCH(4, 2, from_offset(1, a), from_offset(1, b))),
                                    named ? narrower : NULL, named ? 2 : 0);
        mr_cursor *cursor = mr_stream_open(d);
        for (int i = 1; i < 5; i++) {
            const mr_batch *batch = next_of(cursor);
            CHECK(batch && has(batch->field[0], values + 2 + starts[i], sizes[i]));
            if (batch && !named)
                CHECK(has(batch->field[1], values + 2 + starts[i], sizes[i]));
            for (int k = 0; batch && named && k < sizes[i]; k++)
                CHECK(((double *)mr_tensor_data(batch->field[1]))[k] == (double)values[2 + starts[i] + k]);
        }
        close_all(cursor, d);
    }
}

/* ---- decimals ---- */

/* Of Python's fractions: the bytes of the number, low ones first. */
static const struct {
    int width, scale;
    uint64_t words[4];
    double value;
    bool is_whole;
    int64_t whole;
} decimals[] = {
    { 16, 0, { 0x0, 0x0, 0x0, 0x0 }, 0x0.0p+0, true, INT64_C(0) },
    { 16, 0, { 0xffffffffffffffff, 0xffffffffffffffff, 0x0, 0x0 }, -0x1.0000000000000p+0, true, INT64_C(-1) },
    { 16, 2, { 0x3039, 0x0, 0x0, 0x0 }, 0x1.edccccccccccdp+6, false, 0 },
    { 16,
      2,
      { 0xffffffffffffcff4, 0xffffffffffffffff, 0x0, 0x0 },
      -0x1.ec00000000000p+6,
      true,
      INT64_C(-123) },
    { 16,
      0,
      { 0x7fffffffffffffff, 0x0, 0x0, 0x0 },
      0x1.0000000000000p+63,
      true,
      INT64_C(9223372036854775807) },
    { 16, 0, { 0x8000000000000000, 0xffffffffffffffff, 0x0, 0x0 }, -0x1.0000000000000p+63, true, INT64_MIN },
    { 16, 0, { 0x8000000000000000, 0x0, 0x0, 0x0 }, 0x1.0000000000000p+63, false, 0 },
    { 16, 0, { 0xf436a000000001, 0x785ee10d5da46d9, 0x0, 0x0 }, 0x1.e17b84357691bp+122, false, 0 },
    { 16, 38, { 0xf675ddc000000001, 0xb4c4b357a5793b85, 0x0, 0x0 }, -0x1.0000000000000p+0, false, 0 },
    { 16, 30, { 0xed328167c0000000, 0x585a3849b1, 0x0, 0x0 }, 0x1.c000000000000p+2, true, INT64_C(7) },
    { 16, -3, { 0x7b, 0x0, 0x0, 0x0 }, 0x1.e078000000000p+16, true, INT64_C(123000) },
    { 16, -18, { 0x9, 0x0, 0x0, 0x0 }, 0x1.f399b1438a100p+62, true, INT64_C(9000000000000000000) },
    { 16, -18, { 0xa, 0x0, 0x0, 0x0 }, 0x1.158e460913d00p+63, false, 0 },
    { 16, -30, { 0x5, 0x0, 0x0, 0x0 }, 0x1.f8def8808b024p+101, false, 0 },
    { 16, 1, { 0x20000000000001, 0x0, 0x0, 0x0 }, 0x1.999999999999ap+49, false, 0 },
    { 16, 30, { 0x1, 0x0, 0x0, 0x0 }, 0x1.4484bfeebc2a0p-100, false, 0 },
    { 16, 30, { 0x0, 0x0, 0x0, 0x0 }, 0x0.0p+0, true, INT64_C(0) },
    { 32,
      0,
      { 0xffffffffffffffff, 0x7775a5f171950fff, 0x764b4abe8652979, 0x161bcca7119915b5 },
      0x1.61bcca7119916p+252,
      false,
      0 },
    { 32,
      70,
      { 0x1, 0x888a5a0e8e6af000, 0xf89b4b54179ad686, 0xe9e43358ee66ea4a },
      -0x1.e848000000000p+19,
      false,
      0 },
    { 32,
      70,
      { 0x0, 0x6d039d4316bf06c0, 0x5b59483751eff554, 0x458c3084995 },
      0x1.8000000000000p+1,
      true,
      INT64_C(3) },
    { 32, 5, { 0x0, 0x0, 0x0, 0x8000000000000000 }, -0x1.4f8b588e368f1p+238, false, 0 },
    { 4, 2, { 0xfffffec6, 0x0, 0x0, 0x0 }, -0x1.91eb851eb851fp+1, false, 0 },
    { 4, 9, { 0x7fffffff, 0x0, 0x0, 0x0 }, 0x1.12e0be8047a7dp+1, false, 0 },
    { 8, 10, { 0x8000000000000000, 0x0, 0x0, 0x0 }, -0x1.b7cdfd9d7bdbbp+29, false, 0 },
    { 8, 3, { 0x20000000000001, 0x0, 0x0, 0x0 }, 0x1.0624dd2f1a9fcp+43, false, 0 },
    { 8, 18, { 0xde0b6b3a763ffff, 0x0, 0x0, 0x0 }, 0x1.0000000000000p+0, false, 0 },
    { 32,
      10,
      { 0x76ce2ef87b0b125, 0x77330bdbd7210dff, 0xf17fd374c6a53877, 0x262332553fc1ea36 },
      0x1.06142d1ef5856p+220,
      false,
      0 },
    { 16, 34, { 0x7814e8a25f2dd97f, 0xbf1f65a8de527100, 0x0, 0x0 }, -0x1.0d7d6ff2ad816p+13, false, 0 },
    { 16, 26, { 0x3fd4235992edcf45, 0x3b2edb20035b7399, 0x0, 0x0 }, 0x1.6e53418f68ebdp+39, false, 0 },
    { 32,
      8,
      { 0xea959c212e9c82b1, 0xc4069545de11cc9d, 0x28dbd25e63b229f1, 0x4c11d357c30d8b76 },
      0x1.98654e0c37e48p+227,
      false,
      0 },
    { 32,
      10,
      { 0x21da8978206f5c66, 0xf8eb18b900745130, 0x15c33b2df1461aa, 0x460a3cab359eeefb },
      0x1.e14fa67d88b3ap+220,
      false,
      0 },
    { 16, 12, { 0xad864c44e049548e, 0xb46c6e2ba02fdaa1, 0x0, 0x0 }, -0x1.4c6382dcecf28p+86, false, 0 },
    { 32,
      21,
      { 0x585a01c4c7d6df0, 0x6a3753915c76f18a, 0xef901b932a7c1880, 0xc3892dfc254cb864 },
      -0x1.1d88a99aa3681p+184,
      false,
      0 },
    { 32,
      19,
      { 0x9a656aafd1412584, 0xddb74d960d5a8f, 0xad8d194a98921396, 0xd68068b9b52a43ab },
      -0x1.323443de4ecf5p+190,
      false,
      0 },
    { 32,
      25,
      { 0xe979cf32d1634b4, 0xf9a01fe8419521fe, 0x5da8467f06313ff, 0x3ff29101f3001cee },
      0x1.eec51f7377053p+170,
      false,
      0 },
    { 16, 37, { 0xc9a937a68c8f95ef, 0xddbe44096b384309, 0x0, 0x0 }, -0x1.236ca5e5c3e67p+2, false, 0 },
    { 16, 22, { 0xedfde4163eff8b3f, 0x7129c8c6d1ca4dc4, 0x0, 0x0 }, 0x1.ab84c02adc90bp+53, false, 0 },
    { 32,
      13,
      { 0x5e0730b3cc170c31, 0x4bbdbb01dc14ed57, 0x6ed78f5d0960afe9, 0x7a749692f21ff5eb },
      0x1.aeda0a024a9e7p+211,
      false,
      0 },
};

static void test_decimals(void)
{
    const mr_table_field fields[] = { { .name = "wide", .columns = "x", .dtype = MR_FLOAT64 },
                                      { .name = "narrow", .columns = "x" },
                                      { .name = "whole", .columns = "x", .dtype = MR_INT64 } };
    for (size_t i = 0; i < sizeof decimals / sizeof *decimals; i++) {
        char format[32], lying[40];
        snprintf(format, sizeof format, decimals[i].width == 16 ? "d:38,%d" : "d:9,%d,%d", decimals[i].scale,
                 decimals[i].width * 8);
        memcpy(lying + 1, decimals[i].words, (size_t)decimals[i].width); /* at an odd address */
        mr_dataset *d = open_stream(stream_of(schema("+s", "", 1, schema(format, "x", 0)), 1,
                                              BATCH(1, 1, numbers(1, NULL, lying + 1))),
                                    fields, decimals[i].is_whole ? 3 : 2);
        mr_cursor *cursor = mr_stream_open(d);
        const mr_batch *b = next_of(cursor);
        if (b && (!CHECK(*(double *)mr_tensor_data(b->field[0]) == decimals[i].value) ||
                  !CHECK(*(float *)mr_tensor_data(b->field[1]) == (float)decimals[i].value) ||
                  (decimals[i].is_whole &&
                   !CHECK_EQ_I64(*(int64_t *)mr_tensor_data(b->field[2]), decimals[i].whole))))
            printf("    decimal %zu: %.17g\n", i, *(double *)mr_tensor_data(b->field[0]));
        close_all(cursor, d);
    }
}

/* Without fields: whole numbers where there is nothing behind the point. Lists of them, with some that are missing. */
static void test_decimal_columns(void)
{
    static const uint64_t values[] = { 0, 0, 5, 0, UINT64_MAX, UINT64_MAX };
    static const unsigned char there = 6;
    struct ArrowSchema *root = schema("+s", "", 3, schema("d:38,0", "a", 0), schema("d:15,1", "b", 0),
                                      schema("+w:1", "c", 1, schema("d:38,2", "item", 0)));
    struct ArrowArray *batch =
        BATCH(2, 3, from_offset(1, numbers(3, NULL, values)), from_offset(1, numbers(3, &there, values)),
              array(2, 1, NULL, NULL, NULL, 1, numbers(2, NULL, values + 2)));
    mr_dataset *d = open_stream(stream_of(root, 1, batch), NULL, 0);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b = next_of(cursor);
    CHECK(b && mr_tensor_dtype(b->field[0]) == MR_INT64 && mr_tensor_dtype(b->field[1]) == MR_FLOAT64);
    CHECK(b && has(b->field[0], (const int64_t[]){ 5 }, 1) && has(b->field[1], (const double[]){ 0.5 }, 1) &&
          has(b->field[2], (const double[]){ 0.05 }, 1));
    b = next_of(cursor);
    CHECK(b && has(b->field[0], (const int64_t[]){ -1 }, 1) &&
          has(b->field[1], (const double[]){ -0.1 }, 1) && has(b->field[2], (const double[]){ -0.01 }, 1));
    close_all(cursor, d);
}

/* ---- half precision ---- */

/* As they are, also where some number is missing: all, but for what is no number; others are rounded. */
static void test_halves(void)
{
    static uint16_t bits[65536];
    static unsigned char there[8192];
    static const float other[] = { 1.0F, -2.5F };
    static const unsigned char both = 3;
    for (int i = 0; i < 65536; i++)
        bits[i] = (uint16_t)(i % 0x8000 > 0x7c00 ? 0x7e00 | (i & 0x8000) : i);
    memset(there, 255, sizeof there);
    there[8191] = 0x7f; /* the last of the second row */
    const mr_table_field fields[] = {
        { .name = "x", .dtype = MR_FLOAT16, .shape = { 1, { 32768 } }, .missing = MR_MISSING_SKIP },
        { .name = "y", .dtype = MR_FLOAT16, .shape = { 1, { 1 } } },
        { .name = "z", .columns = "y", .dtype = MR_BFLOAT16, .shape = { 1, { 1 } } }
    };
    struct ArrowSchema *root = schema("+s", "", 2, schema("+w:32768", "x", 1, schema("e", "item", 0)),
                                      schema("+w:1", "y", 1, schema("f", "item", 0)));
    struct ArrowArray *batch = BATCH(2, 2, array(2, 1, NULL, NULL, NULL, 1, numbers(65536, there, bits)),
                                     array(2, 1, NULL, NULL, NULL, 1, numbers(2, &both, other)));
    mr_dataset *d = open_stream(stream_of(root, 1, batch), fields, 3);
    mr_cursor *cursor = mr_stream_open(d);
    const mr_batch *b = next_of(cursor);
    CHECK(b && has(b->field[0], bits, 32768) && has(b->field[1], (const uint16_t[]){ 0x3c00 }, 1) &&
          has(b->field[2], (const uint16_t[]){ 0x3f80 }, 1));
    CHECK_EQ_I64(mr_cursor_next(cursor, &b), MR_END); /* the second is left out */
    close_all(cursor, d);
}

int main(void)
{
    RUN(test_texts);
    RUN(test_short_texts);
    RUN(test_lists);
    RUN(test_decimals);
    RUN(test_decimal_columns);
    RUN(test_halves);
    return check_report();
}
