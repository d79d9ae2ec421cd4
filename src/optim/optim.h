/*
 * The inside of an optimizer: groups of parameters, each with options of its own, in flat ranges.
 *
 * A range holds a group's parameters of one dtype one after the other, with zeros between them where alignment
 * leaves room; gradients and the arrays of state have the same layout. While every parameter of a group has a
 * gradient, a step is one call of a kernel over the whole range: the padding's gradient is zero, and nobody looks at
 * its values.
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
    mr__memory *state[MR__MAX_STATE]; /* NULL where the group's options need none */
} mr__range;

/* Where one parameter lies. */
typedef struct mr__slot {
    mr_tensor *tensor; /* borrowed: belongs to its module, which may be freed before the optimizer */
    char *name;
    mr__range *range;
    int64_t offset, numel;
    int64_t steps; /* updates of this parameter, for the corrections that depend on it */
} mr__slot;

typedef struct mr__group mr__group;

/* What a kind of optimizer does. */
typedef struct mr__optim_kind {
    const char *name; /* "adam" */
    int state_count;
    const char *state_name[MR__MAX_STATE]; /* torch's: "exp_avg" */
    /* Updates `count` elements from `offset` on; `like` is the slot there, or one like all of them. Its `steps` is
     * the number of this update, from 1. */
    void (*update)(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like);

    /* What schedules call the momentum. */
    size_t momentum;       /* where it lies in a group; 0: there is none */
    double momentum_below; /* it is less than that */
    bool has_buffer;       /* state 0 is there only while there is, or has been, a momentum */
    bool counts_momentum;  /* `steps` counts the updates of that buffer, since its first one is another */
} mr__optim_kind;

/* A group's options, with the defaults filled in. */
typedef union mr__optim_opts {
    mr_sgd_opts sgd;
    struct {
        double beta1, beta2, eps, weight_decay;
        bool decoupled;
    } adam;
} mr__optim_opts;

/* What a kind makes of a user's options: a group to be. */
typedef struct mr__setup {
    const mr__optim_kind *kind;
    unsigned states; /* which arrays of state it has: bit i for state i */
    mr__optim_opts opts;
} mr__setup;

struct mr__group {
    double lr;
    mr__range range[2]; /* float32 and float64 */
    mr__slot *slots;
    size_t count;
    int64_t counting; /* what an update adds to `steps`: 1, or 0 */
    bool whole;       /* in this step: ranges are updated as a whole */
    mr__optim_opts opts;
    int64_t powers_at;     /* the number of updates that the powers belong to; -1: none */
    double power1, power2; /* of beta1 and beta2 */
    mr__group *next;
};

struct mr_optim {
    const mr__optim_kind *kind;
    int64_t steps;
    mr__group first;
    mr__group *last;
    size_t groups;
};

/* Makes an optimizer with one group; NULL after a failure. */
mr_optim *mr__optim_new(const char *call, mr_params params, double lr, const mr__setup *setup);

/* Adds a group to an optimizer of the same kind, which is unchanged when that fails. */
mr_status mr__optim_add(const char *call, mr_optim *optim, mr_params params, double lr,
                        const mr__setup *setup);

/* Brings power1 and power2 to beta1^steps and beta2^steps. */
void mr__advance_powers(mr__group *group, double beta1, double beta2, int64_t steps);

/* The array of a range that starts at element `offset`; NULL for one that is not there. */
static inline void *mr__range_at(const mr__range *range, mr__memory *array, int64_t offset)
{
    return array ? (char *)mr__memory_data(array) + (size_t)offset * mr_dtype_size(range->dtype) : NULL;
}

/* An option whose default is not zero. */
static inline double mr__option(double value, double fallback)
{
    return value == 0 ? fallback : value == MR_ZERO ? 0 : value;
}

/* "layer1.weight[16,1]": by a name that is not empty, or else the tensor's own. */
mr__text mr__param_text(const char *name, const mr_tensor *x);

/* Raises a failure unless `value` lies in [low, high). */
bool mr__option_within(const char *call, const char *name, double value, double low, double high);

#endif
