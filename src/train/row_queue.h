/*
 * Rows on their way from the training thread, the writer, to the reporter, the reader, without locks. They lie one behind the
 * other in blocks, which are used again. All memory is reserved at the beginning, and what is never used costs nothing: so a
 * reader that is held up, by a slow disk say, holds up the writer only when some hundred thousand rows wait.
 */
#ifndef MILLRACE_TRAIN_ROW_QUEUE_H
#define MILLRACE_TRAIN_ROW_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MR__BLOCK_WORDS = 1 << 14, MR__QUEUE_BLOCKS = 64 };

typedef struct mr__row_block {
    struct mr__row_block *_Atomic next; /* of those in use, or of those that are free again */
    size_t used;                        /* words, once there is a next in use */
    uint64_t word[MR__BLOCK_WORDS];
} mr__row_block;

enum { MR__CACHE_LINE = 64 };

/* What the one changes at every row lies apart from what the other does, or each would wait for the other's processor. */
typedef struct mr__row_queue {
    /* the writer's */
    mr__row_block *head;
    size_t head_used;      /* words of it */
    atomic_size_t written; /* rows; the reader looks at it now and then */
    size_t begun;          /* how many blocks have ever been used */
    char apart[MR__CACHE_LINE];

    /* the reader's */
    mr__row_block *tail;
    size_t tail_read; /* words of it */
    size_t read;      /* rows */
    char behind[MR__CACHE_LINE];

    mr__row_block *block; /* all of them */
    mr__row_block *_Atomic free;
} mr__row_queue;

/* False without memory, with a failure raised. */
bool mr__row_queue_init(mr__row_queue *queue);
void mr__row_queue_free(mr__row_queue *queue);

/* ---- for the writer ---- */

/* Where a row of at most MR__BLOCK_WORDS words goes; NULL when this block has no room for it. */
static inline uint64_t *mr__row_queue_room(const mr__row_queue *queue, size_t words)
{
    return queue->head_used + words <= MR__BLOCK_WORDS ? queue->head->word + queue->head_used : NULL;
}

/* Begins another block; false when there is none before the reader gives one back. */
bool mr__row_queue_extend(mr__row_queue *queue);

/* Hands over the row that was written there. */
static inline void mr__row_queue_push(mr__row_queue *queue, size_t words)
{
    queue->head_used += words;
    atomic_store_explicit(&queue->written, atomic_load_explicit(&queue->written, memory_order_relaxed) + 1,
                          memory_order_release);
}

/* ---- for the reader ---- */

static inline size_t mr__row_queue_written(const mr__row_queue *queue)
{
    return atomic_load_explicit(&queue->written, memory_order_acquire);
}

/* The next row, if it is one of the first `end`, which have been written; NULL: it is not. */
const uint64_t *mr__row_queue_next(mr__row_queue *queue, size_t end);

/* Behind a row of so many words. */
void mr__row_queue_pop(mr__row_queue *queue, size_t words);

#endif
