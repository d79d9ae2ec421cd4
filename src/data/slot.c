#include "faults.h"

#include "tensor/tensor.h"

#include <string.h>

static bool make_tensors(mr__slot_batch *slot, const mr_dataset *dataset, int64_t capacity, bool single)
{
    for (int i = 0; i < dataset->field_count; i++) {
        const mr_field *field = &dataset->fields[i];
        mr_shape shape = field->shape;
        if (!single) {
            shape = (mr_shape){ .ndim = field->shape.ndim + 1, .dim = { capacity } };
            memcpy(shape.dim + 1, field->shape.dim, (size_t)field->shape.ndim * sizeof *shape.dim);
        }
        slot->tensor[i] = mr_tensor_zeros(field->dtype, shape);
        if (!slot->tensor[i])
            return false;
        mr_tensor_set_name(slot->tensor[i], field->name);
        slot->base[i] = slot->tensor[i]->data;
        slot->row[i] = slot->tensor[i]->data;
        slot->name[i] = field->name;
    }
    return true;
}

mr__slot_batch *mr__slot_new(const mr_dataset *dataset, int64_t capacity, bool single)
{
    size_t fields = (size_t)dataset->field_count;
    mr__slot_batch *slot = mr__alloc_zeroed(sizeof *slot);
    if (!slot)
        return NULL;
    slot->batch.field_count = dataset->field_count;
    slot->capacity = capacity;
    slot->row_bytes = dataset->row_bytes;
    slot->tensor = mr__alloc_zeroed(fields * sizeof *slot->tensor);
    slot->name = mr__alloc_array(fields, sizeof *slot->name);
    slot->base = mr__alloc_array(fields, sizeof *slot->base);
    slot->row = mr__alloc_array(fields, sizeof *slot->row);
    slot->index = mr__alloc_array((size_t)capacity, sizeof *slot->index);
    slot->valid = mr__alloc((size_t)capacity);
    if (!slot->tensor || !slot->name || !slot->base || !slot->row || !slot->index || !slot->valid ||
        mr__mark_init(&slot->mark, dataset) || !make_tensors(slot, dataset, capacity, single)) {
        mr__slot_free(slot);
        return NULL;
    }
    memset(slot->valid, true, (size_t)capacity);
    slot->batch.field = slot->tensor;
    slot->batch.name = slot->name;
    slot->batch.indices = slot->index;
    slot->batch.valid = slot->valid;
    return slot;
}

void mr__slot_free(mr__slot_batch *slot)
{
    if (!slot)
        return;
    for (int i = 0; slot->tensor && i < slot->batch.field_count; i++)
        mr_tensor_free(slot->tensor[i]);
    mr__free(slot->tensor);
    mr__free(slot->name);
    mr__free(slot->base);
    mr__free(slot->row);
    mr__free(slot->index);
    mr__free(slot->valid);
    mr__mark_free(&slot->mark);
    mr__faults_clear(slot);
    mr__free(slot);
}

void mr__slot_finish(mr__slot_batch *slot, int64_t rows)
{
    for (int i = 0; i < slot->batch.field_count; i++) {
        mr_tensor *x = slot->tensor[i];
        if (x->shape[0] != rows) {
            int64_t shape[MR_MAX_DIMS];
            memcpy(shape, x->shape, sizeof shape);
            shape[0] = rows;
            mr__set_shape(x, x->ndim, shape);
        }
        mr__bump(x);
    }
    slot->batch.rows = rows;
}
