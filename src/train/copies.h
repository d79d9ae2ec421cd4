/* Copies of what a list of tensors holds, in one block of memory: each begins at a multiple of MR__ALIGNMENT. */
#ifndef MILLRACE_TRAIN_COPIES_H
#define MILLRACE_TRAIN_COPIES_H

#include "base/alloc.h"
#include "optim/optim.h"

#include <millrace/nn.h>

/* How large the block is. */
size_t mr__copies_bytes(mr_params list);

/* Bytes of a tensor's elements, and of its place in the block. */
static inline size_t mr__bytes_of(const mr_tensor *x)
{
    return (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype);
}

static inline size_t mr__copy_room(const mr_tensor *x)
{
    return mr__round_up(mr__bytes_of(x), MR__ALIGNMENT);
}

/* Copies the elements there; and back, which marks the tensors as changed. Or does both at once. */
void mr__copies_take(mr_params list, void *block);
void mr__copies_put_back(mr_params list, const void *block);
void mr__copies_swap(mr_params list, void *block);

/* Adds the copies to a state under "key.NAME", or NAME if the key is empty. */
bool mr__copies_list(mr__state *state, const char *key, mr_params list, void *block);

#endif
