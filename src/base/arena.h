/*
 * A growable arena: blocks of memory that are handed out front to back and taken back all at once.
 * After the first round it holds one block large enough for a round, and allocates nothing more.
 */
#ifndef MILLRACE_BASE_ARENA_H
#define MILLRACE_BASE_ARENA_H

#include "alloc.h"
#include "error.h"

typedef struct mr__arena_block mr__arena_block;

typedef struct mr__arena {
    char *next;                     /* where the next allocation goes */
    char *end;                      /* of the current block */
    mr__arena_block *block;         /* the current block; earlier ones of this round hang behind it */
    size_t earlier_bytes;           /* in blocks behind the current one */
    size_t earlier_used;            /* those of them that are handed out */
    size_t max_bytes;               /* 0: no limit */
    const struct mr__arena *beside; /* another one that the limit is for as well; NULL: none */
} mr__arena;

/* The slow path: a new block, or NULL with a failure raised. */
void *mr__arena_more(mr__arena *arena, size_t bytes);

/* Takes everything back; joins the blocks of a round into one, so that the next round fits. */
void mr__arena_reset(mr__arena *arena);

/* Gives the memory back to the allocator. */
void mr__arena_free(mr__arena *arena);

/* Bytes it holds, handed out or not; and those that are handed out. */
size_t mr__arena_bytes(const mr__arena *arena);
size_t mr__arena_used(const mr__arena *arena);

#if defined(__SANITIZE_ADDRESS__)
#define MR__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MR__ASAN 1
#endif
#endif

#ifdef MR__ASAN
#include <sanitizer/asan_interface.h>
#define MR__POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define MR__UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define MR__REDZONE 64
#else
#define MR__POISON(p, n) ((void)(p))
#define MR__UNPOISON(p, n) ((void)(p))
#define MR__REDZONE 0
#endif

/* `bytes` bytes aligned to MR__ALIGNMENT, not zeroed; NULL with a failure raised when there are none. */
static inline void *mr__arena_alloc(mr__arena *arena, size_t bytes)
{
    char *p = arena->next;
    size_t room = (size_t)(arena->end - p);
    if (MR__UNLIKELY(!p || bytes > room || mr__round_up(bytes, MR__ALIGNMENT) + MR__REDZONE > room))
        return mr__arena_more(arena, bytes);
    arena->next = p + mr__round_up(bytes, MR__ALIGNMENT) + MR__REDZONE;
    MR__UNPOISON(p, bytes);
    return p;
}

#endif
