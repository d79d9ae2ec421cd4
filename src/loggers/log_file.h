/*
 * A file that grows at its end. What is added is collected in memory and written by flush. What could not be written is
 * tried again by the next one; a file that somebody has removed is a failure, since nobody would find what is written to it.
 * Failures name the path.
 */
#ifndef MILLRACE_LOGGERS_LOG_FILE_H
#define MILLRACE_LOGGERS_LOG_FILE_H

#include "base/strbuf.h"

typedef struct mr__log_file {
    char *path;
    int fd;
    bool made;       /* it may be new in its folder, and sync has not seen to that yet */
    mr__strbuf rest; /* what is to be written; for the user to append to, row by row */
    size_t whole;    /* of that, what is rows that are complete */
    int64_t bytes;   /* that were written */
    uint32_t crc;    /* of those */
} mr__log_file;

/* How far a file is, for a checkpoint. */
typedef struct mr__log_file_mark {
    int64_t bytes;
    int64_t crc;
} mr__log_file_mark;

/* For a file that open has not opened yet. `path`, if it is not NULL, is the user's, copied; otherwise the file is
 * `name` in the folder `dir`; without one a failure, in the name of `logger`. */
mr_status mr__log_file_init(mr__log_file *file, const char *logger, const char *path, const char *dir,
                            const char *name);

/* Opens it to add to its end. Flags as O_CREAT and O_TRUNC. */
mr_status mr__log_file_open(mr__log_file *file, int flags);

/* Makes it, empty; or cuts one that is there back to a mark, with MR_ERR_FORMAT, and without a change, if it does not
 * begin with what it was then. `size` 0: no mark. What is no file, but a pipe or a device, is not cut. */
mr_status mr__log_file_begin(mr__log_file *file, const void *mark, size_t size);

/* Makes it, if it is not there, and otherwise goes on at its end; of a file of `lines` behind the last one that is complete. */
mr_status mr__log_file_continue(mr__log_file *file, bool lines);

/* Whether that can cut the file back to a mark, with its failures: opens it, and changes nothing. */
mr_status mr__log_file_check(mr__log_file *file, const void *mark, size_t size);

/* A row has been appended to `rest`. Flushes if there is much to be written. */
mr_status mr__log_file_added(mr__log_file *file);

/* Hands all to the operating system, and opens the file, which is there, if it is not open. */
mr_status mr__log_file_flush(mr__log_file *file);

/* The same, and waits until all is on the disk, a new file's entry in its folder too. */
mr_status mr__log_file_sync(mr__log_file *file);

/* After that: where it is. */
mr__log_file_mark mr__log_file_at(const mr__log_file *file);

/* Closes it as it is, to be opened again; and for good, after flushing: frees, also when it fails. */
mr_status mr__log_file_let_go(mr__log_file *file);
mr_status mr__log_file_close(mr__log_file *file);

#endif
