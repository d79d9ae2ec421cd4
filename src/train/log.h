/*
 * What a fit has logged: the values of the step that is running, which go into a row of the log, and those of the epoch, which
 * are reduced over its batches.
 */
#ifndef MILLRACE_TRAIN_LOG_H
#define MILLRACE_TRAIN_LOG_H

#include "reporter.h"

#include <millrace/train.h>

typedef struct mr__fit mr__fit;

/* A name that was given to mr_log, in training or in validation. */
typedef struct mr__log_key {
    const char *name; /* borrowed */
    bool validating;
    mr_log_opts opts;              /* but the weight */
    int step_metric, epoch_metric; /* the reporter's; -1: none */
    char *own_names[2];            /* NAME_step and NAME_epoch; NULL: neither */
    /* of this batch, and of the epoch */
    bool in_batch, in_epoch;
    double batch_value, batch_weight;
    double value, weight;
    bool only_floats; /* the values were float32, so the epoch's is */
} mr__log_key;

typedef struct mr__fit_log {
    mr__log_key key[MR__MAX_METRICS];
    size_t key_count, epoch_keys;
    size_t next; /* where the next name is looked for first */
    bool validating;
    double rows; /* of the batch */
    /* the row of this step */
    size_t logged;
    uint32_t metric[MR__MAX_METRICS];
    double row_value[MR__MAX_METRICS];
} mr__fit_log;

/* Before a step, and after a batch whose values count. */
void mr__log_begin(mr__fit_log *log, bool validating, int64_t rows);
void mr__log_batch_ended(mr__fit_log *log);

/* Hands the epoch's values to the reporter as a row, keeps them in the trainer, and begins anew. */
mr_status mr__log_epoch(mr__fit *fit, bool validating);

void mr__log_free(mr__fit_log *log);

/* ---- values of epochs, by name: those of mr_trainer_metric ---- */

typedef struct mr__epoch_values {
    char **name;
    double *value;
    size_t count;
} mr__epoch_values;

/* Where the value of that name is; NULL if there is none. */
const double *mr__epoch_value(const mr__epoch_values *values, const char *name);
void mr__epoch_values_free(mr__epoch_values *values);

#endif
