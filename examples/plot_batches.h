/* Three batches of a loader as three lines, in the chapter's styles. */
#ifndef EXAMPLES_PLOT_BATCHES_H
#define EXAMPLES_PLOT_BATCHES_H

#include "show.h"

static inline mr_status add_batch(mr_plot *plot, const mr_batch *b, const char *style, const char *label)
{
    double x[32], y[32];
    mr_status s = mr_copy_out(b->field[0], MR_FLOAT64, x, b->rows);
    if (s == MR_OK)
        s = mr_copy_out(b->field[1], MR_FLOAT64, y, b->rows);
    return s == MR_OK ? mr_plot_line(plot, x, y, b->rows, style, label) : s;
}

/* Batches are lent until the next one is asked for, so that three at once are kept copies. They have at most 32
 * rows. */
static inline mr_status plot_three_batches(mr_loader *loader, const char *path)
{
    static const char *const styles[] = { "--", "-", "-." }, *const labels[] = { "batch 1", "batch 2",
                                                                                 "batch 3" };
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "x", .y_label = "y" });
    mr_batch *kept[3] = { NULL };
    mr_status s = MR_OK;
    for (int i = 0; s == MR_OK && i < 3; i++) {
        const mr_batch *lent;
        if ((s = mr_loader_next(loader, &lent)) == MR_OK)
            kept[i] = mr_batch_keep(lent);
    }
    for (int i = 0; s == MR_OK && i < 3; i++)
        s = kept[i] ? add_batch(plot, kept[i], styles[i], labels[i]) : mr_error_status();
    if (s == MR_OK)
        s = mr_plot_save(plot, path);
    if (s == MR_OK)
        printf("picture: %s\n", path);
    for (int i = 0; i < 3; i++)
        mr_batch_free(kept[i]);
    mr_plot_free(plot);
    return s;
}

#endif
