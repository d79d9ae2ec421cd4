/*
 * Millrace, sources: tables in CSV and TSV files, also packed as .gz or .zst. Link with millrace-files.
 *
 * A file is RFC 4180's: cells between delimiters, in quotes where they hold a delimiter, a quote (doubled) or the end
 * of a line; a quote within a cell that does not begin with one is a character like others. Lines end in LF or CRLF,
 * the last one also without. A byte order mark is passed over, and so are lines that are empty or have nothing but
 * blanks and tabs, as pandas does: not where these are the delimiter, or in quotes. There are up to 65,536 columns, and
 * 32 MB in a record.
 *
 * Threads: the dataset's callbacks may run on several at once.
 */
#ifndef MILLRACE_SOURCES_CSV_H
#define MILLRACE_SOURCES_CSV_H

#include <millrace/sources/rows.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One field of the samples. */
typedef struct mr_csv_field {
    const char *name;
    /* Its columns: names, each of which is there once, with commas between them, "x1:x9" for those from one to another,
     * "*" for all that no other field names; "#3" is the column with number 3, from 0. Blanks around a name count only
     * where a column is called so. One column makes a number, several an array of as many. Default: the column of the
     * field's name. */
    const char *columns;
    mr_dtype dtype; /* default float32; with classes int64 */
    /* MR_SHAPE(-1) with MR_UINT8: the bytes of a cell's text, of one column (<millrace/ragged.h>). None otherwise:
     * columns make it. */
    mr_shape shape;
    /* Of a cell that is empty, not a number, or says NA, N/A, null, NULL, <NA>, and what else pandas takes for it. Of
     * texts: of one that is empty and has no quotes; it is filled in with none. */
    mr_missing missing;
    double fill;
    /* Words instead of numbers: a cell counts as its place in this list. */
    const char *const *words;
    int word_count;
    /* The same with the words that are there, in the order of their bytes (pandas' categories). Not for streams. */
    bool classes;
} mr_csv_field;

typedef struct mr_csv_opts {
    char delimiter;      /* default ',', for a name that ends in .tsv, .tsv.gz or .tsv.zst '\t' */
    char quote;          /* default '"' */
    char comment;        /* lines that begin with it are passed over; default: none */
    bool no_header;      /* the first line is data: columns have numbers only */
    int64_t skip_lines;  /* before the header; default 0 */
    mr_storage *storage; /* where the file is, which is held; default: the disk */
    /* For mr_csv_new: keeps the index of the rows, and the words of classes, in a file: `index`, or with keep_index
     * that of the name and ".index". Then opening it again takes no time. An index of a file that has changed (its
     * size, its time, what is at its ends), of other fields, or one that is damaged, is made anew. Where it cannot be
     * written (a mount that is read-only, a full disk) a line of the log says so, and the index is in memory alone. */
    bool keep_index;
    const char *index;
    /* For mr_csv_new: how many bytes may be kept in memory of what cannot be mapped, a packed file or a pipe; more
     * fail. Default 4 GB. */
    int64_t max_bytes;
} mr_csv_opts;

/* Makes a dataset of the rows of a file, which is mapped (a packed one is unpacked in memory), with an index of its
 * rows in memory: 8 bytes for each 8. The strings are copied. `fields` NULL: each column is a field, float32 where the
 * first 100 rows have numbers (missing ones are NaN), else classes, of which a missing one fails when its row is read:
 * to leave such rows out, or fill the cells in, give fields, those of words with `classes` and `missing`. A line of the
 * log names each column of classes that has cells which begin as numbers. A row with more or fewer cells than the
 * header, and a cell that is no number, fail when they are read: "'a.csv': line 17, column 'age': 'x' is no number". So
 * does a file that has become shorter; but one that is cut just while it is read ends the process, as with all mapped
 * files. */
MR_API mr_dataset *mr_csv_new(const char *path, const mr_csv_field *fields, int field_count,
                              const mr_csv_opts *opts);

/* The same from the front to the back, in little memory, of a file that may be longer than memory; "-" is standard
 * input. A plain file of a known size can be cut into as many shards as a loader likes; where cells have line breaks,
 * which is told by the records behind a cut, a cut that cannot be told fails. Of a packed one or a pipe the first shard
 * has all. Lines in messages are then counted from the byte that they name. It resumes where it stands; a pipe does
 * not: "'-' is read once, …". */
MR_API mr_dataset *mr_csv_stream_new(const char *path, const mr_csv_field *fields, int field_count,
                                     const mr_csv_opts *opts);

/* The words of a field of classes, in the order of their numbers, of a dataset by mr_csv_new: views, valid as the dataset
 * is. NULL after a failure. */
MR_API const char *const *mr_csv_words(mr_dataset *dataset, const char *field, int *count);

#ifdef __cplusplus
}
#endif
#endif
