#include "windows.h"

#include <stdio.h>
#include <string.h>

/* ---- callbacks ---- */

static int64_t len(void *self)
{
    const mr__windows *w = *(mr__windows **)self;
    return w->count <= w->length ? 0 : (w->count - 1 - w->length) / w->stride + 1;
}

#define DEFINE_COPY(name, type)                                            \
    static void name(int64_t *to, const char *from, int64_t count)         \
    {                                                                      \
        for (int64_t i = 0; i < count; i++) {                              \
            type value;                                                    \
            memcpy(&value, from + (size_t)i * sizeof value, sizeof value); \
            to[i] = (int64_t)value;                                        \
        }                                                                  \
    }
DEFINE_COPY(copy_u8, uint8_t)
DEFINE_COPY(copy_u16, uint16_t)
DEFINE_COPY(copy_u32, uint32_t)
DEFINE_COPY(copy_i64, int64_t)

void mr__tokens_read(mr_dtype dtype, const char *from, int64_t count, int64_t *to)
{
    switch (dtype) {
    case MR_UINT8:
        copy_u8(to, from, count);
        break;
    case MR_UINT16:
        copy_u16(to, from, count);
        break;
    case MR_INT32:
        copy_u32(to, from, count);
        break;
    default:
        copy_i64(to, from, count);
        break;
    }
}

static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const mr__windows *w = *(mr__windows **)self;
    const size_t size = mr_dtype_size(w->dtype);
    if (mr__bytes_check(&w->bytes) < 0)
        return mr_error_status();
    for (int64_t row = 0; row < count; row++)
        for (int i = 0; i < 2; i++)
            mr__tokens_read(w->dtype, w->data + (size_t)(indices[row] * w->stride + i) * size, w->length,
                            (int64_t *)first->field[i] + row * w->length);
    return MR_OK;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    return get_many(self, &index, 1, sample);
}

static int origin(void *self, int64_t index, int field, char *text, size_t room)
{
    (void)field;
    return snprintf(text, room, "'%s': window %lld", (*(mr__windows **)self)->path, (long long)index);
}

void mr__windows_close(mr__windows *w)
{
    mr__bytes_close(&w->bytes);
    mr_free(w->path);
    mr_free(w->code_points);
    mr_free(w->numbers);
}

static void destroy(void *self)
{
    mr__windows *w = *(mr__windows **)self;
    mr__windows_close(w);
    mr_free(w);
}

static const mr_dataset_vtable vtable = {
    .len = len, .get = get, .get_many = get_many, .destroy = destroy, .origin = origin
};

/* ---- making ---- */

mr_dataset *mr__windows_new(const char *call, const char *path, mr__windows *from, int64_t length,
                            int64_t stride)
{
    stride = stride ? stride : length;
    mr__windows *w = NULL;
    mr_dataset *dataset = NULL;
    if (length < 1 || stride < 1 || length > INT64_MAX / 16)
        mr_fail(MR_ERR_ARGUMENT, "%s: length %lld, stride %lld: both are at least 1", call, (long long)length,
                (long long)stride);
    else if (from->count <= length)
        mr_fail(MR_ERR_ARGUMENT,
                "%s: '%s' has %lld tokens, too few for a window of %lld and the one after it", call, path,
                (long long)from->count, (long long)length);
    else if ((from->path = mr_strdup(path)))
        w = mr_alloc(sizeof *w);
    if (w) {
        const mr_field fields[] = { { "x", MR_INT64, MR_SHAPE(length) },
                                    { "y", MR_INT64, MR_SHAPE(length) } };
        *w = *from;
        w->length = length;
        w->stride = stride;
        dataset = mr_dataset_new(&vtable, &w, sizeof w, fields, 2);
    }
    if (!dataset) {
        mr__windows_close(from);
        mr_free(w);
    }
    return dataset;
}

const mr__windows *mr__windows_of(mr_dataset *dataset)
{
    mr__windows *const *self = mr_dataset_self(dataset, &vtable);
    return self ? *self : NULL;
}
