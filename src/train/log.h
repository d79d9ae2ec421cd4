/*
 * What a fit has logged: the values of the step that is running, which go into a row of the log, and those of the epoch, which
 * are reduced over its batches.
 */
#ifndef MILLRACE_TRAIN_LOG_H
#define MILLRACE_TRAIN_LOG_H

#include "reporter.h"

#include "base/strbuf.h"

#include <millrace/train.h>

typedef struct mr__fit mr__fit;

/* What is put behind a name in a validation of several loaders, with the loader's number. */
#define MR__LOADER_SUFFIX "/dataloader_idx_"

/* A name that was given to mr_log, in training or in validation. */
typedef struct mr__log_key {
    const char *name;  /* borrowed, or own_name */
    const char *given; /* the pointer that mr_log got last */
    bool validating;
    int loader;       /* of several in a validation, counted from 1; 0: it is the only one, or all together */
    mr_log_opts opts; /* but the weight */
    int step_metric, epoch_metric; /* the reporter's; -1: none */
    char *own_names[2];            /* NAME_step and NAME_epoch, with the loader's number; NULL: neither */
    char *own_name;                /* of one that was restored; NULL: the caller's is used */
    char *full_name;               /* with the loader's number; NULL without */
    /* of this batch, and of the epoch */
    bool in_batch, in_epoch;
    double batch_value, batch_weight;
    double value, weight;
    bool in_steps;     /* a step of the epoch has logged it */
    double step_value; /* … and this is the last one's */
    /* the batch that has, and those two before it */
    uint64_t batch;
    bool was_in_steps;
    double value_before;
    bool only_floats; /* the values were float32, so the epoch's is */
} mr__log_key;

typedef struct mr__fit_log {
    mr__log_key key[MR__MAX_METRICS];
    size_t key_count, epoch_keys;
    size_t next; /* where the next name is looked for first */
    bool validating;
    int loader;     /* that is validated, of several, counted from 1; 0 */
    bool muted;     /* values are looked at, and thrown away */
    bool between;   /* before or behind the batches of an epoch or a validation: values are its own */
    double rows;    /* of the batch */
    uint64_t batch; /* its number, from 1 */
    /* the row of this step */
    size_t logged;
    uint32_t metric[MR__MAX_METRICS];
    double row_value[MR__MAX_METRICS];
    /* … and as the batches before it in its window have left it */
    size_t kept; /* 0 where there are none */
    uint32_t kept_metric[MR__MAX_METRICS];
    double kept_value[MR__MAX_METRICS];
} mr__fit_log;

/* Before a step, and after a batch whose values count. */
void mr__log_begin(mr__fit_log *log, bool validating, int64_t rows);
void mr__log_batch_ended(mr__fit_log *log);

/* Keeps the row, before a batch whose window others have begun; and forgets what this batch of training has logged: the row is
 * again the one that was kept. */
void mr__log_keep_row(mr__fit_log *log);
void mr__log_leave_out(mr__fit_log *log);

/* Before the first batch, and behind the last one before mr__log_epoch. */
void mr__log_between(mr__fit_log *log, bool validating);

/* Hands the epoch's values to the reporter as a row, keeps them in the trainer, and begins anew. */
mr_status mr__log_epoch(mr__fit *fit, bool validating);

/* What steps of this epoch of training have logged last under NAME or NAME_step; NULL: nothing. */
const double *mr__log_step_value(const mr__fit *fit, const char *name);

/* Forgets what was logged over this validation or epoch. */
void mr__log_forget(mr__fit_log *log, bool validating);

void mr__log_free(mr__fit_log *log);

/* Enters a name as mr_log does when it is given for the first time, of this loader or 0; NULL with the tape failed. */
mr__log_key *mr__log_enter(mr__fit *fit, mr_tape *tape, const char *name, int loader,
                           const mr_log_opts *opts);

/* Shows a number in the bar alone, under a name that is no logged one, and so in no checkpoint; and takes it out again. */
void mr__bar_show(mr__fit *fit, const char *name, double value);
void mr__bar_hide(mr__fit *fit, const char *name);

/* ---- what of all that is saved ---- */

enum { MR__LOGGED_NUMBERS = 3 };

/* Its names and options are views that stay valid while the fit runs, whatever is logged meanwhile. */
typedef struct mr__log_state {
    size_t keys, metrics;
    const mr__log_key *key;
    /* over the epoch so far, and the weight of that; and that of the last step */
    double values[MR__MAX_METRICS][MR__LOGGED_NUMBERS];
    uint8_t flags[MR__MAX_METRICS];
    char *const *metric_names; /* those of mr_trainer_metric */
    double metric_values[MR__MAX_METRICS];
} mr__log_state;

void mr__log_save(const mr__fit *fit, mr__log_state *state);

/* Writes names and options as JSON. */
mr_status mr__log_describe(const mr__log_state *state, mr__strbuf *keys, mr__strbuf *metrics);

/* Enters it all again in a fit that has logged nothing, from texts of mr__log_describe and the numbers that belong to
 * them. Raises MR_ERR_FORMAT where they do not fit. */
typedef struct mr__log_numbers {
    const double *values; /* MR__LOGGED_NUMBERS for each key */
    const uint8_t *flags;
    const double *metrics;
    size_t keys, metric_count;
} mr__log_numbers;
mr_status mr__log_restore(mr__fit *fit, const char *keys, const char *metrics,
                          const mr__log_numbers *numbers);

/* ---- values of epochs, by name: those of mr_trainer_metric ---- */

typedef struct mr__epoch_values {
    char **name;
    double *value;
    int64_t *updated; /* the round in which each was set */
    size_t count, room;
    int64_t round; /* the end of an epoch, or of a validation */
} mr__epoch_values;

/* ---- the values of all epochs ---- */

typedef struct mr__series {
    char *name;
    mr_point *point;
    size_t count, room;
} mr__series;

typedef struct mr__history {
    mr__series *series;
    size_t count, room;
} mr__history;

mr_status mr__history_add(mr__history *history, const char *name, mr_point point);
void mr__history_free(mr__history *history);

/* Sets a value. */
mr_status mr__epoch_value_set(mr__epoch_values *values, const char *name, double value);

/* Where the value of that name is; NULL if there is none. */
const double *mr__epoch_value(const mr__epoch_values *values, const char *name);
void mr__epoch_values_free(mr__epoch_values *values);

#endif
