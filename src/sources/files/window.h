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

/* How far one has come in looking for a record's end: so what has been looked at is not looked at again when more bytes
 * have come. Zeroed for a record of which nothing has been looked at. */
typedef struct mr__scan {
    size_t passed; /* bytes from the record's beginning on */
    bool inside;   /* there, one is within quotes */
} mr__scan;

/* Looks for the end of the record that begins at `at`: true when it is there, with scan->passed behind its line break.
 * False where `end` comes before: then to be called again with the same bytes and more. */
typedef bool mr__record_end(const void *format, const char *at, const char *end, mr__scan *scan);

/* The record at window->at, in full: MR_OK, MR_END when there is none, or a failure. It stays until the next call. */
mr_status mr__window_record(mr__window *window, mr__record_end *record_end, const void *format,
                            const char **end);

/* Reads more bytes behind those that are there. */
mr_status mr__window_more(mr__window *window);

/* Goes to a place in the file; a pipe fails, unless it is there. */
mr_status mr__window_seek(mr__window *window, uint64_t offset);

/* Opens a file at a place. The second adopts the input, which may be NULL. */
mr_status mr__window_open(mr__window *window, mr_storage *storage, const char *path, uint64_t offset);
mr_status mr__window_of(mr__window *window, mr__input *input, uint64_t offset);
void mr__window_close(mr__window *window);

#endif
