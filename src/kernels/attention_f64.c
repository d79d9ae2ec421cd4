/* Attention in float64: plain loops, a row of weights at a time. */
#include "attention.h"

#include <math.h>
#include <stddef.h>

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add_scaled(double *to, double by, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += by * x[i];
}

static const double *row_of(const mr__attention *a, const void *x, mr__heads at, int64_t item, int64_t row)
{
    return (const double *)x + mr__head_at(a, at, item) + row * at.row;
}

/* The weights of a row, of the keys that it sees. */
static void make_weights(const mr__attention *a, int64_t item, int64_t row, int64_t seen, double *p)
{
    const double *q = row_of(a, a->q, a->q_at, item, row);
    double top = -INFINITY, total = 0;
    for (int64_t j = 0; j < seen; j++) {
        p[j] = a->scale * dot(q, row_of(a, a->k, a->k_at, item, j), a->size);
        for (int i = 0; i < MR__ATTENTION_MASKS; i++)
            p[j] += a->mask[i] ? row_of(a, a->mask[i], a->mask_at[i], item, row)[j] : 0;
        top = p[j] > top ? p[j] : top;
    }
    for (int64_t j = 0; j < seen; j++)
        total += p[j] = exp(p[j] - top);
    for (int64_t j = 0; j < seen; j++)
        p[j] /= total;
}

static double noise_of(const mr__attention *a, int64_t item, int64_t row, int64_t key)
{
    return a->noise ? ((const double *)a->noise)[(item * a->queries + row) * a->keys + key] : 1;
}

void mr__attention_rows_f64(const mr__attention *a, int64_t item, int64_t begin, int64_t end, double *scratch)
{
    for (int64_t row = begin; row < end; row++) {
        double *out = (double *)a->out + mr__head_at(a, a->out_at, item) + row * a->out_at.row;
        const int64_t seen = mr__keys_seen(a, row + 1);
        make_weights(a, item, row, seen, scratch);
        for (int64_t i = 0; i < a->value_size; i++)
            out[i] = 0;
        for (int64_t j = 0; j < seen; j++)
            add_scaled(out, scratch[j] * noise_of(a, item, row, j), row_of(a, a->v, a->v_at, item, j),
                       a->value_size);
    }
}

static void add_gradients(const mr__attention *a, int64_t item, int64_t row, int64_t key, double slope)
{
    const int64_t q = mr__head_at(a, a->q_at, item) + row * a->q_at.row;
    const int64_t k = mr__head_at(a, a->k_at, item) + key * a->k_at.row;
    if (a->dq)
        add_scaled((double *)a->dq + q, slope * a->scale, (const double *)a->k + k, a->size);
    if (a->dk)
        add_scaled((double *)a->dk + k, slope * a->scale, (const double *)a->q + q, a->size);
}

void mr__attention_gradients_f64(const mr__attention *a, int64_t item, double *scratch)
{
    double *p = scratch, *dp = scratch + a->keys;
    for (int64_t row = 0; row < a->queries; row++) {
        const double *dout = row_of(a, a->dout, a->out_at, item, row);
        const int64_t seen = mr__keys_seen(a, row + 1);
        double sum = 0;
        make_weights(a, item, row, seen, p);
        for (int64_t j = 0; j < seen; j++) {
            const double noise = noise_of(a, item, row, j);
            if (a->dv)
                add_scaled((double *)a->dv + mr__head_at(a, a->v_at, item) + j * a->v_at.row, p[j] * noise,
                           dout, a->value_size);
            dp[j] = noise * dot(dout, row_of(a, a->v, a->v_at, item, j), a->value_size);
            sum += dp[j] * p[j];
        }
        for (int64_t j = 0; j < seen; j++)
            add_gradients(a, item, row, j, p[j] * (dp[j] - sum));
        double *ds = a->dscores ? (double *)a->dscores + (item * a->queries + row) * a->keys : NULL;
        for (int64_t j = 0; ds && j < a->keys; j++)
            ds[j] = j < seen ? p[j] * (dp[j] - sum) : 0;
    }
}
