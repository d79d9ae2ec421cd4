/*
 * Millrace, plot layer: reading a table of metrics back, and pictures through gnuplot: of lines, and of images.
 *
 * Frames and plots belong to one thread at a time.
 */
#ifndef MILLRACE_PLOT_H
#define MILLRACE_PLOT_H

#include <millrace/tensor.h>
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

/* The same of JSON lines, each an object, such as metrics.jsonl: a column for each name, in the order in which they
 * come. The strings "NaN", "Infinity" and "-Infinity" are numbers, null is a missing one, and other strings are passed
 * over. */
MR_API mr_frame *mr_frame_read_jsonl(const char *path);
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
    bool log_x;                            /* a logarithmic x axis */
} mr_plot_opts;

/* Makes an empty picture; strings are copied. */
MR_API mr_plot *mr_plot_new(const mr_plot_opts *opts);
MR_API void mr_plot_free(mr_plot *plot);

/* Adds a line through `count` points, which are copied; one with a NAN leaves a gap. `style` is matplotlib's: "-",
 * "--", "-." or ":". `label` goes into the legend; "" for none. */
MR_API mr_status mr_plot_line(mr_plot *plot, const double *x, const double *y, int64_t count,
                              const char *style, const char *label);

/* Adds a ring around a point. The status and the label are as for a line. */
MR_API mr_status mr_plot_mark(mr_plot *plot, double x, double y, const char *label);

/* Draws to a file of 960x540, PNG or SVG by its ending. MR_ERR_MISSING says how to install gnuplot when it is not
 * there. The file is written under a temporary name and renamed. */
MR_API MR_CHECKED mr_status mr_plot_save(const mr_plot *plot, const char *path);

typedef struct mr_plot_images_opts {
    const char *const *captions; /* a text below each image; default: none */
    int64_t columns;             /* images side by side; default: about as many as there are rows */
    bool channels_last;          /* the shape is (count, height, width, channels) */
    /* One number for each channel: a value x stands for x * std + mean, as Normalize has left it. Default: 1 and 0. */
    const double *mean, *std;
} mr_plot_images_opts;

/* Draws images beside each other: (count, height, width), grey, or (count, channels, height, width) with 1 or 3 channels; uint8
 * from 0 to 255, other types from 0 to 1. What lies outside is black or white. The file is about 960 wide, and named as for
 * mr_plot_save. */
MR_API MR_CHECKED mr_status mr_plot_images(const mr_tensor *images, const mr_plot_images_opts *opts,
                                           const char *path);

/* Draws one column of a metrics.csv over its steps. */
MR_API MR_CHECKED mr_status mr_plot_metrics(const mr_frame *frame, const char *column, const char *path);

typedef struct mr_plot_training_opts {
    /* The columns of the losses of training and validation, and of the learning rate. Default: the first that the log
     * has values of among loss, train_loss, loss_step, train_loss_step, loss_epoch and train_loss_epoch; among
     * val_loss, valid_loss, validation_loss and val_loss_epoch; otherwise, if neither is given, what has "loss" in its
     * name, without and with "val"; and what begins with "lr". */
    const char *train, *val, *lr;
    const char *title;   /* default: none */
    bool log_y;          /* a logarithmic axis for the losses */
    bool more_is_better; /* what is drawn are no losses, but accuracies, say */
} mr_plot_training_opts;

/* Draws the course of a training from its log, over the steps: a metrics.csv, long or merged, or JSON lines, if the
 * path ends in .jsonl. The losses are above each other, the best point of the validation is marked (without one, of the
 * training), and the learning rate is below. What the log does not have is left out; if that is all, a failure names
 * what there is. The picture is 960x720 (without a learning rate 960x540), and named as for mr_plot_save. */
MR_API MR_CHECKED mr_status mr_plot_training(const char *log, const char *path,
                                             const mr_plot_training_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
