/* The largest block of memory that the library takes. */
#ifndef LARGEST_BLOCK_H
#define LARGEST_BLOCK_H

#include <millrace/base.h>

#include <stdatomic.h>
#include <stdlib.h>

static atomic_size_t largest_block;

static inline void *largest_block_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    for (size_t most = atomic_load(&largest_block);
         bytes > most && !atomic_compare_exchange_weak(&largest_block, &most, bytes);)
        continue;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static inline void largest_block_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static inline void largest_block_begin(void)
{
    static const mr_allocator watched = { largest_block_allocate, largest_block_release, NULL };
    atomic_store(&largest_block, 0);
    mr_set_allocator(&watched);
}

static inline size_t largest_block_end(void)
{
    mr_set_allocator(NULL);
    return atomic_load(&largest_block);
}

#endif
