#include "safetensors.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"

#include <jansson.h>
#include <stdlib.h>

/* ---- order ---- */

static int by_type_and_name(const void *a, const void *b)
{
    const mr__safetensor *x = *(const mr__safetensor *const *)a, *y = *(const mr__safetensor *const *)b;
    int rank_x = mr__safetensors_rank(x->dtype), rank_y = mr__safetensors_rank(y->dtype);
    return rank_x != rank_y ? rank_y - rank_x : strcmp(x->name, y->name);
}

static int by_key(const void *a, const void *b)
{
    const mr__metadata *x = *(const mr__metadata *const *)a, *y = *(const mr__metadata *const *)b;
    return strcmp(x->key, y->key);
}

/* The addresses of `count` elements, sorted; NULL when memory is out. */
static void *sorted(const void *elements, size_t count, size_t size,
                    int (*compare)(const void *, const void *))
{
    const void **order = mr__alloc_array(count, sizeof *order);
    if (!order)
        return NULL;
    for (size_t i = 0; i < count; i++)
        order[i] = (const char *)elements + i * size;
    qsort(order, count, sizeof *order, compare);
    return order;
}

/* ---- the header ---- */

static mr_status failed(const char *path, const char *name, const char *what)
{
    return mr__raise(MR_ERR_ARGUMENT, "save '%.200s': '%s' %s", path, mr__shown_name(name).text, what);
}

/* Adds what a key stands for; takes the value over. */
static mr_status add_member(const char *path, json_t *object, const char *key, json_t *value)
{
    json_t *text = json_string(key);
    json_decref(text);
    if (text && !json_object_get(object, key) && json_object_set_new(object, key, value) == 0)
        return MR_OK;
    if (!text || json_object_get(object, key)) {
        json_decref(value);
        return failed(path, key, text ? "is there twice" : "is not UTF-8");
    }
    return mr__raise(MR_ERR_MEMORY, "out of memory: a header of safetensors wanted");
}

static mr_status add_metadata(const char *path, json_t *header, const mr__metadata *metadata, size_t count)
{
    if (count == 0)
        return MR_OK;
    const mr__metadata **order = sorted(metadata, count, sizeof *metadata, by_key);
    if (!order)
        return MR_ERR_MEMORY;
    json_t *object = json_object();
    mr_status status = MR_OK;
    for (size_t i = 0; i < count && status == MR_OK; i++) {
        json_t *text = json_string(order[i]->text);
        status = text ? add_member(path, object, order[i]->key, text)
                      : failed(path, order[i]->key, "has a text that is not UTF-8");
    }
    mr__free(order);
    if (status == MR_OK)
        return add_member(path, header, MR__SAFETENSORS_METADATA, object);
    json_decref(object);
    return status;
}

static json_t *shape_array(const mr_shape *shape)
{
    json_t *array = json_array();
    for (int i = 0; i < shape->ndim; i++)
        json_array_append_new(array, json_integer(shape->dim[i]));
    return array;
}

/* Adds one tensor, whose data begin at `*offset`, and moves that on. */
static mr_status add_tensor(const char *path, json_t *header, const mr__safetensor *tensor, size_t *offset)
{
    int64_t count = mr__numel("save", &tensor->shape, tensor->dtype);
    if (count < 0)
        return MR_ERR_SHAPE;
    if (strcmp(tensor->name, MR__SAFETENSORS_METADATA) == 0)
        return failed(path, tensor->name, "is no name for a tensor");
    size_t end = *offset + (size_t)count * mr_dtype_size(tensor->dtype);
    json_t *entry =
        json_pack("{s:s, s:o, s:[I,I]}", "dtype", mr__safetensors_dtype_name(tensor->dtype), "shape",
                  shape_array(&tensor->shape), "data_offsets", (json_int_t)*offset, (json_int_t)end);
    *offset = end;
    return add_member(path, header, tensor->name, entry);
}

/* Appends the size of the header and the header, padded. */
static mr_status append_header(mr__strbuf *out, const char *path, const json_t *header)
{
    char *text = json_dumps(header, JSON_COMPACT);
    if (!text)
        return mr__raise(MR_ERR_MEMORY, "out of memory: a header of safetensors wanted");
    size_t length = strlen(text), padded = mr__round_up(length, 8);
    unsigned char size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    mr__strbuf_append_bytes(out, size, sizeof size);
    mr__strbuf_append_bytes(out, text, length);
    mr__strbuf_append_bytes(out, "       ", padded - length);
    free(text);
    if (padded > MR__SAFETENSORS_MAX_HEADER)
        return mr__raise(MR_ERR_ARGUMENT, "save '%.200s': a header of %zu bytes, more than the format's %d",
                         path, padded, MR__SAFETENSORS_MAX_HEADER);
    return out->failed ? MR_ERR_MEMORY : MR_OK;
}

static mr_status make_header(mr__strbuf *out, const char *path, const mr__safetensor **order, size_t count,
                             const mr__metadata *metadata, size_t metadata_count)
{
    json_t *header = json_object();
    size_t offset = 0;
    mr_status status = add_metadata(path, header, metadata, metadata_count);
    for (size_t i = 0; i < count && status == MR_OK; i++)
        status = add_tensor(path, header, order[i], &offset);
    if (status == MR_OK)
        status = append_header(out, path, header);
    json_decref(header);
    return status;
}

/* ---- the file ---- */

static size_t bytes_of(const mr__safetensor *tensor)
{
    return (size_t)mr__numel("save", &tensor->shape, tensor->dtype) * mr_dtype_size(tensor->dtype);
}

/* Small tensors are gathered behind the header, so that a small model is one write. */
static mr_status write_file(const char *path, mr__strbuf *gathered, const mr__safetensor **order,
                            size_t count)
{
    enum { GATHERED_BYTES = 64 * 1024 };
    mr__file_replace file;
    mr_status status = mr__file_replace_begin(&file, path);
    for (size_t i = 0; i < count && status == MR_OK; i++) {
        size_t bytes = bytes_of(order[i]);
        if (bytes > GATHERED_BYTES || gathered->length > GATHERED_BYTES) {
            status = mr__file_replace_write(&file, gathered->text, gathered->length);
            mr__strbuf_clear(gathered);
        }
        if (status == MR_OK && bytes > GATHERED_BYTES)
            status = mr__file_replace_write(&file, order[i]->data, bytes);
        else if (bytes && bytes <= GATHERED_BYTES)
            mr__strbuf_append_bytes(gathered, order[i]->data, bytes);
    }
    if (gathered->failed || status) {
        mr__file_replace_abandon(&file);
        return status ? status : MR_ERR_MEMORY;
    }
    mr__file_replace_write(&file, gathered->text, gathered->length);
    return mr__file_replace_commit(&file);
}

mr_status mr__safetensors_write(const char *path, const mr__safetensor *tensors, size_t count,
                                const mr__metadata *metadata, size_t metadata_count)
{
    const mr__safetensor **order = sorted(tensors, count, sizeof *tensors, by_type_and_name);
    if (!order)
        return MR_ERR_MEMORY;
    mr__strbuf text = { 0 };
    mr_status status = make_header(&text, path, order, count, metadata, metadata_count);
    if (status == MR_OK)
        status = write_file(path, &text, order, count);
    mr__strbuf_free(&text);
    mr__free(order);
    return status;
}
