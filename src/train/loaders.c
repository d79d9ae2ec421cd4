#include "loaders.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

mr_status mr__loaders_of(const char *call, mr_loader *const *loaders, int count, mr__loaders *list)
{
    if (!loaders)
        return mr__null(call, "loaders");
    if (count < 1 || count > MR__MAX_LOADERS)
        return mr__raise(MR_ERR_ARGUMENT, "%s: %d loaders, not 1 to %d", call, count, MR__MAX_LOADERS);
    mr__loaders made = { .count = 0 };
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < i; k++)
            if (loaders[k] == loaders[i] && loaders[i])
                return mr__raise(MR_ERR_ARGUMENT, "%s: loader %d is loader %d, too", call, i, k);
        if (!loaders[i])
            return mr__null(call, "a loader");
        made.item[made.count++] = loaders[i];
    }
    *list = made;
    return MR_OK;
}

void mr__loaders_rewind(const mr__loaders *list)
{
    for (int i = 0; i < list->count; i++)
        mr_loader_rewind(list->item[i]);
}

mr_status mr__loader_bytes_room(mr__loader_bytes *to, size_t size)
{
    enum { SPARE_BYTES = 1024 };
    if (to->room < size) {
        mr__free(to->data);
        to->room = 0;
        to->data = mr__alloc(mr__mul_size(size, 2) + SPARE_BYTES);
        if (!to->data)
            return MR_ERR_MEMORY;
        to->room = 2 * size + SPARE_BYTES;
    }
    to->size = size;
    return MR_OK;
}

mr_status mr__loader_bytes_keep(mr__loader_bytes *to, const void *from, size_t size)
{
    mr_status status = mr__loader_bytes_room(to, size);
    if (!status && size)
        memcpy(to->data, from, size);
    return status;
}

mr_status mr__loader_bytes_take(mr__loader_bytes *to, mr_loader *loader)
{
    const void *from;
    size_t size;
    mr_status status = mr_loader_save(loader, &from, &size);
    return status ? status : mr__loader_bytes_keep(to, from, size);
}
