#ifndef MILLRACE_PLOT_FRAME_H
#define MILLRACE_PLOT_FRAME_H

#include <millrace/plot.h>

typedef struct mr__column {
    const char *name; /* in the frame's text */
    double *values;
    bool whole; /* integers without a gap, which print without a point */
} mr__column;

struct mr_frame {
    char *text; /* the file, cut up into its cells; or the names alone */
    mr__column *column;
    int columns;
    int64_t rows;
};

/* The next of the columns, with room for `rows` values; NULL with a failure raised. `name` stays the caller's. */
mr__column *mr__frame_add_column(mr_frame *frame, const char *name, int64_t rows);

/* Raises MR_ERR_FORMAT as "'path' line 3: what is wrong". */
mr_status mr__frame_malformed(const char *path, int64_t line, const char *what);

#endif
