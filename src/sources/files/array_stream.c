/* Rows of an array, from front to back. */
#include "array_file.h"
#include "pieces.h"

#include <millrace/sources/arrays.h>

#include <string.h>

typedef struct array_stream {
    mr__pieces pieces; /* first */
    char *path, *name;
    mr__array_file array; /* what its head says */
    int64_t row;          /* elements of one */
} array_stream;

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    mr__piece_reader *reader = self;
    const array_stream *s = (const array_stream *)reader->pieces;
    const int64_t number = reader->next;
    mr__array_file row = s->array;
    if (number >= s->array.shape.dim[0])
        return MR_END;
    mr_status status = mr__piece_next(reader, &row.data);
    if (status == MR_END && number < reader->end) {
        reader->end = number;
        return mr_fail(MR_ERR_FORMAT, "'%s' ends before row %lld of %lld", s->path, (long long)number,
                       (long long)s->array.shape.dim[0]);
    }
    if (status == MR_OK && mr__array_file_read(&row, 0, s->row, sample->field[0]) < 0) {
        mr_fail_context("'%s': row %lld", s->path, (long long)number);
        return mr_error_status();
    }
    return status;
}

static int64_t len(void *self)
{
    return (*(array_stream **)self)->array.shape.dim[0];
}

static void stream_free(array_stream *s)
{
    mr__pieces_close(&s->pieces);
    mr_free(s->path);
    mr_free(s->name);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(array_stream **)self);
}

/* ---- rows without elements: nothing is read for them ---- */

typedef struct empty_rows {
    const array_stream *stream;
    int64_t next, end;
} empty_rows;

static void *empty_open(void *self, int64_t shard, int64_t shards)
{
    const int64_t rows = len(self), each = rows / shards, more = rows % shards;
    empty_rows *e = mr_alloc(sizeof *e);
    if (!e)
        return NULL;
    e->stream = *(array_stream **)self;
    e->next = each * shard + (shard < more ? shard : more);
    e->end = e->next + each + (shard < more);
    return e;
}

static mr_status empty_next(void *cursor, const mr_sample *sample)
{
    empty_rows *e = cursor;
    (void)sample;
    if (e->next == e->end)
        return MR_END;
    e->next++;
    return MR_OK;
}

static void empty_tell(void *cursor, void *state)
{
    memcpy(state, &((const empty_rows *)cursor)->next, sizeof(int64_t));
}

static mr_status empty_seek(void *cursor, const void *state)
{
    empty_rows *e = cursor;
    int64_t next;
    memcpy(&next, state, sizeof next);
    if (next < e->next || next > e->end)
        return mr_fail(MR_ERR_STATE, "'%s' has no row %lld for this shard: it has changed", e->stream->path,
                       (long long)next);
    e->next = next;
    return MR_OK;
}

static const mr_stream_vtable empty_vtable = { .open = empty_open,
                                               .next = empty_next,
                                               .close = mr_free,
                                               .len = len,
                                               .destroy = destroy,
                                               .cursor_state_size = sizeof(int64_t),
                                               .tell = empty_tell,
                                               .seek = empty_seek };

/* What is behind the head is not to be there, as far as the size is known. */
static mr_status check_empty(const array_stream *s, const mr__window *w, size_t data)
{
    const int64_t size = mr__input_size(w->input);
    if (size < 0 || (uint64_t)size == data)
        return MR_OK;
    return mr_fail(MR_ERR_FORMAT, "'%s' should have 0 bytes of elements, %lld are there", s->path,
                   (long long)(size - (int64_t)data));
}

/* ---- making ---- */

static mr_status set_row(array_stream *s)
{
    const mr_shape *shape = &s->array.shape;
    int64_t bytes = s->array.element_bytes;
    bool large = false;
    if (!shape->ndim)
        return mr_fail(MR_ERR_SHAPE, "array_stream_new: '%s' is a single number, not rows", s->path);
    s->row = 1;
    for (int d = 1; d < shape->ndim; d++)
        if (__builtin_mul_overflow(s->row, shape->dim[d], &s->row) ||
            __builtin_mul_overflow(bytes, shape->dim[d], &bytes))
            large = true;
    if (large || (uint64_t)bytes > MR__LONGEST_PIECE)
        return mr_fail(MR_ERR_SHAPE, "array_stream_new: '%s' has rows of %lld bytes: they have %zu at most",
                       s->path, large ? (long long)INT64_MAX : (long long)bytes, MR__LONGEST_PIECE);
    s->pieces.bytes = s->pieces.unit = (size_t)bytes;
    s->pieces.step = (uint64_t)bytes;
    return MR_OK;
}

static mr_status open_file(array_stream *s, const mr_array_file *from, mr__window *w)
{
    size_t data = 0;
    s->path = mr_strdup(from->path);
    s->name = from->name ? mr_strdup(from->name) : mr__array_name(from->path);
    if (!s->path || !s->name || mr__window_open(w, from->storage, s->path, 0) < 0 ||
        mr__array_head_of(&s->array, w, s->path, &data) < 0 || set_row(s) < 0)
        return mr_error_status();
    if (!s->row)
        return check_empty(s, w, data);
    s->pieces.what = "row";
    s->pieces.data = data;
    if (mr__pieces_begin(&s->pieces, from->storage, s->path, w) < 0)
        return mr_error_status();
    if (s->pieces.count >= 0 && s->pieces.count != s->array.shape.dim[0])
        return mr_fail(MR_ERR_FORMAT, "'%s' should have %lld rows, %lld are there", s->path,
                       (long long)s->array.shape.dim[0], (long long)s->pieces.count);
    return MR_OK;
}

mr_dataset *mr_array_stream_new(const mr_array_file *file)
{
    static const mr_stream_vtable vtable = MR__PIECES_VTABLE(cursor_next, destroy, len);
    if (file && file->path && file->member) {
        mr_fail(MR_ERR_ARGUMENT, "array_stream_new: an array of an NPZ file is read by mr_arrays_new");
        return NULL;
    }
    if (!file || !file->path) {
        mr_fail(MR_ERR_ARGUMENT, "array_stream_new: %s", file ? "the file has no path" : "file is NULL");
        return NULL;
    }
    array_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    mr__window w = { 0 };
    if (open_file(s, file, &w) == MR_OK) {
        mr_field field = { .name = s->name, .dtype = s->array.dtype };
        field.shape.ndim = s->array.shape.ndim - 1;
        for (int d = 1; d < s->array.shape.ndim; d++)
            field.shape.dim[d - 1] = s->array.shape.dim[d];
        dataset = mr_stream_new(s->row ? &vtable : &empty_vtable, &s, sizeof s, &field, 1);
    }
    mr__window_close(&w);
    if (!dataset)
        stream_free(s);
    return dataset;
}
