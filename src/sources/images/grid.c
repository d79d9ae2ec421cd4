/* A batch as one picture. */
#include "decoder.h"

#include <math.h>
#include <stdio.h>

enum { BETWEEN = 2, COLUMNS = 8, COLORS = 3 };

/* How a batch lies in memory. */
typedef struct layout {
    int64_t rows, height, width, channels;
    int64_t row, line, pixel, channel; /* elements from one to the next */
    bool floats;
    double mean[3], stddev[3];
} layout;

static mr_status not_pictures(mr_dtype dtype, const mr_shape *shape)
{
    char text[200] = "";
    size_t used = 0;
    for (int d = 0; d < shape->ndim; d++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, d ? ",%lld" : "%lld", (long long)shape->dim[d]);
    return mr_fail(MR_ERR_SHAPE, "image_grid: %s [%s] is no batch of pictures", mr_dtype_name(dtype), text);
}

static mr_status understand(const mr_tensor *batch, layout *l)
{
    if (!batch)
        return mr_fail(MR_ERR_ARGUMENT, "image_grid: batch is NULL");
    const mr_shape s = mr_tensor_shape(batch);
    const mr_dtype dtype = mr_tensor_dtype(batch);
    l->floats = dtype == MR_FLOAT32;
    const bool planes = s.ndim == 4 && (s.dim[1] == 1 || s.dim[1] == 3);
    const bool together = s.ndim == 4 && !l->floats && (s.dim[3] == 1 || s.dim[3] == 3);
    if ((!l->floats && dtype != MR_UINT8) || (!planes && !together) || !mr_tensor_is_contiguous(batch) ||
        !mr_tensor_numel(batch)) {
        return not_pictures(dtype, &s);
    }
    l->rows = s.dim[0];
    l->channels = together ? s.dim[3] : s.dim[1];
    l->height = together ? s.dim[1] : s.dim[2];
    l->width = together ? s.dim[2] : s.dim[3];
    l->row = l->height * l->width * l->channels;
    l->channel = together ? 1 : l->height * l->width;
    l->pixel = together ? l->channels : 1;
    l->line = l->width * l->pixel;
    return MR_OK;
}

static uint8_t byte_at(const layout *l, const void *data, int64_t at, int64_t channel)
{
    if (!l->floats)
        return ((const uint8_t *)data)[at];
    const double x = rint(((double)((const float *)data)[at] * l->stddev[channel] + l->mean[channel]) * 255);
    return (uint8_t)(!(x > 0) ? 0 : x > 255 ? 255 : x);
}

static void put(const layout *l, const void *data, int64_t row, mr_image *grid, int64_t top, int64_t left)
{
    for (int64_t y = 0; y < l->height; y++)
        for (int64_t x = 0; x < l->width; x++)
            for (int64_t color = 0; color < COLORS; color++) {
                const int64_t c = color % l->channels; /* grey is all three */
                grid->pixels[((top + y) * grid->width + left + x) * COLORS + color] =
                    byte_at(l, data, row * l->row + y * l->line + x * l->pixel + c * l->channel, c);
            }
}

mr_image *mr_image_grid(const mr_tensor *batch, const mr_image_grid_opts *opts)
{
    layout l = { 0 };
    if (understand(batch, &l) < 0)
        return NULL;
    for (int c = 0; c < 3; c++) {
        l.mean[c] = opts && opts->mean ? opts->mean[c] : 0;
        l.stddev[c] = opts && opts->stddev ? opts->stddev[c] : 1;
    }
    int64_t columns = opts && opts->columns ? opts->columns : COLUMNS;
    if (columns < 1) {
        mr_fail(MR_ERR_ARGUMENT, "image_grid: %lld columns", (long long)columns);
        return NULL;
    }
    columns = columns < l.rows ? columns : l.rows;
    const int64_t lines = (l.rows + columns - 1) / columns, between = l.rows > 1 ? BETWEEN : 0;
    mr_image *grid =
        mr_image_new(lines * (l.height + between) + between, columns * (l.width + between) + between, COLORS);
    for (int64_t row = 0; grid && row < l.rows; row++)
        put(&l, mr_tensor_data(batch), row, grid, between + row / columns * (l.height + between),
            between + row % columns * (l.width + between));
    return grid;
}
