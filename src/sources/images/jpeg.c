/*
 * JPEG, by libjpeg-turbo.
 *
 * The library reports a failure by a call that must not come back: `fail` raises it and jumps to where the library was called
 * from. Between setjmp and there nothing is held that would be lost, and no local variable changes.
 */
#include "baseline.h"
#include "decoder.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h> /* behind the other, which says which codes there are */

enum {
    ROWS_AT_ONCE = 16,
    MOST_SCANS = 500,          /* each of them costs a pass over the picture, however short it is */
    PIXELS_OF_A_BYTE = 64 * 8, /* at least a bit of a Huffman code for each block of 8 x 8 */
    MARGIN = 2 /* columns left and right of those that are read: colours are mixed with their neighbours */
};

struct mr__jpeg {
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_source_mgr source;
    jmp_buf back;
    mr__baseline *baseline; /* the shorter way; made when it is first gone */
    const uint8_t *bytes;
    size_t size;
    bool ended;  /* the library has asked for more bytes than there are */
    bool no_end; /* there is no marker of the end: the file may be cut off */
    bool damaged_too;
};

bool mr__is_jpeg(const uint8_t *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

/* ---- failures ---- */

static _Noreturn void fail(mr__jpeg *j, const char *what)
{
    size_t left = j->source.bytes_in_buffer;
    if (j->ended)
        mr_fail(MR_ERR_FORMAT, "a JPEG that ends in the middle, after %zu bytes", j->size);
    else
        mr_fail(MR_ERR_FORMAT, "a JPEG, near byte %zu: %s", j->size - (left < j->size ? left : j->size),
                what);
    longjmp(j->back, 1);
}

/* libjpeg's words, which begin with a large letter. */
static _Noreturn void fail_in_its_words(j_common_ptr d)
{
    char text[JMSG_LENGTH_MAX];
    d->err->format_message(d, text);
    if (isupper((unsigned char)text[0]) && !isupper((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    fail(d->client_data, text);
}

static void on_error(j_common_ptr d)
{
    mr__jpeg *j = d->client_data;
    if (d->err->msg_code == JERR_OUT_OF_MEMORY) {
        mr_fail(MR_ERR_MEMORY, "no memory to decode a JPEG");
        longjmp(j->back, 1);
    }
    fail_in_its_words(d);
}

/* Warnings are about what the library goes on after. With these pixels are lost. */
static void on_message(j_common_ptr d, int level)
{
    static const int lost[] = { JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_ARITH_BAD_CODE, JWRN_MUST_RESYNC };
    const mr__jpeg *j = d->client_data;
    if (level >= 0 || j->damaged_too)
        return;
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        if (d->err->msg_code == lost[i])
            fail_in_its_words(d);
}

static void no_output(j_common_ptr d)
{
    (void)d;
}

static void on_progress(j_common_ptr d)
{
    if (((j_decompress_ptr)d)->input_scan_number > MOST_SCANS)
        fail(d->client_data, "more than 500 scans");
}

/* ---- the bytes ---- */

static void nothing(j_decompress_ptr d)
{
    (void)d;
}

/* Behind the last byte there is a marker of the end: what is missing then makes a failure or, if damage is allowed, grey. */
static boolean more_bytes(j_decompress_ptr d)
{
    static const JOCTET end[] = { 0xff, JPEG_EOI };
    mr__jpeg *j = d->client_data;
    j->ended = true;
    j->source.next_input_byte = end;
    j->source.bytes_in_buffer = sizeof end;
    return TRUE;
}

static void skip_bytes(j_decompress_ptr d, long count)
{
    mr__jpeg *j = d->client_data;
    if (count <= 0)
        return;
    if ((size_t)count > j->source.bytes_in_buffer) {
        more_bytes(d);
        return;
    }
    j->source.next_input_byte += count;
    j->source.bytes_in_buffer -= (size_t)count;
}

/* Whether a marker of the end comes behind the header: in the picture's data no other bytes look like it. */
static bool has_end(const mr__jpeg *j)
{
    const uint8_t *begin = j->bytes + (j->size - j->source.bytes_in_buffer);
    for (const uint8_t *at = j->bytes + j->size - 1; at > begin; at--)
        if (at[0] == JPEG_EOI && at[-1] == 0xff)
            return true;
    return false;
}

/* ---- making ---- */

/* libjpeg keeps a file's tables for the next one, which may have none: so each file gets a new one. Jumps back when
 * there is no memory. */
static void begin_anew(mr__jpeg *j)
{
    jpeg_destroy_decompress(&j->d);
    j->d.err = &j->errors;
    j->d.client_data = j;
    jpeg_create_decompress(&j->d);
    j->d.src = &j->source;
    j->d.progress = &j->progress;
}

mr__jpeg *mr__jpeg_new(void)
{
    mr__jpeg *j = mr_calloc(1, sizeof *j);
    if (!j)
        return NULL;
    jpeg_std_error(&j->errors);
    j->errors.error_exit = on_error;
    j->errors.emit_message = on_message;
    j->errors.output_message = no_output;
    j->source = (struct jpeg_source_mgr){ .init_source = nothing,
                                          .fill_input_buffer = more_bytes,
                                          .skip_input_data = skip_bytes,
                                          .resync_to_restart = jpeg_resync_to_restart,
                                          .term_source = nothing };
    j->progress.progress_monitor = on_progress;
    return j;
}

void mr__jpeg_free(mr__jpeg *j)
{
    if (!j)
        return;
    jpeg_destroy_decompress(&j->d);
    mr__baseline_free(j->baseline);
    mr_free(j);
}

/* ---- the header ---- */

mr_status mr__jpeg_begin(mr__jpeg *j, const uint8_t *bytes, size_t size, const mr_image_opts *opts,
                         int64_t *height, int64_t *width)
{
    j->bytes = bytes;
    j->size = size;
    j->ended = false;
    j->damaged_too = opts && opts->damaged;
    j->source.next_input_byte = bytes;
    j->source.bytes_in_buffer = size;
    if (setjmp(j->back))
        return mr_error_status();
    begin_anew(j);
    jpeg_read_header(&j->d, TRUE);
    if (j->ended)
        fail(j, "");
    if (j->d.num_components != 1 && j->d.num_components != 3 && j->d.num_components != 4)
        return mr_fail(MR_ERR_FORMAT, "a JPEG with %d channels, which are not 1, 3 or 4",
                       j->d.num_components);
    *height = j->d.image_height;
    *width = j->d.image_width;
    if (mr__check_pixels(*height, *width, opts) < 0)
        return mr_error_status();
    if (!j->d.arith_code && !j->damaged_too && (uint64_t)(*height * *width) / PIXELS_OF_A_BYTE > size)
        return mr_fail(MR_ERR_FORMAT, "a JPEG of %lld x %lld pixels in %zu bytes: it ends in the middle",
                       (long long)*height, (long long)*width, size);
    j->no_end = !has_end(j);
    return MR_OK;
}

/* ---- pixels ---- */

/* Adobe's CMYK, which is upside down, as PIL makes RGB of it. */
static void rgb_of_cmyk(const uint8_t *from, int64_t count, uint8_t *to)
{
    for (int64_t i = 0; i < count; i++, from += 4, to += 3) {
        const int white = from[3];
        for (int c = 0; c < 3; c++) {
            int ink = (255 - from[c]) * white + 128, left = white - ((ink + (ink >> 8)) >> 8);
            to[c] = (uint8_t)(left < 0 ? 0 : left);
        }
    }
}

/* Of a picture whose scans are not all there the library makes up what is missing from the blocks around, which it does
 * differently for a part. */
static bool is_incomplete(const mr__jpeg *j)
{
    const int *bits = j->d.coef_bits ? j->d.coef_bits[0] : NULL;
    for (int i = 0; bits && i < j->d.num_components * DCTSIZE2; i++)
        if (bits[i])
            return true;
    return false;
}

/* Chooses what the library is to give, and begins. *left and *columns: of the region, with what is read beside it. */
static void start(mr__jpeg *j, const mr__region *region, int shrink, JDIMENSION *left, JDIMENSION *columns)
{
    j->d.out_color_space = j->d.num_components == 4 ? JCS_CMYK : JCS_RGB;
    j->d.scale_num = 1;
    j->d.scale_denom = (unsigned)shrink;

    jpeg_start_decompress(&j->d);
    *left = region->left > MARGIN ? (JDIMENSION)region->left - MARGIN : 0;
    JDIMENSION end = (JDIMENSION)(region->left + region->width) + MARGIN;
    *columns = (end < j->d.output_width ? end : j->d.output_width) - *left;
    if (is_incomplete(j)) {
        *left = 0;
        *columns = j->d.output_width;
    }
    if (*columns < j->d.output_width)
        jpeg_crop_scanline(&j->d, left, columns);
}

static void read_rows(mr__jpeg *j, uint8_t *at, size_t stride, uint8_t *cmyk, int64_t count)
{
    JSAMPROW row[ROWS_AT_ONCE];
    while (count > 0) {
        int64_t most = cmyk ? 1 : count < ROWS_AT_ONCE ? count : ROWS_AT_ONCE;
        for (int64_t i = 0; i < most; i++)
            row[i] = cmyk ? cmyk : at + (size_t)i * stride;
        int64_t got = jpeg_read_scanlines(&j->d, row, (JDIMENSION)most);
        if (cmyk && got)
            rgb_of_cmyk(cmyk, j->d.output_width, at);
        at += (size_t)got * stride;
        count -= got;
    }
}

/* Passes over rows, of which each may be written to where the first one will be. */
static void pass_rows(mr__jpeg *j, uint8_t *at, uint8_t *cmyk, int64_t count)
{
    if (!is_incomplete(j))
        jpeg_skip_scanlines(&j->d, (JDIMENSION)count);
    else
        for (int64_t y = 0; y < count; y++)
            read_rows(j, at, 0, cmyk, 1);
}

/* What is missing of a file that is cut off may lie behind the region. */
static void look_behind(mr__jpeg *j)
{
    if (j->d.output_scanline < j->d.output_height)
        jpeg_skip_scanlines(&j->d, j->d.output_height - j->d.output_scanline);
    if (j->ended && j->d.progressive_mode && !j->damaged_too)
        fail(j, "");
}

/* MR_END where libjpeg is to do it. */
static mr_status read_baseline(mr__jpeg *j, const mr__region *region, int shrink, mr__room *room,
                               mr__view *view)
{
    if (j->no_end)
        return MR_END;
    if (!j->baseline && !(j->baseline = mr__baseline_new()))
        return mr_error_status();
    return mr__baseline_read(j->baseline, &j->d, j->source.next_input_byte, j->source.bytes_in_buffer, shrink,
                             region, room, view);
}

static mr_status read_by_libjpeg(mr__jpeg *j, const mr__region *region, int shrink, mr__room *room,
                                 mr__view *view)
{
    if (setjmp(j->back)) {
        jpeg_abort_decompress(&j->d);
        return mr_error_status();
    }
    JDIMENSION left, columns;
    start(j, region, shrink, &left, &columns);
    const bool cmyk = j->d.num_components == 4;
    const size_t stride = (size_t)columns * 3, bytes = (size_t)region->height * stride;
    uint8_t *at = mr__room_for(room, bytes + (cmyk ? (size_t)columns * 4 : 0));
    if (!at) {
        jpeg_abort_decompress(&j->d);
        return mr_error_status();
    }
    if (region->top)
        pass_rows(j, at, cmyk ? at + bytes : NULL, region->top);
    read_rows(j, at, stride, cmyk ? at + bytes : NULL, region->height);
    if (j->no_end)
        look_behind(j);
    jpeg_abort_decompress(&j->d);
    *view = (mr__view){ .at = at + (size_t)(region->left - left) * 3, .stride = stride };
    return MR_OK;
}

mr_status mr__jpeg_read(mr__jpeg *j, const mr__region *region, int shrink, mr__room *room, mr__view *view)
{
    mr_status s = read_baseline(j, region, shrink, room, view);
    return s == MR_END ? read_by_libjpeg(j, region, shrink, room, view) : s;
}
