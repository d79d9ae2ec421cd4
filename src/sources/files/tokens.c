/* Files of token numbers. */
#include "pieces.h"
#include "windows.h"

#include <millrace/sources/arrays.h>

static mr_status check_options(const char *call, const char *path, const mr_tokens_opts *opts,
                               mr_dtype *dtype)
{
    *dtype = opts->dtype ? opts->dtype : MR_UINT16;
    if (!path)
        return mr_fail(MR_ERR_ARGUMENT, "%s: path is NULL", call);
    if (*dtype != MR_UINT8 && *dtype != MR_UINT16 && *dtype != MR_INT32 && *dtype != MR_INT64)
        return mr_fail(MR_ERR_DTYPE, "%s: tokens of type %s, not uint8, uint16, int32 or int64", call,
                       mr_dtype_name(*dtype));
    return MR_OK;
}

mr_dataset *mr_tokens_new(const char *path, int64_t length, const mr_tokens_opts *opts)
{
    static const mr_tokens_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr__windows w = { 0 };
    if (check_options("tokens_new", path, opts, &w.dtype) < 0)
        return NULL;
    const mr__bytes_wanted wanted = { .most = opts->max_bytes, .headless = true };
    if (mr__bytes_open(&w.bytes, opts->storage, path, &wanted) < 0)
        return NULL;
    const size_t size = mr_dtype_size(w.dtype);
    if (opts->skip < 0 || (uint64_t)opts->skip > w.bytes.size || (w.bytes.size - (size_t)opts->skip) % size) {
        mr_fail(MR_ERR_FORMAT, "'%s': %zu bytes, %lld of them skipped, are no whole number of %s tokens",
                path, w.bytes.size, (long long)opts->skip, mr_dtype_name(w.dtype));
        mr__windows_close(&w);
        return NULL;
    }
    w.data = w.bytes.at + opts->skip;
    w.count = (int64_t)((w.bytes.size - (size_t)opts->skip) / size);
    return mr__windows_new("tokens_new", path, &w, length, opts->stride);
}

/* ---- from front to back ---- */

typedef struct token_stream {
    mr__pieces pieces; /* first */
    char *path;
    mr_dtype dtype;
    int64_t length;
} token_stream;

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    mr__piece_reader *reader = self;
    const token_stream *s = (const token_stream *)reader->pieces;
    const char *at = NULL;
    mr_status status = mr__piece_next(reader, &at);
    for (int i = 0; status == MR_OK && i < 2; i++)
        mr__tokens_read(s->dtype, at + (size_t)i * mr_dtype_size(s->dtype), s->length, sample->field[i]);
    return status;
}

static void stream_free(token_stream *s)
{
    mr__pieces_close(&s->pieces);
    mr_free(s->path);
    mr_free(s);
}

static void stream_destroy(void *self)
{
    stream_free(*(token_stream **)self);
}

static mr_status open_stream(token_stream *s, const char *path, int64_t length, const mr_tokens_opts *opts)
{
    const int64_t stride = opts->stride ? opts->stride : length;
    if (check_options("tokens_stream_new", path, opts, &s->dtype) < 0)
        return mr_error_status();
    const size_t size = mr_dtype_size(s->dtype);
    if (length < 1 || stride < 1 || opts->skip < 0 || (uint64_t)length >= MR__LONGEST_PIECE / size)
        return mr_fail(MR_ERR_ARGUMENT,
                       "tokens_stream_new: length %lld, stride %lld, skip %lld: a window has 1 to %zu tokens",
                       (long long)length, (long long)stride, (long long)opts->skip,
                       MR__LONGEST_PIECE / size - 1);
    s->length = length;
    s->path = mr_strdup(path);
    s->pieces = (mr__pieces){ .what = "window",
                              .data = (uint64_t)opts->skip,
                              .bytes = (size_t)(length + 1) * size,
                              .step = (uint64_t)stride * size,
                              .unit = size,
                              .headless = true };
    return s->path ? mr__pieces_open(&s->pieces, opts->storage, s->path) : mr_error_status();
}

mr_dataset *mr_tokens_stream_new(const char *path, int64_t length, const mr_tokens_opts *opts)
{
    static const mr_stream_vtable vtable = MR__PIECES_VTABLE(cursor_next, stream_destroy, mr__pieces_len);
    static const mr_tokens_opts defaults = { 0 };
    token_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    if (open_stream(s, path, length, opts ? opts : &defaults) == MR_OK) {
        const mr_field fields[] = { { "x", MR_INT64, MR_SHAPE(length) },
                                    { "y", MR_INT64, MR_SHAPE(length) } };
        dataset = mr_stream_new(&vtable, &s, sizeof s, fields, 2);
    }
    if (!dataset)
        stream_free(s);
    return dataset;
}
