/* The largest block of memory that the library takes. */
#ifndef LARGEST_BLOCK_H
#define LARGEST_BLOCK_H

#include <millrace/base.h>

#include <stdlib.h>

static size_t largest_block;

static inline void *largest_block_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    largest_block = bytes > largest_block ? bytes : largest_block;
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
    largest_block = 0;
    mr_set_allocator(&watched);
}

static inline size_t largest_block_end(void)
{
    mr_set_allocator(NULL);
    return largest_block;
}

#endif
