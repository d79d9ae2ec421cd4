#ifndef MILLRACE_PLOT_FRAME_H
#define MILLRACE_PLOT_FRAME_H

#include <millrace/plot.h>

struct mr_frame {
    char *text; /* the file, cut up; the names lie in it */
    int columns;
    int64_t rows, room;
    char **names;
    double **values; /* a column each */
    bool *whole;     /* columns of integers without a gap, which print without a point */
};

#endif
