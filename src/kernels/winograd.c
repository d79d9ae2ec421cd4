#include "winograd.h"

#include "kernels.h"
#include "parallel.h"

#include <stddef.h>
#include <string.h>

/*
 * A tile is 2 x 2 pixels of the result. With B, G and A of F(2x2, 3x3), V = B^T d B of its 4 x 4 inputs d and U = G g
 * G^T of a filter g, its pixels are A^T [sum over channels of U V] A. So there are 16 products of matrices, one for
 * each place in U and V, of (filters, channels) by (channels, tiles). The gradient of the inputs is a convolution with
 * the filters turned round; that of the weights is G^T [sum over tiles of (A dy A^T) V] G.
 *
 * Images are taken in blocks whose V and U V fit the cache of a core, and blocks are divided among threads. dw is summed in
 * chunks of images whose number depends on the shapes alone, and these are added in order.
 */

enum { PLACES = 16, TAPS = 9, BLOCK_FLOATS = 160 * 1024, MOST_CHUNKS = 16, SPARE = 32, FEWEST = 8 };

bool mr__winograd_serves(const mr__conv *c)
{
    return c->kernel_h == 3 && c->kernel_w == 3 && c->stride_h == 1 && c->stride_w == 1 &&
           c->dilation_h == 1 && c->dilation_w == 1 && c->groups == 1 && c->channels >= FEWEST &&
           c->filters >= FEWEST && c->pad_top <= 2 && c->pad_left <= 2 && c->out_h >= 4 && c->out_w >= 4 &&
           c->images > 0;
}

/* ---- what is computed: a convolution, or the one that gives dx ---- */

typedef struct plan {
    int64_t images, in, out; /* channels */
    int64_t height, width, pad_top, pad_left, out_h, out_w;
    int64_t rows, columns;     /* of tiles in an image */
    int64_t plane, plane_step; /* floats of a padded plane, and of its rows */
    int64_t block;             /* images that are taken at a time */
    int64_t v_step, m_step;    /* from one place to the next */
    int64_t room;              /* floats of a plane of y, or of dy */
    int64_t workers, worker_floats;
} plan;

static int64_t at_least_1(int64_t n)
{
    return n > 1 ? n : 1;
}

static plan plan_of(int64_t images, int64_t in, int64_t out, int64_t height, int64_t width, int64_t pad_top,
                    int64_t pad_left, int64_t out_h, int64_t out_w)
{
    plan p = { .images = images,
               .in = in,
               .out = out,
               .height = height,
               .width = width,
               .pad_top = pad_top,
               .pad_left = pad_left,
               .out_h = out_h,
               .out_w = out_w };
    p.rows = (out_h + 1) / 2;
    p.columns = (out_w + 1) / 2;
    p.plane_step = 2 * p.columns + 2;
    p.plane = (2 * p.rows + 2) * p.plane_step + 4 * SPARE;
    p.block = at_least_1(BLOCK_FLOATS / (PLACES * (in + out) * p.rows * p.columns));
    if (p.block > images)
        p.block = images;
    /* The spare floats keep the places from falling on the same lines of a cache. */
    p.v_step = p.block * in * p.rows * p.columns + SPARE;
    p.m_step = p.block * out * p.rows * p.columns + SPARE;
    double work = (double)images * (double)(in * out) * (double)(p.rows * p.columns) * PLACES;
    int64_t blocks = (images + p.block - 1) / p.block, threads = mr__threads();
    p.workers = work < 2.0 * MR__GRAIN_PRODUCTS ? 1 : threads < blocks ? threads : blocks;
    p.room = out_h * out_w > height * width ? out_h * out_w : height * width;
    p.worker_floats = p.plane + p.room + PLACES * (p.v_step + p.m_step);
    return p;
}

static plan forward_plan(const mr__conv *c)
{
    return plan_of(c->images, c->channels, c->filters, c->height, c->width, c->pad_top, c->pad_left, c->out_h,
                   c->out_w);
}

static plan dx_plan(const mr__conv *c)
{
    return plan_of(c->images, c->filters, c->channels, c->out_h, c->out_w, 2 - c->pad_top, 2 - c->pad_left,
                   c->height, c->width);
}

static int64_t chunks_of(const mr__conv *c)
{
    const int64_t fit = (4 << 20) / (PLACES * c->filters * c->channels);
    const int64_t chunks = fit < MOST_CHUNKS ? fit : MOST_CHUNKS;
    return at_least_1(chunks < c->images ? chunks : c->images);
}

int64_t mr__winograd_scratch(const mr__conv *c)
{
    const plan forward = forward_plan(c), dx = dx_plan(c);
    const int64_t weights = PLACES * c->filters * c->channels;
    const int64_t threads = forward.workers > dx.workers ? forward.workers : dx.workers;
    const int64_t floats =
        forward.worker_floats > dx.worker_floats ? forward.worker_floats : dx.worker_floats;
    return threads * floats + (1 + chunks_of(c)) * weights;
}

/* ---- filters ---- */

/* (g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2) */
static void filter_line(const float *g, int64_t step, float *out, int64_t out_step)
{
    const float even = g[0] + g[2 * step], odd = g[step];
    out[0] = g[0];
    out[out_step] = 0.5f * (even + odd);
    out[2 * out_step] = 0.5f * (even - odd);
    out[3 * out_step] = g[2 * step];
}

static void filter_transform(const float *g, float u[PLACES])
{
    float half[4 * 3];
    for (int j = 0; j < 3; j++)
        filter_line(g + j, 3, half + j, 3);
    for (int i = 0; i < 4; i++)
        filter_line(half + 3 * i, 1, u + 4 * i, 1);
}

/* The transpose of filter_line: (u0 + (u1 + u2) / 2, (u1 - u2) / 2, (u1 + u2) / 2 + u3) */
static void gradient_line(const float *u, int64_t step, float *out, int64_t out_step)
{
    const float sum = 0.5f * (u[step] + u[2 * step]);
    out[0] = u[0] + sum;
    out[out_step] = 0.5f * (u[step] - u[2 * step]);
    out[2 * out_step] = sum + u[3 * step];
}

static void gradient_transform(const float u[PLACES], float g[TAPS])
{
    float half[3 * 4];
    for (int j = 0; j < 4; j++)
        gradient_line(u + j, 4, half + j, 4);
    for (int i = 0; i < 3; i++)
        gradient_line(half + 4 * i, 1, g + 3 * i, 1);
}

typedef struct filter_job {
    float *u, *w; /* of which one is read */
    int64_t filters, channels;
    bool turned, add;
} filter_job;

/* u (16, filters, channels); or for dx (16, channels, filters), of filters turned round. */
static void transform_some(void *work, int64_t begin, int64_t end)
{
    const filter_job *d = work;
    const int64_t count = d->filters * d->channels;
    const float *w = d->w + begin * d->channels * TAPS;
    for (int64_t f = begin; f < end; f++)
        for (int64_t c = 0; c < d->channels; c++, w += TAPS) {
            float g[TAPS], out[PLACES];
            for (int i = 0; i < TAPS; i++)
                g[i] = w[d->turned ? TAPS - 1 - i : i];
            filter_transform(g, out);
            float *to = d->u + (d->turned ? c * d->filters + f : f * d->channels + c);
            for (int i = 0; i < PLACES; i++)
                to[i * count] = out[i];
        }
}

static void gradients_of_some(void *work, int64_t begin, int64_t end)
{
    const filter_job *d = work;
    const int64_t count = d->filters * d->channels;
    for (int64_t j = begin * d->channels; j < end * d->channels; j++) {
        float u[PLACES], g[TAPS];
        for (int i = 0; i < PLACES; i++)
            u[i] = d->u[i * count + j];
        gradient_transform(u, g);
        for (int i = 0; i < TAPS; i++)
            d->w[j * TAPS + i] = d->add ? d->w[j * TAPS + i] + g[i] : g[i];
    }
}

static void each_filter(mr__part *part, filter_job d)
{
    mr__parallel(part, &d, d.filters, MR__GRAIN_ELEMENTS / (4 * PLACES * d.channels) + 1, 1);
}

/* ---- blocks of images ---- */

typedef struct job {
    plan p;
    float *x, *y; /* of which one is read */
    const float *u, *b;
    bool add;
    const mr__conv_tail *tail; /* of the result; in dx, of what is the input here */
    bool turned;               /* dx */
    float *scratch;
    float *partial; /* dw: a U of sums for each chunk */
    float *sums;    /* dw: of each plane of dy, or NULL */
    int64_t chunks;
} job;

static int64_t tiles_of(const plan *p)
{
    return p->rows * p->columns;
}

/* The inputs of some images: v (16, channels, images, tiles). */
static void transform_inputs(const job *d, float *v, float *padded, float *room, int64_t first,
                             int64_t images)
{
    const plan *p = &d->p;
    /* What of a plane is seen: a convolution may leave out its last rows and columns. */
    const int64_t rows = 2 * p->rows + 2 - p->pad_top, columns = p->plane_step - p->pad_left;
    const int64_t height = p->height < rows ? p->height : rows,
                  width = p->width < columns ? p->width : columns;
    memset(padded, 0, (size_t)p->plane * sizeof *padded);
    float *to = padded + p->pad_top * p->plane_step + p->pad_left;
    for (int64_t c = 0; c < p->in; c++)
        for (int64_t i = 0; i < images; i++) {
            const int64_t plane = (first + i) * p->in + c;
            const float *from = d->turned ? mr__tail_gradient(d->tail, d->x, plane, p->height, p->width, room)
                                          : d->x + plane * p->height * p->width;
            for (int64_t r = 0; r < height; r++)
                memcpy(to + r * p->plane_step, from + r * p->width, (size_t)width * sizeof *to);
            mr__k->winograd_input(v + (c * images + i) * tiles_of(p), p->v_step, padded, p->plane_step,
                                  p->rows, p->columns);
        }
}

/* A plane of the result from the sums of products. */
static void transform_output(const job *d, const float *m, float *room, int64_t plane, int64_t filter)
{
    const plan *p = &d->p;
    const mr__conv_tail *tail = d->turned ? &mr__no_tail : d->tail;
    float *y = mr__tail_target(tail, d->y, plane, p->out_h, p->out_w, room);
    mr__k->winograd_output(y, m, p->m_step, p->out_h, p->out_w, d->b ? d->b[filter] : 0, d->add);
    mr__tail_finish(tail, d->y, plane, p->out_h, p->out_w, room);
}

static void forward_block(const job *d, float *scratch, int64_t first, int64_t images)
{
    const plan *p = &d->p;
    float *room = scratch + p->plane, *v = room + p->room, *m = v + PLACES * p->v_step;
    const int64_t tiles = images * tiles_of(p);
    transform_inputs(d, v, scratch, room, first, images);
    for (int64_t i = 0; i < PLACES; i++)
        mr__k->gemm(false, false, p->out, tiles, p->in, d->u + i * p->out * p->in, p->in, v + i * p->v_step,
                    tiles, m + i * p->m_step, tiles, false);
    for (int64_t i = 0; i < images; i++)
        for (int64_t f = 0; f < p->out; f++)
            transform_output(d, m + (f * images + i) * tiles_of(p), room, (first + i) * p->out + f, f);
}

static void forward_some(void *work, int64_t begin, int64_t end)
{
    const job *d = work;
    for (int64_t worker = begin; worker < end; worker++) {
        const int64_t last = d->p.images * (worker + 1) / d->p.workers;
        for (int64_t i = d->p.images * worker / d->p.workers; i < last; i += d->p.block)
            forward_block(d, d->scratch + worker * d->p.worker_floats, i,
                          last - i < d->p.block ? last - i : d->p.block);
    }
}

void mr__winograd_forward(const mr__conv *c, float *y, const float *x, const float *w, const float *b,
                          bool add, const mr__conv_tail *tail, float *scratch)
{
    job d = { .p = forward_plan(c),
              .x = (float *)(uintptr_t)x,
              .y = y,
              .u = scratch,
              .b = b,
              .add = add,
              .tail = tail };
    d.scratch = scratch + PLACES * c->filters * c->channels;
    each_filter(transform_some,
                (filter_job){ scratch, (float *)(uintptr_t)w, c->filters, c->channels, false, false });
    mr__parallel(forward_some, &d, d.p.workers, 1, 1);
}

void mr__winograd_dx(const mr__conv *c, float *dx, const float *dy, const float *w, bool add,
                     const mr__conv_tail *tail, float *scratch)
{
    job d = { .p = dx_plan(c),
              .x = (float *)(uintptr_t)dy,
              .y = dx,
              .u = scratch,
              .add = add,
              .tail = tail,
              .turned = true };
    d.scratch = scratch + PLACES * c->filters * c->channels;
    each_filter(transform_some,
                (filter_job){ scratch, (float *)(uintptr_t)w, c->filters, c->channels, true, false });
    mr__parallel(forward_some, &d, d.p.workers, 1, 1);
}

/* ---- the gradient of the weights ---- */

static void dw_block(const job *d, float *scratch, float *sums, int64_t first, int64_t images, bool add)
{
    const plan *p = &d->p;
    float *room = scratch + p->plane, *v = room + p->room, *m = v + PLACES * p->v_step;
    const int64_t tiles = images * tiles_of(p);
    transform_inputs(d, v, scratch, room, first, images);
    for (int64_t f = 0; f < p->out; f++)
        for (int64_t i = 0; i < images; i++) {
            const float *dy =
                mr__tail_gradient(d->tail, d->y, (first + i) * p->out + f, p->out_h, p->out_w, room);
            if (d->sums)
                d->sums[(first + i) * p->out + f] = mr__k->sum(dy, p->out_h * p->out_w);
            mr__k->winograd_output_gradient(m + (f * images + i) * tiles_of(p), p->m_step, dy, p->out_h,
                                            p->out_w);
        }
    for (int64_t i = 0; i < PLACES; i++)
        mr__k->gemm(false, true, p->out, p->in, tiles, m + i * p->m_step, tiles, v + i * p->v_step, tiles,
                    sums + i * p->out * p->in, p->in, add);
}

static void dw_some(void *work, int64_t begin, int64_t end)
{
    const job *d = work;
    for (int64_t worker = begin; worker < end; worker++) {
        const int64_t last_chunk = d->chunks * (worker + 1) / d->p.workers;
        for (int64_t chunk = d->chunks * worker / d->p.workers; chunk < last_chunk; chunk++) {
            const int64_t first = d->p.images * chunk / d->chunks,
                          last = d->p.images * (chunk + 1) / d->chunks;
            for (int64_t i = first; i < last; i += d->p.block)
                dw_block(d, d->scratch + worker * d->p.worker_floats,
                         d->partial + chunk * PLACES * d->p.in * d->p.out, i,
                         last - i < d->p.block ? last - i : d->p.block, i > first);
        }
    }
}

void mr__winograd_dw(const mr__conv *c, float *dw, const float *dy, const float *x, bool add,
                     const mr__conv_tail *tail, float *sums, float *scratch)
{
    const int64_t count = c->filters * c->channels;
    job d = { .p = forward_plan(c),
              .x = (float *)(uintptr_t)x,
              .y = (float *)(uintptr_t)dy,
              .chunks = chunks_of(c),
              .tail = tail,
              .sums = sums };
    if (d.p.workers > d.chunks)
        d.p.workers = d.chunks;
    d.partial = scratch;
    d.scratch = scratch + d.chunks * PLACES * count;
    mr__parallel(dw_some, &d, d.p.workers, 1, 1);
    for (int64_t chunk = 1; chunk < d.chunks; chunk++)
        mr__k->add(scratch, scratch, scratch + chunk * PLACES * count, PLACES * count);
    each_filter(gradients_of_some, (filter_job){ scratch, dw, c->filters, c->channels, false, add });
}
