/*
 * Records of a file, one after the other: what streams of CSV and of JSON lines have in common.
 *
 * A plain file of a known size is cut into parts, one for each shard, at bytes; where the first record behind such a byte
 * begins is looked for. Who reads a part knows where the next one begins, and fails when that is in the middle of a record
 * of its own: so no record is lost, or there twice, unnoticed. Of other files the first shard has all.
 */
#ifndef MILLRACE_SOURCES_FILES_RECORDS_H
#define MILLRACE_SOURCES_FILES_RECORDS_H

#include "window.h"

#include <millrace/data.h>

typedef struct mr__record_kind {
    mr__record_end *end;
    /* Where a record begins, for somebody who finds himself at `at`, in the middle of a file; NULL: nowhere before `end`,
     * which is the file's if `last`. Hangs on these bytes alone. */
    const char *(*begin)(const void *format, const char *at, const char *end, bool last);
    /* Writes a record into a sample; MR_END: it is none, or to be left out. */
    mr_status (*read)(const void *format, const char *at, const char *end, int64_t line,
                      const mr_sample *sample);
    const void *format;
} mr__record_kind;

/* Of lines: to the next line break. */
bool mr__line_end(const void *format, const char *at, const char *end, mr__scan *scan);
const char *mr__line_begin(const void *format, const char *at, const char *end, bool last);

typedef struct mr__records {
    mr_storage *storage; /* held */
    const char *path;
    mr__record_kind kind;
    uint64_t data; /* where the records begin, among the unpacked bytes */
    int64_t line;  /* the number of that line */
    int64_t size;  /* of a file that can be cut; -1: it cannot */
    bool once;     /* it is a pipe: what has been read of it is in `first`, until somebody reads on */
    mr__window first;
} mr__records;

/* Begins with a window in which the first record, at window->at, is the number `line`. Adopts what is in the window. `path`
 * is borrowed. */
void mr__records_init(mr__records *records, mr_storage *storage, const char *path, mr__record_kind kind,
                      mr__window *window, int64_t line);
void mr__records_free(mr__records *records);

/* Somebody who reads a part. */
typedef struct mr__reader {
    mr__records *records;
    mr__window window;
    uint64_t begin, end; /* of his part; UINT64_MAX: to the end */
    int64_t line;        /* of the record at window.at, counted from the part's beginning on */
    int64_t given;       /* that of the record that was given last */
    bool broken;         /* it has failed in a way that leaves no next record */
} mr__reader;

mr_status mr__reader_open(mr__reader *reader, mr__records *records, int64_t shard, int64_t shards);
void mr__reader_close(mr__reader *reader);

/* Writes the next record into a sample: MR_OK, MR_END, or a failure, which says where lines are counted from if that is not the
 * file's beginning. Behind one of the file itself there are no records. */
mr_status mr__reader_next(mr__reader *reader, const mr_sample *sample);

/* A reader's place, for a cursor's state. */
typedef struct mr__place {
    uint64_t offset; /* among the unpacked bytes */
    int64_t line;
    uint64_t stamp; /* of the file */
} mr__place;

void mr__reader_tell(const mr__reader *reader, void *place);
mr_status mr__reader_seek(mr__reader *reader, const void *place);

/* ---- streams whose struct begins with its records, and whose cursors are readers ---- */

void *mr__records_open(void *self, int64_t shard, int64_t shards);
mr_status mr__records_next(void *cursor, const mr_sample *sample);
void mr__records_close(void *cursor);
void mr__records_tell(void *cursor, void *state);
mr_status mr__records_seek(void *cursor, const void *state);
int mr__records_origin(void *cursor, int field, char *text, size_t room);

#define MR__RECORDS_VTABLE(destroyed)                                                           \
    {                                                                                           \
        .open = mr__records_open, .next = mr__records_next, .close = mr__records_close,         \
        .destroy = destroyed, .cursor_state_size = sizeof(mr__place), .tell = mr__records_tell, \
        .seek = mr__records_seek, .origin = mr__records_origin                                  \
    }

#endif
