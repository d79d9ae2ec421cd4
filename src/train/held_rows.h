/*
 * Rows of a validation that runs. They are handed over when it has come to its end, and not before: what breaks it off,
 * a signal or a failure, may be followed by a checkpoint from which the whole validation is done again.
 */
#ifndef MILLRACE_TRAIN_HELD_ROWS_H
#define MILLRACE_TRAIN_HELD_ROWS_H

#include "reporter.h"

typedef struct mr__held_rows {
    uint64_t *word; /* of each row: kind, step, count, then metrics and values */
    size_t used, room;
} mr__held_rows;

/* Adds a row of no epoch: the metrics with these numbers. MR_ERR_MEMORY with a failure raised. */
mr_status mr__held_rows_add(mr__held_rows *rows, mr_row_kind kind, int64_t step, size_t count,
                            const uint32_t *metric, const double *value);

/* Hands them to the reporter (NULL: to nobody), and begins anew. */
void mr__held_rows_end(mr__held_rows *rows, mr__reporter *reporter);

void mr__held_rows_free(mr__held_rows *rows);

#endif
