#include "collate.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <string.h>

mr_status mr__collate(mr_collated *collated, const mr_batch *samples)
{
    collated->made = 0;
    mr_status status = collated->function(collated->user, samples, collated);
    if (status == MR_OK && mr__pending()) /* a field that could not be made */
        status = mr_error_status();
    if (status == MR_OK && collated->made == 0)
        status = mr__raise(MR_ERR_CALLBACK, "the collate function made no field");
    if (status != MR_OK) {
        if (!mr__has_cause(status))
            mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "the collate function failed without a message");
        mr__add_context("loader: batch at position %lld", (long long)samples->position);
        return status < 0 ? status : MR_ERR_CALLBACK;
    }
    collated->batch = *samples;
    collated->batch.field_count = collated->made;
    collated->batch.field = collated->tensor;
    collated->batch.name = collated->name;
    return MR_OK;
}

static bool make_room(mr_collated *c)
{
    if (c->made < c->capacity)
        return true;
    int wanted = c->capacity ? 2 * c->capacity : 4;
    size_t used = (size_t)c->capacity, room = (size_t)wanted;
    void *tensor = mr__grow(c->tensor, used * sizeof *c->tensor, room * sizeof *c->tensor);
    c->tensor = tensor ? tensor : c->tensor;
    void *name = tensor ? mr__grow(c->name, used * sizeof *c->name, room * sizeof *c->name) : NULL;
    c->name = name ? name : c->name;
    void *bytes = name ? mr__grow(c->room, used * sizeof *c->room, room * sizeof *c->room) : NULL;
    if (!bytes)
        return false;
    c->room = bytes;
    memset(c->tensor + used, 0, (room - used) * sizeof *c->tensor);
    c->capacity = wanted;
    return true;
}

mr_tensor *mr_collate_field(mr_collated *out, const char *name, mr_dtype dtype, mr_shape shape)
{
    if (!out) {
        mr__null("collate_field", "out");
        return NULL;
    }
    int64_t numel = mr__numel("collate_field", &shape, dtype);
    if (numel < 0 || !make_room(out))
        return NULL;
    size_t bytes = (size_t)numel * mr_dtype_size(dtype);
    mr_tensor *x = out->tensor[out->made];
    if (!x || bytes > out->room[out->made]) {
        mr_tensor *larger = mr__tensor_alloc("collate_field", dtype, &shape);
        if (!larger)
            return NULL;
        mr_tensor_free(x);
        x = out->tensor[out->made] = larger;
        out->room[out->made] = bytes;
    } else {
        x->dtype = (uint8_t)dtype;
        mr__set_shape(x, shape.ndim, shape.dim);
        memset(x->data, 0, bytes);
        mr__bump(x);
    }
    out->name[out->made++] = name ? name : "";
    return x;
}

void mr__collated_free(mr_collated *collated)
{
    for (int i = 0; i < collated->capacity; i++)
        mr_tensor_free(collated->tensor[i]);
    mr__free(collated->tensor);
    mr__free(collated->name);
    mr__free(collated->room);
    mr__free(collated->scratch);
}
