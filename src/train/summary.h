/* The inside of a summary. */
#ifndef MILLRACE_TRAIN_SUMMARY_H
#define MILLRACE_TRAIN_SUMMARY_H

#include "base/alloc.h"

#include <millrace/summary.h>

#include <math.h>
#include <string.h>

struct mr_summary {
    mr_summary_row *row; /* names and types are owned */
    size_t count, room;
    mr_summary_row total;
    int64_t other; /* parameters that are the model's own, and not one of its children's */
    double parameter_bytes;
    char *text;
};

/* Writes the table; the caller frees it with mr__free; NULL with a failure raised. */
char *mr__summary_table(const mr_summary *summary);

/* Sends an empty line and then the table to the log, line by line. */
mr_status mr__summary_log(mr_module *model, const mr_summary_opts *opts);

#endif
