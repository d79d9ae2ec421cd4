/* Pictures: lines are collected here as a gnuplot script, and drawn when they are saved. */
#include "plot.h"

#include "picture.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/float_text.h"

#include <millrace/plot.h>

#include <math.h>
#include <string.h>

struct mr_plot {
    mr__strbuf head;  /* titles and labels */
    mr__strbuf lines; /* the plot command */
    mr__strbuf data;  /* blocks of points */
    int count;        /* lines */
    int64_t points;
    bool has_title, has_labels, log_y, log_x;
};

/* ---- collecting ---- */

static void put_setting(mr__strbuf *out, const char *name, const char *text)
{
    if (!text)
        return;
    mr__strbuf_appendf(out, "set %s ", name);
    mr__put_quoted(out, text);
    mr__strbuf_append(out, "\n");
}

mr_plot *mr_plot_new(const mr_plot_opts *opts)
{
    static const mr_plot_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr_plot *plot = mr__alloc_zeroed(sizeof *plot);
    if (!plot)
        return NULL;
    plot->log_y = opts->log_y;
    plot->log_x = opts->log_x;
    plot->has_title = opts->title != NULL;
    put_setting(&plot->head, "title", opts->title);
    put_setting(&plot->head, "xlabel", opts->x_label);
    put_setting(&plot->head, "ylabel", opts->y_label);
    if (opts->log_y)
        mr__strbuf_append(&plot->head, "set logscale y\nset mytics 10\n");
    if (opts->log_x)
        mr__strbuf_append(&plot->head, "set logscale x\nset mxtics 10\n");
    if (!plot->head.failed)
        return plot;
    mr_plot_free(plot);
    return NULL;
}

void mr_plot_free(mr_plot *plot)
{
    if (!plot)
        return;
    mr__strbuf_free(&plot->head);
    mr__strbuf_free(&plot->lines);
    mr__strbuf_free(&plot->data);
    mr__free(plot);
}

static const char *dash_of(const char *style)
{
    static const struct {
        const char *style, *dash;
    } styles[] = { { "-", "solid" }, { "--", "(14,7)" }, { "-.", "(14,6,2,6)" }, { ":", "(3,4)" } };
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        if (strcmp(style, styles[i].style) == 0)
            return styles[i].dash;
    return NULL;
}

static bool is_drawn(const mr_plot *plot, double x, double y)
{
    return isfinite(x) && isfinite(y) && (y > 0 || !plot->log_y) && (x > 0 || !plot->log_x);
}

/* Two blocks of points: the line with its gaps, and the points that have a gap on either side, which a line does not
 * show; gives the number of those. */
static int64_t put_points(mr_plot *plot, const double *x, const double *y, int64_t count)
{
    mr__strbuf lone = { 0 };
    int64_t alone = 0;
    char a[MR__FLOAT_TEXT_BYTES], b[MR__FLOAT_TEXT_BYTES];
    mr__strbuf_appendf(&plot->data, "$line%d << EOD\n", plot->count);
    for (int64_t i = 0; i < count; i++) {
        if (!is_drawn(plot, x[i], y[i])) {
            mr__strbuf_append(&plot->data, "\n");
            continue;
        }
        mr__format_double(a, x[i]);
        mr__format_double(b, y[i]);
        mr__strbuf_appendf(&plot->data, "%s %s\n", a, b);
        plot->points++;
        if ((i > 0 && is_drawn(plot, x[i - 1], y[i - 1])) ||
            (i + 1 < count && is_drawn(plot, x[i + 1], y[i + 1])))
            continue;
        mr__strbuf_appendf(&lone, "%s %s\n", a, b);
        alone++;
    }
    mr__strbuf_append(&plot->data, "EOD\n");
    if (alone)
        mr__strbuf_appendf(&plot->data, "$lone%d << EOD\n%sEOD\n", plot->count, mr__strbuf_text(&lone));
    plot->data.failed |= lone.failed;
    mr__strbuf_free(&lone);
    return alone;
}

mr_status mr_plot_line(mr_plot *plot, const double *x, const double *y, int64_t count, const char *style,
                       const char *label)
{
    static const char *const colours[] = { "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
                                           "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf" };
    if (!plot || !x || !y || !style || !label)
        return mr__null("plot_line", !plot ? "plot" : !x ? "x" : !y ? "y" : !style ? "style" : "label");
    const char *dash = dash_of(style), *colour = colours[plot->count % 10];
    if (!dash)
        return mr__raise(MR_ERR_ARGUMENT, "plot_line: '%.40s' is no style; there are -, --, -. and :", style);
    if (count < 0)
        return mr__raise(MR_ERR_ARGUMENT, "plot_line: %lld points", (long long)count);
    mr__strbuf_appendf(&plot->lines, "%s $line%d with lines lw 2 dt %s lc rgb '%s' title ",
                       plot->count ? "," : "plot", plot->count, dash, colour);
    mr__put_quoted(&plot->lines, label);
    if (put_points(plot, x, y, count))
        mr__strbuf_appendf(&plot->lines, ", $lone%d with points pt 7 ps 0.7 lc rgb '%s' notitle", plot->count,
                           colour);
    plot->count++;
    plot->has_labels |= *label != '\0';
    return plot->data.failed || plot->lines.failed ? MR_ERR_MEMORY : MR_OK;
}

mr_status mr_plot_mark(mr_plot *plot, double x, double y, const char *label)
{
    if (!plot || !label)
        return mr__null("plot_mark", plot ? "label" : "plot");
    mr__strbuf_appendf(&plot->lines, "%s $line%d with points pt 6 ps 2 lw 2 lc rgb '#333333' title ",
                       plot->count ? "," : "plot", plot->count);
    mr__put_quoted(&plot->lines, label);
    mr__strbuf_appendf(&plot->data, "$line%d << EOD\n", plot->count++);
    if (is_drawn(plot, x, y)) {
        char a[MR__FLOAT_TEXT_BYTES], b[MR__FLOAT_TEXT_BYTES];
        mr__strbuf_appendf(&plot->data, "%s %s\n", mr__format_double(a, x), mr__format_double(b, y));
        plot->points++;
    }
    mr__strbuf_append(&plot->data, "EOD\n");
    plot->has_labels |= *label != '\0';
    return plot->data.failed || plot->lines.failed ? MR_ERR_MEMORY : MR_OK;
}

/* ---- drawing ---- */

void mr__plot_put(mr__strbuf *out, const mr_plot *plot, const char *key)
{
    static const char look[] = "set border 3 lc rgb '#555555'\n"
                               "set tics nomirror out scale 0.5 textcolor rgb '#333333'\n"
                               "set format '%.7g'\n"
                               "set grid lt 1 lw 0.6 lc rgb '#dddddd'\n"
                               "set rmargin 4\n";
    mr__strbuf_append(out, look);
    if (plot->has_labels) /* above it would come between title and picture */
        mr__strbuf_appendf(out, "set key %s reverse Left samplen 3\n",
                           key               ? key
                           : plot->has_title ? "below"
                                             : "above");
    else
        mr__strbuf_append(out, "unset key\n");
    mr__strbuf_append(out, mr__strbuf_text(&plot->head));
    mr__strbuf_append(out, mr__strbuf_text(&plot->data));
    mr__strbuf_append(out, mr__strbuf_text(&plot->lines));
    mr__strbuf_append(out, "\n");
}

mr_status mr__plot_check(const mr_plot *plot, const char *path)
{
    if (!plot || !path)
        return mr__null("plot_save", plot ? "path" : "plot");
    if (mr__pending()) /* a line that could not be added */
        return mr_error_status();
    if (plot->data.failed || plot->lines.failed)
        return mr__raise(MR_ERR_MEMORY, "plot: there was no memory for a line");
    if (mr__check_picture_path("plot", path))
        return MR_ERR_ARGUMENT;
    if (!plot->count)
        return mr__raise(MR_ERR_ARGUMENT, "plot: there is no line to draw");
    if (!plot->points)
        return mr__raise(
            MR_ERR_ARGUMENT, "plot: no line has a point to draw%s",
            plot->log_y || plot->log_x ? ": on a logarithmic axis only values above 0 have a place" : "");
    return MR_OK;
}

mr_status mr_plot_save(const mr_plot *plot, const char *path)
{
    mr__strbuf script = { 0 };
    mr_status status = mr__plot_check(plot, path);
    if (!status) {
        mr__begin_script(&script, path, 960, 540);
        mr__plot_put(&script, plot, NULL);
        status = mr__draw(&script, path);
    }
    mr__strbuf_free(&script);
    return mr__settle(status);
}
