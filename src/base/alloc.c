#include "alloc.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

static void *libc_allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void libc_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static mr_allocator allocator = { libc_allocate, libc_release, NULL };

void mr_set_allocator(const mr_allocator *replacement)
{
    if (replacement)
        allocator = *replacement;
    else
        allocator = (mr_allocator){ libc_allocate, libc_release, NULL };
}

void *mr__try_alloc(size_t bytes)
{
    return bytes <= SIZE_MAX / 2 ? allocator.allocate(allocator.user, bytes ? bytes : 1, MR__ALIGNMENT)
                                 : NULL;
}

void *mr__alloc(size_t bytes)
{
    void *memory = mr__try_alloc(bytes);
    if (!memory && bytes == SIZE_MAX)
        mr__raise(MR_ERR_MEMORY, "out of memory: a size does not fit the address space");
    else if (!memory)
        mr__raise(MR_ERR_MEMORY, "out of memory: %zu bytes wanted", bytes);
    return memory;
}

void *mr__alloc_zeroed(size_t bytes)
{
    void *memory = mr__alloc(bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void *mr__alloc_array(size_t count, size_t size)
{
    return mr__alloc(mr__mul_size(count, size));
}

void *mr__grow(void *memory, size_t used, size_t bytes)
{
    void *larger = mr__alloc(bytes);
    if (!larger)
        return NULL;
    if (used)
        memcpy(larger, memory, used);
    mr__free(memory);
    return larger;
}

char *mr__strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = mr__alloc(bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

void mr__free(void *memory)
{
    if (memory)
        allocator.release(allocator.user, memory);
}

bool mr__copy_self(const char *call, const void *self, size_t size, void **copy)
{
    *copy = NULL;
    if (size && !self) {
        mr__null(call, "self");
        return false;
    }
    if (size && !(*copy = mr__alloc(size)))
        return false;
    if (size)
        memcpy(*copy, self, size);
    return true;
}

/* ---- for users ---- */

void *mr_alloc(size_t bytes)
{
    return mr__alloc(bytes);
}

void *mr_calloc(size_t count, size_t size)
{
    return mr__alloc_zeroed(mr__mul_size(count, size));
}

void *mr_grow(void *memory, size_t used, size_t bytes)
{
    return mr__grow(memory, used, bytes);
}

char *mr_strdup(const char *text)
{
    return mr__strdup(text);
}

void mr_free(void *memory)
{
    mr__free(memory);
}
