#include "tensor.h"

#define HEADER_BYTES ((size_t)MR__ALIGNMENT)

mr__memory *mr__memory_raw(size_t bytes)
{
    mr__memory *memory = mr__alloc(bytes > SIZE_MAX - HEADER_BYTES ? SIZE_MAX : HEADER_BYTES + bytes);
    if (memory)
        atomic_init(&memory->holders, 1);
    return memory;
}

mr__memory *mr__memory_new(size_t bytes)
{
    mr__memory *memory = mr__memory_raw(bytes);
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
