/*
 * A packed tar file that several readers share: it is unpacked once, by whoever needs the next sample, while the others
 * read what was unpacked for them or do something else. A reader has a part of the samples: of `parts` readers, number
 * `part` has 32 of them in a row, and those 32 * parts behind them, and so on.
 *
 * One unpacking of the file from the front on is a *pass*. Samples of readers who have not come for them yet are held.
 * They are let go of when they take too much memory; a reader who comes too late begins a pass of his own. So what a
 * reader gets does not depend on the others, but for the time that it takes.
 */
#ifndef MILLRACE_SOURCES_TAR_SHARE_H
#define MILLRACE_SOURCES_TAR_SHARE_H

#include "samples.h"

/* The passes of a stream's files. */
typedef struct mr__shared mr__shared;

/* Borrows both, which may be gone when all that is left to do is that readers leave. */
mr__shared *mr__shared_new(const mr__tar_plan *plan, mr_storage *storage);

/* For a reader, who may outlive the stream; the last who lets go of it frees it. */
mr__shared *mr__shared_hold(mr__shared *shared);
void mr__shared_free(mr__shared *shared);

/* A reader of a file, by one thread at a time. Where he stands is what he has read up to. */
typedef struct mr__share {
    mr__shared *shared;
    const char *path;      /* borrowed as long as `shared` is there */
    struct mr__pass *pass; /* NULL: none */
    int64_t part, parts;
    int64_t at;     /* no sample of his begins before this byte; -1: the file's beginning */
    int64_t number; /* nor has a smaller number */
    uint64_t stamp; /* of the file, as far as it is known */
    bool through;   /* there is no more */
} mr__share;

/* Writes the next sample of the part: MR_OK, MR_END behind the last one, or a failure. */
mr_status mr__share_next(mr__share *share, mr__target *target);

/* Goes to a place that was read up to before, in the file with this stamp; unpacks up to there if it must. */
mr_status mr__share_seek(mr__share *share, int64_t at, int64_t number, uint64_t stamp);

/* Leaves the pass. */
void mr__share_leave(mr__share *share);

#endif
