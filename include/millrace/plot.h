/*
 * Millrace, plot layer: reading a table of metrics back, and pictures of it through gnuplot.
 *
 * Frames and plots belong to one thread at a time.
 */
#ifndef MILLRACE_PLOT_H
#define MILLRACE_PLOT_H

#include <millrace/base.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tables of numbers ---- */

typedef struct mr_frame mr_frame;

/* Makes a table of a CSV file of numbers with a line of names, such as metrics.csv: lines end with LF or CRLF, cells
 * may be quoted, and are empty (or nan) where a value is missing; empty lines are passed over. MR_ERR_FORMAT names
 * file, line and what is wrong. */
MR_API mr_frame *mr_frame_read_csv(const char *path);
MR_API void mr_frame_free(mr_frame *frame);

/* Its size, and the name of column `index` (NULL past the last). */
MR_API int64_t mr_frame_rows(const mr_frame *frame);
MR_API int mr_frame_columns(const mr_frame *frame);
MR_API const char *mr_frame_name(const mr_frame *frame, int index);

/* The values of a column, NAN where one is missing. Views mr_frame_rows of them, valid as long as the frame. A
 * failure that names the columns there are when it has none of that name. */
MR_API const double *mr_frame_column(const mr_frame *frame, const char *name);

/* Writes the first `rows` rows (all but the last -rows if that is negative) as pandas' print(df.head(rows)) does,
 * but with all of its rows and columns, however many there are. */
MR_API mr_status mr_frame_print_head(FILE *file, const mr_frame *frame, int64_t rows);

/* ---- pictures ---- */

typedef struct mr_plot mr_plot;

typedef struct mr_plot_opts {
    const char *title, *x_label, *y_label; /* default: none */
    bool log_y;                            /* a logarithmic y axis */
} mr_plot_opts;

/* Makes an empty picture; strings are copied. */
MR_API mr_plot *mr_plot_new(const mr_plot_opts *opts);
MR_API void mr_plot_free(mr_plot *plot);

/* Adds a line through `count` points, which are copied; one with a NAN leaves a gap. `style` is matplotlib's: "-",
 * "--", "-." or ":". `label` goes into the legend; "" for none. */
MR_API mr_status mr_plot_line(mr_plot *plot, const double *x, const double *y, int64_t count,
                              const char *style, const char *label);

/* Draws to a file of 960x540, PNG or SVG by its ending. MR_ERR_MISSING says how to install gnuplot when it is not
 * there. The file is written under a temporary name and renamed. */
MR_API MR_CHECKED mr_status mr_plot_save(const mr_plot *plot, const char *path);

/* Draws one column of a metrics.csv over its steps. */
MR_API MR_CHECKED mr_status mr_plot_metrics(const mr_frame *frame, const char *column, const char *path);

#ifdef __cplusplus
}
#endif
#endif
