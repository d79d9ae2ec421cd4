/* Files of token numbers. */
#include "windows.h"

#include <millrace/sources/arrays.h>

mr_dataset *mr_tokens_new(const char *path, int64_t length, const mr_tokens_opts *opts)
{
    static const mr_tokens_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr__windows w = { .dtype = opts->dtype ? opts->dtype : MR_UINT16 };
    if (!path) {
        mr_fail(MR_ERR_ARGUMENT, "tokens_new: path is NULL");
        return NULL;
    }
    if (w.dtype != MR_UINT8 && w.dtype != MR_UINT16 && w.dtype != MR_INT32 && w.dtype != MR_INT64) {
        mr_fail(MR_ERR_DTYPE, "tokens_new: tokens of type %s, not uint8, uint16, int32 or int64",
                mr_dtype_name(w.dtype));
        return NULL;
    }
    if (mr__bytes_open(&w.bytes, opts->storage, path) < 0)
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
