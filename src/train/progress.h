/*
 * The progress bar: tqdm's line, with Lightning's format and postfix.
 *
 *     Epoch 7: 100%|██████████| 32/32 [00:00<00:00, 800.71it/s, v_num=0, loss=0.066]
 *
 * Nothing here allocates memory or looks at a clock: callers pass the time in.
 */
#ifndef MILLRACE_TRAIN_PROGRESS_H
#define MILLRACE_TRAIN_PROGRESS_H

#include <millrace/base.h>
#include <stdio.h>

/* A line never takes more bytes than this, the final zero included; a longer one is cut. */
#define MR__PROGRESS_BYTES 4096

/* What the line shows. */
typedef struct mr__progress_state {
    int64_t epoch;
    int64_t done;    /* batches of this epoch */
    int64_t initial; /* … of which the fit has found so many done, in no time, when it was resumed */
    int64_t total;   /* -1: unknown */
    double elapsed;  /* seconds since the epoch began */
    int64_t version; /* v_num; -1: none */
    size_t count;    /* of metrics */
    const char *const *names;
    const double *values;
    const bool *present; /* which of them have a value by now; NULL: all */
} mr__progress_state;

/* Writes the line for a terminal of `columns` columns to `line`, as tqdm does with dynamic_ncols; 0 columns:
 * width unknown, the bar is ten wide. Returns the number of columns that it takes. */
int mr__progress_render(char line[MR__PROGRESS_BYTES], const mr__progress_state *state, int columns);

/* Draws lines to a file. On a terminal: one line that is drawn over, at most ten times a second. Elsewhere: plain
 * lines, at most one in ten seconds. `now` is in seconds, on any clock that does not go backwards. */
typedef struct mr__progress {
    FILE *file; /* borrowed */
    bool terminal;
    bool drawn;     /* something was */
    double last;    /* when */
    int last_width; /* columns to clear */
} mr__progress;

void mr__progress_begin(mr__progress *progress, FILE *file, double now);

/* Draws if it is time for it; `mr__progress_due` tells beforehand, to spare the caller the state. */
bool mr__progress_due(const mr__progress *progress, double now);
void mr__progress_draw(mr__progress *progress, const mr__progress_state *state, double now);

/* Draws the last line and ends it with a newline. */
void mr__progress_end(mr__progress *progress, const mr__progress_state *state);

#endif
