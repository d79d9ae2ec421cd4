/*
 * The worker threads of a loader, and the queue of tickets that they work on.
 *
 * A *ticket* is one batch in the making: its slot (the memory), what is to be written there (the indices of samples, or
 * the next ones of a lane of a stream), and what came of it. Tickets lie in a ring, in the order in which batches are
 * delivered; a ticket has the same slot for ever.
 *
 *        head                    open                     tail
 *     delivered | done or in hand | with parts left to claim | free, and then the delivered ones again
 *
 * Who owns what. From `tail` on tickets are the consumer's: it fills in indices and rows without a lock, and posts.
 * A posted ticket is cut into *parts*, ranges of rows. A thread claims a part under the lock, writes its rows without
 * one, and gives it back under the lock. Who gives the last part back makes the ticket `done`, from when on it is the
 * consumer's again: what was written is seen because the lock, or `done`, lies between. Parts of a ticket are claimed
 * from the front, tickets from the oldest; those of one lane are read one after the other, by whichever thread.
 *
 * Unordered, the consumer takes the first ticket of the oldest's epoch that is done, and moves it to the head under the
 * lock; those of one lane stay in order, and the end of an epoch or of a lane comes after all tickets before it. Then
 * the consumer does not work itself.
 *
 * The consumer works too: it claims parts of the ticket that it waits for as long as some are left. So a batch that no
 * worker has begun costs what it costs without workers, and a pipeline whose threads are slow to wake delays nothing.
 * With a time limit it does not, since it could not watch itself.
 *
 * Errors. A part that fails keeps its failure in the ticket; of several the one of the first row counts, whichever
 * came first. It is raised on the consumer's thread when the ticket is delivered, and not before. A worker that cannot
 * open its data fails the making of the pipeline, which waits until all have opened it.
 *
 * Waking. `work` is signalled when tickets are posted, or the consumer gives a lane back, if a worker sleeps; `done`
 * when the ticket that the consumer waits for is done, a worker has opened its data or has left. Workers sleep when no
 * part is left to claim: so they are never blocked by a full queue, only by having nothing to do.
 *
 * The end. clear() takes back what is not claimed and waits for what is. close() also stops the threads: `stop` is set
 * under the lock and all are woken; each looks at it before it claims or sleeps. Both wait only for callbacks of the
 * user's that are under way, and not for ever: a thread that has been in a callback for the time limit (without one,
 * ten seconds since the call) is left behind. It then owns the pipeline together with others that were left, and the
 * last one to come out of its callback frees it; the dataset is kept until then.
 */
#ifndef MILLRACE_DATA_PIPELINE_H
#define MILLRACE_DATA_PIPELINE_H

#include "lane.h"

#include <pthread.h>

enum { MR__MAX_WORKERS = 256 };

typedef struct mr__ticket {
    mr__slot_batch *slot;
    int64_t epoch;
    int64_t taken; /* where the order stands after this batch */
    int64_t rows;  /* asked for; of a lane, what there was */
    bool end;      /* no batch: the epoch ends here */
    mr__lane *lane;
    bool surplus;        /* the lane had ended before it was read for this one */
    uint64_t seed;       /* of the lane's epoch */
    int64_t nanoseconds; /* spent on it by all threads */

    int parts, claimed, finished; /* under the lock */
    atomic_bool done;
    int64_t failed_row; /* -1: none */
    mr__failure failure;
} mr__ticket;

typedef struct mr__pipeline mr__pipeline;

typedef struct mr__pipeline_opts {
    const void *owner; /* what its workers say that they work for */
    int workers;
    int64_t slots, capacity; /* tickets in the ring, and rows of each */
    double timeout;          /* seconds for one sample; 0: no limit */
    bool skip;               /* samples that cannot be had */
    bool unordered;          /* tickets are delivered as they are done */
} mr__pipeline_opts;

/* Starts the workers. NULL after a failure. */
mr__pipeline *mr__pipeline_new(mr_dataset *dataset, const mr__pipeline_opts *opts);

/* Stops them, and frees everything but what is left behind: then *lanes, which they may be reading, become theirs, too,
 * and NULL. */
void mr__pipeline_close(mr__pipeline *pipeline, mr__lanes **lanes);

/* Whether this thread is a worker of a pipeline of that owner's. */
bool mr__pipeline_is_worker(const void *owner);

/* ---- for the consumer's thread alone ---- */

/* The ticket `ahead` places behind the last posted one, to be filled in; NULL when the ring is full. Those that were
 * delivered last are used first, so that no more slots grow than are needed. */
mr__ticket *mr__pipeline_room(mr__pipeline *pipeline, int64_t ahead);

/* Posts that many tickets, each with its `parts` set. */
void mr__pipeline_post(mr__pipeline *pipeline, int64_t count);

/* Takes back the last posted tickets as long as there is nothing for them: where a stream ends is known when it was read. */
void mr__pipeline_take_back_surplus(mr__pipeline *pipeline);

/* Posted tickets that were not delivered. */
int64_t mr__pipeline_posted(const mr__pipeline *pipeline);

/* Of these, the batches that are done. */
int64_t mr__pipeline_ready(const mr__pipeline *pipeline);

/* The oldest posted ticket, NULL if there is none; it need not be done. */
mr__ticket *mr__pipeline_head(mr__pipeline *pipeline);

/* Waits until the oldest ticket (unordered: one of its epoch's) is done, works on it with `filler`, and hands it over:
 * it stays the consumer's until mr__pipeline_release. Fails when a sample took too long: then the pipeline must be
 * closed. What became of the ticket itself is in it. */
mr_status mr__pipeline_next(mr__pipeline *pipeline, mr__filler *filler, mr__ticket **ticket);

/* Gives the last ticket back. */
void mr__pipeline_release(mr__pipeline *pipeline);

/* Takes back all tickets. False if a thread did not come back in time: the pipeline must be closed. */
bool mr__pipeline_clear(mr__pipeline *pipeline);

#endif
