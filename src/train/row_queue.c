#include "row_queue.h"

#include "base/alloc.h"

bool mr__row_queue_init(mr__row_queue *queue)
{
    *queue = (mr__row_queue){ .block = mr__alloc_array(MR__QUEUE_BLOCKS, sizeof *queue->block) };
    if (!queue->block)
        return false;
    queue->head = queue->tail = queue->block;
    queue->begun = 1;
    atomic_init(&queue->head->next, NULL);
    return true;
}

void mr__row_queue_free(mr__row_queue *queue)
{
    mr__free(queue->block);
    queue->block = NULL;
}

/* Only the writer takes from the list, so what it has seen as the first is not taken and put back meanwhile. */
static mr__row_block *take_block(mr__row_queue *queue)
{
    mr__row_block *block = atomic_load_explicit(&queue->free, memory_order_acquire);
    while (block && !atomic_compare_exchange_weak_explicit(
                        &queue->free, &block, atomic_load_explicit(&block->next, memory_order_relaxed),
                        memory_order_acquire, memory_order_acquire))
        ;
    if (!block && queue->begun < MR__QUEUE_BLOCKS)
        block = &queue->block[queue->begun++];
    return block;
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

static void give_back(mr__row_queue *queue, mr__row_block *block)
{
    mr__row_block *first = atomic_load_explicit(&queue->free, memory_order_relaxed);
    do
        atomic_store_explicit(&block->next, first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&queue->free, &first, block, memory_order_release,
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
