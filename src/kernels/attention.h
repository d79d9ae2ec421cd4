/*
 * Attention on arrays: for each head of each sequence softmax(scale q k^T + masks) v, and its gradients.
 *
 * A block of rows of the weights is made, used and forgotten; backward makes it anew from the greatest element and the
 * inverse sum of each row, by the same products, so with the same bits. So memory grows with the length of a sequence,
 * not with its square. Results do not depend on the number of threads.
 */
#ifndef MILLRACE_KERNELS_ATTENTION_H
#define MILLRACE_KERNELS_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

/* Where an element (batch, head, row, …) lies; those behind the row are neighbours. In elements. */
typedef struct mr__heads {
    int64_t batch, head, row;
} mr__heads;

enum { MR__ATTENTION_MASKS = 2 };

typedef struct mr__attention {
    bool f32; /* else all arrays are double */
    int64_t batch, heads, queries, keys, size, value_size;
    double scale;
    bool causal; /* row i sees keys 0 … i */
    const void *q, *k, *v;
    void *out;
    mr__heads q_at, k_at, v_at, out_at;
    const void *mask[MR__ATTENTION_MASKS]; /* added to the products; NULL: none */
    mr__heads mask_at[MR__ATTENTION_MASKS];
    const void *noise;   /* (batch, heads, queries, keys), what weights are multiplied by; NULL: none */
    void *top, *inverse; /* (batch, heads, queries) */

    /* Backward: gradients lie as what they are of. NULL: not wanted. */
    const void *dout;
    void *dq, *dk, *dv;
    bool clear_q, clear_k, clear_v; /* set to 0 first; all are added to */
    void *dscores;                  /* (batch, heads, queries, keys), stored */

    void *scratch;
    int chunks; /* parts that threads may work on */
} mr__attention;

/* Sets `chunks` and returns the number of elements that `scratch` must have. */
int64_t mr__attention_plan(mr__attention *a, bool backward);

void mr__attention_forward(const mr__attention *a);
void mr__attention_backward(const mr__attention *a);

/* ---- of one head, float64: rows [begin, end) of the result; all gradients ---- */

void mr__attention_rows_f64(const mr__attention *a, int64_t item, int64_t begin, int64_t end,
                            double *scratch);
void mr__attention_gradients_f64(const mr__attention *a, int64_t item, double *scratch);

/* The first element of a head. */
static inline int64_t mr__head_at(const mr__attention *a, mr__heads at, int64_t item)
{
    return item / a->heads * at.batch + item % a->heads * at.head;
}

/* How many keys are seen by a block of rows that ends with `end`. */
static inline int64_t mr__keys_seen(const mr__attention *a, int64_t end)
{
    return a->causal && end < a->keys ? end : a->keys;
}

#endif
