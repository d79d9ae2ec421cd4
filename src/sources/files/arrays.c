/* Rows of arrays in files; whole arrays. */
#include "array_file.h"
#include "name.h"

#include <millrace/sources/arrays.h>

#include <stdio.h>
#include <string.h>

typedef struct arrays {
    int count;
    mr__array_file *file;
    char **path, **name;
    int64_t *row; /* elements of a sample */
} arrays;

/* ---- callbacks ---- */

static int64_t len(void *self)
{
    return (*(arrays **)self)->file[0].shape.dim[0];
}

static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const arrays *a = *(arrays **)self;
    for (int i = 0; i < a->count; i++)
        if (mr__array_file_rows(&a->file[i], a->path[i], indices, count, a->row[i], first->field[i]) < 0)
            return mr_error_status();
    return MR_OK;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    return get_many(self, &index, 1, sample);
}

static int origin(void *self, int64_t index, int field, char *text, size_t room)
{
    const arrays *a = *(arrays **)self;
    return snprintf(text, room, "'%s': row %lld", a->path[field < 0 ? 0 : field], (long long)index);
}

static void arrays_free(arrays *a)
{
    for (int i = 0; a->file && i < a->count; i++)
        mr__array_file_close(&a->file[i]);
    for (int i = 0; a->path && i < a->count; i++)
        mr_free(a->path[i]);
    for (int i = 0; a->name && i < a->count; i++)
        mr_free(a->name[i]);
    mr_free(a->file);
    mr_free(a->path);
    mr_free(a->name);
    mr_free(a->row);
    mr_free(a);
}

static void destroy(void *self)
{
    arrays_free(*(arrays **)self);
}

/* ---- making ---- */

char *mr__array_name(const char *path)
{
    const char *end = path + mr__name_length(path), *slash = memrchr(path, '/', (size_t)(end - path)),
               *begin = slash ? slash + 1 : path, *point = memchr(begin, '.', (size_t)(end - begin));
    const size_t length = (size_t)((point && point > begin ? point : end) - begin);
    char *name = mr_alloc(length + 1);
    if (name) {
        memcpy(name, begin, length);
        name[length] = 0;
    }
    return name;
}

static mr_status open_file(arrays *a, int i, const mr_array_file *from)
{
    if (!from->path)
        return mr_fail(MR_ERR_ARGUMENT, "arrays_new: file %d has no path", i);
    if (from->max_bytes < 0)
        return mr_fail(MR_ERR_ARGUMENT, "arrays_new: '%s': max_bytes is %lld", from->path,
                       (long long)from->max_bytes);
    a->path[i] = mr__member_path(from->path, from->member);
    a->name[i] =
        from->name ? mr_strdup(from->name) : mr__array_name(from->member ? from->member : from->path);
    if (!a->path[i] || !a->name[i] ||
        mr__array_file_open(&a->file[i], from->storage, from->path, from->member, from->max_bytes) < 0)
        return mr_error_status();
    const mr_shape *shape = &a->file[i].shape, *first = &a->file[0].shape;
    if (!shape->ndim)
        return mr_fail(MR_ERR_SHAPE, "arrays_new: '%s' is a single number, not rows", a->path[i]);
    if (shape->dim[0] != first->dim[0])
        return mr_fail(MR_ERR_SHAPE, "arrays_new: '%s' has %lld rows, '%s' %lld", a->path[0],
                       (long long)first->dim[0], a->path[i], (long long)shape->dim[0]);
    a->row[i] = 1;
    for (int d = 1; d < shape->ndim; d++)
        a->row[i] *= shape->dim[d];
    return MR_OK;
}

static mr_status open_files(arrays *a, const mr_array_file *files, int count)
{
    a->file = mr_calloc((size_t)count, sizeof *a->file);
    a->path = mr_calloc((size_t)count, sizeof *a->path);
    a->name = mr_calloc((size_t)count, sizeof *a->name);
    a->row = mr_calloc((size_t)count, sizeof *a->row);
    if (!a->file || !a->path || !a->name || !a->row)
        return mr_error_status();
    a->count = count;
    for (int i = 0; i < count; i++)
        if (open_file(a, i, &files[i]) < 0)
            return mr_error_status();
    return MR_OK;
}

mr_dataset *mr_arrays_new(const mr_array_file *files, int count)
{
    static const mr_dataset_vtable vtable = {
        .len = len, .get = get, .get_many = get_many, .destroy = destroy, .origin = origin
    };
    if (!files || count < 1) {
        mr_fail(MR_ERR_ARGUMENT, "arrays_new: there is at least one file");
        return NULL;
    }
    arrays *a = mr_calloc(1, sizeof *a);
    mr_field *fields = a ? mr_calloc((size_t)count, sizeof *fields) : NULL;
    mr_dataset *dataset = NULL;
    if (fields && open_files(a, files, count) == MR_OK) {
        for (int i = 0; i < count; i++) {
            fields[i] = (mr_field){ .name = a->name[i], .dtype = a->file[i].dtype };
            fields[i].shape.ndim = a->file[i].shape.ndim - 1;
            for (int d = 1; d < a->file[i].shape.ndim; d++)
                fields[i].shape.dim[d - 1] = a->file[i].shape.dim[d];
        }
        dataset = mr_dataset_new(&vtable, &a, sizeof a, fields, count);
    }
    if (!dataset && a)
        arrays_free(a);
    mr_free(fields);
    return dataset;
}

mr_tensor *mr__array_load(const char *path, const char *member)
{
    mr__array_file file;
    if (mr__array_file_open(&file, NULL, path, member, 0) < 0)
        return NULL;
    mr_tensor *tensor = mr_tensor_zeros(file.dtype, file.shape);
    if (tensor && mr__array_file_read(&file, 0, mr_tensor_numel(tensor), mr_tensor_data(tensor)) < 0) {
        mr_fail_context("'%s'", path);
        mr_tensor_free(tensor);
        tensor = NULL;
    }
    mr__array_file_close(&file);
    return tensor;
}

mr_tensor *mr_npy_load(const char *path)
{
    if (path)
        return mr__array_load(path, NULL);
    mr_fail(MR_ERR_ARGUMENT, "npy_load: path is NULL");
    return NULL;
}
