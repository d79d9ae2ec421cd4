/* What loggers have in common whose log is a file that grows at its end. */
#ifndef MILLRACE_LOGGERS_FILE_LOGGER_H
#define MILLRACE_LOGGERS_FILE_LOGGER_H

#include "log_file.h"

#include <millrace/loggers.h>

/* The first part of such a logger's struct. */
typedef struct mr__file_logger {
    char *given; /* path; NULL: it is in the version folder */
    mr__log_file file;
    mr__log_file_mark mark;
} mr__file_logger;

/* Makes a logger of a struct of `size` bytes that begins with one; `path`, if it is not NULL, is copied. */
mr_logger *mr__file_logger_new(const mr_logger_vtable *vtable, mr__file_logger *self, size_t size,
                               const char *path);

/* Opens its file, `name` in the version folder unless there is a path, or goes on with it; `lines` as mr__log_file_continue. */
mr_status mr__file_logger_open(mr__file_logger *self, const mr_log_run *run, const char *logger,
                               const char *name, bool lines);

/* For one that is not open: whether it can go on with it. */
mr_status mr__file_logger_check(mr__file_logger *self, const mr_log_run *run, const char *logger,
                                const char *name);

/* For the tables of such loggers. */
mr_status mr__file_logger_flush(void *self);
mr_status mr__file_logger_sync(void *self);
mr_status mr__file_logger_tell(void *self, const void **position, size_t *bytes);
mr_status mr__file_logger_close(void *self);
void mr__file_logger_destroy(void *self);

#endif
