/*
 * The safetensors format: named tensors and a map of strings in one file.
 *
 *     8 bytes     the size of the header, little endian
 *     the header  JSON, padded with spaces to a multiple of 8: {"__metadata__":{"key":"text"},
 *                 "layer1.weight":{"dtype":"F32","shape":[16,1],"data_offsets":[0,64]}, …}
 *     the data    row-major and little endian, without holes; offsets count from here
 *
 * Written so that equal contents give equal bytes, and those of the format's own library: tensors by type,
 * the widest first, then by name. Metadata, which that library leaves in no order, by key.
 */
#ifndef MILLRACE_FORMATS_SAFETENSORS_H
#define MILLRACE_FORMATS_SAFETENSORS_H

#include "tensor/tensor.h"

#define MR__SAFETENSORS_MAX_HEADER 100000000
#define MR__SAFETENSORS_METADATA "__metadata__"

/* Metadata that stands for a checksum of all bytes of the file but its own digits: the writer fills them in, the reader
 * checks them. */
#define MR__SAFETENSORS_CHECKSUM "checksum"
#define MR__SAFETENSORS_NO_CHECKSUM "crc32c:00000000"

typedef struct mr__safetensor {
    const char *name;
    mr_dtype dtype;
    mr_shape shape;
    const void *data; /* row-major; from the reader not necessarily aligned */
    size_t bytes;     /* of data; set by the reader, not looked at by the writer */
} mr__safetensor;

typedef struct mr__metadata {
    const char *key;
    const char *text;
} mr__metadata;

/* Writes a file: under a temporary name, synced, renamed. Everything is borrowed for the call. Failures are
 * raised and name the path. */
mr_status mr__safetensors_write(const char *path, const mr__safetensor *tensors, size_t count,
                                const mr__metadata *metadata, size_t metadata_count);

/* A file that was read, with its tensors in the order in which their data lie. */
typedef struct mr__safetensors {
    size_t count;
    mr__safetensor *tensors; /* names and data are views that live as long as this */
    size_t metadata_count;
    mr__metadata *metadata;
    char *bytes;  /* the file's contents, which the data belong to */
    void *header; /* the parsed header, which the names belong to */
    bool checked; /* there is a checksum, and it holds */
} mr__safetensors;

/* Reads a whole file. Whatever its bytes are, the result is a file all of whose rules hold, and its checksum if it has
 * one, or NULL with a failure raised (MR_ERR_IO, MR_ERR_FORMAT) that names the path and what is wrong. */
mr__safetensors *mr__safetensors_read(const char *path);
void mr__safetensors_free(mr__safetensors *file);

/* The tensor of that name, or NULL; the text of that key, or NULL. */
const mr__safetensor *mr__safetensors_find(const mr__safetensors *file, const char *name);
const char *mr__safetensors_text(const mr__safetensors *file, const char *key);

/* Where in a header the digits of the checksum are, and how many; NULL if there is none. */
#define MR__CHECKSUM_DIGITS 8
char *mr__safetensors_checksum(char *header, size_t bytes);

/* The format's name of a type ("F32"); and back, -1 when there is none such here. */
const char *mr__safetensors_dtype_name(mr_dtype dtype);
int mr__safetensors_dtype(const char *name);

/* Where a type stands in the format's order of types, which goes from narrow to wide. */
int mr__safetensors_rank(mr_dtype dtype);

/* Raises "load 'path': text". Of a very long path, the end. */
mr_status mr__load_failed(mr_status status, const char *path, const char *format, ...) MR_PRINTF(3, 4);

/* A name from a file as it can be shown in a message: not too long, without control characters. */
mr__text mr__shown_name(const char *name);

#endif
