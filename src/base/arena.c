#include "arena.h"

enum { FIRST_BLOCK_BYTES = 64 * 1024 };

/* The header of a block; the memory that is handed out follows it, aligned. */
struct mr__arena_block {
    mr__arena_block *earlier;
    size_t bytes; /* behind the header */
};

#define HEADER_BYTES ((size_t)MR__ALIGNMENT)

static char *block_memory(mr__arena_block *block)
{
    return (char *)block + HEADER_BYTES;
}

static void use_block(mr__arena *arena, mr__arena_block *block)
{
    arena->block = block;
    arena->next = block_memory(block);
    arena->end = arena->next + block->bytes;
    MR__POISON(arena->next, block->bytes);
}

/* A block of memory that was just allocated; NULL for none. */
static mr__arena_block *block_in(void *memory, size_t bytes)
{
    mr__arena_block *block = memory;
    if (block) {
        block->earlier = NULL;
        block->bytes = bytes;
    }
    return block;
}

static void free_block(mr__arena_block *block)
{
    MR__UNPOISON(block_memory(block), block->bytes);
    mr__free(block);
}

void *mr__arena_more(mr__arena *arena, size_t bytes)
{
    size_t own = mr__arena_bytes(arena), held = own + (arena->beside ? mr__arena_bytes(arena->beside) : 0);
    size_t wanted = bytes;
    if (bytes > SIZE_MAX / 4) {
        mr__raise(MR_ERR_MEMORY, "out of memory: a tensor's size does not fit the address space");
        return NULL;
    }
    wanted = mr__round_up(bytes, MR__ALIGNMENT) + MR__REDZONE;
    if (arena->max_bytes && (held > arena->max_bytes || wanted > arena->max_bytes - held)) {
        mr__raise(MR_ERR_MEMORY,
                  "tape: over its limit of %zu bytes (%zu held, %zu wanted): is a mr_tape_reset missing?",
                  arena->max_bytes, held, bytes);
        return NULL;
    }
    size_t size = own > FIRST_BLOCK_BYTES ? own : FIRST_BLOCK_BYTES; /* double what there is */
    if (size < wanted)
        size = wanted;
    if (arena->max_bytes && size > arena->max_bytes - held)
        size = wanted;
    mr__arena_block *block = block_in(mr__alloc(HEADER_BYTES + size), size);
    if (!block)
        return NULL;
    block->earlier = arena->block;
    arena->earlier_used = mr__arena_used(arena);
    if (arena->block)
        arena->earlier_bytes += arena->block->bytes;
    use_block(arena, block);
    char *p = arena->next;
    arena->next += wanted;
    MR__UNPOISON(p, bytes);
    return p;
}

void mr__arena_reset(mr__arena *arena)
{
    if (!arena->block)
        return;
    if (arena->block->earlier) {
        size_t bytes = mr__arena_bytes(arena);
        mr__arena_free(arena);
        mr__arena_block *joined = block_in(mr__try_alloc(HEADER_BYTES + bytes), bytes);
        if (!joined)
            return; /* without memory for it the next round starts small again */
        use_block(arena, joined);
        return;
    }
    arena->next = block_memory(arena->block);
    MR__POISON(arena->next, arena->block->bytes);
}

void mr__arena_free(mr__arena *arena)
{
    while (arena->block) {
        mr__arena_block *earlier = arena->block->earlier;
        free_block(arena->block);
        arena->block = earlier;
    }
    arena->next = arena->end = NULL;
    arena->earlier_bytes = 0;
    arena->earlier_used = 0;
}

size_t mr__arena_bytes(const mr__arena *arena)
{
    return arena->earlier_bytes + (arena->block ? arena->block->bytes : 0);
}

size_t mr__arena_used(const mr__arena *arena)
{
    return arena->block ? arena->earlier_used + (size_t)(arena->next - block_memory(arena->block)) : 0;
}
