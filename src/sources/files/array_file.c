#include "array_file.h"
#include "zip.h"

#include <string.h>

enum { MOST_KEPT = 1 << 24 }; /* bytes of a file without a descriptor that are rather read at once */

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

mr_status mr__array_head_of(mr__array_file *a, mr__window *w, const char *path, size_t *data)
{
    mr__bytes *first = &a->bytes; /* more may not come soon, of a pipe */
    *first = (mr__bytes){ .at = w->bytes, .size = w->filled };
    mr_status status = MR_OK;
    while (status == MR_OK && !w->end && w->filled < MR__LONGEST_HEAD &&
           w->filled < mr__array_head_bytes(first)) {
        status = mr__window_more(w);
        *first = (mr__bytes){ .at = w->bytes, .size = w->filled };
    }
    if (status == MR_OK)
        status = mr__array_head(a, path, data);
    *first = (mr__bytes){ 0 };
    return status;
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

/* `there`: the bytes behind the head. */
static mr_status check_size(const mr__array_file *a, const char *path, uint64_t there)
{
    int64_t bytes;
    if (bytes_of_elements(a, path, &bytes) < 0)
        return mr_error_status();
    if (a->bytes.more)
        return mr_fail(MR_ERR_FORMAT, "'%s' should have %lld bytes of elements, more are there", path,
                       (long long)bytes);
    if ((uint64_t)bytes != there)
        return mr_fail(MR_ERR_FORMAT, "'%s' should have %lld bytes of elements, %llu are there", path,
                       (long long)bytes, (unsigned long long)there);
    return MR_OK;
}

static mr_status open_array(mr__array_file *a, const char *path)
{
    size_t data = 0;
    mr_status s = mr__array_head(a, path, &data);
    if (s == MR_OK)
        s = check_size(a, path, a->bytes.size - data);
    if (s == MR_OK)
        a->data = a->bytes.at + data;
    return s;
}

static mr_status open_member(mr__array_file *a, const char *path, const char *member, int64_t most)
{
    if (!mr__is_zip(&a->bytes))
        return mr_fail(MR_ERR_ARGUMENT, "'%s' is no NPZ file, and has no array '%s'", path, member);
    char *both = mr__member_path(path, member);
    mr_status s = both ? mr__npz_open(a, path, member, most) : mr_error_status();
    if (s == MR_OK)
        s = open_array(a, both);
    mr_free(both);
    return s;
}

/* Adopts the window's input: it stays where it is, unless it is an NPZ file. MR_END when it has been read. */
static mr_status open_remote(mr__array_file *a, mr__window *w, const char *path,
                             const mr__bytes_wanted *wanted)
{
    size_t data = 0;
    if (mr__window_more(w) < 0)
        return mr_error_status();
    if (mr__is_zip(&(mr__bytes){ .at = w->bytes, .size = w->filled })) {
        mr__input *input = w->input;
        w->input = NULL;
        if (mr__input_seek(input, 0) < 0) {
            mr__input_close(input);
            return mr_error_status();
        }
        return mr__bytes_of_input(&a->bytes, input, path, wanted) < 0 ? mr_error_status() : MR_END;
    }
    if (mr__array_head_of(a, w, path, &data) < 0 ||
        check_size(a, path, (uint64_t)mr__input_size(w->input) - data) < 0)
        return mr_error_status();
    a->begin = data;
    a->remote = w->input;
    w->input = NULL;
    return MR_OK;
}

/* Gets at a file's bytes: MR_END when they are in memory, MR_OK when it is open and stays where it is. */
static mr_status get_at(mr__array_file *a, mr_storage *storage, const char *path, const char *member,
                        const mr__bytes_wanted *wanted)
{
    mr_file *file = mr_file_open(storage, path);
    if (!file)
        return mr_error_status();
    const mr_file_facts *known = mr_file_known(file);
    if (member || known->descriptor >= 0 || known->access != MR_ACCESS_SEEK || known->size <= MOST_KEPT)
        return mr__bytes_of(&a->bytes, file, path, wanted) < 0 ? mr_error_status() : MR_END;
    mr__input *input = mr__input_of(file);
    if (!input || mr__input_size(input) < 0) /* it is packed */
        return mr__bytes_of_input(&a->bytes, input, path, wanted) < 0 ? mr_error_status() : MR_END;
    mr__window w = { .input = input };
    const mr_status s = open_remote(a, &w, path, wanted);
    mr__window_close(&w);
    return s;
}

mr_status mr__array_file_open(mr__array_file *a, mr_storage *storage, const char *path, const char *member,
                              int64_t most)
{
    const mr__bytes_wanted wanted = { .size_of = size_of, .most = most ? most : MR__MOST_BYTES };
    *a = (mr__array_file){ 0 };
    mr_status s = get_at(a, storage, path, member, &wanted);
    if (s == MR_END)
        s = member || mr__is_zip(&a->bytes) ? open_member(a, path, member, wanted.most) : open_array(a, path);
    if (s < 0)
        mr__array_file_close(a);
    return s;
}

void mr__array_file_close(mr__array_file *a)
{
    if (!a->whole.at)
        mr__bytes_close(&a->bytes);
    mr__bytes_close(&a->whole);
    mr__input_close(a->remote);
    a->remote = NULL;
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

/* Numbers without a sign as int64, the first first: so `from` may be the end of `out`. */
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

/* Of elements as they are in the file; at `out`, or from there on as many bytes further as numbers become wider. */
static mr_status convert(const mr__array_file *a, const char *from, int64_t first, int64_t count, void *out)
{
    if (a->no_sign)
        return widen(a, from, first, count, out);
    if (from != out)
        memcpy(out, from, (size_t)count * (size_t)a->element_bytes);
    if (a->swapped)
        swap(out, count, a->element_bytes);
    if (a->dtype == MR_BOOL)
        for (int64_t i = 0; i < count; i++)
            ((unsigned char *)out)[i] = ((unsigned char *)out)[i] != 0;
    return MR_OK;
}

mr_status mr__array_file_read(const mr__array_file *a, int64_t first, int64_t count, void *out)
{
    return convert(a, a->data + first * a->element_bytes, first, count, out);
}

/* How many rows from the first on lie behind each other in the file. */
static int64_t run_of(const int64_t *rows, int64_t count)
{
    int64_t run = 1;
    while (run < count && rows[run] == rows[run - 1] + 1)
        run++;
    return run;
}

static mr_status fetch_rows(const mr__array_file *a, const int64_t *rows, int64_t count, int64_t row,
                            void *out)
{
    const size_t each = (size_t)row * (size_t)a->element_bytes;
    char *raw = (char *)out + (size_t)(count * row) * (mr_dtype_size(a->dtype) - (size_t)a->element_bytes);
    mr_file_range *ranges = mr_alloc((size_t)count * sizeof *ranges);
    int64_t runs = 0;
    if (!ranges)
        return mr_error_status();
    for (int64_t i = 0, run; i < count; i += run) {
        run = run_of(rows + i, count - i);
        ranges[runs++] = (mr_file_range){ .offset = (int64_t)(a->begin + (uint64_t)rows[i] * each),
                                          .size = (size_t)run * each,
                                          .bytes = raw + (size_t)i * each };
    }
    const mr_status s = mr_file_read_ranges(mr__input_file(a->remote), ranges, runs);
    mr_free(ranges);
    if (s < 0 || convert(a, raw, *rows * row, count * row, out) == MR_OK)
        return s;
    mr_fail_context("'%s'", mr__input_path(a->remote));
    return mr_error_status();
}

mr_status mr__array_file_rows(const mr__array_file *a, const char *path, const int64_t *rows, int64_t count,
                              int64_t row, void *out)
{
    const size_t bytes = (size_t)row * mr_dtype_size(a->dtype);
    if (a->remote)
        return fetch_rows(a, rows, count, row, out);
    if (mr__bytes_check(a->whole.at ? &a->whole : &a->bytes) < 0)
        return mr_error_status();
    for (int64_t i = 0, run; i < count; i += run) {
        run = run_of(rows + i, count - i);
        if (mr__array_file_read(a, rows[i] * row, run * row, (char *)out + (size_t)i * bytes) < 0) {
            mr_fail_context("'%s'", path);
            return mr_error_status();
        }
    }
    return MR_OK;
}
