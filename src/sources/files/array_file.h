/* One array in a file: NPY or IDX. */
#ifndef MILLRACE_SOURCES_ARRAY_FILE_H
#define MILLRACE_SOURCES_ARRAY_FILE_H

#include "window.h"

#include <millrace/tensor.h>

typedef struct mr__array_file {
    mr__bytes bytes;
    mr__bytes whole; /* the NPZ file that `bytes` are a part of, if they are */
    const char *data;
    /* a file that is left where it is, and read in ranges when rows are asked for: there are no bytes and data */
    mr__input *remote;
    uint64_t begin; /* of the elements there */
    mr_shape shape;
    mr_dtype dtype;    /* that its elements are given as */
    int element_bytes; /* in the file */
    bool swapped;      /* the other order of bytes */
    bool no_sign;      /* 32 or 64 bits without a sign */
} mr__array_file;

/* Opens a file and checks that all of the array is there. `member`: which array of an NPZ file; NULL where there is but
 * one. `most`: bytes that may be kept in memory of what is packed or cannot be mapped; 0: MR__MOST_BYTES. */
mr_status mr__array_file_open(mr__array_file *array, mr_storage *storage, const char *path,
                              const char *member, int64_t most);

/* Opens an array of an NPZ file, of which `array` has all bytes. */
mr_status mr__npz_open(mr__array_file *array, const char *path, const char *member, int64_t most);

/* Makes the name of an array for messages: "data.npz/x"; of a file without members, a copy of its path. */
char *mr__member_path(const char *path, const char *member);

/* Makes a tensor of an array. */
mr_tensor *mr__array_load(const char *path, const char *member);

void mr__array_file_close(mr__array_file *array);

/* Writes `count` elements from number `first` on to `out`, as the array's dtype; of what is in memory. */
mr_status mr__array_file_read(const mr__array_file *array, int64_t first, int64_t count, void *out);

/* Writes rows of `row` elements, one behind the other, wherever they are. Failures name `path`. */
mr_status mr__array_file_rows(const mr__array_file *array, const char *path, const int64_t *rows,
                              int64_t count, int64_t row, void *out);

/* Makes the name of a field: "train-images" of "data/train-images.npy.gz". */
char *mr__array_name(const char *path);

enum { MR__LONGEST_HEAD = 1 << 21 }; /* bytes */

/* How many bytes the head has, as far as the first ones say. */
size_t mr__array_head_bytes(const mr__bytes *first);

/* Reads the head that array->bytes begins with; *data: where the elements begin. */
mr_status mr__array_head(mr__array_file *array, const char *path, size_t *data);

/* Reads as much of a file as its head has, and that. */
mr_status mr__array_head_of(mr__array_file *array, mr__window *window, const char *path, size_t *data);

/* The formats' headers: shape and types out of the bytes, the length of the header to *data. */
mr_status mr__npy_header(mr__array_file *array, const char *path, size_t *data);
mr_status mr__idx_header(mr__array_file *array, const char *path, size_t *data);
/* Writes the header of an NPY file into `out`, of MR__NPY_HEAD bytes, with room for another number of rows, up to
 * `most_rows`. Its length; 0 of a type that NumPy has not. */
#define MR__NPY_HEAD 512
size_t mr__npy_head(char *out, mr_dtype dtype, const mr_shape *shape, int64_t most_rows);
bool mr__is_npy(const mr__bytes *bytes);

#endif
