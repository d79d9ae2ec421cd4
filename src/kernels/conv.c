#include "conv.h"

#include "kernels.h"
#include "parallel.h"
#include "products.h"
#include "winograd.h"

#include <stddef.h>
#include <string.h>

/*
 * For each image and group, the columns are a matrix with a row for each weight of a filter and a column for each
 * pixel of the result. Then y = w columns, columns' gradient = w^T dy, dw = dy columns^T.
 *
 * Images are divided among threads, each with columns of its own. dw is a sum over images: it is made in chunks of
 * images whose number depends on the shapes alone, and these are added in order, so that the result does not depend
 * on the number of threads.
 */

enum { MOST_CHUNKS = 16, CHUNK_FLOATS = 4 << 20 };

const mr__conv_tail mr__no_tail = { MR__TAIL_NONE, NULL, NULL };

static int64_t pixels_of(const mr__conv *c)
{
    return c->out_h * c->out_w;
}

static int64_t weights_of(const mr__conv *c) /* of one filter */
{
    return c->channels / c->groups * c->kernel_h * c->kernel_w;
}

/* Whether the columns are the image itself. */
static bool is_plain(const mr__conv *c)
{
    return c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1 && c->pad_top == 0 &&
           c->pad_left == 0 && c->out_h == c->height && c->out_w == c->width;
}

static int64_t column_floats(const mr__conv *c)
{
    return is_plain(c) ? 0 : weights_of(c) * pixels_of(c);
}

/* What a worker has: the columns, and the planes of an image before the tail. */
static int64_t worker_floats(const mr__conv *c)
{
    return column_floats(c) + c->filters * pixels_of(c);
}

static int64_t workers_for(const mr__conv *c)
{
    double work = (double)c->images * (double)c->filters * (double)weights_of(c) * (double)pixels_of(c);
    int64_t n = work < 2.0 * MR__GRAIN_PRODUCTS ? 1 : mr__threads();
    return n < c->images ? n : c->images > 1 ? c->images : 1;
}

static int64_t chunks_for(const mr__conv *c)
{
    int64_t fit = CHUNK_FLOATS / (c->filters * weights_of(c) + 1);
    int64_t n = fit < MOST_CHUNKS ? fit : MOST_CHUNKS;
    n = n < c->images ? n : c->images;
    return n > 1 ? n : 1;
}

int64_t mr__conv_scratch(const mr__conv *c)
{
    if (mr__winograd_serves(c))
        return mr__winograd_scratch(c);
    int64_t chunks = chunks_for(c), partial = chunks > 1 ? chunks * c->filters * weights_of(c) : 0;
    return workers_for(c) * worker_floats(c) + partial + 1;
}

/* ---- columns ---- */

/* The pixels [*first, *end) of a row of the result of which tap `at` (from the left edge, padding included) meets the
 * image. */
static void meeting(int64_t at, int64_t pad, int64_t stride, int64_t size, int64_t out, int64_t *first,
                    int64_t *end)
{
    int64_t offset = at - pad; /* the place of pixel 0 */
    *first = offset >= 0 ? 0 : (-offset - 1) / stride + 1;
    *end = offset >= size ? 0 : (size - 1 - offset) / stride + 1;
    if (*end > out)
        *end = out;
    if (*first > *end)
        *first = *end;
}

/* One row of columns for each weight of a filter, from the channels of one group. */
static void make_columns(const mr__conv *c, float *columns, const float *x)
{
    for (int64_t channel = 0; channel < c->channels / c->groups; channel++, x += c->height * c->width)
        for (int64_t i = 0; i < c->kernel_h; i++)
            for (int64_t j = 0; j < c->kernel_w; j++) {
                int64_t first, end;
                meeting(j * c->dilation_w, c->pad_left, c->stride_w, c->width, c->out_w, &first, &end);
                for (int64_t row = 0; row < c->out_h; row++, columns += c->out_w) {
                    int64_t from = row * c->stride_h - c->pad_top + i * c->dilation_h;
                    if (from < 0 || from >= c->height) {
                        memset(columns, 0, (size_t)c->out_w * sizeof *columns);
                        continue;
                    }
                    int64_t at =
                        from * c->width - c->pad_left + j * c->dilation_w; /* of pixel 0, if it is there */
                    for (int64_t p = 0; p < first; p++)
                        columns[p] = 0;
                    if (c->stride_w != 1)
                        for (int64_t p = first; p < end; p++)
                            columns[p] = x[at + p * c->stride_w];
                    else if (first < end)
                        memcpy(columns + first, x + (at + first), (size_t)(end - first) * sizeof *columns);
                    for (int64_t p = end; p < c->out_w; p++)
                        columns[p] = 0;
                }
            }
}

/* Adds the columns' gradient to the places they came from. */
static void add_columns(const mr__conv *c, float *dx, const float *columns)
{
    for (int64_t channel = 0; channel < c->channels / c->groups; channel++, dx += c->height * c->width)
        for (int64_t i = 0; i < c->kernel_h; i++)
            for (int64_t j = 0; j < c->kernel_w; j++) {
                int64_t first, end;
                meeting(j * c->dilation_w, c->pad_left, c->stride_w, c->width, c->out_w, &first, &end);
                for (int64_t row = 0; row < c->out_h; row++, columns += c->out_w) {
                    int64_t to = row * c->stride_h - c->pad_top + i * c->dilation_h;
                    if (to < 0 || to >= c->height)
                        continue;
                    int64_t at = to * c->width - c->pad_left + j * c->dilation_w;
                    if (c->stride_w != 1)
                        for (int64_t p = first; p < end; p++)
                            dx[at + p * c->stride_w] += columns[p];
                    else if (first < end)
                        mr__k->add(dx + (at + first), dx + (at + first), columns + first, end - first);
                }
            }
}

/* ---- images, divided among workers ---- */

typedef struct job {
    const mr__conv *c;
    float *y, *x, *w; /* of which one is written */
    const float *b;
    bool add;
    const mr__conv_tail *tail;
    float *columns; /* and planes: for each worker */
    float *partial; /* for each chunk */
    float *sums;    /* dw: of each plane of dy, or NULL */
    int64_t workers, chunks;
} job;

/* Where the group of an image lies in x, y and w. */
static float *x_of(const job *d, int64_t image, int64_t group)
{
    const mr__conv *c = d->c;
    return d->x + (image * c->channels + group * (c->channels / c->groups)) * c->height * c->width;
}

static float *w_of(const job *d, int64_t group)
{
    return d->w + group * (d->c->filters / d->c->groups) * weights_of(d->c);
}

static const float *columns_of(const job *d, float *columns, int64_t image, int64_t group)
{
    if (is_plain(d->c))
        return x_of(d, image, group);
    make_columns(d->c, columns, x_of(d, image, group));
    return columns;
}

/* The gradient of the planes of an image: made in `planes`, or dy's own. */
static const float *dy_of(const job *d, float *planes, int64_t image)
{
    const mr__conv *c = d->c;
    const int64_t pixels = pixels_of(c);
    if (d->tail->kind == MR__TAIL_NONE)
        return d->y + image * c->filters * pixels;
    for (int64_t f = 0; f < c->filters; f++)
        mr__tail_gradient(d->tail, d->y, image * c->filters + f, c->out_h, c->out_w, planes + f * pixels);
    return planes;
}

static void forward_image(const job *d, float *columns, int64_t image)
{
    const mr__conv *c = d->c;
    int64_t filters = c->filters / c->groups, weights = weights_of(c), pixels = pixels_of(c);
    int64_t first = image * c->filters;
    float *planes = columns + column_floats(c);
    float *all = mr__tail_target(d->tail, d->y, first, c->out_h, c->out_w, planes);
    for (int64_t g = 0; g < c->groups; g++) {
        float *y = all + g * filters * pixels;
        for (int64_t f = 0; d->b && f < filters; f++)
            mr__k->fill(y + f * pixels, d->b[g * filters + f], pixels);
        mr__product(false, false, filters, pixels, weights, w_of(d, g), weights,
                    columns_of(d, columns, image, g), pixels, y, pixels, d->add || d->b);
    }
    for (int64_t f = 0; f < c->filters; f++)
        mr__tail_finish(d->tail, d->y, first + f, c->out_h, c->out_w, planes + f * pixels);
}

static void dx_image(const job *d, float *columns, int64_t image)
{
    const mr__conv *c = d->c;
    int64_t filters = c->filters / c->groups, weights = weights_of(c), pixels = pixels_of(c);
    const float *dy = dy_of(d, columns + column_floats(c), image);
    for (int64_t g = 0; g < c->groups; g++) {
        float *dx = x_of(d, image, g);
        float *target = is_plain(c) ? dx : columns;
        mr__product(true, false, weights, pixels, filters, w_of(d, g), weights, dy + g * filters * pixels,
                    pixels, target, pixels, is_plain(c) && d->add);
        if (is_plain(c))
            continue;
        if (!d->add)
            memset(dx, 0, (size_t)(c->channels / c->groups * c->height * c->width) * sizeof *dx);
        add_columns(c, dx, columns);
    }
}

typedef void image_fn(const job *d, float *columns, int64_t image);

static void some_images(const job *d, int64_t begin, int64_t end, image_fn *each)
{
    for (int64_t worker = begin; worker < end; worker++) {
        float *columns = d->columns + worker * worker_floats(d->c);
        int64_t last = d->c->images * (worker + 1) / d->workers;
        for (int64_t image = d->c->images * worker / d->workers; image < last; image++)
            each(d, columns, image);
    }
}

static void forward_some(void *work, int64_t begin, int64_t end)
{
    some_images(work, begin, end, forward_image);
}

static void dx_some(void *work, int64_t begin, int64_t end)
{
    some_images(work, begin, end, dx_image);
}

void mr__conv_forward(const mr__conv *c, float *y, const float *x, const float *w, const float *b, bool add,
                      const mr__conv_tail *tail, float *scratch)
{
    if (mr__winograd_serves(c)) {
        mr__winograd_forward(c, y, x, w, b, add, tail, scratch);
        return;
    }
    job d = { .c = c,
              .y = y,
              .x = (float *)(uintptr_t)x,
              .w = (float *)(uintptr_t)w,
              .b = b,
              .add = add,
              .tail = tail,
              .columns = scratch,
              .workers = workers_for(c) };
    mr__parallel(forward_some, &d, d.workers, 1, 1);
}

void mr__conv_dx(const mr__conv *c, float *dx, const float *dy, const float *w, bool add,
                 const mr__conv_tail *tail, float *scratch)
{
    if (mr__winograd_serves(c)) {
        mr__winograd_dx(c, dx, dy, w, add, tail, scratch);
        return;
    }
    job d = { .c = c,
              .y = (float *)(uintptr_t)dy,
              .x = dx,
              .w = (float *)(uintptr_t)w,
              .add = add,
              .tail = tail,
              .columns = scratch,
              .workers = workers_for(c) };
    mr__parallel(dx_some, &d, d.workers, 1, 1);
}

/* ---- the gradient of the weights ---- */

static void dw_image(const job *d, float *dw, float *columns, int64_t image, bool add)
{
    const mr__conv *c = d->c;
    int64_t filters = c->filters / c->groups, weights = weights_of(c), pixels = pixels_of(c);
    const float *dy = dy_of(d, columns + column_floats(c), image);
    for (int64_t f = 0; d->sums && f < c->filters; f++)
        d->sums[image * c->filters + f] = mr__k->sum(dy + f * pixels, pixels);
    for (int64_t g = 0; g < c->groups; g++)
        mr__product(false, true, filters, weights, pixels, dy + g * filters * pixels, pixels,
                    columns_of(d, columns, image, g), pixels, dw + g * filters * weights, weights, add);
}

static void dw_some(void *work, int64_t begin, int64_t end)
{
    const job *d = work;
    int64_t size = d->c->filters * weights_of(d->c), images = d->c->images;
    for (int64_t worker = begin; worker < end; worker++) {
        float *columns = d->columns + worker * worker_floats(d->c);
        int64_t last = d->chunks * (worker + 1) / d->workers;
        for (int64_t chunk = d->chunks * worker / d->workers; chunk < last; chunk++) {
            float *dw = d->chunks > 1 ? d->partial + chunk * size : d->w;
            bool add = d->chunks == 1 && d->add;
            for (int64_t image = images * chunk / d->chunks; image < images * (chunk + 1) / d->chunks;
                 image++) {
                dw_image(d, dw, columns, image, add);
                add = true;
            }
        }
    }
}

void mr__conv_dw(const mr__conv *c, float *dw, const float *dy, const float *x, bool add,
                 const mr__conv_tail *tail, float *sums, float *scratch)
{
    if (mr__winograd_serves(c)) {
        mr__winograd_dw(c, dw, dy, x, add, tail, sums, scratch);
        return;
    }
    int64_t workers = workers_for(c), chunks = chunks_for(c), size = c->filters * weights_of(c);
    job d = { .c = c,
              .y = (float *)(uintptr_t)dy,
              .x = (float *)(uintptr_t)x,
              .w = dw,
              .add = add,
              .tail = tail,
              .sums = sums,
              .columns = scratch,
              .partial = scratch + workers * worker_floats(c),
              .workers = workers < chunks ? workers : chunks,
              .chunks = chunks };
    if (c->images == 0 && !add)
        memset(dw, 0, (size_t)size * sizeof *dw);
    if (c->images == 0)
        return;
    mr__parallel(dw_some, &d, d.workers, 1, 1);
    for (int64_t chunk = 0; chunks > 1 && chunk < chunks; chunk++)
        mr__k->scale(dw, d.partial + chunk * size, 1.0f, size, add || chunk);
}

/* ---- the gradient of a bias ---- */

typedef struct channel_job {
    float *db;
    const float *dy;
    int64_t images, channels, pixels;
    bool add;
} channel_job;

static void some_channels(void *work, int64_t begin, int64_t end)
{
    const channel_job *d = work;
    for (int64_t channel = begin; channel < end; channel++) {
        double sum = d->add ? (double)d->db[channel] : 0;
        for (int64_t image = 0; image < d->images; image++)
            sum += (double)mr__k->sum(d->dy + (image * d->channels + channel) * d->pixels, d->pixels);
        d->db[channel] = (float)sum;
    }
}

void mr__channel_sums(float *db, const float *dy, int64_t images, int64_t channels, int64_t pixels, bool add)
{
    channel_job d = { db, dy, images, channels, pixels, add };
    int64_t each = images * pixels, grain = each >= MR__GRAIN_ELEMENTS ? 1 : MR__GRAIN_ELEMENTS / (each + 1);
    mr__parallel(some_channels, &d, channels, grain, 1);
}

/* With a ReLU alone the gradient of y is masked: each thread has room for a plane of it. */
typedef struct masked_job {
    const mr__conv *c;
    float *db;
    const float *dy;
    const mr__conv_tail *tail;
    bool add;
    float *room;
    int64_t workers;
} masked_job;

static void some_masked(void *work, int64_t begin, int64_t end)
{
    const masked_job *d = work;
    const mr__conv *c = d->c;
    const int64_t pixels = pixels_of(c);
    for (int64_t worker = begin; worker < end; worker++) {
        float *room = d->room + worker * pixels;
        for (int64_t f = c->filters * worker / d->workers; f < c->filters * (worker + 1) / d->workers; f++) {
            double sum = d->add ? (double)d->db[f] : 0;
            for (int64_t image = 0; image < c->images; image++) {
                const int64_t plane = image * c->filters + f;
                sum += (double)mr__k->sum(mr__tail_gradient(d->tail, d->dy, plane, c->out_h, c->out_w, room),
                                          pixels);
            }
            d->db[f] = (float)sum;
        }
    }
}

void mr__conv_db(const mr__conv *c, float *db, const float *dy, bool add, const mr__conv_tail *tail,
                 const float *sums, float *scratch)
{
    if (sums) {
        for (int64_t f = 0; f < c->filters; f++) {
            double sum = add ? (double)db[f] : 0;
            for (int64_t image = 0; image < c->images; image++)
                sum += (double)sums[image * c->filters + f];
            db[f] = (float)sum;
        }
        return;
    }
    if (tail->kind == MR__TAIL_NONE) {
        mr__channel_sums(db, dy, c->images, c->filters, pixels_of(c), add);
        return;
    }
    const int64_t room = mr__conv_scratch(c) / (pixels_of(c) + 1);
    int64_t workers = workers_for(c);
    if (workers > room)
        workers = room > 1 ? room : 1;
    masked_job d = { c, db, dy, tail, add, scratch, workers < c->filters ? workers : c->filters };
    mr__parallel(some_masked, &d, d.workers, 1, 1);
}
