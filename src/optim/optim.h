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
#include "base/option.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"
#include "tensor/tensor.h"

#include <millrace/optim.h>

enum { MR__MAX_STATE = 3 };

typedef struct mr__range {
    mr_dtype dtype;
    int64_t count; /* elements, padding included */
    mr__memory *values, *gradients;
    mr__memory *state[MR__MAX_STATE]; /* NULL where the group's options need none */
    mr__memory *aside;                /* the momentum's, while a state is loaded that may do without */
} mr__range;

/* Where one parameter lies. */
typedef struct mr__slot {
    mr_tensor *tensor; /* borrowed: belongs to its module, which may be freed before the optimizer */
    char *name;
    mr__range *range;
    int64_t offset, numel;
    int64_t steps;  /* updates of this parameter, for the corrections that depend on it */
    double factor;  /* a number that such a correction is made of, 1 at first; see `advance` */
    mr_shape shape; /* the tensor's, which may be gone when its state is looked at */
} mr__slot;

typedef struct mr__group mr__group;

/* What a kind of optimizer does; in each file a static const. */
typedef struct mr__optim_kind {
    const char *name; /* "adam" */
    int state_count;
    const char *state_name[MR__MAX_STATE]; /* torch's: "exp_avg" */
    /* Updates `count` elements from `offset` on; `like` is the slot there, or one like all of them. Its `steps` is
     * the number of this update, from 1. */
    void (*update)(mr__group *group, mr__range *range, int64_t offset, int64_t count, const mr__slot *like);
    /* Optional: called for each slot before its update, with `steps` advanced, to advance its `factor`. */
    void (*advance)(const mr__group *group, mr__slot *slot);
    const char *factor_name; /* torch's: "mu_product" */

    /* What schedules call the momentum. */
    size_t momentum;           /* where it lies in a group; 0: there is none */
    const char *momentum_name; /* "momentum", "beta1" */
    double momentum_below;     /* it is less than that */
    unsigned buffer;      /* 1 << i: state i is its buffer, there while there is, or has been, a momentum */
    bool powers;          /* it goes by mr__advance_powers */
    bool counts_momentum; /* `steps` counts the updates of that buffer, since its first one is another */

    /* For a kind that calls for the gradients itself, and whose state is not in arrays of its groups. */
    mr_status (*step)(mr_optim *optim, mr_closure closure, void *user, double *loss);
    bool (*list_slot)(mr_optim *optim, mr__slot *slot, const char *key);
    bool (*make_room)(mr_optim *optim, mr_params given); /* for as much state as is given */
    void (*undo_room)(mr_optim *optim);                  /* after that, when loading fails */
    void (*destroy)(mr_optim *optim);
} mr__optim_kind;

/* A group's options, with the defaults filled in. */
typedef union mr__optim_opts {
    mr_sgd_opts sgd;
    struct {
        double beta1, beta2, eps, weight_decay;
        bool decoupled;
        double momentum_decay; /* NAdam's */
    } adam;
    mr_rmsprop_opts rmsprop;
    mr_adagrad_opts adagrad;
    mr_adadelta_opts adadelta;
} mr__optim_opts;

/* What a kind makes of a user's options: a group to be. */
typedef struct mr__setup {
    const mr__optim_kind *kind;
    unsigned states; /* which arrays of state it has: bit i for state i */
    double initial;  /* what state 0 is filled with */
    mr__optim_opts opts;
} mr__setup;

struct mr__group {
    double lr;
    double own_lr;     /* `lr`, while a factor is on it */
    double initial_lr; /* what schedules begin with, once the first has noted it */
    bool has_initial_lr;
    mr__range range[2]; /* float32 and float64 */
    mr__slot *slots;
    size_t count;
    int64_t counting; /* what an update adds to `steps`: 1, or 0 */
    /* in this step: every parameter has a gradient and is like the others, so ranges are updated whole */
    bool whole;
    mr__optim_opts opts;
    int64_t powers_at;     /* the number of updates that the powers belong to; -1: none */
    double power1, power2; /* of beta1 and beta2 */
    mr__group *next;
};

/* The list that mr_optim_state gives. */
typedef struct mr__state {
    mr_param *item; /* names and tensors are owned */
    size_t count, room;
} mr__state;

struct mr_optim {
    const mr__optim_kind *kind;
    int64_t steps;
    mr__group first;
    mr__group *last;
    size_t groups;
    struct mr__lbfgs *lbfgs; /* NULL for all others */
    mr__state state;         /* empty until it is asked for, and after its parts have changed */
};

/* Makes an optimizer with one group; NULL after a failure. */
mr_optim *mr__optim_new(const char *call, mr_params params, double lr, const mr__setup *setup);

/* Adds a group to an optimizer of the same kind, which is unchanged when that fails. */
mr_status mr__optim_add(const char *call, mr_optim *optim, mr_params params, double lr,
                        const mr__setup *setup);

/* Where the momentum of a group lies. */
static inline double *mr__momentum_of(const mr_optim *optim, mr__group *group)
{
    return (double *)(void *)((char *)group + optim->kind->momentum);
}

/* Makes the buffers that a momentum works with, when there have been none before. */
bool mr__optim_make_buffer(mr_optim *optim, mr__group *group);

/* Called when a momentum or the number of updates has been written. */
void mr__group_changed(const mr_optim *optim, mr__group *group);

/* Called when all has been written, the powers too, or -1 for where they are. */
void mr__group_loaded(const mr_optim *optim, mr__group *group);

/* Adds "key.what" to the list; `data` is viewed. Drops the list. */
bool mr__state_add(mr__state *state, const char *key, const char *what, mr_dtype dtype, mr_shape shape,
                   void *data);
void mr__state_drop(mr__state *state);

/* The entry of that name, which is most likely the one at `guess`; NULL. */
const mr_param *mr__state_find(mr_params list, const char *name, size_t guess);

/* Raises what keeps `given` from being loaded into `own`, the state of a `keeper`. */
mr_status mr__state_check(const char *call, const char *keeper, mr_params own, mr_params given);

/* What the state of a slot, the index-th of all, is called by: its name, or as in torch the index where it has none or
 * not for itself. */
const char *mr__state_key(const mr_optim *optim, const mr__slot *slot, size_t index, mr__text *text);

/* Calls a closure; what it returns, or a failure that it left pending. */
mr_status mr__optim_closure(mr_closure closure, void *user, double *loss);

/* Brings power1 and power2 to beta1^steps and beta2^steps. */
void mr__advance_powers(mr__group *group, double beta1, double beta2, int64_t steps);

/* The array of a range that starts at element `offset`; NULL for one that is not there. */
static inline void *mr__range_at(const mr__range *range, mr__memory *array, int64_t offset)
{
    size_t size = range->dtype == MR_FLOAT64 ? sizeof(double) : sizeof(float);
    return array ? (char *)mr__memory_data(array) + (size_t)offset * size : NULL;
}

/* What an update works on, from element `offset` on. */
typedef struct mr__arrays {
    void *p, *g, *state[MR__MAX_STATE]; /* NULL: no such state */
} mr__arrays;

static inline mr__arrays mr__arrays_at(const mr__range *range, int64_t offset)
{
    mr__arrays a = { mr__range_at(range, range->values, offset),
                     mr__range_at(range, range->gradients, offset),
                     { 0 } };
    for (int s = 0; s < MR__MAX_STATE; s++)
        a.state[s] = mr__range_at(range, range->state[s], offset);
    return a;
}

/* A kernel's update of float32 arrays with its settings, and such an update divided among threads. */
typedef void mr__update_f32(const mr__arrays *arrays, int64_t count, const void *settings);
void mr__update_by_threads(mr__update_f32 *update, const mr__arrays *arrays, int64_t count,
                           const void *settings);

static inline void mr__update_parts(mr__update_f32 *update, const mr__arrays *arrays, int64_t count,
                                    const void *settings)
{
    if (MR__LIKELY(count < 2 * MR__GRAIN_ELEMENTS))
        update(arrays, count, settings);
    else
        mr__update_by_threads(update, arrays, count, settings);
}

/* "layer1.weight[16,1]": by a name that is not empty, or else the tensor's own. */
mr__text mr__param_text(const char *name, const mr_tensor *x);

/* Raises a failure unless `value` lies in [low, high). */
bool mr__option_within(const char *call, const char *name, double value, double low, double high);

/* Fills in opts.adam from a user's options, and checks them. */
bool mr__adam_options(const char *call, mr__setup *setup, double beta1, double beta2, double eps,
                      double weight_decay, double default_decay);

/* What the kernels of NAdam and RAdam want of opts.adam. */
static inline mr__moments mr__moments_of(const mr__group *group)
{
    return (mr__moments){ .beta1 = (float)group->opts.adam.beta1,
                          .one_minus_beta1 = (float)(1 - group->opts.adam.beta1),
                          .beta2 = (float)group->opts.adam.beta2,
                          .one_minus_beta2 = (float)(1 - group->opts.adam.beta2),
                          .eps = (float)group->opts.adam.eps,
                          .weight_decay = (float)group->opts.adam.weight_decay };
}

/* The constructor of a kind, and the call that adds a group, by a function of the file:
 * bool setup_from(const char *call, const mr_NAME_opts *opts, mr__setup *setup). */
#define MR__OPTIM_CALLS(name, setup_from)                                                         \
    mr_optim *mr_##name##_new(mr_params params, double lr, const mr_##name##_opts *opts)          \
    {                                                                                             \
        mr__setup setup;                                                                          \
        return setup_from(#name, opts, &setup) ? mr__optim_new(#name, params, lr, &setup) : NULL; \
    }                                                                                             \
                                                                                                  \
    mr_status mr_##name##_add_group(mr_optim *optim, mr_params params, double lr,                 \
                                    const mr_##name##_opts *opts)                                 \
    {                                                                                             \
        static const char call[] = #name "_add_group";                                            \
        mr__setup setup;                                                                          \
        return setup_from(call, opts, &setup) ? mr__optim_add(call, optim, params, lr, &setup)    \
                                              : mr_error_status();                                \
    }

/* The sum of |x|^order over n numbers of a floating type, one behind the other. */
double mr__power_sum(mr_dtype dtype, const void *x, int64_t n, double order);

/* Multiplies the learning rates of all groups, for one step; and makes them what they were. */
void mr__optim_scale_rates(mr_optim *optim, double factor);
void mr__optim_rates_back(mr_optim *optim);

/* Whether the gradient of a parameter, or those of all of an optimizer's, are numbers; true where there is none. */
bool mr__gradient_finite(const mr_tensor *x);
bool mr__gradients_finite(const mr_optim *optim);

/* Multiplies the gradients that there are. */
void mr__scale_grads(mr_params params, double factor);

#endif
