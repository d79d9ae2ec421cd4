/* Counts what a test program allocates, whoever does it: the library, other libraries, the C library itself. The
 * functions below take the place of glibc's; they must not be linked with a sanitizer, which does the same. */
#ifndef COUNT_MALLOC_H
#define COUNT_MALLOC_H

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What glibc calls its own. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *memory);

static _Thread_local int64_t own_allocations;    /* by this thread, ever */
static atomic_int_least64_t live_blocks;         /* of all threads */
static atomic_int_least64_t counted_allocations; /* by all threads, ever */
static atomic_int_least64_t counted_bytes;       /* that they asked for */

static void *count_block(void *memory, size_t bytes)
{
    atomic_fetch_add(&counted_bytes, (int64_t)bytes);
    own_allocations++;
    atomic_fetch_add(&counted_allocations, 1);
    atomic_fetch_add(&live_blocks, memory != NULL);
    return memory;
}

#pragma GCC visibility push(default) /* so that shared libraries call them, too */

void *malloc(size_t bytes)
{
    return count_block(__libc_malloc(bytes), bytes);
}

void *calloc(size_t count, size_t size)
{
    return count_block(__libc_calloc(count, size), count * size);
}

void *realloc(void *memory, size_t bytes)
{
    void *moved = __libc_realloc(memory, bytes);
    if (memory && (moved || !bytes)) /* the old block is no more */
        atomic_fetch_sub(&live_blocks, 1);
    return count_block(moved, bytes);
}

void *memalign(size_t alignment, size_t bytes);

void *memalign(size_t alignment, size_t bytes)
{
    return count_block(__libc_memalign(alignment, bytes), bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return count_block(__libc_memalign(alignment, bytes), bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    void *block = count_block(__libc_memalign(alignment, bytes), bytes);
    if (!block)
        return ENOMEM;
    *memory = block;
    return 0;
}

void free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&live_blocks, 1);
    __libc_free(memory);
}

#pragma GCC visibility pop

#endif
