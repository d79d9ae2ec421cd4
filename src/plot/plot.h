/* What pictures of metrics know of a plot. */
#ifndef MILLRACE_PLOT_PLOT_H
#define MILLRACE_PLOT_PLOT_H

#include "base/strbuf.h"

#include <millrace/plot.h>

/* Appends its settings and its plot command to a script. `key`: where the legend is; NULL: above or below. */
void mr__plot_put(mr__strbuf *script, const mr_plot *plot, const char *key);

/* MR_OK if it can be drawn to that path. */
mr_status mr__plot_check(const mr_plot *plot, const char *path);

#endif
