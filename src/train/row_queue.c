#include "row_queue.h"

#include "base/alloc.h"

/* Two blocks: while the reader has none to give back, there is a spare one. */
bool mr__row_queue_init(mr__row_queue *queue)
{
    *queue = (mr__row_queue){ .head = mr__alloc(sizeof *queue->head) };
    mr__row_block *spare = queue->head ? mr__alloc(sizeof *spare) : NULL;
    queue->tail = queue->head;
    atomic_init(&queue->spare, spare);
    atomic_init(&queue->blocks, 2);
    if (queue->head)
        atomic_init(&queue->head->next, NULL);
    return spare;
}

void mr__row_queue_free(mr__row_queue *queue)
{
    for (mr__row_block *block = queue->tail, *next; block; block = next) {
        next = atomic_load(&block->next);
        mr__free(block);
    }
    mr__free(atomic_load(&queue->spare));
    *queue = (mr__row_queue){ .head = NULL };
}

static mr__row_block *take_block(mr__row_queue *queue)
{
    mr__row_block *block = atomic_exchange_explicit(&queue->spare, NULL, memory_order_acquire);
    if (block || atomic_load_explicit(&queue->blocks, memory_order_relaxed) >= MR__QUEUE_BLOCKS)
        return block;
    block = mr__try_alloc(sizeof *block);
    if (block)
        atomic_fetch_add_explicit(&queue->blocks, 1, memory_order_relaxed);
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

/* One is kept; without it the writer would have nothing to wait for. */
static void give_back(mr__row_queue *queue, mr__row_block *block)
{
    mr__row_block *none = NULL;
    if (atomic_compare_exchange_strong_explicit(&queue->spare, &none, block, memory_order_release,
                                                memory_order_relaxed))
        return;
    atomic_fetch_sub_explicit(&queue->blocks, 1, memory_order_relaxed);
    mr__free(block);
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
