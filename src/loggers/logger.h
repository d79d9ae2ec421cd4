/* The inside of loggers, and how a training calls all that it has. */
#ifndef MILLRACE_LOGGERS_LOGGER_H
#define MILLRACE_LOGGERS_LOGGER_H

#include <millrace/loggers.h>

#include <string.h>

enum { MR__MAX_LOGGERS = 16, MR__LOGGER_NAME = 40 };

struct mr_logger {
    const mr_logger_vtable *vtable;
    void *self;
    bool adopted; /* by a trainer, which frees it */
};

/* Of a logger's log; of 0 bytes: none. */
typedef struct mr__position {
    const void *data;
    size_t bytes;
} mr__position;

/* The row's value of that name; NULL: it has none. */
static inline const double *mr__row_value(const mr_log_row *row, const char *name)
{
    for (size_t i = 0; i < row->count; i++)
        if (strcmp(row->names[i], name) == 0)
            return &row->values[i];
    return NULL;
}

/* Those of a training, in the order of adding. Borrowed. */
typedef struct mr__loggers {
    mr_logger *const *item;
    size_t count;
    size_t open; /* how many have been opened, and not closed yet */
} mr__loggers;

/* Whether those that have a position can go on from it, before any of them is opened. */
mr_status mr__loggers_check(const mr__loggers *loggers, const mr_log_run *run, const mr__position *positions);

/* Opens them, with the position of each; what was opened is closed again after a failure. All these return the first failure,
 * pending. */
mr_status mr__loggers_open(mr__loggers *loggers, const mr_log_run *run, const mr__position *positions);

/* The row's names are borrowed until the loggers are closed, and do not change. */
mr_status mr__loggers_row(const mr__loggers *loggers, const mr_log_row *row);
mr_status mr__loggers_flush(const mr__loggers *loggers);

/* Has the rows on the disk, and gives where each log stands: views, valid until the next row. And the same without the disk. */
mr_status mr__loggers_sync(const mr__loggers *loggers, mr__position *positions);
mr_status mr__loggers_tell(const mr__loggers *loggers, mr__position *positions);

/* Closes all of them, whatever happens. */
mr_status mr__loggers_close(mr__loggers *loggers);

#endif
