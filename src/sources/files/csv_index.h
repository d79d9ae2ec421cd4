/* The index of a CSV file's rows in a file of its own, and with it the words of classes: what opening the file has found out. */
#ifndef MILLRACE_SOURCES_CSV_INDEX_H
#define MILLRACE_SOURCES_CSV_INDEX_H

#include "csv.h"
#include "input.h"
#include "row_index.h"

/* What an index is of. */
typedef struct mr__csv_indexed {
    const mr__csv_plan *plan;
    uint64_t size, changed, ends; /* of the file: its bytes, its time, and what is at either end */
    uint64_t fields;              /* which columns are read, and how */
    uint64_t data;                /* where the rows begin */
} mr__csv_indexed;

/* Taken before the file's words are added to the plan's. */
mr__csv_indexed mr__csv_index_of(const mr__csv_plan *plan, const mr__bytes *bytes, size_t data);

/* Reads what was kept at `path`: MR_OK; MR_END when there is nothing, or it is damaged, or of other rows; or a failure. */
mr_status mr__csv_index_load(const char *path, const mr__csv_indexed *of, mr__row_index *index);

/* Keeps it, so that a crash leaves the old one or the new. */
mr_status mr__csv_index_save(const char *path, const mr__csv_indexed *of, const mr__row_index *index);

#endif
