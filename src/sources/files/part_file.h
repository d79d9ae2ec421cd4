/* A file in the making that outlives the program which makes it: "PATH.part", until it is complete. */
#ifndef MILLRACE_SOURCES_PART_FILE_H
#define MILLRACE_SOURCES_PART_FILE_H

#include <millrace/base.h>

typedef struct mr__part_file {
    char *path, *part;
    int fd; /* -1: closed */
    int64_t bytes;
} mr__part_file;

/* Opens it with its first `bytes` bytes; the rest is cut off. Where fewer are there it fails, and leaves them. 0: a new one. */
mr_status mr__part_open(mr__part_file *file, const char *path, int64_t bytes);

/* Whether two that are open are one file. */
bool mr__part_same(const mr__part_file *a, const mr__part_file *b);

mr_status mr__part_write(mr__part_file *file, const void *bytes, size_t size);

/* Writes over its first bytes. */
mr_status mr__part_write_front(mr__part_file *file, const void *bytes, size_t size);

/* What was written is on the disk. */
mr_status mr__part_sync(mr__part_file *file);

/* Closes it, and gives it its name; it has been synced. */
mr_status mr__part_finish(mr__part_file *file);

/* The same of one that was complete, with so many bytes, when the program ended: there is a part, or the file has its
 * name already. */
mr_status mr__part_rename(const char *path, int64_t bytes);

/* Closes it as it is. */
void mr__part_close(mr__part_file *file);

#endif
