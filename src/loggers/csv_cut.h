/* Cutting a CSV file back to where it was. */
#ifndef MILLRACE_LOGGERS_CSV_CUT_H
#define MILLRACE_LOGGERS_CSV_CUT_H

#include "base/strbuf.h"

/* How far a file has come, so that it can be cut to that and gone on with. */
typedef struct mr__csv_mark {
    int64_t bytes, rows;
    const char *header; /* its first line; a view. "" while there is none */
    size_t header_bytes;
} mr__csv_mark;

/* Makes the file at `path` what it was at the mark: the rows behind it go, and so do columns that came later. A mark at
 * the beginning removes the file. One that is not the file of that mark is a failure, and left alone; so is a device,
 * which is none. */
mr_status mr__csv_cut(const char *path, const mr__csv_mark *mark);

/* The mark of a file as it is, behind its last complete line; at the beginning if there is none, or it is a device. It views
 * *text, which the caller frees with mr__free, also after a failure. */
mr_status mr__csv_end(const char *path, char **text, mr__csv_mark *mark);

/* Whether it can do that, with its failures; changes nothing. */
mr_status mr__csv_check(const char *path, const mr__csv_mark *mark);

/* Removes a file; one that is not there is no failure. */
mr_status mr__csv_remove(const char *path);

/* Puts the name at `at`, quoted or not, into `name`, and returns where the next one begins; `end` behind the last. */
const char *mr__csv_next_name(const char *at, const char *end, mr__strbuf *name);

#endif
