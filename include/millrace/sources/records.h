/*
 * Millrace, sources: records of a fixed size, and lines of text, from front to back. Link with millrace-files.
 *
 * These are the plainest things that come out of a pipe: "-" is standard input, and mr_storage_from_fd(…) any pipe or socket.
 * They may come without an end. Packed files (.gz, .zst) are unpacked; of records, whose first bytes may be anything, only the
 * name says it, and a name that is wrong there is a failure.
 *
 * A plain file of a known size is read in as many shards as a loader likes, of others the first has all. A stream
 * resumes where it stands, unless it is a pipe: "'-' is read once, from front to back: …", or a file that has become
 * another one: "'a.bin' has changed since it was read up to record 17".
 */
#ifndef MILLRACE_SOURCES_RECORDS_H
#define MILLRACE_SOURCES_RECORDS_H

#include <millrace/sources/rows.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_records_opts {
    int64_t skip;        /* bytes of a header in front; default 0 */
    mr_storage *storage; /* where the file is, which is held; default: the disk */
} mr_records_opts;

/* Makes a stream of records: the elements of the fields, one field behind the other, without gaps, in this machine's order of
 * bytes. A part of a record at the end is a failure: "'a.bin' ends within record 17: 12 bytes of 40". */
MR_API mr_dataset *mr_records_stream_new(const char *path, const mr_field *fields, int field_count,
                                         const mr_records_opts *opts);

typedef struct mr_lines_opts {
    mr_storage *storage; /* where the file is, which is held; default: the disk */
} mr_lines_opts;

/* Makes a stream of a text's lines: a ragged field "text" of uint8 (<millrace/ragged.h>), without the line break (LF or CRLF).
 * A line of more than 32 MB is a failure. */
MR_API mr_dataset *mr_lines_stream_new(const char *path, const mr_lines_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
