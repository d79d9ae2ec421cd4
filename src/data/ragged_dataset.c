/* Items that lie in memory, one sample behind the other, as a dataset with one ragged field. */
#include "dataset.h"
#include "ragged.h"

#include "tensor/tensor.h"

#include <millrace/samplers.h>
#include <string.h>

typedef struct runs {
    const mr_tensor *values, *offsets; /* borrowed */
} runs;

static const int64_t *offsets_of(const runs *r)
{
    return mr_tensor_data(r->offsets);
}

static int64_t runs_len(void *self)
{
    return mr_tensor_size(((const runs *)self)->offsets, 0) - 1;
}

static mr_status write_run(const runs *r, int64_t index, mr_ragged *to)
{
    const int64_t *offset = offsets_of(r);
    int64_t items = offset[index + 1] - offset[index];
    void *data = mr_ragged_resize(to, items);
    if (!data)
        return mr_error_status();
    if (items)
        memcpy(data, (const char *)mr_tensor_data(r->values) + (size_t)offset[index] * to->item_bytes,
               (size_t)items * to->item_bytes);
    return MR_OK;
}

static mr_status runs_get(void *self, int64_t index, const mr_sample *sample)
{
    return write_run(self, index, sample->field[0]);
}

static mr_status runs_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    mr_ragged *row = first->field[0];
    mr_status status = MR_OK;
    for (int64_t i = 0; status == MR_OK && i < count; i++)
        status = write_run(self, indices[i], &row[i]);
    return status;
}

static const mr_dataset_vtable vtable = { .len = runs_len, .get = runs_get, .get_many = runs_get_many };

static const char call[] = "dataset_from_ragged";

static bool acceptable(const mr_tensor *values, const mr_tensor *offsets)
{
    if (!values || !offsets) {
        mr__null(call, values ? "offsets" : "values");
        return false;
    }
    if (values->tape || !values->contiguous || values->ndim == 0 || offsets->tape || !offsets->contiguous ||
        offsets->ndim != 1 || offsets->dtype != MR_INT64 || offsets->shape[0] < 1) {
        mr__raise(MR_ERR_ARGUMENT, "%s: values %s and offsets %s", call, mr__tensor_text(values).text,
                  mr__tensor_text(offsets).text);
        return false;
    }
    const int64_t *offset = mr_tensor_data(offsets);
    for (int64_t i = 0; i < offsets->shape[0]; i++)
        if (offset[i] < (i ? offset[i - 1] : 0) || offset[i] > values->shape[0]) {
            mr__raise(MR_ERR_ARGUMENT, "%s: offset %lld is %lld, not from %lld to %lld", call, (long long)i,
                      (long long)offset[i], (long long)(i ? offset[i - 1] : 0), (long long)values->shape[0]);
            return false;
        }
    return true;
}

mr_dataset *mr_dataset_from_ragged(mr_tensor *values, mr_tensor *offsets, const char *name)
{
    if (!acceptable(values, offsets))
        return NULL;
    mr_field field = { name ? name : "0", (mr_dtype)values->dtype, { .ndim = values->ndim } };
    memcpy(field.shape.dim, values->shape, (size_t)values->ndim * sizeof *field.shape.dim);
    field.shape.dim[0] = -1;
    const runs r = { values, offsets };
    return mr_dataset_new(&vtable, &r, sizeof r, &field, 1);
}

int64_t mr_length_by_offsets(void *offsets, int64_t index)
{
    const int64_t *offset = mr_tensor_data((const mr_tensor *)offsets);
    return offset ? offset[index + 1] - offset[index] : 0;
}
