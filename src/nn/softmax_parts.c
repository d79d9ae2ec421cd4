#include "nn/cross_entropy.h"

#include <math.h>

static void parts_f64(double *powers, double *top, double *total, const double *x, const mr__classes *s)
{
    MR__EACH_ROW(s, i, begin)
    {
        double t = -INFINITY, sum = 0;
        for (int64_t k = 0; k < s->classes; k++)
            t = x[begin + k * s->inner] > t ? x[begin + k * s->inner] : t;
        for (int64_t k = 0; k < s->classes; k++) {
            const double e = exp(x[begin + k * s->inner] - t);
            if (powers)
                powers[begin + k * s->inner] = e;
            sum += e;
        }
        top[i] = t;
        total[i] = sum;
    }
}

bool mr__softmax_parts_of(mr_tape *tape, const mr_tensor *input, const mr__classes *sizes, bool powers,
                          mr__softmax_parts *parts)
{
    const size_t size = mr_dtype_size((mr_dtype)input->dtype), bytes = (size_t)sizes->rows * size;
    parts->powers = powers ? mr__arena_alloc(&tape->arena, (size_t)input->numel * size) : NULL;
    parts->top = mr__arena_alloc(&tape->arena, bytes);
    parts->total = mr__arena_alloc(&tape->arena, bytes);
    parts->logarithm = mr__arena_alloc(&tape->arena, bytes);
    if ((powers && !parts->powers) || !parts->top || !parts->total || !parts->logarithm) {
        mr__stop(tape);
        return false;
    }
    if (input->dtype == MR_FLOAT32) {
        mr__k->softmax_parts(parts->powers, parts->top, parts->total, (const float *)input->data,
                             sizes->outer, sizes->classes, sizes->inner);
        mr__k->log(parts->logarithm, parts->total, sizes->rows);
        return true;
    }
    parts_f64(parts->powers, parts->top, parts->total, (const double *)input->data, sizes);
    for (int64_t i = 0; i < sizes->rows; i++)
        ((double *)parts->logarithm)[i] = log(((const double *)parts->total)[i]);
    return true;
}

void mr__scale_rows(mr_dtype dtype, void *dx, const void *powers, const void *factor, const mr__classes *s,
                    bool add)
{
    if (dtype == MR_FLOAT32) {
        mr__k->scale_rows(dx, powers, factor, s->outer, s->classes, s->inner, add);
        return;
    }
    MR__EACH_ROW(s, i, begin)
    for (int64_t k = 0; k < s->classes; k++) {
        const int64_t at = begin + k * s->inner;
        const double d = ((const double *)powers)[at] * ((const double *)factor)[i];
        ((double *)dx)[at] = add ? ((double *)dx)[at] + d : d;
    }
}
