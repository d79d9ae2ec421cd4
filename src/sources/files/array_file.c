#include "array_file.h"
#include "zip.h"

#include <string.h>

/* ---- the head ---- */

size_t mr__array_head_bytes(const mr__bytes *first)
{
    const unsigned char *at = (const unsigned char *)first->at;
    if (first->size < 12)
        return 12;
    if (!mr__is_npy(first))
        return 4 + 4 * (size_t)at[3];
    const size_t length = at[8] | (size_t)at[9] << 8;
    return at[6] == 1 ? 10 + length : 12 + (length | (size_t)at[10] << 16 | (size_t)at[11] << 24);
}

mr_status mr__array_head(mr__array_file *a, const char *path, size_t *data)
{
    return mr__is_npy(&a->bytes) ? mr__npy_header(a, path, data) : mr__idx_header(a, path, data);
}

/* ---- opening ---- */

/* The rows of an array without any are not to be too large either. */
static mr_status bytes_of_elements(const mr__array_file *a, const char *path, int64_t *bytes)
{
    bool none = false;
    *bytes = a->element_bytes;
    for (int d = 0; d < a->shape.ndim; d++) {
        none = none || a->shape.dim[d] == 0;
        if (a->shape.dim[d] && __builtin_mul_overflow(*bytes, a->shape.dim[d], bytes))
            return mr_fail(MR_ERR_FORMAT, "'%s': an array that is too large for any file", path);
    }
    *bytes = none ? 0 : *bytes;
    return MR_OK;
}

/* Of a packed file no more is unpacked than its head says. */
static mr_status size_of(const char *path, const mr__bytes *first, size_t *size)
{
    mr__array_file a = { .bytes = { .at = first->at, .size = first->size } };
    size_t data = 0;
    int64_t bytes;
    if (mr__is_zip(first) || (first->size < MR__LONGEST_HEAD && first->size < mr__array_head_bytes(first)))
        return MR_OK;
    if (mr__array_head(&a, path, &data) < 0 || bytes_of_elements(&a, path, &bytes) < 0)
        return mr_error_status();
    *size = data + (size_t)bytes;
    return MR_OK;
}

static mr_status check_size(const mr__array_file *a, const char *path, size_t data)
{
    int64_t bytes;
    if (bytes_of_elements(a, path, &bytes) < 0)
        return mr_error_status();
    const size_t there = a->bytes.size - data;
    if (a->bytes.more)
        return mr_fail(MR_ERR_FORMAT, "'%s' should have %lld bytes of elements, more are there", path,
                       (long long)bytes);
    if ((uint64_t)bytes != there)
        return mr_fail(MR_ERR_FORMAT, "'%s' should have %lld bytes of elements, %zu are there", path,
                       (long long)bytes, there);
    return MR_OK;
}

static mr_status open_array(mr__array_file *a, const char *path)
{
    size_t data = 0;
    mr_status s = mr__array_head(a, path, &data);
    if (s == MR_OK)
        s = check_size(a, path, data);
    if (s == MR_OK)
        a->data = a->bytes.at + data;
    return s;
}

static mr_status open_member(mr__array_file *a, const char *path, const char *member)
{
    if (!mr__is_zip(&a->bytes))
        return mr_fail(MR_ERR_ARGUMENT, "'%s' is no NPZ file, and has no array '%s'", path, member);
    char *both = mr__member_path(path, member);
    mr_status s = both ? mr__npz_open(a, path, member) : mr_error_status();
    if (s == MR_OK)
        s = open_array(a, both);
    mr_free(both);
    return s;
}

mr_status mr__array_file_open(mr__array_file *a, mr_storage *storage, const char *path, const char *member)
{
    static const mr__bytes_wanted wanted = { .size_of = size_of };
    *a = (mr__array_file){ 0 };
    if (mr__bytes_open(&a->bytes, storage, path, &wanted) < 0)
        return mr_error_status();
    mr_status s = member || mr__is_zip(&a->bytes) ? open_member(a, path, member) : open_array(a, path);
    if (s < 0)
        mr__array_file_close(a);
    return s;
}

mr_status mr__array_file_check(const mr__array_file *a)
{
    return mr__bytes_check(a->whole.at ? &a->whole : &a->bytes);
}

void mr__array_file_close(mr__array_file *a)
{
    if (!a->whole.at)
        mr__bytes_close(&a->bytes);
    mr__bytes_close(&a->whole);
    a->bytes = (mr__bytes){ 0 };
    a->data = NULL;
}

/* ---- elements ---- */

static void swap(void *bytes, int64_t count, int size)
{
    for (int64_t i = 0; i < count; i++) {
        char *at = (char *)bytes + i * size;
        for (int j = 0; j < size / 2; j++) {
            char c = at[j];
            at[j] = at[size - 1 - j];
            at[size - 1 - j] = c;
        }
    }
}

/* Numbers without a sign as int64. */
static mr_status widen(const mr__array_file *a, const char *from, int64_t first, int64_t count, int64_t *out)
{
    for (int64_t i = 0; i < count; i++) {
        unsigned char bytes[8];
        uint64_t value = 0;
        memcpy(bytes, from + i * a->element_bytes, (size_t)a->element_bytes);
        bool highest_first = a->swapped == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
        for (int j = 0; j < a->element_bytes; j++)
            value = value << 8 | bytes[highest_first ? j : a->element_bytes - 1 - j];
        if (value > INT64_MAX)
            return mr_fail(MR_ERR_FORMAT, "element %lld is %llu, more than an int64 holds",
                           (long long)(first + i), (unsigned long long)value);
        out[i] = (int64_t)value;
    }
    return MR_OK;
}

mr_status mr__array_file_read(const mr__array_file *a, int64_t first, int64_t count, void *out)
{
    const char *from = a->data + first * a->element_bytes;
    if (a->no_sign)
        return widen(a, from, first, count, out);
    memcpy(out, from, (size_t)count * (size_t)a->element_bytes);
    if (a->swapped)
        swap(out, count, a->element_bytes);
    if (a->dtype == MR_BOOL)
        for (int64_t i = 0; i < count; i++)
            ((unsigned char *)out)[i] = ((unsigned char *)out)[i] != 0;
    return MR_OK;
}
