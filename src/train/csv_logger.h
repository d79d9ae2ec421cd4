/*
 * metrics.csv and hparams.yaml as Lightning 2.0's CSVLogger writes them.
 *
 * Columns are in the order in which they first appear: a row's metrics, then epoch, then step, so that the
 * first row usually gives `loss,epoch,step`. A metric that appears later gets a column behind those, and the
 * file is rewritten (under a temporary name that is then renamed). Lines end with CR LF, floats are Python's
 * repr, and what a row does not have is left empty.
 *
 * Rows are collected in memory and appended when the buffer is full and by flush. For one thread at a time.
 * Failures are raised, not settled; rows that could not be written are tried again by the next call.
 */
#ifndef MILLRACE_TRAIN_CSV_LOGGER_H
#define MILLRACE_TRAIN_CSV_LOGGER_H

#include <millrace/base.h>

typedef struct mr__csv_logger mr__csv_logger;

typedef struct mr__csv_row {
    size_t count; /* of metrics */
    const char *const *names;
    const double *values;
    const bool *present; /* which of them this row has; NULL: all */
    int64_t epoch;       /* -1: the row has none */
    int64_t step;
} mr__csv_row;

/* How far a file has come, so that it can be cut to that and gone on with. */
typedef struct mr__csv_mark {
    int64_t bytes, rows;
    const char *header; /* its first line; a view. "" while there is none */
    size_t header_bytes;
} mr__csv_mark;

/* Writes hparams.yaml to `dir`, which exists, and makes a logger for dir/metrics.csv, which is made with the
 * first row. NULL with a failure raised. */
mr__csv_logger *mr__csv_logger_open(const char *dir);

/* Opens the logger again for a file that may have gone on since: cuts it back to the mark, columns included. A file that
 * does not begin with what the mark says is a failure, and left alone. */
mr__csv_logger *mr__csv_logger_resume(const char *dir, const mr__csv_mark *mark);

/* Adds a row; one without a present metric is one of epoch and step alone. A metric that is itself called
 * "epoch" or "step" stands for the row's own; with a "step" of its own a row has no epoch unless it is a
 * metric too. */
mr_status mr__csv_logger_write_row(mr__csv_logger *logger, const mr__csv_row *row);

/* Hands everything to the operating system. */
mr_status mr__csv_logger_flush(mr__csv_logger *logger);

/* Flushes, and waits until everything is on the disk. */
mr_status mr__csv_logger_sync(mr__csv_logger *logger);

/* How far the rows have come that were added. The header is valid until the next row. */
mr__csv_mark mr__csv_logger_mark(const mr__csv_logger *logger);

/* Flushes, closes and frees, also when it fails. NULL is allowed. */
mr_status mr__csv_logger_close(mr__csv_logger *logger);

/* dir/metrics.csv. Views it. */
const char *mr__csv_logger_path(const mr__csv_logger *logger);

#endif
