/* An average of a model's weights over the training, kept beside them, as torch.optim.swa_utils.AveragedModel. */
#ifndef MILLRACE_TRAIN_AVERAGE_H
#define MILLRACE_TRAIN_AVERAGE_H

#include "copies.h"

#include <millrace/callbacks.h>

typedef struct mr__average {
    mr_param *item; /* what is averaged, each tensor once; names and tensors are the model's */
    size_t count;
    char *block;        /* the averages */
    int64_t n_averaged; /* updates so far */
    bool swapped;       /* the averages are in the model, and its own weights here */
    mr__state state, view;
} mr__average;

/* Begins one of the parameters, and with `buffers` of the buffers of floats as well. Drops what was there before. */
mr_status mr__average_begin(mr__average *a, mr_module *model, bool buffers);
void mr__average_drop(mr__average *a);

/* The next update: average = keep * average + take * weight; the first one copies. Or the plain mean of all so far. */
void mr__average_update(mr__average *a, double keep, double take);
void mr__average_update_mean(mr__average *a);

/* Changes averages and weights for each other, and back, if there are averages yet; gives the model the averages for good. */
void mr__average_swap_in(mr__average *a);
void mr__average_swap_out(mr__average *a);
void mr__average_put(const mr__average *a);

/* What the average of a callback is for; nothing: it has none. */
typedef struct mr__average_use {
    bool validated, at_end; /* the model has it in validations; when the fit has ended */
    mr__average *average;
} mr__average_use;

mr__average_use mr__ema_use(const mr_callback *callback);
mr__average_use mr__swa_use(const mr_callback *callback);

/* Refuses a callback's average that the model is to have at the end, like that of one before it. */
mr_status mr__average_alone(const mr_trainer *trainer, const mr__average *average);

/* Adds n_averaged and average.NAME to a list, under "key.…" unless the key is empty. */
bool mr__average_list(mr__average *a, mr__state *list, const char *key);

/* Views the averages under the names of the weights; `item` is NULL before the first update. */
mr_params mr__average_view(const mr__average *a);

#endif
