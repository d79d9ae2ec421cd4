/*
 * Reading safetensors. The file may come from anywhere, so that nothing in it is believed before it was
 * checked: first the header's size, then its JSON, then each tensor by itself, at last that the tensors'
 * data, sorted, lie one behind the other and fill the rest of the file.
 */
#include "safetensors.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZE_BYTES = 8 };

/* A tensor while the file is read. */
struct entry {
    mr__safetensor tensor;
    uint64_t begin, end;
};

/* ---- one tensor ---- */

static mr_status read_dtype(const char *path, const char *name, const json_t *value, mr_dtype *dtype)
{
    if (!json_is_string(value))
        return mr__load_failed(MR_ERR_FORMAT, path, "%s has no dtype", mr__shown_name(name).text);
    int found = mr__safetensors_dtype(json_string_value(value));
    if (found < 0)
        return mr__load_failed(MR_ERR_FORMAT, path, "%s has a dtype that is not supported: %s",
                               mr__shown_name(name).text, mr__shown_name(json_string_value(value)).text);
    *dtype = (mr_dtype)found;
    return MR_OK;
}

static mr_status read_shape(const char *path, const char *name, const json_t *value, mr_shape *shape)
{
    if (!json_is_array(value))
        return mr__load_failed(MR_ERR_FORMAT, path, "%s has no shape", mr__shown_name(name).text);
    size_t count = json_array_size(value);
    if (count > MR_MAX_DIMS)
        return mr__load_failed(MR_ERR_FORMAT, path, "%s has %zu dimensions, more than the %d supported",
                               mr__shown_name(name).text, count, MR_MAX_DIMS);
    *shape = (mr_shape){ .ndim = (int)count };
    for (size_t i = 0; i < count; i++) {
        const json_t *size = json_array_get(value, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return mr__load_failed(MR_ERR_FORMAT, path, "%s has a shape of something else than sizes",
                                   mr__shown_name(name).text);
        shape->dim[i] = json_integer_value(size);
    }
    return MR_OK;
}

static mr_status read_offsets(const char *path, const char *name, const json_t *value, struct entry *entry)
{
    const json_t *begin = json_array_get(value, 0), *end = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return mr__load_failed(MR_ERR_FORMAT, path, "%s has no data_offsets [begin, end]",
                               mr__shown_name(name).text);
    entry->begin = (uint64_t)json_integer_value(begin);
    entry->end = (uint64_t)json_integer_value(end);
    return MR_OK;
}

/* The size of the data is that of the shape. */
static mr_status check_size(const char *path, struct entry *entry)
{
    const mr__safetensor *tensor = &entry->tensor;
    uint64_t bytes = mr_dtype_size(tensor->dtype);
    for (int i = 0; i < tensor->shape.ndim; i++)
        if (__builtin_mul_overflow(bytes, (uint64_t)tensor->shape.dim[i], &bytes))
            return mr__load_failed(MR_ERR_FORMAT, path, "%s%s has too many elements",
                                   mr__shown_name(tensor->name).text, mr__shape_text(&tensor->shape).text);
    if (bytes != entry->end - entry->begin)
        return mr__load_failed(MR_ERR_FORMAT, path,
                               "%s%s of %s takes %llu bytes, its data_offsets leave %llu",
                               mr__shown_name(tensor->name).text, mr__shape_text(&tensor->shape).text,
                               mr__safetensors_dtype_name(tensor->dtype), (unsigned long long)bytes,
                               (unsigned long long)(entry->end - entry->begin));
    entry->tensor.bytes = (size_t)bytes;
    return MR_OK;
}

static mr_status read_tensor(const char *path, const char *name, const json_t *value, struct entry *entry)
{
    entry->tensor.name = name;
    mr_status status = read_dtype(path, name, json_object_get(value, "dtype"), &entry->tensor.dtype);
    if (status == MR_OK)
        status = read_shape(path, name, json_object_get(value, "shape"), &entry->tensor.shape);
    if (status == MR_OK)
        status = read_offsets(path, name, json_object_get(value, "data_offsets"), entry);
    return status ? status : check_size(path, entry);
}

/* ---- all of them ---- */

static int by_place(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

static mr_status check_places(const char *path, const struct entry *entries, size_t count, size_t data_bytes)
{
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].begin != at)
            return mr__load_failed(
                MR_ERR_FORMAT, path, "the data of %s begin at %llu, where %s ends at %llu",
                mr__shown_name(entries[i].tensor.name).text, (unsigned long long)entries[i].begin,
                i ? mr__shown_name(entries[i - 1].tensor.name).text : "the header", (unsigned long long)at);
        at = entries[i].end;
    }
    if (at != data_bytes)
        return mr__load_failed(MR_ERR_FORMAT, path, "its tensors take %llu bytes, behind the header are %zu",
                               (unsigned long long)at, data_bytes);
    return MR_OK;
}

static mr_status read_metadata(mr__safetensors *file, const char *path, json_t *object)
{
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(object))
        return mr__load_failed(MR_ERR_FORMAT, path, "its " MR__SAFETENSORS_METADATA " is no object");
    file->metadata = mr__alloc_array(json_object_size(object), sizeof *file->metadata);
    if (!file->metadata)
        return MR_ERR_MEMORY;
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            return mr__load_failed(MR_ERR_FORMAT, path, "'%s' in its " MR__SAFETENSORS_METADATA " is no text",
                                   mr__shown_name(key).text);
        file->metadata[file->metadata_count++] = (mr__metadata){ key, json_string_value(value) };
    }
    return MR_OK;
}

/* Reads what the header lists; `entries` has room for it. */
static mr_status read_entries(mr__safetensors *file, const char *path, struct entry *entries)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)file->header, key, value)
    {
        bool metadata = strcmp(key, MR__SAFETENSORS_METADATA) == 0;
        mr_status status = metadata ? read_metadata(file, path, value)
                                    : read_tensor(path, key, value, &entries[file->count]);
        if (status)
            return status;
        file->count += !metadata;
    }
    return MR_OK;
}

/* Fills in the tensors, whose data are the `data_bytes` bytes at `data`. */
static mr_status read_tensors(mr__safetensors *file, const char *path, const char *data, size_t data_bytes)
{
    size_t room = json_object_size(file->header);
    struct entry *entries = mr__alloc_zeroed(mr__mul_size(room, sizeof *entries));
    file->tensors = mr__alloc_array(room, sizeof *file->tensors);
    mr_status status = entries && file->tensors ? read_entries(file, path, entries) : MR_ERR_MEMORY;
    if (status == MR_OK) {
        qsort(entries, file->count, sizeof *entries, by_place);
        status = check_places(path, entries, file->count, data_bytes);
    }
    for (size_t i = 0; i < file->count && status == MR_OK; i++) {
        file->tensors[i] = entries[i].tensor;
        file->tensors[i].data = data + entries[i].begin;
    }
    mr__free(entries);
    return status;
}

/* ---- the file ---- */

/* The size of the header, at the front of a file of `size` bytes. */
static mr_status read_header_size(const char *path, const unsigned char *bytes, size_t size, size_t *header)
{
    uint64_t said = 0;
    if (size < SIZE_BYTES)
        return mr__load_failed(MR_ERR_FORMAT, path, "%zu bytes are too few for a safetensors file", size);
    if (memcmp(bytes, "PK\3\4", 4) == 0)
        return mr__load_failed(MR_ERR_FORMAT, path,
                               "a file of torch.save, not safetensors; in Python "
                               "safetensors.torch.save_file(model.state_dict(), path) writes one");
    for (int i = 0; i < SIZE_BYTES; i++)
        said |= (uint64_t)bytes[i] << (8 * i);
    if (said > MR__SAFETENSORS_MAX_HEADER)
        return mr__load_failed(MR_ERR_FORMAT, path,
                               "no safetensors file: its header would have %llu bytes, more than %d",
                               (unsigned long long)said, MR__SAFETENSORS_MAX_HEADER);
    if (said > size - SIZE_BYTES)
        return mr__load_failed(MR_ERR_FORMAT, path, "its header should have %llu bytes, %zu are there",
                               (unsigned long long)said, size - SIZE_BYTES);
    if (said == 0 || bytes[SIZE_BYTES] != '{')
        return mr__load_failed(MR_ERR_FORMAT, path, "no safetensors file: its header does not begin with {");
    *header = (size_t)said;
    return MR_OK;
}

/* Whether the checksum in the header, if there is one, is that of the `size` bytes. */
static mr_status check_sum(mr__safetensors *file, const char *path, size_t size, size_t header)
{
    char *bytes = file->bytes;
    char said[MR__CHECKSUM_DIGITS + 1] = "", found[MR__CHECKSUM_DIGITS + 1];
    char *digits = mr__safetensors_checksum(bytes + SIZE_BYTES, header);
    if (!digits)
        return MR_OK;
    memcpy(said, digits, MR__CHECKSUM_DIGITS);
    memset(digits, '0', MR__CHECKSUM_DIGITS);
    snprintf(found, sizeof found, "%08x", (unsigned)mr__crc32c(0, bytes, size));
    memcpy(digits, said, MR__CHECKSUM_DIGITS);
    file->checked = strcmp(said, found) == 0;
    if (file->checked)
        return MR_OK;
    return mr__load_failed(MR_ERR_FORMAT, path, "it is damaged: its bytes have the checksum %s, not %s",
                           found, said);
}

static mr_status read_file(mr__safetensors *file, const char *path)
{
    size_t size = 0, header = 0;
    json_error_t error;
    mr_status status = mr__file_read_all(path, &file->bytes, &size, 0);
    if (status == MR_OK)
        status = read_header_size(path, (const unsigned char *)file->bytes, size, &header);
    if (status == MR_OK)
        status = check_sum(file, path, size, header);
    if (status)
        return status;
    file->header = json_loadb(file->bytes + SIZE_BYTES, header, JSON_REJECT_DUPLICATES, &error);
    if (!file->header && !*error.text) /* the parser says nothing of memory */
        return mr__raise(MR_ERR_MEMORY, "out of memory: a header of safetensors wanted");
    if (!file->header)
        return mr__load_failed(MR_ERR_FORMAT, path, "its header is no JSON: at byte %d, %s", error.position,
                               mr__shown_name(error.text).text);
    return read_tensors(file, path, file->bytes + SIZE_BYTES + header, size - SIZE_BYTES - header);
}

mr__safetensors *mr__safetensors_read(const char *path)
{
    mr__safetensors *file = mr__alloc_zeroed(sizeof *file);
    if (file && read_file(file, path)) {
        mr__safetensors_free(file);
        return NULL;
    }
    return file;
}

void mr__safetensors_free(mr__safetensors *file)
{
    if (!file)
        return;
    mr__free(file->tensors);
    mr__free(file->metadata);
    mr__free(file->bytes);
    json_decref(file->header);
    mr__free(file);
}
