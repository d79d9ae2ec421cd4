#include "output.h"

#include "sources/cpu.h"

#include <string.h>

void mr__bytes_table(float table[3][256])
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            table[c][i] = (float)i / 255;
}

void mr__table_normalize(float table[3][256], const double mean[3], const double std[3])
{
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            table[c][i] = (table[c][i] - (float)mean[c]) / (float)std[c];
}

/* ---- rows; `step` goes from pixel to pixel, backwards in a mirrored row ---- */

static void put_floats(const uint8_t *from, ptrdiff_t step, int64_t x, int64_t end, const float table[256],
                       float *to)
{
    for (; x < end; x++)
        to[x] = table[from[x * step]];
}

static void put_bytes(const uint8_t *from, ptrdiff_t step, int64_t width, uint8_t *to)
{
    for (int64_t x = 0; x < width; x++)
        to[x] = from[x * step];
}

static void put_float_row(const mr__pipeline *p, const uint8_t *row, int64_t width, int64_t channels,
                          bool mirrored, float *to, int64_t plane)
{
    const ptrdiff_t step = mirrored ? -channels : channels;
    int64_t begin = 0, end = 0;
#if MR__X86
    if (p->quick)
        mr__put_floats_avx2(row, width, mirrored, &p->normal, to, plane, &begin, &end);
#endif
    for (int64_t c = 0; c < channels; c++) {
        const uint8_t *first = (mirrored ? row + (width - 1) * channels : row) + c;
        put_floats(first, step, 0, begin < width ? begin : width, p->table[c], to + c * plane);
        put_floats(first, step, end, width, p->table[c], to + c * plane);
    }
}

static void put_byte_row(const mr__pipeline *p, const uint8_t *row, int64_t width, int64_t channels,
                         bool mirrored, uint8_t *to, int64_t plane)
{
    const uint8_t *first = mirrored ? row + (width - 1) * channels : row;
    for (int64_t c = 0; p->planes && c < channels; c++)
        put_bytes(first + c, mirrored ? -channels : channels, width, to + c * plane);
    if (p->planes)
        return;
    if (mirrored)
        mr__mirrored_row(row, width, channels, to);
    else
        memcpy(to, row, (size_t)(width * channels));
}

void mr__put_out(const mr__pipeline *p, const mr__canvas *c, void *out)
{
    const int64_t plane = c->height * c->width, line = p->planes ? c->width : c->width * c->channels;
    for (int64_t y = 0; y < c->height; y++) {
        const uint8_t *row = c->view.at + (size_t)(c->down ? c->height - 1 - y : y) * c->view.stride;
        if (p->floats)
            put_float_row(p, row, c->width, c->channels, c->across, (float *)out + y * line, plane);
        else
            put_byte_row(p, row, c->width, c->channels, c->across, (uint8_t *)out + y * line, plane);
    }
}
