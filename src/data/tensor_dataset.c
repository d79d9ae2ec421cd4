/* The rows of some tensors as a dataset. */
#include "dataset.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

typedef struct rows {
    int64_t len;
    int count;
    mr_tensor **tensors; /* an array of our own of borrowed tensors */
    size_t *row_bytes;
} rows;

static int64_t rows_len(void *self)
{
    return ((const rows *)self)->len;
}

static mr_status rows_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const rows *r = self;
    for (int f = 0; f < r->count; f++) {
        size_t bytes = r->row_bytes[f];
        const char *from = r->tensors[f]->data;
        char *to = first->field[f];
        for (int64_t i = 0; i < count; i++)
            memcpy(to + (size_t)i * bytes, from + (size_t)indices[i] * bytes, bytes);
    }
    return MR_OK;
}

static mr_status rows_get(void *self, int64_t index, const mr_sample *sample)
{
    return rows_get_many(self, &index, 1, sample);
}

static void rows_destroy(void *self)
{
    mr__free(((rows *)self)->tensors);
    mr__free(((rows *)self)->row_bytes);
}

static const mr_dataset_vtable vtable = {
    .len = rows_len, .get = rows_get, .get_many = rows_get_many, .destroy = rows_destroy
};

static bool acceptable(mr_tensor *const *tensors, int count)
{
    for (int i = 0; i < count; i++) {
        const mr_tensor *x = tensors[i];
        if (!x) {
            mr__null("dataset_from_tensors", "a tensor");
            return false;
        }
        if (x->tape || !x->contiguous || x->ndim == 0) {
            mr__raise(MR_ERR_ARGUMENT,
                      "dataset_from_tensors: tensor %d, %s, is a scalar, not contiguous, or lives on "
                      "a tape",
                      i, mr__tensor_text(x).text);
            return false;
        }
        if (x->shape[0] != tensors[0]->shape[0]) {
            mr__raise(MR_ERR_SHAPE, "dataset_from_tensors: first sizes differ: %s and %s",
                      mr__tensor_text(tensors[0]).text, mr__tensor_text(x).text);
            return false;
        }
    }
    return true;
}

mr_dataset *mr_dataset_from_tensors(mr_tensor *const *tensors, const char *const *names, int count)
{
    enum { MOST = 64 };
    mr_field fields[MOST];
    char numbers[MOST][12];
    if (!tensors || count < 1 || count > MOST) {
        mr__raise(MR_ERR_ARGUMENT, "dataset_from_tensors: %d tensors, not 1 to %d", count, MOST);
        return NULL;
    }
    if (!acceptable(tensors, count))
        return NULL;
    rows r = { .len = tensors[0]->shape[0], .count = count };
    r.tensors = mr__alloc_array((size_t)count, sizeof *tensors);
    r.row_bytes = mr__alloc_array((size_t)count, sizeof *r.row_bytes);
    for (int i = 0; r.tensors && r.row_bytes && i < count; i++) {
        mr_tensor *x = tensors[i];
        snprintf(numbers[i], sizeof numbers[i], "%d", i);
        fields[i] = (mr_field){ names && names[i] ? names[i] : numbers[i], (mr_dtype)x->dtype, { 0 } };
        fields[i].shape.ndim = x->ndim - 1;
        size_t bytes = mr_dtype_size((mr_dtype)x->dtype);
        for (int d = 1; d < x->ndim; d++) {
            fields[i].shape.dim[d - 1] = x->shape[d];
            bytes *= (size_t)x->shape[d];
        }
        r.tensors[i] = x;
        r.row_bytes[i] = bytes;
    }
    mr_dataset *dataset =
        r.tensors && r.row_bytes ? mr_dataset_new(&vtable, &r, sizeof r, fields, count) : NULL;
    if (!dataset)
        rows_destroy(&r);
    return dataset;
}
