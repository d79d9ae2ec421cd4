/*
 * Millrace, loggers: trainings in a SQLite database, many in one file. Link with millrace-sqlite.
 *
 *     runs     id, name, version, dir             a training: the trainer's name, its version folder and that one's number
 *     params   run, name, value                   its hyperparameters
 *     metrics  run, number, kind, epoch, step, name, value, time
 *
 * A value that was logged is a row of metrics, numbered within its run from 0. kind is what mr_row_kind_name gives; a NaN
 * is NULL, and so is what there is not.
 *
 *     SELECT name, min(value) FROM runs JOIN metrics ON run = id AND metrics.name = 'val_loss' GROUP BY id;
 */
#ifndef MILLRACE_LOGGERS_SQLITE_H
#define MILLRACE_LOGGERS_SQLITE_H

#include <millrace/loggers.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_sqlite_logger_opts {
    bool clock; /* the time of each row, in seconds since 1970; otherwise NULL */
} mr_sqlite_logger_opts;

/* Makes a logger, which is called sqlite. The path is copied; the database and its tables are made if they are not
 * there. Several processes may log to one database; what is logged can be read at any time. A training that is resumed
 * goes on under its id, which is found by its version folder; the rows behind the checkpoint are deleted. Where that
 * folder has moved, it is the one run of its name and version whose folder is not there any more. */
MR_API mr_logger *mr_sqlite_logger_new(const char *path, const mr_sqlite_logger_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
