#include "copies.h"

size_t mr__copies_bytes(mr_params list)
{
    size_t total = 0;
    for (size_t i = 0; i < list.count; i++)
        total += mr__copy_room(list.item[i].tensor);
    return total;
}

void mr__copies_take(mr_params list, void *block)
{
    char *to = block;
    for (size_t i = 0; i < list.count; i++) {
        const mr_tensor *x = list.item[i].tensor;
        memcpy(to, x->data, mr__bytes_of(x));
        to += mr__copy_room(x);
    }
}

void mr__copies_put_back(mr_params list, const void *block)
{
    const char *from = block;
    for (size_t i = 0; i < list.count; i++) {
        mr_tensor *x = list.item[i].tensor;
        memcpy(x->data, from, mr__bytes_of(x));
        mr_tensor_touch(x);
        from += mr__copy_room(x);
    }
}

static void swap(char *a, char *b, size_t bytes)
{
    char part[256];
    for (size_t here; bytes; bytes -= here, a += here, b += here) {
        here = bytes < sizeof part ? bytes : sizeof part;
        memcpy(part, a, here);
        memcpy(a, b, here);
        memcpy(b, part, here);
    }
}

void mr__copies_swap(mr_params list, void *block)
{
    char *with = block;
    for (size_t i = 0; i < list.count; i++) {
        mr_tensor *x = list.item[i].tensor;
        swap(x->data, with, mr__bytes_of(x));
        mr_tensor_touch(x);
        with += mr__copy_room(x);
    }
}

bool mr__copies_list(mr__state *state, const char *key, mr_params list, void *block)
{
    char *at = block;
    for (size_t i = 0; i < list.count; i++) {
        const mr_tensor *x = list.item[i].tensor;
        if (!mr__state_add(state, key, list.item[i].name, (mr_dtype)x->dtype, mr__shape_of(x), at))
            return false;
        at += mr__copy_room(x);
    }
    return true;
}
