/*
 * Batches of a stream: the lanes take turns, each giving a whole batch, and those that have ended are passed over. A lane's
 * last samples, which fill no batch, are carried over to a batch of such; so only the last batch of an epoch is short,
 * whatever the number of shards, and what is in a batch hangs on the stream alone.
 *
 * In round r lane l of n has turn r * n + l, whether it still gives something or not. That is a batch's number; one of
 * pieces has that of the turn which completes it. Unordered, whole batches come before their turn, but the ends of
 * lanes do not: so the pieces are put together as in order, and numbers are the same.
 *
 * All of this runs on the calling thread. Where it stands: for each lane a mark, and the pieces that are carried, each as the
 * place where it began and how many of its rows are gone.
 */
#ifndef MILLRACE_DATA_MERGE_H
#define MILLRACE_DATA_MERGE_H

#include "bytes.h"
#include "lane.h"

typedef struct mr__piece {
    int lane;
    int64_t rows, gone;
} mr__piece;

typedef struct mr__merge {
    mr__cut cut;
    int64_t round[MR__MOST_LANES]; /* of each lane: which is the next that is begun */
    mr__mark *mark;                /* of each lane, after the last batch that was delivered */
    mr__mark *began;               /* of each lane, where its piece begins */
    int ended;                     /* lanes that have ended there */
    int64_t rest;                  /* the number of the batch of what is carried, if no other lane ends */

    mr__slot_batch *carry;   /* room for two batches */
    int64_t carried, handed; /* rows of it; the first ones that were delivered and are to go */
    mr__piece piece[MR__MOST_LANES];
    int pieces;
} mr__merge;

mr_status mr__merge_init(mr__merge *merge, mr_dataset *dataset, const mr__cut *cut, int64_t batch_size);
void mr__merge_free(mr__merge *merge);

/* Before the first batch of an epoch is delivered, and before one is begun, which may be earlier. */
void mr__merge_begin(mr__merge *merge);
void mr__merge_begin_rounds(mr__merge *merge);

/* The lane whose turn it is, which then has had it; NULL when all of them are known to have ended. */
mr__lane *mr__merge_turn(mr__merge *merge, mr__lanes *lanes, int64_t epoch);

/* The next batch: the number of its rows, 0 at the end, -1 after a failure. */
int64_t mr__merge_next(mr_loader *loader, mr__slot_batch **slot);

/* For a loader's state: writes it, reads it into a merge of its own, and takes that over, to where the lanes go. */
void mr__merge_write(const mr__merge *merge, mr__strbuf *to);
void mr__merge_read(mr__merge *merge, mr__reader *from, int64_t batch_size);
mr_status mr__merge_resume(mr_loader *loader, mr__merge *from);

#endif
