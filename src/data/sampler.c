#include "sampler.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

mr_sampler *mr_sampler_new(const mr_sampler_vtable *vtable, const void *self, size_t size)
{
    if (!vtable || !vtable->begin || !vtable->next) {
        mr__raise(MR_ERR_ARGUMENT, "sampler_new: the vtable needs begin and next");
        return NULL;
    }
    void *copy;
    mr_sampler *sampler = mr__alloc_zeroed(sizeof *sampler);
    if (!sampler || !mr__copy_self("sampler_new", self, size, &copy)) {
        mr__free(sampler);
        return NULL;
    }
    sampler->vtable = vtable;
    sampler->self = copy;
    return sampler;
}

void mr_sampler_free(mr_sampler *sampler)
{
    if (!sampler)
        return;
    if (sampler->vtable->destroy)
        sampler->vtable->destroy(sampler->self);
    mr__free(sampler->self);
    mr__free(sampler);
}
