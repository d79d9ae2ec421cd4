/* What fuzzers share. Each is a file with LLVMFuzzerTestOneInput; `make fuzz` looks for inputs that break something,
 * and the tests replay those that are known (replay.c). */
#ifndef FUZZ_H
#define FUZZ_H

#include <millrace/data.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A path under which the bytes are a file; until fuzz_close. */
typedef struct fuzz_file {
    int fd;
    char path[40];
} fuzz_file;

static inline fuzz_file fuzz_open(const uint8_t *bytes, size_t size)
{
    fuzz_file f = { .fd = memfd_create("fuzz", 0) };
    if (f.fd < 0 || write(f.fd, bytes, size) != (ssize_t)size)
        abort();
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}

static inline void fuzz_close(fuzz_file *f)
{
    close(f->fd);
    mr_error_clear();
}

/* Whether samples are of a size that anybody wants; a head may ask for more, and gets it. */
static inline bool fuzz_is_small(const mr_dataset *dataset)
{
    for (int f = 0; f < mr_dataset_field_count(dataset); f++) {
        const mr_shape *shape = &mr_dataset_fields(dataset)[f].shape;
        int64_t numel = 1;
        for (int d = 0; d < shape->ndim; d++)
            numel *= shape->dim[d] > 0 ? shape->dim[d] : 1;
        if (numel > 1 << 22)
            return false;
    }
    return true;
}

/* Reads some of the samples of a dataset by index, or NULL, and frees it. */
static inline void fuzz_read(mr_dataset *dataset)
{
    const int64_t length = dataset && fuzz_is_small(dataset) ? mr_dataset_len(dataset) : 0;
    mr_error_clear();
    for (int64_t i = 0; i < length && i < 50; i++) {
        mr_batch_free(mr_dataset_get(dataset, i));
        mr_batch_free(mr_dataset_get(dataset, length - 1 - i));
        mr_error_clear();
    }
    mr_dataset_free(dataset);
}

/* The same of a stream. */
static inline void fuzz_read_stream(mr_dataset *stream)
{
    const mr_batch *sample;
    mr_cursor *cursor = stream && fuzz_is_small(stream) ? mr_stream_open(stream) : NULL;
    for (int i = 0; cursor && i < 100 && mr_cursor_next(cursor, &sample) == MR_OK; i++)
        ;
    mr_error_clear();
    mr_cursor_free(cursor);
    mr_dataset_free(stream);
}

#endif
