#include "tensor.h"

#include <sys/mman.h>

#define HEADER_BYTES ((size_t)MR__ALIGNMENT)

#define LARGE_PAGE ((size_t)1 << 21)

static mr__memory *memory_raw(size_t bytes)
{
    mr__memory *memory = mr__alloc(bytes > SIZE_MAX - HEADER_BYTES ? SIZE_MAX : HEADER_BYTES + bytes);
    if (memory)
        atomic_init(&memory->holders, 1);
    return memory;
}

mr__memory *mr__memory_untouched(size_t bytes, void **data)
{
    const bool large = bytes >= 2 * LARGE_PAGE && bytes < SIZE_MAX - 2 * LARGE_PAGE;
    mr__memory *memory = memory_raw(large ? bytes + 2 * LARGE_PAGE : bytes);
    *data = memory ? mr__memory_data(memory) : NULL;
#ifdef MADV_HUGEPAGE
    if (memory && large) {
        *data = (char *)*data + (LARGE_PAGE - (uintptr_t)*data % LARGE_PAGE) % LARGE_PAGE;
        (void)madvise(*data, mr__round_up(bytes, LARGE_PAGE), MADV_HUGEPAGE);
    }
#endif
    return memory;
}

mr__memory *mr__memory_new(size_t bytes)
{
    mr__memory *memory = memory_raw(bytes);
    if (memory)
        memset(mr__memory_data(memory), 0, bytes);
    return memory;
}

void mr__memory_hold(mr__memory *memory)
{
    atomic_fetch_add_explicit(&memory->holders, 1, memory_order_relaxed);
}

void mr__memory_drop(mr__memory *memory)
{
    if (memory && atomic_fetch_sub_explicit(&memory->holders, 1, memory_order_acq_rel) == 1)
        mr__free(memory);
}
