/*
 * The inside of an optimizer: groups of parameters of one dtype in flat ranges.
 *
 * A range holds the parameters one after the other, with zeros between them where alignment leaves room;
 * gradients and the arrays of state have the same layout. While every parameter of a range has a gradient, a step
 * is one call of a kernel over the whole range: the padding's gradient is zero, and nobody looks at its values.
 */
#ifndef MILLRACE_OPTIM_OPTIM_H
#define MILLRACE_OPTIM_OPTIM_H

#include "base/error.h"
#include "tensor/tensor.h"

#include <millrace/optim.h>

enum { MR__MAX_STATE = 3 };

typedef struct mr__range {
    mr_dtype dtype;
    int64_t count; /* elements, padding included */
    mr__memory *values, *gradients;
    mr__memory *state[MR__MAX_STATE];
} mr__range;

/* Where one parameter lies. */
typedef struct mr__slot {
    mr_tensor *tensor; /* borrowed: belongs to its module, which may be freed before the optimizer */
    char *name;
    mr__range *range;
    int64_t offset, numel;
    int64_t steps; /* updates of this parameter, for the corrections that depend on it */
} mr__slot;

typedef struct mr__optim_kind {
    const char *name; /* "adam" */
    int state_count;
    const char *state_name[MR__MAX_STATE]; /* torch's: "exp_avg" */
    /* Updates `count` elements from `offset` on; `steps` is the number of this update, from 1. */
    void (*update)(mr_optim *optim, mr__range *range, int64_t offset, int64_t count, int64_t steps);
} mr__optim_kind;

struct mr_optim {
    const mr__optim_kind *kind;
    double lr;
    int64_t steps;
    mr__range range[2]; /* float32 and float64 */
    mr__slot *slots;
    size_t count;
    union {
        mr_sgd_opts sgd;
        struct {
            double beta1, beta2, eps, weight_decay;
            bool amsgrad, decoupled;
            int64_t at;            /* the step that the powers belong to */
            double power1, power2; /* beta1^at, beta2^at */
        } adam;
    } opts;
};

/* Moves the parameters into ranges; NULL after a failure. The caller sets `opts` afterwards. */
mr_optim *mr__optim_new(const char *call, mr_params params, double lr, const mr__optim_kind *kind);

/* The array of a range that starts at element `offset`. */
static inline void *mr__range_at(const mr__range *range, mr__memory *array, int64_t offset)
{
    return (char *)mr__memory_data(array) + (size_t)offset * mr_dtype_size(range->dtype);
}

/* An option whose default is not zero. */
static inline double mr__option(double value, double fallback)
{
    return value == 0 ? fallback : value == MR_ZERO ? 0 : value;
}

/* Raises a failure unless `value` lies in [low, high). */
bool mr__option_within(const char *call, const char *name, double value, double low, double high);

#endif
