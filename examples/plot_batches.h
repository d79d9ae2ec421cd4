/* Three batches of a loader as three lines of a picture, in the chapter's styles: pyplot.plot(x1, y1, '--', …). */
#ifndef EXAMPLES_PLOT_BATCHES_H
#define EXAMPLES_PLOT_BATCHES_H

#include "show.h"

/* A picture takes doubles, and copies them. The batches here have 32 rows at most. */
static inline mr_status add_batch(mr_plot *plot, const mr_batch *b, const char *style, const char *label)
{
    double x[32], y[32];
    mr_status s = mr_copy_out(b->field[0], MR_FLOAT64, x, b->rows);
    if (s == MR_OK)
        s = mr_copy_out(b->field[1], MR_FLOAT64, y, b->rows);
    if (s == MR_OK)
        s = mr_plot_line(plot, x, y, b->rows, style, label);
    return s;
}

static inline mr_status plot_three_batches(mr_loader *dataloader, const char *path)
{
    static const char *const styles[] = { "--", "-", "-." };
    static const char *const labels[] = { "batch 1", "batch 2", "batch 3" };
    mr_batch *batches[3] = { NULL };
    mr_status s = MR_OK;

    /* A batch is lent: the next call fills the same memory again. To have three at once, keep copies. */
    for (int i = 0; s == MR_OK && i < 3; i++) {
        const mr_batch *lent;
        s = mr_loader_next(dataloader, &lent);
        if (s == MR_OK && !(batches[i] = mr_batch_keep(lent)))
            s = mr_error_status();
    }

    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "x", .y_label = "y" });
    for (int i = 0; s == MR_OK && i < 3; i++)
        s = add_batch(plot, batches[i], styles[i], labels[i]);
    if (s == MR_OK)
        s = mr_plot_save(plot, path);
    if (s == MR_OK)
        printf("picture: %s\n", path);

    mr_plot_free(plot);
    for (int i = 0; i < 3; i++)
        mr_batch_free(batches[i]);
    return s;
}

#endif
