#include "output.h"

#include <string.h>

void mr__table_begin(float table[3][256])
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

static void put_floats(const uint8_t *from, ptrdiff_t step, int64_t width, const float table[256], float *to)
{
    for (int64_t x = 0; x < width; x++)
        to[x] = table[from[x * step]];
}

static void put_bytes(const uint8_t *from, ptrdiff_t step, int64_t width, uint8_t *to)
{
    for (int64_t x = 0; x < width; x++)
        to[x] = from[x * step];
}

void mr__put_out(const mr__pipeline *p, const mr__canvas *c, void *out)
{
    const ptrdiff_t step = c->across ? -c->channels : c->channels;
    const int64_t plane = c->height * c->width;
    for (int64_t y = 0; y < c->height; y++) {
        const uint8_t *row = c->view.at + (size_t)(c->down ? c->height - 1 - y : y) * c->view.stride;
        const uint8_t *first = c->across ? row + (c->width - 1) * c->channels : row;
        if (!p->planes) {
            uint8_t *to = (uint8_t *)out + y * c->width * c->channels;
            if (c->across)
                mr__mirrored_row(row, c->width, c->channels, to);
            else
                memcpy(to, row, (size_t)(c->width * c->channels));
            continue;
        }
        for (int64_t i = 0; i < c->channels; i++)
            if (p->floats)
                put_floats(first + i, step, c->width, p->table[i], (float *)out + i * plane + y * c->width);
            else
                put_bytes(first + i, step, c->width, (uint8_t *)out + i * plane + y * c->width);
    }
}
