/*
 * Millrace, sources: streams of Arrow arrays, handed over in memory by whoever makes them (Arrow's C stream interface: Arrow
 * itself, DuckDB, Polars, ADBC, …). Link with millrace-arrow, which needs no library of Arrow's.
 */
#ifndef MILLRACE_SOURCES_ARROW_H
#define MILLRACE_SOURCES_ARROW_H

#include <millrace/sources/rows.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Arrow's structs, as its specification has them; other headers may have declared them already ---- */

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

/* ---- the stream ---- */

/* Makes a stream of the rows of record batches. Adopts the stream: the struct at `stream` is moved from, as Arrow calls it.
 *
 * `fields` NULL: each column is a field of its name, and of its type where there is one: bool, the whole numbers (those
 * of 32 and 64 bits without a sign are int64), float, double; half precision is float32; decimals are float64, or int64
 * if they have no digits behind the point, of which one that does not fit fails. NULL among those with a point is NaN;
 * dates, times, timestamps and durations are whole numbers in their own unit. Texts and bytes are ragged uint8, lists
 * of numbers ragged, and so are views of them; lists of a fixed size and bytes of a fixed length are arrays. What is
 * encoded by a dictionary is what it stands for. Other types are refused, unless they are not among `fields`.
 *
 * With `fields` they are converted as those of a table, and texts may be words. The shape of a field may also be that
 * of lists, also of lists in lists, the first dimension -1 where their lengths differ. A decimal becomes the double
 * that is nearest, or a whole number exactly, if it is one.
 *
 * One reader has all, once: it cannot be split, and a second epoch fails. A loader's state is restored on a new stream
 * of the same rows, of which those before are passed over. Arrays that cannot be what the schema says fail: "arrow:
 * column 'x': …"; the bytes behind their pointers, whose number Arrow does not tell, are believed. */
MR_API mr_dataset *mr_arrow_stream_new(struct ArrowArrayStream *stream, const mr_table_field *fields,
                                       int field_count);

#ifdef __cplusplus
}
#endif
#endif
