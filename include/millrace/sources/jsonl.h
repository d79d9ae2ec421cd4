/*
 * Millrace, sources: files with a JSON object in each line (JSON lines), also packed as .gz or .zst. Link with
 * millrace-files.
 *
 * A line has up to 16 MB. Of keys that no field names only the form is looked at: numbers of any size, and what stands
 * in strings, are no matter. NaN, Infinity and -Infinity, which Python writes, are numbers; NaN counts as null. Of a
 * key that is there twice the last counts. A byte order mark is passed over.
 *
 * Threads: the dataset's callbacks may run on several at once.
 */
#ifndef MILLRACE_SOURCES_JSONL_H
#define MILLRACE_SOURCES_JSONL_H

#include <millrace/sources/rows.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One field of the samples: a number, true (1) or false (0), an array of them (of arrays, …) with the field's shape, a
 * word, or a text. */
typedef struct mr_jsonl_field {
    const char *name;
    const char *key; /* of an object inside another: "user.age"; default: the name */
    mr_dtype dtype;  /* default float32; with words int64 */
    /* Default: a single value. A first dimension of -1: as many as there are (<millrace/ragged.h>). MR_UINT8 with
     * MR_SHAPE(-1) is also a string, as its bytes in UTF-8. */
    mr_shape shape;
    mr_missing
        missing; /* of a key that is not there, and of null; an array is filled, one of any length then empty. Null among
                         * the numbers of an array is filled, too */
    double fill;
    const char *const *words; /* strings count as their places in this list */
    int word_count;
} mr_jsonl_field;

typedef struct mr_jsonl_opts {
    mr_storage *storage; /* where the file is, which is held; default: the disk */
    /* For mr_jsonl_new: how many bytes may be kept in memory of what cannot be mapped, a packed file or a pipe; more
     * fail. Default 4 GB. */
    int64_t max_bytes;
} mr_jsonl_opts;

/* Makes a dataset of the lines of a file, of which fields take the keys that they name, at least one. The file is
 * mapped (a packed one is unpacked in memory), with an index of its lines in memory: 8 bytes for each 8. Strings are
 * copied; empty lines are passed over. What does not fit a field fails when it is read: "'a.jsonl': line 17, key
 * 'user.age': a string, not a number". So does a file that has become shorter; but one that is cut just while it is
 * read ends the process, as with all mapped files. A row that MR_MISSING_SKIP leaves out is found when the file is
 * opened, which then takes as long as reading it. */
MR_API mr_dataset *mr_jsonl_new(const char *path, const mr_jsonl_field *fields, int field_count,
                                const mr_jsonl_opts *opts);

/* The same from the front to the back, in little memory; "-" is standard input. A plain file of a known size can be cut into as
 * many shards as a loader likes, of others the first has all. It resumes where it stands, unless it is a pipe. */
MR_API mr_dataset *mr_jsonl_stream_new(const char *path, const mr_jsonl_field *fields, int field_count,
                                       const mr_jsonl_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
