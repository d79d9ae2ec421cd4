/* A file that is written under another name, and takes its place when all of it is there: a crash leaves the old one or
 * the new. */
#ifndef MILLRACE_SOURCES_NEW_FILE_H
#define MILLRACE_SOURCES_NEW_FILE_H

#include <millrace/base.h>

typedef struct mr__new_file {
    const char *path; /* borrowed */
    char *temporary;
    int fd;
} mr__new_file;

/* Its name until then is of this process, so that several may write the same file. */
mr_status mr__new_file_open(mr__new_file *file, const char *path);

/* It is this one, where one process at a time writes the file: what a crash has left there is written over. */
mr_status mr__new_file_open_as(mr__new_file *file, const char *path, const char *temporary);

mr_status mr__new_file_write(mr__new_file *file, const void *bytes, size_t size);

/* Puts it into place if `status`, what has become of it up to now, is MR_OK; otherwise removes it. Gives the status. */
mr_status mr__new_file_close(mr__new_file *file, mr_status status);

/* Writes all bytes, or fails with the path. */
mr_status mr__write_bytes(int fd, const char *path, const void *bytes, size_t size);

#endif
