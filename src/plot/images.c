/* Images beside each other: they are put together here, and drawn by gnuplot as one, with captions. */
#include "picture.h"

#include "base/alloc.h"
#include "base/error.h"

#include <millrace/plot.h>

#include <math.h>
#include <string.h>

enum { PICTURE_WIDTH = 960, CAPTION_PIXELS = 24, MAX_SIDE = 16384 };

/* The images and where they go, in pixels of the images. */
typedef struct grid {
    const void *data;
    mr_dtype dtype;
    int64_t count, height, width, channels;
    int64_t image_stride, channel_stride, row_stride, column_stride; /* in elements */
    const double *mean, *std;
    int64_t columns, rows;
    int64_t gap, caption; /* between images, and what a caption takes */
    int64_t canvas_height, canvas_width;
} grid;

/* ---- where things are ---- */

static mr_status read_shape(grid *g, const mr_tensor *images, bool channels_last)
{
    mr_shape shape = mr_tensor_shape(images);
    if (shape.ndim != 3 && shape.ndim != 4)
        return mr__raise(MR_ERR_SHAPE,
                         "plot_images: the images have %d dimensions; there are (count, height, width) and "
                         "(count, channels, height, width)",
                         shape.ndim);
    int channel = shape.ndim == 3 ? -1 : channels_last ? 3 : 1;
    int row = shape.ndim == 3 || channels_last ? 1 : 2;
    g->count = shape.dim[0];
    g->height = shape.dim[row];
    g->width = shape.dim[row + 1];
    g->channels = channel < 0 ? 1 : shape.dim[channel];
    g->image_stride = mr_tensor_stride(images, 0);
    g->row_stride = mr_tensor_stride(images, row);
    g->column_stride = mr_tensor_stride(images, row + 1);
    g->channel_stride = channel < 0 ? 0 : mr_tensor_stride(images, channel);
    g->dtype = mr_tensor_dtype(images);
    g->data = mr_tensor_data(images);
    if (g->channels != 1 && g->channels != 3)
        return mr__raise(MR_ERR_SHAPE, "plot_images: images of %lld channels; there are 1 and 3",
                         (long long)g->channels);
    if (!g->count || !g->height || !g->width)
        return mr__raise(MR_ERR_SHAPE, "plot_images: there is no image to draw");
    return MR_OK;
}

static mr_status lay_out(grid *g, const mr_plot_images_opts *opts)
{
    if (opts->columns < 0)
        return mr__raise(MR_ERR_ARGUMENT, "plot_images: %lld columns", (long long)opts->columns);
    int64_t square = (int64_t)ceil(sqrt((double)g->count * (double)g->height / (double)g->width));
    g->columns = opts->columns ? opts->columns : square;
    g->columns = g->columns > g->count ? g->count : g->columns < 1 ? 1 : g->columns;
    g->rows = (g->count + g->columns - 1) / g->columns;
    if (g->height > MAX_SIDE || g->width > MAX_SIDE || g->columns > MAX_SIDE || g->rows > MAX_SIDE)
        return mr__raise(MR_ERR_ARGUMENT,
                         "plot_images: %lld images of %lld x %lld are too many for a picture",
                         (long long)g->count, (long long)g->height, (long long)g->width);
    g->gap = 1 + (g->width < g->height ? g->width : g->height) / 16;
    g->canvas_width = g->columns * (g->width + g->gap) + g->gap;
    g->caption = opts->captions ? 1 + CAPTION_PIXELS * g->canvas_width / PICTURE_WIDTH : 0;
    g->canvas_height = g->rows * (g->height + g->caption + g->gap) + g->gap;
    if (g->canvas_width > MAX_SIDE || g->canvas_height > MAX_SIDE)
        return mr__raise(MR_ERR_ARGUMENT,
                         "plot_images: %lld images of %lld x %lld are too many for a picture",
                         (long long)g->count, (long long)g->height, (long long)g->width);
    return MR_OK;
}

static int64_t left_of(const grid *g, int64_t image)
{
    return g->gap + image % g->columns * (g->width + g->gap);
}

static int64_t top_of(const grid *g, int64_t image)
{
    return g->gap + image / g->columns * (g->height + g->caption + g->gap);
}

/* ---- pixels ---- */

static double element(const grid *g, int64_t at)
{
    switch (g->dtype) {
    case MR_UINT8:
        return ((const uint8_t *)g->data)[at] / 255.0;
    case MR_FLOAT32:
        return (double)((const float *)g->data)[at];
    default:
        return ((const double *)g->data)[at];
    }
}

static uint8_t shade(const grid *g, int64_t at, int64_t channel)
{
    double value = element(g, at);
    value = value * (g->std ? g->std[channel] : 1) + (g->mean ? g->mean[channel] : 0);
    return value >= 1 ? 255 : value > 0 ? (uint8_t)(value * 255 + 0.5) : 0; /* NaN is black */
}

static void put_image(const grid *g, int64_t image, uint8_t *canvas)
{
    for (int64_t i = 0; i < g->height; i++) {
        uint8_t *pixel = canvas + 3 * ((top_of(g, image) + i) * g->canvas_width + left_of(g, image));
        for (int64_t j = 0; j < g->width; j++)
            for (int64_t c = 0; c < 3; c++) {
                int64_t channel = g->channels == 1 ? 0 : c;
                int64_t at = image * g->image_stride + channel * g->channel_stride + i * g->row_stride +
                             j * g->column_stride;
                *pixel++ = shade(g, at, channel);
            }
    }
}

static void put_canvas(mr__strbuf *script, const grid *g)
{
    size_t bytes = 3 * (size_t)(g->canvas_width * g->canvas_height);
    uint8_t *canvas = mr__alloc(bytes);
    if (!canvas) {
        script->failed = true;
        return;
    }
    memset(canvas, 255, bytes);
    for (int64_t i = 0; i < g->count; i++)
        put_image(g, i, canvas);
    mr__strbuf_appendf(
        script, "plot '-' binary array=(%lld,%lld) format='%%uchar%%uchar%%uchar' with rgbimage notitle\n",
        (long long)g->canvas_width, (long long)g->canvas_height);
    mr__strbuf_append_bytes(script, canvas, bytes);
    mr__free(canvas);
}

/* ---- the script ---- */

static void put_captions(mr__strbuf *script, const grid *g, const char *const *captions)
{
    for (int64_t i = 0; captions && i < g->count; i++) {
        if (!captions[i])
            continue;
        mr__strbuf_append(script, "set label ");
        mr__put_quoted(script, captions[i]);
        mr__strbuf_appendf(script, " at %g,%g center front\n",
                           (double)left_of(g, i) + (double)g->width / 2 - 0.5,
                           (double)(top_of(g, i) + g->height) + (double)g->caption / 2 - 0.5);
    }
}

static void put_script(mr__strbuf *script, const grid *g, const char *const *captions, const char *path)
{
    int64_t height = PICTURE_WIDTH * g->canvas_height / g->canvas_width;
    mr__begin_script(script, path, PICTURE_WIDTH,
                     height > MAX_SIDE ? MAX_SIDE
                     : height < 1      ? 1
                                       : (int)height);
    mr__strbuf_append(script, "set margins 0,0,0,0\nunset border\nunset tics\n");
    mr__strbuf_appendf(script, "set xrange [-0.5:%lld.5]\nset yrange [%lld.5:-0.5]\n",
                       (long long)g->canvas_width - 1, (long long)g->canvas_height - 1);
    put_captions(script, g, captions);
    put_canvas(script, g);
}

mr_status mr_plot_images(const mr_tensor *images, const mr_plot_images_opts *opts, const char *path)
{
    static const mr_plot_images_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    if (!images || !path)
        return mr__settle(mr__null("plot_images", images ? "path" : "images"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    grid g = { .mean = opts->mean, .std = opts->std };
    mr_status status = mr__check_picture_path("plot_images", path);
    if (!status)
        status = read_shape(&g, images, opts->channels_last);
    if (!status && g.dtype != MR_UINT8 && g.dtype != MR_FLOAT32 && g.dtype != MR_FLOAT64)
        status = mr__raise(MR_ERR_DTYPE, "plot_images: images of %s; there are uint8, float32 and float64",
                           mr_dtype_name(g.dtype));
    if (!status)
        status = lay_out(&g, opts);
    if (!status) {
        mr__strbuf script = { 0 };
        put_script(&script, &g, opts->captions, path);
        status = mr__draw(&script, path);
        mr__strbuf_free(&script);
    }
    return mr__settle(status);
}
