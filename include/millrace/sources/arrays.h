/*
 * Millrace, sources: arrays in files, as NumPy and the MNIST family of datasets keep them; sequences of tokens; text. Link
 * with millrace-files.
 *
 * Plain files are mapped, not read: opening one of any size takes no time and no memory. Packed ones (.gz, .zst) are
 * unpacked in memory, as far as their heads say that there are elements. A file that has become shorter since it was
 * opened fails when it is read; do not cut one that is just being read: that ends the process (SIGBUS), as with all
 * mapped files.
 *
 * NPY and IDX files of more than 16 MB that cannot be mapped, but can seek (those of a web server that gives parts),
 * stay where they are: of them the head is read, and then the rows that are asked for. Other files that cannot be
 * mapped are read into memory.
 *
 * Threads: the dataset's callbacks may run on several at once.
 */
#ifndef MILLRACE_SOURCES_ARRAYS_H
#define MILLRACE_SOURCES_ARRAYS_H

#include <millrace/data.h>
#include <millrace/storage.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- NPY, IDX ------------------------------------------------------------------------------------------- */

/* One field of the samples: an array whose first dimension is the sample. */
typedef struct mr_array_file {
    const char *path;    /* .npy, .npz or IDX, known by the first bytes, also packed */
    const char *name;    /* of the field; default: the file's, without folder and suffixes */
    mr_storage *storage; /* where the file is, which is held; default: the disk */
    const char *member;  /* of an .npz: which array; default: the only one */
    /* For mr_arrays_new: how many bytes may be kept in memory of what is packed, or deflated in an .npz, or cannot be
     * mapped; more fail. Default 4 GB. */
    int64_t max_bytes;
} mr_array_file;

/* Makes a dataset of the rows of arrays, whose first dimensions are equal: images and labels, say. Types are the files',
 * in either order of bytes; numbers of 32 and 64 bits without a sign become int64 (those that do not fit fail when they are
 * read). Arrays in Fortran's order have one dimension, or are refused. */
MR_API mr_dataset *mr_arrays_new(const mr_array_file *files, int count);

/* Makes a stream of the rows of one array, from front to back in little memory: of a file that may be longer than
 * memory, packed, or a pipe. A plain file of a known size is read in as many shards as a loader likes, of others the
 * first has all. It resumes where it stands, unless it is a pipe. mr_zip_new puts several beside each other. */
MR_API mr_dataset *mr_array_stream_new(const mr_array_file *file);

/* Makes a tensor of a whole file (numpy.load); of a packed one with 4 GB at most. */
MR_API mr_tensor *mr_npy_load(const char *path);

/* Makes a dataset of all arrays in an .npz file (numpy.savez, savez_compressed), whose first dimensions are equal; the
 * fields are called as they are, and of several of one name the last one counts, as with numpy. What is no array
 * (folders, texts) is left out; an array of a type that Millrace has not (strings, objects) fails, and mr_arrays_new
 * takes the others. Arrays that are stored stay in the file, which is mapped, and their sums are not looked at;
 * deflated ones are unpacked in memory, up to 4 GB of all together (mr_arrays_new takes some of them, and more).
 * `storage` NULL: the disk. */
MR_API mr_dataset *mr_npz_new(const char *path, mr_storage *storage);

/* Makes a tensor of one of them. */
MR_API mr_tensor *mr_npz_load(const char *path, const char *name);

/* Writes a tensor (numpy.save), so that a crash leaves the old file or the new. bfloat16 is none of NumPy's types. */
MR_API MR_CHECKED mr_status mr_npy_save(const mr_tensor *tensor, const char *path);

/* ---- sequences: language models --------------------------------------------------------------------------- */

/* Windows of a long sequence: samples have the fields "x" and "y", int64 (length), with y one step ahead of x. Windows begin
 * every `stride` steps; what does not fill one at the end is left out. */
typedef struct mr_tokens_opts {
    /* Of a token in the file: MR_UINT16 (default), MR_INT32, MR_INT64, MR_UINT8; little-endian. 4 bytes have no sign,
     * as with NumPy's uint32: tokens up to 4,294,967,295. MR_FLOAT32 is 0, and so the default, no failure. */
    mr_dtype dtype;
    int64_t stride;      /* default: the length, so that each token is predicted once */
    int64_t skip;        /* bytes of a header in front; default 0 */
    mr_storage *storage; /* where the file is; default: the disk */
    /* For mr_tokens_new: how many bytes may be kept in memory of what cannot be mapped, a packed file or a pipe; more
     * fail. Default 4 GB. */
    int64_t max_bytes;
} mr_tokens_opts;

/* Makes a dataset of a file of token numbers without a header, mapped; it is packed only if its name ends in .gz or
 * .zst, and has to be then. */
MR_API mr_dataset *mr_tokens_new(const char *path, int64_t length, const mr_tokens_opts *opts);

/* The same windows from the front to the back, of a file that may be packed (its name ends in .gz or .zst), or a pipe
 * ("-" is standard input), and without an end. A plain file of a known size is read in as many shards as a loader
 * likes, of others the first has all. It resumes where it stands, unless it is a pipe. Text by bytes is a file of
 * MR_UINT8. */
MR_API mr_dataset *mr_tokens_stream_new(const char *path, int64_t length, const mr_tokens_opts *opts);

typedef struct mr_text_opts {
    int64_t stride; /* as above, in characters or bytes */
    /* the characters of UTF-8 are numbered in their order; otherwise the bytes, as 0 to 255 */
    bool characters;
    mr_storage *storage; /* where the file is; default: the disk */
    int64_t max_bytes;   /* as above */
} mr_text_opts;

/* The same of a text, mapped where its bytes are the tokens; characters are kept as 4 bytes each in memory. */
MR_API mr_dataset *mr_text_new(const char *path, int64_t length, const mr_text_opts *opts);

/* How many characters there are, and which: the code point of each number (views, valid as the dataset is; NULL of bytes).
 * -1 after a failure. */
MR_API int64_t mr_text_characters(mr_dataset *text, const uint32_t **code_points);

#ifdef __cplusplus
}
#endif
#endif
