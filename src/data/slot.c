#include "faults.h"

#include "tensor/tensor.h"

#include <string.h>

static bool make_tensor(mr__slot_batch *slot, const mr_field *field, int64_t capacity, bool single, int i)
{
    mr_shape shape = field->shape;
    if (!single) {
        shape = (mr_shape){ .ndim = field->shape.ndim + 1, .dim = { capacity } };
        memcpy(shape.dim + 1, field->shape.dim, (size_t)field->shape.ndim * sizeof *shape.dim);
    }
    slot->tensor[i] = mr_tensor_zeros(field->dtype, shape);
    if (!slot->tensor[i])
        return false;
    slot->base[i] = slot->row[i] = slot->tensor[i]->data;
    return true;
}

/* The rows of a ragged field, a tensor that has no items yet, and one for the offsets. */
static bool make_ragged(mr__slot_batch *slot, const mr_dataset *dataset, int64_t capacity, bool single, int i)
{
    mr_shape shape = dataset->fields[i].shape;
    shape.dim[0] = 0;
    slot->ragged[i] = mr__ragged_rows(capacity, dataset->item_bytes[i]);
    slot->tensor[i] = slot->ragged[i] ? mr_tensor_zeros(dataset->fields[i].dtype, shape) : NULL;
    if (!slot->tensor[i])
        return false;
    slot->base[i] = slot->row[i] = slot->ragged[i];
    slot->ragged_count++;
    if (single)
        return true;
    int at = slot->batch.field_count++;
    slot->name[at] = dataset->offsets[i];
    slot->tensor[at] = mr_tensor_zeros(MR_INT64, MR_SHAPE(capacity + 1));
    if (slot->tensor[at])
        mr_tensor_set_name(slot->tensor[at], slot->name[at]);
    return slot->tensor[at] != NULL;
}

static bool make_tensors(mr__slot_batch *slot, const mr_dataset *dataset, int64_t capacity, bool single)
{
    for (int i = 0; i < dataset->field_count; i++) {
        const mr_field *field = &dataset->fields[i];
        if (!(dataset->item_bytes[i] ? make_ragged(slot, dataset, capacity, single, i)
                                     : make_tensor(slot, field, capacity, single, i)))
            return false;
        mr_tensor_set_name(slot->tensor[i], field->name);
        slot->name[i] = field->name;
    }
    return true;
}

mr__slot_batch *mr__slot_new(const mr_dataset *dataset, int64_t capacity, bool single)
{
    size_t fields = (size_t)dataset->field_count, tensors = fields + (size_t)dataset->ragged;
    mr__slot_batch *slot = mr__alloc_zeroed(sizeof *slot);
    if (!slot)
        return NULL;
    slot->batch.field_count = slot->field_count = dataset->field_count;
    slot->capacity = capacity;
    slot->row_bytes = dataset->row_bytes;
    slot->tensor = mr__alloc_zeroed(tensors * sizeof *slot->tensor);
    slot->name = mr__alloc_array(tensors, sizeof *slot->name);
    slot->base = mr__alloc_array(fields, sizeof *slot->base);
    slot->row = mr__alloc_array(fields, sizeof *slot->row);
    if (dataset->ragged) {
        slot->ragged = mr__alloc_zeroed(fields * sizeof *slot->ragged);
        slot->ragged_room = slot->ragged ? mr__alloc_zeroed(fields * sizeof *slot->ragged_room) : NULL;
    }
    slot->index = mr__alloc_array((size_t)capacity, sizeof *slot->index);
    slot->valid = mr__alloc((size_t)capacity);
    if (!slot->tensor || !slot->name || !slot->base || !slot->row || !slot->index || !slot->valid ||
        (dataset->ragged && !slot->ragged_room) || mr__mark_init(&slot->mark, dataset) ||
        !make_tensors(slot, dataset, capacity, single)) {
        mr__slot_free(slot);
        return NULL;
    }
    memset(slot->valid, true, (size_t)capacity);
    slot->batch.field = slot->tensor;
    slot->batch.name = slot->name;
    slot->batch.indices = slot->index;
    slot->batch.valid = slot->valid;
    slot->batch.of_stream = slot->lends = dataset->stream != NULL;
    return slot;
}

void mr__slot_free(mr__slot_batch *slot)
{
    if (!slot)
        return;
    for (int i = 0; slot->tensor && i < slot->batch.field_count; i++)
        mr_tensor_free(slot->tensor[i]);
    for (int i = 0; slot->ragged && i < slot->field_count; i++)
        mr__ragged_rows_free(slot->ragged[i], slot->capacity);
    mr__free(slot->ragged);
    mr__free(slot->ragged_room);
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

void mr__slot_set_rows(mr_tensor *x, int64_t rows)
{
    if (x->shape[0] != rows) {
        int64_t shape[MR_MAX_DIMS];
        memcpy(shape, x->shape, sizeof shape);
        shape[0] = rows;
        mr__set_shape(x, x->ndim, shape);
    }
    mr__bump(x);
}

mr_status mr__slot_finish(mr__slot_batch *slot, int64_t rows)
{
    slot->batch.rows = rows;
    for (int f = 0; f < slot->field_count; f++)
        if (!slot->ragged || !slot->ragged[f])
            mr__slot_set_rows(slot->tensor[f], rows);
    return MR__UNLIKELY(slot->ragged_count > 0) ? mr__slot_gather(slot, rows) : MR_OK;
}
