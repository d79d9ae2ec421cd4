#ifndef MILLRACE_PLOT_FRAME_H
#define MILLRACE_PLOT_FRAME_H

#include <millrace/plot.h>

typedef struct mr__column {
    const char *name; /* in the frame's text */
    double *values;
    bool whole; /* integers without a gap, which print without a point */
} mr__column;

struct mr_frame {
    char *text; /* the file, cut up into its cells */
    mr__column *column;
    int columns;
    int64_t rows;
};

#endif
