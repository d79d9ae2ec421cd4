#ifndef MILLRACE_PLOT_GNUPLOT_H
#define MILLRACE_PLOT_GNUPLOT_H

#include <millrace/base.h>

/* Runs gnuplot on a script; what the script draws, which names no output, is written to `picture`. A failure gives
 * what gnuplot complained of. */
mr_status mr__gnuplot(const char *script, size_t bytes, int picture);

#endif
