/*
 * Pieces of a file that all have one size, one after the other: raw records, rows of an array, windows of tokens. A file of a
 * known size is shared out by their numbers; of others the first shard has all.
 */
#ifndef MILLRACE_SOURCES_PIECES_H
#define MILLRACE_SOURCES_PIECES_H

#include "window.h"

#define MR__LONGEST_PIECE ((size_t)1 << 30) /* bytes */

typedef struct mr__pieces {
    const char *what; /* for messages: "record" */
    uint64_t data;    /* where the first begins, among the unpacked bytes */
    size_t bytes;     /* of a piece */
    uint64_t step;    /* from one's beginning to the next one's; not 0 */
    size_t unit; /* at the end, where there is too little for a piece, a whole number of these is left out */
    bool headless; /* the first bytes may be anything: only the name says that a file is packed */

    mr_storage *storage; /* held */
    const char *path;    /* borrowed */
    int64_t count;       /* of pieces; -1: not known */
    bool once; /* it is a pipe: nothing has been read of it but what is in `first`, until somebody reads on */
    mr__window first;
} mr__pieces;

/* Completes pieces of which the first six are set, and opens the file. */
mr_status mr__pieces_open(mr__pieces *pieces, mr_storage *storage, const char *path);
void mr__pieces_close(mr__pieces *pieces);

/* The same of a window on the front of the file, which is adopted. */
mr_status mr__pieces_begin(mr__pieces *pieces, mr_storage *storage, const char *path, mr__window *window);

/* Somebody who reads a shard's pieces. */
typedef struct mr__piece_reader {
    mr__pieces *pieces;
    mr__window window;
    int64_t next, end; /* numbers of pieces */
} mr__piece_reader;

/* The next piece: MR_OK, MR_END, or a failure, behind which there are none. It stays until the next call. */
mr_status mr__piece_next(mr__piece_reader *reader, const char **at);

/* A reader's place, for a cursor's state. */
typedef struct mr__piece_place {
    int64_t next;
    uint64_t stamp; /* of the file */
} mr__piece_place;

/*
 * Callbacks for a stream whose `self` is a pointer to a struct that begins with its pieces, and whose cursors are readers of
 * them; what is missing is `next` and `destroy`.
 */
#define MR__PIECES_VTABLE(next_callback, destroy_callback, len_callback)                                \
    {                                                                                                   \
        .open = mr__pieces_cursor, .next = next_callback, .close = mr__pieces_cursor_close,             \
        .len = len_callback, .destroy = destroy_callback, .cursor_state_size = sizeof(mr__piece_place), \
        .tell = mr__pieces_tell, .seek = mr__pieces_seek, .origin = mr__pieces_origin                   \
    }
void *mr__pieces_cursor(void *self, int64_t shard, int64_t shards);
void mr__pieces_cursor_close(void *cursor);
int64_t mr__pieces_len(void *self);
void mr__pieces_tell(void *cursor, void *state);
mr_status mr__pieces_seek(void *cursor, const void *state);
int mr__pieces_origin(void *cursor, int field, char *text, size_t room);

#endif
