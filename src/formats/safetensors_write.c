#include "safetensors.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/strbuf.h"

#include <jansson.h>
#include <stdio.h>
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

static mr_status out_of_memory(void)
{
    return mr__raise(MR_ERR_MEMORY, "out of memory: a header of safetensors wanted");
}

/* Whether it is not the text's fault that it could not be made one of JSON, but memory was out. */
static bool is_utf8(const char *text)
{
    json_t *checked = json_string(text), *unchecked = json_string_nocheck(text);
    bool wrong = !checked && unchecked;
    json_decref(checked);
    json_decref(unchecked);
    return !wrong;
}

/* Adds what a key stands for; takes the value over, which is NULL when memory was out. */
static mr_status add_member(const char *path, json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key)) {
        json_decref(value);
        return failed(path, key, "is there twice");
    }
    if (json_object_set_new(object, key, value) == 0)
        return MR_OK;
    return is_utf8(key) ? out_of_memory() : failed(path, key, "is not UTF-8");
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
        status = text || is_utf8(order[i]->text)
                     ? add_member(path, object, order[i]->key, text)
                     : failed(path, order[i]->key, "has a text that is not UTF-8");
    }
    mr__free(order);
    if (status == MR_OK)
        return add_member(path, header, MR__SAFETENSORS_METADATA, object);
    json_decref(object);
    return status;
}

/* An array of numbers; NULL when memory is out. */
static json_t *number_array(const int64_t *numbers, int count)
{
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        if (json_array_append_new(array, json_integer(numbers[i]))) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* What the header says of a tensor; NULL when memory is out. */
static json_t *entry_of(const mr__safetensor *tensor, const int64_t offsets[2])
{
    json_t *entry = json_object();
    if (json_object_set_new(entry, "dtype", json_string(mr__safetensors_dtype_name(tensor->dtype))) ||
        json_object_set_new(entry, "shape", number_array(tensor->shape.dim, tensor->shape.ndim)) ||
        json_object_set_new(entry, "data_offsets", number_array(offsets, 2))) {
        json_decref(entry);
        return NULL;
    }
    return entry;
}

/* Adds one tensor, whose data begin at `*offset`, and moves that on. */
static mr_status add_tensor(const char *path, json_t *header, const mr__safetensor *tensor, int64_t *offset)
{
    int64_t count = mr__numel("save", &tensor->shape, tensor->dtype);
    if (count < 0)
        return MR_ERR_SHAPE;
    if (strcmp(tensor->name, MR__SAFETENSORS_METADATA) == 0)
        return failed(path, tensor->name, "is no name for a tensor");
    const int64_t offsets[2] = { *offset, *offset + count * (int64_t)mr_dtype_size(tensor->dtype) };
    *offset = offsets[1];
    return add_member(path, header, tensor->name, entry_of(tensor, offsets));
}

static int append_text(const char *text, size_t size, void *out)
{
    mr__strbuf_append_bytes(out, text, size);
    return ((const mr__strbuf *)out)->failed ? -1 : 0;
}

/* Writes the size of the header and the header, padded, to `out`, which is empty. */
static mr_status write_header(mr__strbuf *out, const char *path, const json_t *header)
{
    enum { SIZE_BYTES = 8 };
    mr__strbuf_append_bytes(out, "        ", SIZE_BYTES); /* for the size, which comes last */
    if (json_dump_callback(header, append_text, out, JSON_COMPACT))
        return out_of_memory();
    size_t length = out->length - SIZE_BYTES, padded = mr__round_up(length, 8);
    mr__strbuf_append_bytes(out, "       ", padded - length);
    if (out->failed)
        return MR_ERR_MEMORY;
    if (padded > MR__SAFETENSORS_MAX_HEADER)
        return mr__raise(MR_ERR_ARGUMENT, "save '%.200s': a header of %zu bytes, more than the format's %d",
                         path, padded, MR__SAFETENSORS_MAX_HEADER);
    for (int i = 0; i < SIZE_BYTES; i++)
        out->text[i] = (char)(padded >> (8 * i));
    return MR_OK;
}

static mr_status make_header(mr__strbuf *out, const char *path, const mr__safetensor **order, size_t count,
                             const mr__metadata *metadata, size_t metadata_count)
{
    json_t *header = json_object();
    int64_t offset = 0;
    mr_status status = add_metadata(path, header, metadata, metadata_count);
    for (size_t i = 0; i < count && status == MR_OK; i++)
        status = add_tensor(path, header, order[i], &offset);
    if (status == MR_OK)
        status = write_header(out, path, header);
    json_decref(header);
    return status;
}

/* ---- the file ---- */

static size_t bytes_of(const mr__safetensor *tensor)
{
    return (size_t)mr__numel("save", &tensor->shape, tensor->dtype) * mr_dtype_size(tensor->dtype);
}

/* Fills in the checksum, if the header has room for one. */
static void add_checksum(mr__strbuf *header, const mr__safetensor **order, size_t count)
{
    char digits[MR__CHECKSUM_DIGITS + 1];
    char *at = mr__safetensors_checksum(header->text, header->length);
    if (!at)
        return;
    uint32_t crc = mr__crc32c(0, header->text, header->length);
    for (size_t i = 0; i < count; i++)
        crc = mr__crc32c(crc, order[i]->data, bytes_of(order[i]));
    snprintf(digits, sizeof digits, "%08x", (unsigned)crc);
    memcpy(at, digits, MR__CHECKSUM_DIGITS);
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
    if (status == MR_OK) {
        add_checksum(&text, order, count);
        status = write_file(path, &text, order, count);
    }
    mr__strbuf_free(&text);
    mr__free(order);
    return status;
}
