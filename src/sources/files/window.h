/* A window on a file that is read from the front to the back: what has been read and not been given out. */
#ifndef MILLRACE_SOURCES_WINDOW_H
#define MILLRACE_SOURCES_WINDOW_H

#include "input.h"

#define MR__LONGEST_RECORD ((size_t)32 << 20) /* bytes of one record */

typedef struct mr__window {
    mr__input *input; /* owned; NULL: there is nothing */
    char *bytes;
    size_t at, filled, room;
    uint64_t base; /* the place in the file of bytes[0] */
    bool end;
    size_t longest; /* bytes that a record may have; 0: MR__LONGEST_RECORD */
} mr__window;

/* The end of the record that begins at `at`: behind its line break; *complete is false where `end` comes before. */
typedef const char *mr__record_end(const void *format, const char *at, const char *end, bool *complete);

/* The record at window->at, in full: MR_OK, MR_END when there is none, or a failure. It stays until the next call. */
mr_status mr__window_record(mr__window *window, mr__record_end *record_end, const void *format,
                            const char **end);

/* Reads more bytes behind those that are there. */
mr_status mr__window_more(mr__window *window);

/* Goes to a place in the file; a pipe fails, unless it is there. */
mr_status mr__window_seek(mr__window *window, uint64_t offset);

/* Opens a file at a place. */
mr_status mr__window_open(mr__window *window, mr_storage *storage, const char *path, uint64_t offset);
void mr__window_close(mr__window *window);

#endif
