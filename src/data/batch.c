/* Batches that outlive their slot, and samples fetched one at a time. */
#include "fill.h"
#include "slot.h"

#include "tensor/tensor.h"

#include <string.h>

/* A batch of the user's own, with everything it points to. */
typedef struct kept {
    mr_batch batch;
    mr_tensor **tensor;
    char **name;
    int64_t *index;
    bool *valid;
} kept;

void mr_batch_free(mr_batch *batch)
{
    kept *k = (kept *)batch;
    if (!k)
        return;
    for (int i = 0; i < batch->field_count; i++) {
        if (k->tensor)
            mr_tensor_free(k->tensor[i]);
        if (k->name)
            mr__free(k->name[i]);
    }
    mr__free(k->tensor);
    mr__free(k->name);
    mr__free(k->index);
    mr__free(k->valid);
    mr__free(k);
}

static bool copy_fields(kept *k, const mr_batch *from)
{
    for (int i = 0; i < from->field_count; i++) {
        k->name[i] = mr__strdup(from->name[i]);
        k->tensor[i] = k->name[i] ? mr_tensor_keep(from->field[i]) : NULL;
        if (!k->tensor[i])
            return false;
        mr_tensor_set_name(k->tensor[i], k->name[i]);
    }
    return true;
}

mr_batch *mr_batch_keep(const mr_batch *batch)
{
    if (!batch) {
        mr__null("batch_keep", "batch");
        return NULL;
    }
    kept *k = mr__alloc_zeroed(sizeof *k);
    if (!k)
        return NULL;
    size_t fields = (size_t)batch->field_count, rows = (size_t)batch->rows;
    k->batch = *batch;
    k->tensor = mr__alloc_zeroed(fields * sizeof *k->tensor);
    k->name = mr__alloc_zeroed(fields * sizeof *k->name);
    k->index = mr__alloc_array(rows, sizeof *k->index);
    k->valid = mr__alloc(rows);
    if (!k->tensor || !k->name || !k->index || !k->valid || !copy_fields(k, batch)) {
        mr_batch_free(&k->batch);
        return NULL;
    }
    memcpy(k->index, batch->indices, rows * sizeof *k->index);
    memcpy(k->valid, batch->valid, rows);
    k->batch.field = k->tensor;
    k->batch.name = (const char *const *)k->name;
    k->batch.indices = k->index;
    k->batch.valid = k->valid;
    return &k->batch;
}

mr_batch *mr_dataset_get(mr_dataset *dataset, int64_t index)
{
    if (!dataset) {
        mr__null("dataset_get", "dataset");
        return NULL;
    }
    if (!dataset->map) {
        mr__raise(MR_ERR_ARGUMENT, "dataset_get: a stream has no samples by index; use mr_stream_open");
        return NULL;
    }
    int64_t len = dataset->map->len(dataset->self);
    if (index < 0 || index >= len) {
        mr__raise(MR_ERR_ARGUMENT, "dataset_get: index %lld is out of range for %lld samples",
                  (long long)index, (long long)len);
        return NULL;
    }
    mr__slot_batch *slot = mr__slot_new(dataset, 1, true);
    if (!slot)
        return NULL;
    mr__filler filler = { .dataset = dataset };
    mr_batch *copy = NULL;
    if (mr__filler_open(&filler)) {
        mr__slot_free(slot);
        return NULL;
    }
    const mr_sample sample = { .field = slot->row, .worker = filler.worker };
    const bool failed_before = mr__pending(); /* then the caller hears of that */
    mr_status status = dataset->map->get(dataset->self, index, &sample);
    if (!failed_before)
        status = mr__outcome(status);
    slot->index[0] = index;
    slot->batch.rows = 1;
    slot->batch.position = index;
    if (status != MR_OK)
        mr__sample_failed("dataset_get", status, index);
    else if (mr__slot_gather(slot, 1) == MR_OK)
        copy = mr_batch_keep(&slot->batch);
    mr__filler_close(&filler);
    mr__slot_free(slot);
    return copy;
}
