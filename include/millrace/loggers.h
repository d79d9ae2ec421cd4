/*
 * Millrace, loggers layer: where the rows of a training go. A trainer adopts loggers by mr_trainer_add_logger.
 *
 * Threads: a trainer calls its loggers on a background thread of its own, from open to close, one after the other; never
 * within a step. `check` and `destroy` are called on the caller's.
 */
#ifndef MILLRACE_LOGGERS_H
#define MILLRACE_LOGGERS_H

#include <millrace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what a logger gets ---------------------------------------------------------------------------------- */

typedef enum mr_row_kind {
    MR_ROW_STEP = 0,   /* what a step has logged */
    MR_ROW_VALIDATION, /* the values of a validation */
    MR_ROW_EPOCH,      /* those of an epoch */
    MR_ROW_TEST,       /* those of a test */
    /* what a batch of a validation or a test has logged: its step counts the batches of its loader, and it has no epoch */
    MR_ROW_VALIDATION_STEP,
    MR_ROW_TEST_STEP
} mr_row_kind;

/* "step", "validation", "epoch", "test", "validation_step", "test_step"; "" of no kind. */
MR_API const char *mr_row_kind_name(mr_row_kind kind);

/* Some values under their names. Valid during the call. */
typedef struct mr_log_row {
    mr_row_kind kind;
    /* the number of the update, from 0; of a validation and an epoch that of the last one; or of the batch */
    int64_t step;
    int64_t epoch; /* from 0; -1: none */
    size_t count;
    const char *const *names;
    const double *values;
} mr_log_row;

typedef enum mr_hparam_kind {
    MR_HPARAM_REAL = 0,
    MR_HPARAM_INT,
    MR_HPARAM_BOOL,
    MR_HPARAM_TEXT
} mr_hparam_kind;

/* A hyperparameter; what its kind names is set. */
typedef struct mr_hparam {
    const char *name;
    mr_hparam_kind kind;
    double real;
    int64_t integer; /* of MR_HPARAM_BOOL, too: 0 or 1 */
    const char *text;
} mr_hparam;

/* The training whose rows will come. Valid during the call. */
typedef struct mr_log_run {
    const char *name;         /* the trainer's .name */
    const char *dir;          /* the version folder; NULL: there is none */
    int64_t version;          /* its number; -1 */
    const mr_hparam *hparams; /* by name */
    size_t hparam_count;
    /* It goes on from a checkpoint. Then `position` is what `tell` gave before that was written; NULL where this logger was
     * not there, or the checkpoint is in no version folder, and the training goes on in a new one: the log begins anew. */
    bool resumed;
    const void *position;
    size_t position_bytes;
    bool again; /* it begins anew in a folder in which another did not come as far as to a checkpoint */
    /* It is no training, but a validation or test outside of one, whose rows go behind what is there. `position` is
     * where the log was at the end of the fit or call before, which is not to be lost; NULL where that is not known. */
    bool evaluation;
} mr_log_run;

/* ---- loggers of your own ----------------------------------------------------------------------------------- */

/* MR_OK, or mr_fail(…), which ends the training. All but `name` and `row` are optional. */
typedef struct mr_logger_vtable {
    const char *name; /* letters, digits and _; a trainer's loggers have different ones */
    /* A training begins. With a position the log is put back to that, so that the rows which came behind it come only once. */
    mr_status (*open)(void *self, const mr_log_run *run);
    mr_status (*row)(void *self, const mr_log_row *row);
    /* Some rows have come: others may see them now. Ten times a second at most, or when there are thousands. */
    mr_status (*flush)(void *self);
    /* The same, and they must be on the disk: a checkpoint will be written that speaks of them. */
    mr_status (*sync)(void *self);
    /* After flush or sync: how far the log is, in some bytes, for the checkpoint, and for a test behind the fit. A view, valid
     * until the next call. They must not hang on time, host or path, if checkpoints are to be equal. */
    mr_status (*tell)(void *self, const void **position, size_t *bytes);
    /* The training has ended, or failed, also by a failure of this logger, but for one of `open`. */
    mr_status (*close)(void *self);
    /* Frees what `self` holds. */
    void (*destroy)(void *self);
    /* Before open, with a position, on the thread of the fit: whether open can go on from it. Changes nothing; for
     * after it, and before open, later checkpoints go, of which the logs will know nothing. */
    mr_status (*check)(void *self, const mr_log_run *run);
} mr_logger_vtable;

typedef struct mr_logger mr_logger;

/* Makes a logger; the `size` bytes at `self` are copied, `vtable` is borrowed. */
MR_API mr_logger *mr_logger_new(const mr_logger_vtable *vtable, const void *self, size_t size);
MR_API void mr_logger_free(mr_logger *logger);

/* The copy of the struct. Views it. */
MR_API void *mr_logger_self(const mr_logger *logger);

/* ---- loggers that are there --------------------------------------------------------------------------------- */

/* Rows of a CSV file; lines end with CR LF, and values are Python's repr (nan, inf). */
typedef struct mr_csv_logger_opts {
    /* One row for each step, with all that was logged under its number: by the step, and by a validation and an epoch
     * that end with it; batches of validations and tests have rows of their own, before that of the step. Columns epoch
     * and step, then a value's name, as they come; a name that comes late gets a column behind the others, and the file
     * is written anew. The logger is called csv_merged. Otherwise: metrics.csv as Lightning writes it, a row for each
     * of them, which is what the trainer's .csv gives; it is called csv. */
    bool merged;
    const char *path; /* default: metrics.csv in the version folder, or merged.csv */
} mr_csv_logger_opts;

/* Makes it. The path is copied; a file that is there is replaced by that of a training that begins, and continued by a test. */
MR_API mr_logger *mr_csv_logger_new(const mr_csv_logger_opts *opts);

typedef struct mr_jsonl_logger_opts {
    const char *path; /* default: metrics.jsonl in the version folder */
} mr_jsonl_logger_opts;

/* JSON lines: an object for each row, with "kind" (mr_row_kind_name), "epoch", "step", and the values under their
 * names, as {"kind":"step","epoch":0,"step":49,"loss":0.25}. JSON has no NaN and no infinity: they are the strings "NaN",
 * "Infinity" and "-Infinity", which Python's float and JavaScript's Number read. A value that is itself called kind, epoch or
 * step takes the place of the row's own. Names are UTF-8. Called jsonl; path and file as those of CSV. */
MR_API mr_logger *mr_jsonl_logger_new(const mr_jsonl_logger_opts *opts);

typedef struct mr_tensorboard_logger_opts {
    /* default: events.out.tfevents.millrace in the version folder; TensorBoard looks for "tfevents" in a name */
    const char *path;
    bool clock; /* the time of each event; otherwise 0, so that equal trainings have equal files */
} mr_tensorboard_logger_opts;

/* An event file for TensorBoard: scalars under their names, in float32, and the hyperparameters. `epoch` is a scalar,
 * too; a value that is itself called step is the step. Names are UTF-8. Called tensorboard; path and file as those of
 * CSV. */
MR_API mr_logger *mr_tensorboard_logger_new(const mr_tensorboard_logger_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
