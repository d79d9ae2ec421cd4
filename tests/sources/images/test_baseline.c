/* The shorter way beside libjpeg, for pictures of all kinds and parts of them; what is not for it, and what is out of order. */
#include "check.h"

#include "sources/cpu.h"
#include "sources/images/baseline.h"

#include <jerror.h>
#include <millrace/random.h>
#include <stdlib.h>

/* ---- pictures ---- */

typedef struct jpeg {
    int width, height, channels, across, down, quality, restart;
    bool optimize, progressive;
    unsigned char *bytes;
    unsigned long size;
    uint8_t *pixels; /* as libjpeg has them */
} jpeg;

static uint8_t pixel(int kind, int x, int y, int c, mr_random *random)
{
    switch (kind) {
    case 0:
        return (uint8_t)mr_random_u64(random);
    case 1:
        return (uint8_t)(x * 3 + y * 2 + c * 40 + mr_random_below(random, 12));
    case 2:
        return (uint8_t)((x / 5 + y / 3 + c) % 2 * 255);
    case 3:
        return (uint8_t)(100 + 20 * c);
    default: /* slow waves */
        return (uint8_t)(128 + 60 * sin(x * 0.07 + c) + 50 * cos(y * 0.05 - c));
    }
}

static void encode(jpeg *j, int kind, mr_random *random)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    uint8_t *row = malloc((size_t)j->width * 3);
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    j->bytes = NULL;
    j->size = 0;
    jpeg_mem_dest(&c, &j->bytes, &j->size);
    c.image_width = (JDIMENSION)j->width;
    c.image_height = (JDIMENSION)j->height;
    c.input_components = j->channels;
    c.in_color_space = j->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, j->quality, TRUE);
    c.comp_info[0].h_samp_factor = j->across;
    c.comp_info[0].v_samp_factor = j->down;
    c.optimize_coding = j->optimize;
    c.restart_interval = (unsigned)j->restart;
    if (j->progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < j->height; y++) {
        for (int i = 0; i < j->width * j->channels; i++)
            row[i] = pixel(kind, i / j->channels, y, i % j->channels, random);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(row);
}

static void decode(jpeg *j)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    d.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, j->bytes, j->size);
    jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_RGB;
    jpeg_start_decompress(&d);
    j->pixels = malloc((size_t)j->width * (size_t)j->height * 3);
    while (d.output_scanline < d.output_height) {
        JSAMPROW row = j->pixels + (size_t)d.output_scanline * (size_t)j->width * 3;
        jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_finish_decompress(&d);
    jpeg_destroy_decompress(&d);
}

/* ---- beside libjpeg ---- */

/* Reads a region by the shorter way. */
static mr_status read_region(mr__baseline *b, const jpeg *j, int shrink, const mr__region *r, mr__room *room,
                             mr__view *view)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    d.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, j->bytes, j->size);
    jpeg_read_header(&d, TRUE);
    mr_status s =
        mr__baseline_read(b, &d, d.src->next_input_byte, d.src->bytes_in_buffer, shrink, r, room, view);
    jpeg_destroy_decompress(&d);
    return s;
}

static bool same(const jpeg *j, const mr__region *r, const mr__view *view)
{
    for (int64_t y = 0; y < r->height; y++)
        if (memcmp(view->at + (size_t)y * view->stride, j->pixels + ((r->top + y) * j->width + r->left) * 3,
                   (size_t)r->width * 3) != 0)
            return false;
    return true;
}

static mr__region anywhere(const jpeg *j, mr_random *random)
{
    mr__region r = { .height = 1 + mr_random_below(random, j->height),
                     .width = 1 + mr_random_below(random, j->width) };
    r.top = mr_random_below(random, j->height - r.height + 1);
    r.left = mr_random_below(random, j->width - r.width + 1);
    return r;
}

/* Whether this is one for the shorter way. */
static bool is_for_it(const jpeg *j)
{
    if (j->progressive || !mr__has_avx2())
        return false;
    if (j->channels == 1)
        return true;
    return (j->across == 1 && j->down == 1) || (j->across == 2 && j->down <= 2 && (j->width + 1) / 2 > 2);
}

static void check_picture(mr__baseline *b, jpeg *j, int kind, mr_random *random)
{
    mr__room room = { 0 };
    mr__view view;
    encode(j, kind, random);
    decode(j);
    for (int i = 0; i < 4; i++) {
        mr__region r = i ? anywhere(j, random) : (mr__region){ 0, 0, j->height, j->width };
        mr_status s = read_region(b, j, 1, &r, &room, &view);
        if (!CHECK_EQ_I64(s, is_for_it(j) ? MR_OK : MR_END) || !CHECK(s == MR_END || same(j, &r, &view)))
            printf("    %d x %d, %d channels, %d x %d, quality %d, restart %d, kind %d: %lld x %lld at %lld, "
                   "%lld\n",
                   j->height, j->width, j->channels, j->down, j->across, j->quality, j->restart, kind,
                   (long long)r.height, (long long)r.width, (long long)r.top, (long long)r.left);
    }
    mr_free(room.at);
    free(j->bytes);
    free(j->pixels);
}

static void test_beside_libjpeg(void)
{
    mr__baseline *b = mr__baseline_new();
    mr_random random = mr_random_at(11, 0, 0);
    for (int i = 0; i < 500; i++) {
        jpeg j = { .width = 1 + (int)mr_random_below(&random, i % 5 ? 90 : 9),
                   .height = 1 + (int)mr_random_below(&random, i % 5 ? 90 : 9),
                   .channels = i % 7 ? 3 : 1,
                   .across = 1 + (int)mr_random_below(&random, 2),
                   .down = 1 + (int)mr_random_below(&random, 2),
                   .quality = i % 11 ? 1 + (int)mr_random_below(&random, 100) : 100,
                   .restart = i % 3 ? 0 : 1 + (int)mr_random_below(&random, 9),
                   .optimize = i % 4 == 0,
                   .progressive = i % 23 == 0 };
        check_picture(b, &j, (int)mr_random_below(&random, 4), &random);
    }
    mr__baseline_free(b);
}

/* ---- shrunk ---- */

/* The mean of the whole picture's pixels that a pixel of the shrunk one stands for, as far as they are there. */
static double mean_of(const jpeg *j, int64_t y, int64_t x, int c, int shrink)
{
    double sum = 0;
    int count = 0;
    for (int64_t v = y * shrink; v < (y + 1) * shrink && v < j->height; v++)
        for (int64_t u = x * shrink; u < (x + 1) * shrink && u < j->width; u++, count++)
            sum += j->pixels[(v * j->width + u) * 3 + c];
    return sum / count;
}

static double off_by(const jpeg *j, const mr__region *r, const mr__view *view, int shrink)
{
    double sum = 0;
    for (int64_t y = 0; y < r->height; y++)
        for (int64_t x = 0; x < r->width; x++)
            for (int c = 0; c < 3; c++)
                sum += fabs(view->at[(size_t)y * view->stride + (size_t)(3 * x + c)] -
                            mean_of(j, r->top + y, r->left + x, c, shrink));
    return sum / (double)(r->height * r->width * 3);
}

/* The whole at a size, and parts of it that are what it has there. */
static void check_shrunk(mr__baseline *b, jpeg *j, int shrink, mr_random *random)
{
    mr__room whole = { 0 }, part = { 0 };
    mr__view all, view;
    const int64_t height = (j->height + shrink - 1) / shrink, width = (j->width + shrink - 1) / shrink;
    const mr__region everything = { 0, 0, height, width };
    CHECK_EQ_I64(read_region(b, j, shrink, &everything, &whole, &all), MR_OK);
    const double off = off_by(j, &everything, &all, shrink);
    if (!CHECK(off < 1.5))
        printf("    %d x %d, %d channels, %d across, by %d: %g\n", j->height, j->width, j->channels,
               j->across, shrink, off);
    const jpeg shrunk = { .height = (int)height, .width = (int)width, .pixels = all.at };
    for (int i = 0; i < 5; i++) {
        const mr__region r = anywhere(&shrunk, random);
        CHECK_EQ_I64(read_region(b, j, shrink, &r, &part, &view), MR_OK);
        CHECK(same(&shrunk, &r, &view));
    }
    mr_free(whole.at);
    mr_free(part.at);
}

static void test_shrunk(void)
{
    mr__baseline *b = mr__baseline_new();
    mr_random random = mr_random_at(13, 0, 0);
    for (int i = 0; mr__has_avx2() && i < 60; i++) {
        jpeg j = { .width = 60 + (int)mr_random_below(&random, 90),
                   .height = 60 + (int)mr_random_below(&random, 90),
                   .channels = i % 5 ? 3 : 1,
                   .across = 1 + i % 2,
                   .down = 1 + i % 2,
                   .quality = 95 };
        encode(&j, 4, &random);
        decode(&j);
        for (int shrink = 2; shrink <= 8; shrink *= 2)
            check_shrunk(b, &j, shrink, &random);
        free(j.bytes);
        free(j.pixels);
    }
    mr__baseline_free(b);
}

/* ---- what is out of order ---- */

/* Warnings are not printed. Those of lost pixels are counted: bytes too many in front of a marker are none of them. */
static void count_lost(j_common_ptr d, int level)
{
    d->err->num_warnings += level < 0 && d->err->msg_code != JWRN_EXTRANEOUS_DATA;
}

/* Changed bytes: the same pixels as libjpeg's, from which nothing was lost, or nothing. Whether it was the same pixels. */
static bool check_changed(mr__baseline *b, const jpeg *j, mr__room *room)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    mr__view view;
    const mr__region all = { 0, 0, j->height, j->width };
    if (read_region(b, j, 1, &all, room, &view) != MR_OK)
        return false;
    d.err = jpeg_std_error(&errors);
    errors.emit_message = count_lost;
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, j->bytes, j->size);
    jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_RGB;
    jpeg_start_decompress(&d);
    uint8_t *line = malloc((size_t)j->width * 3);
    bool equal = true;
    for (int y = 0; y < j->height; y++) {
        jpeg_read_scanlines(&d, &line, 1);
        equal = equal && memcmp(line, view.at + (size_t)y * view.stride, (size_t)j->width * 3) == 0;
    }
    CHECK_EQ_I64(d.err->num_warnings, 0);
    CHECK(equal);
    jpeg_destroy_decompress(&d);
    free(line);
    return equal;
}

static size_t scan_of(const jpeg *j)
{
    size_t at = 0;
    while (j->bytes[at] != 0xff || j->bytes[at + 1] != 0xda)
        at++;
    return at + 14;
}

static void test_changed(void)
{
    mr__baseline *b = mr__baseline_new();
    mr__room room = { 0 };
    mr_random random = mr_random_at(12, 0, 0);
    int read = 0;
    for (int i = 0; mr__has_avx2() && i < 1500; i++) {
        jpeg j = { .width = 40,
                   .height = 33,
                   .channels = 3,
                   .across = 1 + i % 2,
                   .down = 1 + i % 2,
                   .quality = 60,
                   .restart = i % 3 };
        encode(&j, 1, &random);
        const size_t scan = scan_of(&j);
        for (int k = 0; k < 1 + i % 3; k++)
            j.bytes[scan + (size_t)mr_random_below(&random, (int64_t)(j.size - scan - 2))] ^=
                (uint8_t)(1 << mr_random_below(&random, 8));
        read += check_changed(b, &j, &room);
        free(j.bytes);
    }
    CHECK(!mr__has_avx2() || (read > 300 && read < 1200));
    mr_free(room.at);
    mr__baseline_free(b);
}

/* ---- odd files ---- */

/* Writes a grey picture of one column of blocks whose coefficients are given; a step of quantisation is 16. */
static void write_blocks(jpeg *j, JBLOCK *block)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned steps[64];
    for (int i = 0; i < 64; i++)
        steps[i] = 16;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &j->bytes, &j->size);
    c.image_width = (JDIMENSION)j->width;
    c.image_height = (JDIMENSION)j->height;
    c.input_components = 1;
    c.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&c);
    jpeg_add_quant_table(&c, 0, steps, 100, FALSE);
    const JDIMENSION count = (JDIMENSION)(j->height / 8);
    jvirt_barray_ptr array = c.mem->request_virt_barray((j_common_ptr)&c, JPOOL_IMAGE, TRUE, 1, count, 1);
    jpeg_write_coefficients(&c, &array);
    for (JDIMENSION i = 0; i < count; i++) {
        JBLOCKARRAY row = c.mem->access_virt_barray((j_common_ptr)&c, array, i, 1, TRUE);
        memcpy(row[0][0], block[i], sizeof block[i]);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
}

/* A part of such a picture is what libjpeg has there, or not for the shorter way. */
static void check_blocks(JBLOCK *block, int count, int64_t top)
{
    jpeg j = { .width = 8, .height = 8 * count, .channels = 1 };
    mr__baseline *b = mr__baseline_new();
    mr__room room = { 0 };
    mr__view view;
    const mr__region part = { top, 0, j.height - top, 8 };
    write_blocks(&j, block);
    decode(&j);
    mr_status s = read_region(b, &j, 1, &part, &room, &view);
    CHECK(s == MR_END || (s == MR_OK && same(&j, &part, &view)));
    free(j.bytes);
    free(j.pixels);
    mr_free(room.at);
    mr__baseline_free(b);
}

/* Sums that libjpeg makes in 16 bits; and a first coefficient whose absolute value is none of 16 bits. */
static void test_coefficients(void)
{
    JBLOCK large[1] = { { [0] = 255, [4] = 255, [32] = 255 } }, least[17] = { { 0 } };
    for (int i = 0; i < 17; i++)
        least[i][0] = (JCOEF)(i < 16 ? -2047 * (i + 1) : -32768);
    check_blocks(large, 1, 0);
    check_blocks(least, 17, 128);
}

/* Bytes that fill up in front of one that is stuffed: of them libjpeg's two decoders make different things. */
static void test_fill_bytes(void)
{
    mr__baseline *b = mr__baseline_new();
    mr__room room = { 0 };
    mr__view view;
    mr_random random = mr_random_at(14, 0, 0);
    jpeg j = { .width = 64, .height = 64, .channels = 1, .across = 1, .down = 1, .quality = 95 };
    const mr__region all = { 0, 0, 64, 64 };
    encode(&j, 0, &random);
    size_t at = scan_of(&j);
    while (j.bytes[at] != 0xff || j.bytes[at + 1] != 0)
        at++;
    unsigned char *filled = malloc(j.size + 1);
    memcpy(filled, j.bytes, at);
    filled[at] = 0xff;
    memcpy(filled + at + 1, j.bytes + at, j.size - at);
    const jpeg with = { .bytes = filled, .size = j.size + 1 };
    if (mr__has_avx2())
        CHECK_EQ_I64(read_region(b, &j, 1, &all, &room, &view), MR_OK);
    CHECK_EQ_I64(read_region(b, &with, 1, &all, &room, &view), MR_END);
    free(filled);
    free(j.bytes);
    mr_free(room.at);
    mr__baseline_free(b);
}

int main(void)
{
    RUN(test_beside_libjpeg);
    RUN(test_shrunk);
    RUN(test_changed);
    RUN(test_coefficients);
    RUN(test_fill_bytes);
    return check_report();
}
