/* What all pictures share: text in a script, and a script drawn to a file. */
#ifndef MILLRACE_PLOT_PICTURE_H
#define MILLRACE_PLOT_PICTURE_H

#include "base/strbuf.h"

/* Text in gnuplot's double quotes, every character of which stands for itself. */
void mr__put_quoted(mr__strbuf *script, const char *text);

/* `name` of a path that ends in .png or .svg; a failure for others. */
mr_status mr__check_picture_path(const char *name, const char *path);

/* Begins a script that draws to such a path, in pixels. */
void mr__begin_script(mr__strbuf *script, const char *path, int width, int height);

/* Runs a script and writes the picture, so that a crash leaves the old file or the new. A script without memory
 * fails as such. */
mr_status mr__draw(const mr__strbuf *script, const char *path);

#endif
