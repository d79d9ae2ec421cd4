/* Records of a fixed size. */
#include "pieces.h"

#include <millrace/sources/records.h>

#include "sources/cell.h"

#include <string.h>

typedef struct record_stream {
    mr__pieces pieces; /* first */
    char *path;
    int field_count;
    size_t *bytes; /* of each field */
    bool *is_bool; /* whose bytes may be anything */
} record_stream;

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    mr__piece_reader *reader = self;
    const record_stream *s = (const record_stream *)reader->pieces;
    const char *at = NULL;
    mr_status status = mr__piece_next(reader, &at);
    for (int i = 0; status == MR_OK && i < s->field_count; i++) {
        const size_t bytes = s->bytes[i];
        unsigned char *to = sample->field[i];
        memcpy(to, at, bytes);
        for (size_t j = 0; s->is_bool[i] && j < bytes; j++)
            to[j] = to[j] != 0;
        at += bytes;
    }
    return status;
}

static void stream_free(record_stream *s)
{
    mr__pieces_close(&s->pieces);
    mr_free(s->path);
    mr_free(s->bytes);
    mr_free(s->is_bool);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(record_stream **)self);
}

static mr_status measure(record_stream *s, const mr_field *fields, int field_count)
{
    s->bytes = mr_calloc((size_t)field_count, sizeof *s->bytes);
    s->is_bool = mr_calloc((size_t)field_count, sizeof *s->is_bool);
    if (!s->bytes || !s->is_bool)
        return mr_error_status();
    s->field_count = field_count;
    for (int i = 0; i < field_count; i++) {
        const mr_field *f = &fields[i];
        int64_t count = 1;
        for (int d = 0; d < f->shape.ndim; d++)
            if (f->shape.dim[d] < 0 || __builtin_mul_overflow(count, f->shape.dim[d], &count))
                return mr_fail(MR_ERR_SHAPE,
                               "records_stream_new: field '%s': its size is not fixed, or too large",
                               f->name ? f->name : "");
        s->is_bool[i] = f->dtype == MR_BOOL;
        if (__builtin_mul_overflow((size_t)count, mr_dtype_size(f->dtype), &s->bytes[i]) ||
            __builtin_add_overflow(s->pieces.bytes, s->bytes[i], &s->pieces.bytes))
            s->pieces.bytes = SIZE_MAX;
    }
    if (s->pieces.bytes < 1 || s->pieces.bytes > MR__LONGEST_PIECE)
        return mr_fail(MR_ERR_SHAPE, "records_stream_new: a record of %zu bytes: it has 1 to %zu",
                       s->pieces.bytes, MR__LONGEST_PIECE);
    s->pieces.step = s->pieces.unit = s->pieces.bytes;
    return MR_OK;
}

mr_dataset *mr_records_stream_new(const char *path, const mr_field *fields, int field_count,
                                  const mr_records_opts *opts)
{
    static const mr_stream_vtable vtable = MR__PIECES_VTABLE(cursor_next, destroy, mr__pieces_len);
    const int64_t skip = opts ? opts->skip : 0;
    if (!path || !fields || field_count < 1 || skip < 0) {
        mr_fail(MR_ERR_ARGUMENT, "records_stream_new: %s",
                !path ? "path is NULL"
                : skip < 0
                    ? "skip is negative"
                    : "no fields are named, and a file does not say what records have: { .name = \"x\" } "
                      "is a field of one float32");
        return NULL;
    }
    record_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    s->path = mr_strdup(path);
    s->pieces = (mr__pieces){ .what = "record", .data = (uint64_t)skip, .headless = true };
    if (s->path && measure(s, fields, field_count) == MR_OK &&
        mr__pieces_open(&s->pieces, opts ? opts->storage : NULL, s->path) == MR_OK)
        dataset = mr_stream_new(&vtable, &s, sizeof s, fields, field_count);
    if (!dataset)
        stream_free(s);
    return dataset;
}
