/*
 * Millrace, sources: datasets and streams written to files. Link with millrace-files; <millrace/sources/tar.h> writes
 * tar files.
 *
 * A loader with workers reads samples ahead, in order; the calling thread writes them. What is written does not depend
 * on the workers. A file is written as "PATH.part", and gets its name when it is complete and on the disk. Where
 * writing stands is kept in "PATH.state": called again after a crash, or after a failure, the same call goes on from
 * there, and the files come out as if nothing had happened. What has been written is gone when that file is removed.
 * Another call is then a failure: "'x.npy.state' is of another writing: …". Compared are how many samples a dataset by
 * index has, the names of its fields, what is written of them and to which files, and the options that the files or
 * their batches hang on (batch_size and shards are among them). Values are not compared: of a dataset that has others
 * by now, the files have the old ones in front and the new ones behind. A file that has become shorter meanwhile, or is
 * missing, is a failure, too: "'x.npy.part' has 300 bytes, and should have 4128 at least: it has changed".
 */
#ifndef MILLRACE_SOURCES_WRITERS_H
#define MILLRACE_SOURCES_WRITERS_H

#include <millrace/data.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_write_opts {
    int workers;        /* threads that read samples; default 0: the calling one */
    int64_t batch_size; /* samples that are read at a time; default 64 */
    int64_t shards;     /* of a stream, as a loader's */
    /* Seconds from one note of where it stands to the next; default 10. mr_tar_write makes one behind each file. */
    double save_every;

    /* Of a sample that cannot be had: the writing fails, and goes on there when it is called again; or it is left out,
     * and the files are those of the others. What cannot be written (a token that does not fit) always fails. */
    mr_bad_policy on_bad_sample; /* default MR_BAD_STOP */
    int64_t max_bad_samples;     /* left out, at most: one more is a failure; default: any number */
    /* Optional: told when all is written and samples were left out: how many, and views the first `listed` of them, at
     * most a thousand. */
    void (*left_out)(void *user, int64_t count, const mr_bad_sample *list, int64_t listed);
    void *user;
} mr_write_opts;

/* One array, of a field whose samples have one shape. */
typedef struct mr_npy_out {
    const char *field;
    const char *path;
} mr_npy_out;

/* Writes arrays whose rows are the samples, a file of its own for each of `count` fields, as numpy.save does of arrays. */
MR_API MR_CHECKED mr_status mr_npy_write(mr_dataset *dataset, const mr_npy_out *arrays, int count,
                                         const mr_write_opts *opts);

typedef struct mr_tokens_write_opts {
    /* Of a token in the file, as mr_tokens_new reads it: MR_UINT16 (default), MR_INT32, MR_INT64, MR_UINT8;
     * little-endian. 4 bytes have no sign: 0 to 4,294,967,295; numbers below 0 take MR_INT64. MR_FLOAT32 is 0, and so
     * the default. */
    mr_dtype dtype;
    bool ends; /* each sample is followed by a token, `end` */
    int64_t end;
    mr_write_opts write;
} mr_tokens_write_opts;

/* Writes the numbers of a field, which may be ragged, one sample behind the other, without a header: a file for
 * mr_tokens_new. A number that does not fit fails, with its sample. */
MR_API MR_CHECKED mr_status mr_tokens_write(mr_dataset *dataset, const char *field, const char *path,
                                            const mr_tokens_write_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
