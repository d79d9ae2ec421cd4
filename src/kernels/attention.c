#include "attention.h"

#include "kernels.h"
#include "parallel.h"

#include <string.h>

/* Rows of weights that are made together: few, so that causal blocks skip much; whole tiles of gemm. */
enum { ROWS = 48 };

static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- float32: a block of rows of one head ---- */

typedef struct block {
    int64_t item, first, rows, seen;
    float *weights, *slopes, *dropped, *scaled; /* scratch; (rows, seen), and (rows, size) */
} block;

static block block_at(const mr__attention *a, int64_t item, int64_t first, float *scratch)
{
    block b = { .item = item, .first = first, .rows = smaller(ROWS, a->queries - first) };
    b.seen = mr__keys_seen(a, first + b.rows);
    b.scaled = scratch;
    b.weights = b.scaled + ROWS * a->size;
    b.slopes = b.weights + ROWS * a->keys;
    b.dropped = b.slopes + ROWS * a->keys;
    return b;
}

/* The products with masks. */
static void make_scores(const mr__attention *a, const block *b)
{
    const float *q = (const float *)a->q + mr__head_at(a, a->q_at, b->item) + b->first * a->q_at.row;
    const float *k = (const float *)a->k + mr__head_at(a, a->k_at, b->item);
    for (int64_t r = 0; r < b->rows; r++)
        mr__k->scale(b->scaled + r * a->size, q + r * a->q_at.row, (float)a->scale, a->size, false);
    mr__k->gemm(false, true, b->rows, b->seen, a->size, b->scaled, a->size, k, a->k_at.row, b->weights,
                b->seen, false);
    for (int i = 0; i < MR__ATTENTION_MASKS; i++)
        for (int64_t r = 0; a->mask[i] && r < b->rows; r++) {
            float *row = b->weights + r * b->seen;
            mr__k->add(row, row,
                       (const float *)a->mask[i] + mr__head_at(a, a->mask_at[i], b->item) +
                           (b->first + r) * a->mask_at[i].row,
                       b->seen);
        }
}

/* `again`: from what the first time left in top and inverse. */
static void make_weights(const mr__attention *a, const block *b, bool again)
{
    const int64_t at = b->item * a->queries + b->first;
    make_scores(a, b);
    mr__k->attention_weights(b->weights, (float *)a->top + at, (float *)a->inverse + at, b->rows, b->seen,
                             a->causal ? b->first + 1 : b->seen, again);
}

/* out = x times the noise of these weights. */
static void drop(const mr__attention *a, const block *b, float *out, const float *x)
{
    const float *noise = (const float *)a->noise + (b->item * a->queries + b->first) * a->keys;
    for (int64_t r = 0; r < b->rows; r++)
        mr__k->mul(out + r * b->seen, x + r * b->seen, noise + r * a->keys, b->seen);
}

static void forward_block(const mr__attention *a, int64_t item, int64_t first, float *scratch)
{
    const block b = block_at(a, item, first, scratch);
    make_weights(a, &b, false);
    if (a->noise)
        drop(a, &b, b.weights, b.weights);
    mr__k->gemm(false, false, b.rows, a->value_size, b.seen, b.weights, b.seen,
                (const float *)a->v + mr__head_at(a, a->v_at, item), a->v_at.row,
                (float *)a->out + mr__head_at(a, a->out_at, item) + first * a->out_at.row, a->out_at.row,
                false);
}

/* The gradient of the scores, in b->slopes. */
static void make_slopes(const mr__attention *a, const block *b, const float *dout)
{
    mr__k->gemm(false, true, b->rows, b->seen, a->value_size, dout, a->out_at.row,
                (const float *)a->v + mr__head_at(a, a->v_at, b->item), a->v_at.row, b->slopes, b->seen,
                false);
    if (a->noise)
        drop(a, b, b->slopes, b->slopes);
    mr__k->attention_slopes(b->slopes, b->weights, b->rows, b->seen, a->dscores ? 1 : (float)a->scale);
    if (!a->dscores)
        return;
    float *to = (float *)a->dscores + (b->item * a->queries + b->first) * a->keys;
    for (int64_t r = 0; r < b->rows; r++, to += a->keys) {
        memcpy(to, b->slopes + r * b->seen, (size_t)b->seen * sizeof *to);
        memset(to + b->seen, 0, (size_t)(a->keys - b->seen) * sizeof *to);
    }
    mr__k->scale(b->slopes, b->slopes, (float)a->scale, b->rows * b->seen, false);
}

static void backward_block(const mr__attention *a, int64_t item, int64_t first, float *scratch)
{
    const block b = block_at(a, item, first, scratch);
    const float *dout = (const float *)a->dout + mr__head_at(a, a->out_at, item) + first * a->out_at.row;
    const int64_t q = mr__head_at(a, a->q_at, item) + first * a->q_at.row, k = mr__head_at(a, a->k_at, item);
    make_weights(a, &b, true);
    if (a->dv && a->noise)
        drop(a, &b, b.dropped, b.weights);
    if (a->dv)
        mr__k->gemm(true, false, b.seen, a->value_size, b.rows, a->noise ? b.dropped : b.weights, b.seen,
                    dout, a->out_at.row, (float *)a->dv + mr__head_at(a, a->v_at, item), a->v_at.row, true);
    if (a->dq || a->dk || a->dscores)
        make_slopes(a, &b, dout);
    if (a->dq)
        mr__k->gemm(false, false, b.rows, a->size, b.seen, b.slopes, b.seen, (const float *)a->k + k,
                    a->k_at.row, (float *)a->dq + q, a->q_at.row, true);
    if (a->dk)
        mr__k->gemm(true, false, b.seen, a->size, b.rows, b.slopes, b.seen, (const float *)a->q + q,
                    a->q_at.row, (float *)a->dk + k, a->k_at.row, true);
}

/* ---- heads and blocks, divided among threads ---- */

int64_t mr__attention_plan(mr__attention *a, bool backward)
{
    const double work = (double)a->batch * (double)a->heads * (double)a->queries * (double)a->keys *
                        (double)(a->size + a->value_size);
    const int64_t items = a->batch * a->heads * (backward ? 1 : (a->queries + ROWS - 1) / ROWS);
    const int64_t most = smaller(mr__threads(), items);
    const double worth = work / MR__GRAIN_PRODUCTS;
    a->chunks = (double)most <= worth ? (int)most : worth < 1 ? 1 : (int)worth;
    if (!a->f32)
        return a->chunks * 2 * a->keys;
    return a->chunks * ROWS * (a->size + a->keys * (!backward ? 1 : a->noise ? 3 : 2));
}

static void *scratch_of(const mr__attention *a, int64_t chunk, bool backward)
{
    mr__attention one = *a;
    const int64_t each = mr__attention_plan(&one, backward) / one.chunks;
    return (char *)a->scratch + (size_t)(chunk * each) * (a->f32 ? sizeof(float) : sizeof(double));
}

static void forward_chunk(void *work, int64_t begin, int64_t end)
{
    const mr__attention *a = work;
    const int64_t blocks = (a->queries + ROWS - 1) / ROWS, all = a->batch * a->heads * blocks;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        void *scratch = scratch_of(a, chunk, false);
        for (int64_t i = all * chunk / a->chunks; i < all * (chunk + 1) / a->chunks; i++) {
            const int64_t item = i / blocks, first = i % blocks * ROWS;
            if (a->f32)
                forward_block(a, item, first, scratch);
            else
                mr__attention_rows_f64(a, item, first, smaller(first + ROWS, a->queries), scratch);
        }
    }
}

void mr__attention_forward(const mr__attention *a)
{
    mr__attention work = *a;
    mr__parallel(forward_chunk, &work, a->chunks, 1, 1);
}

static void clear(const mr__attention *a, void *x, mr__heads at, int64_t item, int64_t rows, int64_t n)
{
    const size_t size = a->f32 ? sizeof(float) : sizeof(double);
    char *head = (char *)x + (size_t)mr__head_at(a, at, item) * size;
    for (int64_t r = 0; r < rows; r++)
        memset(head + (size_t)(r * at.row) * size, 0, (size_t)n * size);
}

static void backward_chunk(void *work, int64_t begin, int64_t end)
{
    const mr__attention *a = work;
    const int64_t all = a->batch * a->heads;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        void *scratch = scratch_of(a, chunk, true);
        for (int64_t item = all * chunk / a->chunks; item < all * (chunk + 1) / a->chunks; item++) {
            if (a->clear_q)
                clear(a, a->dq, a->q_at, item, a->queries, a->size);
            if (a->clear_k)
                clear(a, a->dk, a->k_at, item, a->keys, a->size);
            if (a->clear_v)
                clear(a, a->dv, a->v_at, item, a->keys, a->value_size);
            for (int64_t first = 0; a->f32 && first < a->queries; first += ROWS)
                backward_block(a, item, first, scratch);
            if (!a->f32)
                mr__attention_gradients_f64(a, item, scratch);
        }
    }
}

void mr__attention_backward(const mr__attention *a)
{
    mr__attention work = *a;
    mr__parallel(backward_chunk, &work, a->chunks, 1, 1);
}
