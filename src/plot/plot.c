/* Pictures: lines collected here, drawn by gnuplot, which runs as a child and reads its commands from a pipe. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/strbuf.h"

#include <millrace/plot.h>

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct mr_plot {
    mr__strbuf head;  /* titles and labels */
    mr__strbuf lines; /* the plot command */
    mr__strbuf data;  /* blocks of points */
    int count;
    bool has_labels;
};

/* Text in gnuplot's double quotes: quotes, backslashes and line ends would end it or mean something. */
static void put_quoted(mr__strbuf *out, const char *text)
{
    mr__strbuf_append(out, "\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            mr__strbuf_append(out, "\\");
        mr__strbuf_appendf(out, "%c", *text == '\n' || *text == '`' ? ' ' : *text);
    }
    mr__strbuf_append(out, "\" noenhanced");
}

static void put_setting(mr__strbuf *out, const char *name, const char *text)
{
    if (!text)
        return;
    mr__strbuf_appendf(out, "set %s ", name);
    put_quoted(out, text);
    mr__strbuf_append(out, "\n");
}

mr_plot *mr_plot_new(const mr_plot_opts *opts)
{
    static const mr_plot_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr_plot *plot = mr__alloc_zeroed(sizeof *plot);
    if (!plot)
        return NULL;
    put_setting(&plot->head, "title", opts->title);
    put_setting(&plot->head, "xlabel", opts->x_label);
    put_setting(&plot->head, "ylabel", opts->y_label);
    if (opts->log_y)
        mr__strbuf_append(&plot->head, "set logscale y\n");
    return plot;
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

mr_status mr_plot_line(mr_plot *plot, const double *x, const double *y, int64_t count, const char *style,
                       const char *label)
{
    static const struct {
        const char *style, *dash;
    } styles[] = { { "-", "solid" }, { "--", "(12,6)" }, { "-.", "(12,5,2,5)" }, { ":", "(2,4)" } };
    static const char *const colours[] = { "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
                                           "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf" };
    const char *dash = NULL;
    if (!plot || !x || !y || !style || !label)
        return mr__null("plot_line", !plot ? "plot" : !x ? "x" : !y ? "y" : !style ? "style" : "label");
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        if (strcmp(style, styles[i].style) == 0)
            dash = styles[i].dash;
    if (!dash)
        return mr__raise(MR_ERR_ARGUMENT, "plot_line: '%s' is no style; there are -, --, -. and :", style);
    mr__strbuf_appendf(&plot->lines, "%s $line%d using 1:2 with lines lw 2 dt %s lc rgb \"%s\" title ",
                       plot->count ? "," : "plot", plot->count, dash, colours[plot->count % 10]);
    put_quoted(&plot->lines, label);
    mr__strbuf_appendf(&plot->data, "$line%d << EOD\n", plot->count);
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(x[i]) && isfinite(y[i]))
            mr__strbuf_appendf(&plot->data, "%.17g %.17g\n", x[i], y[i]);
        else
            mr__strbuf_append(&plot->data, "\n"); /* a gap */
    }
    mr__strbuf_append(&plot->data, "EOD\n");
    plot->count++;
    plot->has_labels |= *label != '\0';
    return plot->data.failed || plot->lines.failed ? MR_ERR_MEMORY : MR_OK;
}

/* ---- drawing ---- */

static const char *terminal_for(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".png") == 0)
        return "pngcairo size 960,540 font \"DejaVu Sans,12\" background rgb \"white\"";
    if (dot && strcmp(dot, ".svg") == 0)
        return "svg size 960,540 font \"DejaVu Sans,12\" background rgb \"white\"";
    return NULL;
}

static void put_script(mr__strbuf *out, const mr_plot *plot, const char *terminal, const char *path)
{
    mr__strbuf_appendf(out, "set terminal %s\nset output ", terminal);
    mr__strbuf_append(out, "'");
    for (const char *c = path; *c; c++)
        mr__strbuf_appendf(out, *c == '\'' ? "''" : "%c", *c);
    mr__strbuf_append(out, "'\nset border 3 lc rgb \"#444444\"\nset tics nomirror out\n"
                           "set grid lt 1 lw 0.6 lc rgb \"#dddddd\"\nset lmargin 10\nset rmargin 3\n");
    mr__strbuf_append(out, plot->has_labels ? "set key above\n" : "unset key\n");
    mr__strbuf_append(out, mr__strbuf_text(&plot->head));
    mr__strbuf_append(out, mr__strbuf_text(&plot->data));
    mr__strbuf_append(out, mr__strbuf_text(&plot->lines));
    mr__strbuf_append(out, "\nunset output\n");
}

/* Writes everything to a pipe that may have lost its reader, without the signal that this raises. */
static void feed(int pipe, const char *text, size_t bytes)
{
    sigset_t broken, before;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    while (bytes) {
        ssize_t n = write(pipe, text, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            const struct timespec none = { 0, 0 };
            if (errno == EPIPE)
                sigtimedwait(&broken, NULL, &none);
            break;
        }
        text += n;
        bytes -= (size_t)n;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Runs gnuplot on a script; fills in the first line of what it complains of. */
static mr_status run_gnuplot(const char *script, size_t bytes)
{
    char *const argv[] = { (char *)(uintptr_t) "gnuplot", (char *)(uintptr_t) "-", NULL };
    int in[2], status = 0;
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (pipe(in))
        return mr__raise(MR_ERR_IO, "plot: cannot make a pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_addclose(&actions, in[0]);
    posix_spawn_file_actions_addclose(&actions, in[1]);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    int error = posix_spawnp(&child, "gnuplot", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    if (error) {
        close(in[1]);
        if (error == ENOENT)
            return mr__raise(MR_ERR_MISSING,
                             "plot: gnuplot is not installed (Debian: apt-get install gnuplot-nox)");
        return mr__raise(MR_ERR_IO, "plot: cannot run gnuplot: %s", strerror(error));
    }
    feed(in[1], script, bytes);
    close(in[1]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return mr__raise(MR_ERR_IO, "plot: gnuplot failed with status %d", status);
    return MR_OK;
}

mr_status mr_plot_save(const mr_plot *plot, const char *path)
{
    if (!plot || !path)
        return mr__settle(mr__null("plot_save", plot ? "path" : "plot"));
    const char *terminal = terminal_for(path), *dot = strrchr(path, '.');
    if (!terminal)
        return mr__settle(mr__raise(MR_ERR_ARGUMENT, "plot: '%s' ends neither in .png nor in .svg", path));
    if (!plot->count)
        return mr__settle(mr__raise(MR_ERR_ARGUMENT, "plot: there is no line to draw"));
    mr__strbuf temporary = { 0 }, script = { 0 };
    mr__strbuf_appendf(&temporary, "%s.%ld%s", path, (long)getpid(), dot);
    put_script(&script, plot, terminal, mr__strbuf_text(&temporary));
    mr_status status = temporary.failed || script.failed ? MR_ERR_MEMORY : MR_OK;
    FILE *file = status ? NULL : fopen(mr__strbuf_text(&temporary), "wb"); /* says why it cannot be written */
    if (!status && !file)
        status = mr__raise(MR_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
    if (file)
        fclose(file);
    if (!status)
        status = run_gnuplot(script.text, script.length);
    if (!status && rename(mr__strbuf_text(&temporary), path))
        status = mr__raise(MR_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
    if (status && file)
        unlink(mr__strbuf_text(&temporary));
    mr__strbuf_free(&temporary);
    mr__strbuf_free(&script);
    return mr__settle(status);
}

mr_status mr_plot_metrics(const mr_frame *frame, const char *column, const char *path)
{
    const double *y = mr_frame_column(frame, column), *x = y ? mr_frame_column(frame, "step") : NULL;
    if (!x)
        return mr__settle(mr_error_status());
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "step", .y_label = column });
    if (plot)
        mr_plot_line(plot, x, y, mr_frame_rows(frame), "-", "");
    mr_status status = mr_plot_save(plot, path);
    mr_plot_free(plot);
    return status;
}
