#include "row_queue.h"

#include "base/alloc.h"

bool mr__row_queue_init(mr__row_queue *queue)
{
    *queue = (mr__row_queue){ .block = mr__alloc_array(MR__QUEUE_BLOCKS, sizeof *queue->block), .begun = 1 };
    queue->head = queue->tail = queue->block;
    if (queue->head)
        atomic_init(&queue->head->next, NULL);
    return queue->block != NULL;
}

void mr__row_queue_free(mr__row_queue *queue)
{
    mr__free(queue->block);
    *queue = (mr__row_queue){ .head = NULL };
}

/* One that was used before, if there is one: it is in the cache, maybe, and in memory. */
static mr__row_block *take_block(mr__row_queue *queue)
{
    mr__row_block *block = queue->unused;
    if (!block)
        block = atomic_exchange_explicit(&queue->returned, NULL, memory_order_acquire);
    if (block) {
        queue->unused = atomic_load_explicit(&block->next, memory_order_relaxed);
        return block;
    }
    return queue->begun < MR__QUEUE_BLOCKS ? &queue->block[queue->begun++] : NULL;
}

bool mr__row_queue_extend(mr__row_queue *queue)
{
    mr__row_block *block = take_block(queue);
    if (!block)
        return false;
    atomic_store_explicit(&block->next, NULL, memory_order_relaxed);
    queue->head->used = queue->head_used;
    atomic_store_explicit(&queue->head->next, block, memory_order_release);
    queue->head = block;
    queue->head_used = 0;
    return true;
}

/* The writer takes all that were returned at once, and the reader alone returns some: so none comes back in between. */
static void give_back(mr__row_queue *queue, mr__row_block *block)
{
    mr__row_block *others = atomic_load_explicit(&queue->returned, memory_order_relaxed);
    do
        atomic_store_explicit(&block->next, others, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&queue->returned, &others, block, memory_order_release,
                                                  memory_order_relaxed));
}

const uint64_t *mr__row_queue_next(mr__row_queue *queue, size_t end)
{
    if (queue->read >= end)
        return NULL;
    mr__row_block *block = queue->tail, *next = atomic_load_explicit(&block->next, memory_order_acquire);
    if (next && queue->tail_read == block->used) {
        queue->tail = next;
        queue->tail_read = 0;
        give_back(queue, block);
    }
    return queue->tail->word + queue->tail_read;
}

void mr__row_queue_pop(mr__row_queue *queue, size_t words)
{
    queue->tail_read += words;
    queue->read++;
}
