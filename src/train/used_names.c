#include "used_names.h"

#include "base/alloc.h"

#include <string.h>

enum { VERSION_BITS = 20, VERSION_MASK = (1 << VERSION_BITS) - 1 };

bool mr__used_names_init(mr__used_names *used, int64_t room)
{
    *used =
        (mr__used_names){ .item = mr__alloc_zeroed((size_t)(room + 1) * sizeof *used->item), .room = room };
    return used->item;
}

void mr__used_names_free(mr__used_names *used)
{
    mr__free(used->item);
}

void mr__used_names_clear(mr__used_names *used)
{
    used->count = 0;
    memset(used->item, 0, (size_t)used->room * sizeof *used->item);
}

/* FNV-1a, with zeros where the version goes. */
static int64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return (int64_t)(hash << VERSION_BITS);
}

/* Where the name is; `count`: nowhere. */
static int64_t find(const mr__used_names *used, int64_t hash)
{
    int64_t i = 0;
    while (i < used->count && (used->item[i] & ~(int64_t)VERSION_MASK) != hash)
        i++;
    return i;
}

int64_t mr__used_names_next(const mr__used_names *used, const char *name)
{
    const int64_t at = find(used, hash_of(name));
    return at < used->count ? used->item[at] & VERSION_MASK : 0;
}

void mr__used_names_add(mr__used_names *used, const char *name, int64_t version)
{
    if (!used->room)
        return;
    const int64_t hash = hash_of(name);
    int64_t at = find(used, hash);
    if (at == used->count && used->count == used->room)
        at = 0; /* the one that was not wanted for the longest time */
    if (at < used->count) {
        memmove(used->item + at, used->item + at + 1, (size_t)(used->count - at - 1) * sizeof *used->item);
        used->count--;
    }
    used->item[used->count++] = hash | (version + 1);
}
