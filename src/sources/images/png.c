/*
 * PNG, by libpng, to the bytes that PIL gives. Failures come as in jpeg.c: `on_error` raises them and jumps.
 */
#include "decoder.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

enum {
    LARGEST_SIDE = 0x7fffffff,
    LARGEST_CHUNK = 8 << 20, /* of those besides the picture's data; libpng's own bound */
    BYTES_OF_A_BYTE = 1032   /* that zlib makes, at most */
};

struct mr__png {
    png_structp png;
    png_infop info;
    jmp_buf back;
    const uint8_t *bytes;
    size_t size, at;
    uint8_t *scratch; /* a row, or all rows where they come interlaced */
    bool indexed, deep_grey;
    bool damaged_too, in_pixels, no_memory;
    int64_t rows; /* that have been read, unless they come interlaced */
    uint8_t palette[256][3];
};

bool mr__is_png(const uint8_t *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

/* ---- what libpng calls ---- */

static _Noreturn void on_error(png_structp png, png_const_charp what)
{
    mr__png *p = png_get_error_ptr(png);
    if (p->damaged_too && p->in_pixels && !p->no_memory) /* no failure */
        longjmp(p->back, 1);
    if (p->at > p->size)
        mr_fail(MR_ERR_FORMAT, "a PNG that ends in the middle, after %zu bytes", p->size);
    else
        mr_fail(MR_ERR_FORMAT, "a PNG, before byte %zu: %s", p->at, what);
    longjmp(p->back, 1);
}

static void on_warning(png_structp png, png_const_charp what)
{
    (void)png;
    (void)what;
}

/* Of a chunk of pixels that is cut off there is as much as there is. */
static void shorten(const mr__png *p, uint8_t *head)
{
    const size_t left = p->size - p->at;
    if (memcmp(head + 4, "IDAT", 4) == 0 && png_get_uint_32(head) > left)
        png_save_uint_32(head, (png_uint_32)left);
}

static void read_bytes(png_structp png, png_bytep to, size_t count)
{
    mr__png *p = png_get_io_ptr(png);
    if (count > p->size - p->at) {
        p->at = p->size + 1;
        png_error(png, "");
    }
    memcpy(to, p->bytes + p->at, count);
    p->at += count;
    if (p->damaged_too && count == 8)
        shorten(p, to);
}

static png_voidp allocate(png_structp png, png_alloc_size_t bytes)
{
    mr__png *p = png_get_mem_ptr(png);
    void *memory = mr_alloc(bytes);
    p->no_memory = p->no_memory || !memory;
    return memory;
}

static void release(png_structp png, png_voidp memory)
{
    (void)png;
    mr_free(memory);
}

/* ---- the header ---- */

/* Chunks that are not looked at are not unpacked either. */
static void leave_out_chunks(png_structp png)
{
    static const char names[] =
        "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0"
        "tEXt\0tIME\0tRNS\0zTXt";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, (png_const_bytep)names, sizeof names / 5);
}

static void set_up(mr__png *p)
{
    png_set_read_fn(p->png, p, read_bytes);
    png_set_user_limits(p->png, LARGEST_SIDE, LARGEST_SIDE);
    png_set_chunk_malloc_max(p->png, LARGEST_CHUNK);
    leave_out_chunks(p->png);
    if (p->damaged_too)
        png_set_crc_action(p->png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
}

/* Numbers that the palette has not are grey, in PIL. */
static void copy_palette(mr__png *p)
{
    png_colorp color = NULL;
    int count = 0;
    for (int i = 0; i < 256; i++)
        memset(p->palette[i], i, 3);
    png_get_PLTE(p->png, p->info, &color, &count);
    for (int i = 0; i < count && i < 256; i++)
        memcpy(p->palette[i], (uint8_t[]){ color[i].red, color[i].green, color[i].blue }, 3);
    png_set_check_for_invalid_index(p->png, 0);
}

/* What each row is to be: RGB, or numbers of a palette, or grey of 16 bits. */
static void choose_output(mr__png *p)
{
    const int kind = png_get_color_type(p->png, p->info), depth = png_get_bit_depth(p->png, p->info);
    p->indexed = kind == PNG_COLOR_TYPE_PALETTE;
    p->deep_grey = kind == PNG_COLOR_TYPE_GRAY && depth == 16;
    if (p->indexed) {
        png_set_packing(p->png);
        copy_palette(p);
        return;
    }
    if (p->deep_grey)
        return;
    if (depth == 16)
        png_set_strip_16(p->png);
    if (kind & PNG_COLOR_MASK_ALPHA)
        png_set_strip_alpha(p->png);
    if (depth < 8)
        png_set_expand_gray_1_2_4_to_8(p->png);
    if (!(kind & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(p->png);
}

static mr_status read_header(mr__png *p, const mr_image_opts *opts, int64_t *height, int64_t *width)
{
    if (setjmp(p->back))
        return mr_error_status();
    set_up(p);
    png_read_info(p->png, p->info);
    *height = png_get_image_height(p->png, p->info);
    *width = png_get_image_width(p->png, p->info);
    if (mr__check_pixels(*height, *width, opts) < 0)
        return mr_error_status();
    if (!p->damaged_too && (uint64_t)*height * png_get_rowbytes(p->png, p->info) / BYTES_OF_A_BYTE > p->size)
        return mr_fail(MR_ERR_FORMAT, "a PNG of %lld x %lld pixels in %zu bytes: it ends in the middle",
                       (long long)*height, (long long)*width, p->size);
    choose_output(p);
    return MR_OK;
}

mr__png *mr__png_begin(const uint8_t *bytes, size_t size, const mr_image_opts *opts, int64_t *height,
                       int64_t *width)
{
    mr__png *p = mr_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->bytes = bytes;
    p->size = size;
    p->damaged_too = opts && opts->damaged;
    if (!setjmp(p->back)) {
        p->png =
            png_create_read_struct_2(PNG_LIBPNG_VER_STRING, p, on_error, on_warning, p, allocate, release);
        p->info = p->png ? png_create_info_struct(p->png) : NULL;
    }
    if (p->info && read_header(p, opts, height, width) == MR_OK)
        return p;
    mr_fail(MR_ERR_MEMORY, "no memory to decode a PNG");
    mr__png_free(p);
    return NULL;
}

void mr__png_free(mr__png *p)
{
    if (!p)
        return;
    png_destroy_read_struct(&p->png, &p->info, NULL);
    mr_free(p->scratch);
    mr_free(p);
}

/* ---- pixels ---- */

static void put_row(const mr__png *p, const uint8_t *row, int64_t left, int64_t width, uint8_t *to)
{
    if (p->indexed) {
        for (int64_t x = 0; x < width; x++)
            memcpy(to + 3 * x, p->palette[row[left + x]], 3);
    } else if (p->deep_grey) {
        for (int64_t x = 0; x < width; x++)
            memset(to + 3 * x, row[2 * (left + x)] ? 255 : row[2 * (left + x) + 1], 3);
    } else {
        memcpy(to, row + 3 * left, (size_t)width * 3);
    }
}

static void read_rows(mr__png *p, const mr__region *region, size_t row_bytes, bool interlaced, uint8_t *to)
{
    const int64_t height = png_get_image_height(p->png, p->info), end = region->top + region->height;
    for (int pass = 0; interlaced && pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        for (int64_t y = 0; y < height; y++)
            png_read_row(p->png, p->scratch + (size_t)y * row_bytes, NULL);
    for (; !interlaced && p->rows < end; p->rows++) {
        png_read_row(p->png, p->scratch, NULL);
        if (p->rows >= region->top)
            put_row(p, p->scratch, region->left, region->width,
                    to + (size_t)(p->rows - region->top) * (size_t)region->width * 3);
    }
}

/* What is missing of a damaged file is zeros. */
static mr_status read_region(mr__png *p, const mr__region *region, size_t row_bytes, bool interlaced,
                             uint8_t *to)
{
    p->in_pixels = true;
    if (!setjmp(p->back))
        read_rows(p, region, row_bytes, interlaced, to);
    else if (!p->damaged_too || p->no_memory)
        return mr_error_status();
    else if (!interlaced)
        memset(p->scratch, 0, row_bytes);
    const int64_t begin = p->rows > region->top ? p->rows : region->top;
    for (int64_t y = begin; y < region->top + region->height; y++)
        put_row(p, p->scratch + (interlaced ? (size_t)y * row_bytes : 0), region->left, region->width,
                to + (size_t)(y - region->top) * (size_t)region->width * 3);
    return MR_OK;
}

mr_status mr__png_read(mr__png *p, const mr__region *region, mr__room *room, mr__view *view)
{
    if (setjmp(p->back))
        return mr_error_status();
    const bool interlaced = png_set_interlace_handling(p->png) > 1;
    png_read_update_info(p->png, p->info);
    const size_t row_bytes = png_get_rowbytes(p->png, p->info), stride = (size_t)region->width * 3;
    const size_t rows = interlaced ? png_get_image_height(p->png, p->info) : 1;
    uint8_t *to = mr__room_for(room, (size_t)region->height * stride);
    p->scratch = to ? mr_calloc(rows, row_bytes) : NULL;
    if (!p->scratch)
        return mr_error_status();
    *view = (mr__view){ .at = to, .stride = stride };
    return read_region(p, region, row_bytes, interlaced, to);
}
