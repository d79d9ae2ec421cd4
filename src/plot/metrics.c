/* Pictures of a training's log. */
#include "frame.h"
#include "picture.h"
#include "plot.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- values over steps ---- */

/* The rows of a column that have a value: others belong to other columns, and are no gap in this one. */
typedef struct series {
    double *x, *y; /* x is freed, y lies in the same block */
    int64_t count;
} series;

static bool take_series(const mr_frame *frame, const char *column, series *to)
{
    const double *value = mr_frame_column(frame, column);
    const double *step = value ? mr_frame_column(frame, "step") : NULL;
    const size_t rows = (size_t)mr_frame_rows(frame);
    *to = (series){ .x = step ? mr__alloc_array(2 * rows + 1, sizeof *to->x) : NULL };
    if (!to->x)
        return false;
    to->y = to->x + rows;
    for (size_t i = 0; i < rows; i++) {
        if (isnan(step[i]) || isnan(value[i]))
            continue;
        to->x[to->count] = step[i];
        to->y[to->count++] = value[i];
    }
    return true;
}

static void drop_series(series *s)
{
    mr__free(s->x);
}

mr_status mr_plot_metrics(const mr_frame *frame, const char *column, const char *path)
{
    series s;
    if (!take_series(frame, column, &s))
        return mr__settle(mr_error_status());
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "step", .y_label = column });
    if (plot && !s.count)
        mr__raise(MR_ERR_ARGUMENT, "plot_metrics: column '%.100s' has no values", column);
    if (s.count)
        (void)mr_plot_line(plot, s.x, s.y, s.count, "-", ""); /* what it raises, mr_plot_save returns */
    mr_status status = mr_plot_save(plot, path);
    mr_plot_free(plot);
    drop_series(&s);
    return status;
}

/* ---- a training ---- */

/* Whether there is such a column, with a value. */
static bool has_values(const mr_frame *frame, const char *name)
{
    for (int c = 0; c < frame->columns; c++)
        for (int64_t i = 0; i < frame->rows && strcmp(frame->column[c].name, name) == 0; i++)
            if (!isnan(frame->column[c].values[i]))
                return true;
    return false;
}

/* The first of the names, up to NULL, that the log has values of; NULL: none. */
static const char *first_of(const mr_frame *frame, const char *const *names)
{
    for (; *names; names++)
        if (has_values(frame, *names))
            return *names;
    return NULL;
}

/* The first that is called a loss, of a validation or of a training. */
static const char *any_loss(const mr_frame *frame, bool validation)
{
    for (int c = 0; c < frame->columns; c++) {
        const char *name = frame->column[c].name;
        if (strstr(name, "loss") && !strstr(name, "test") && (strstr(name, "val") != NULL) == validation &&
            has_values(frame, name))
            return name;
    }
    return NULL;
}

static bool is_rate(const char *name)
{
    return strncmp(name, "lr", 2) == 0;
}

static const char *learning_rate(const mr_frame *frame)
{
    for (int c = 0; c < frame->columns; c++)
        if (is_rate(frame->column[c].name))
            return frame->column[c].name;
    return NULL;
}

/* With the names of what could be drawn. */
static mr_status nothing_to_draw(const mr_frame *frame)
{
    mr__strbuf names = { 0 };
    for (int c = 0; c < frame->columns; c++) {
        const char *name = frame->column[c].name;
        if (strcmp(name, "epoch") != 0 && strcmp(name, "step") != 0 && !is_rate(name) &&
            has_values(frame, name))
            mr__strbuf_appendf(&names, "%s'%.60s'", names.length ? ", " : "", name);
    }
    mr_status status =
        names.length ? mr__raise(MR_ERR_ARGUMENT,
                                 "plot_training: the log has no loss by its name, but %.300s: say by .train "
                                 "and .val what is to be drawn",
                                 mr__strbuf_text(&names))
                     : mr__raise(MR_ERR_ARGUMENT, "plot_training: the log has no metrics: none was logged");
    mr__strbuf_free(&names);
    return status;
}

/* Fills in which columns are drawn; NULL: none. */
static mr_status choose(const mr_frame *frame, mr_plot_training_opts *o)
{
    static const char *const train[] = { "loss",       "train_loss",       "loss_step", "train_loss_step",
                                         "loss_epoch", "train_loss_epoch", NULL };
    static const char *const val[] = { "val_loss", "valid_loss", "validation_loss", "val_loss_epoch", NULL };
    const bool named = o->train || o->val;
    if (!o->train && !(o->train = first_of(frame, train)) && !named)
        o->train = any_loss(frame, false);
    if (!o->val && !(o->val = first_of(frame, val)) && !named)
        o->val = any_loss(frame, true);
    o->lr = o->lr ? o->lr : learning_rate(frame);
    return o->train || o->val ? MR_OK : nothing_to_draw(frame);
}

static void mark_best(mr_plot *plot, const series *s, bool more_is_better)
{
    int64_t best = -1;
    char label[100];
    for (int64_t i = 0; i < s->count; i++)
        if (isfinite(s->y[i]) && (best < 0 || (more_is_better ? s->y[i] > s->y[best] : s->y[i] < s->y[best])))
            best = i;
    if (best < 0)
        return;
    snprintf(label, sizeof label, "best: %.6g at step %.0f", s->y[best], s->x[best]);
    (void)mr_plot_mark(plot, s->x[best], s->y[best], label);
}

/* Adds a line of a column, if one is wanted, which has a value. */
static void add_line(mr_plot *plot, const mr_frame *frame, const char *column, series *s)
{
    *s = (series){ .count = 0 };
    if (!column || !take_series(frame, column, s))
        return;
    if (!s->count)
        mr__raise(MR_ERR_ARGUMENT, "plot_training: column '%.100s' has no values", column);
    else if (plot)
        (void)mr_plot_line(plot, s->x, s->y, s->count, "-", column);
}

/* The losses; what goes wrong is pending. */
static mr_plot *losses(const mr_frame *frame, const mr_plot_training_opts *o)
{
    series train, val;
    mr_plot *plot = mr_plot_new(
        &(mr_plot_opts){ .title = o->title, .x_label = o->lr ? NULL : "step", .log_y = o->log_y });
    add_line(plot, frame, o->train, &train);
    add_line(plot, frame, o->val, &val);
    if (plot && !mr__pending())
        mark_best(plot, val.count ? &val : &train, o->more_is_better);
    drop_series(&train);
    drop_series(&val);
    return plot;
}

static mr_plot *rates(const mr_frame *frame, const mr_plot_training_opts *o)
{
    series lr;
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "step", .y_label = o->lr });
    if (take_series(frame, o->lr, &lr) && plot)
        (void)mr_plot_line(plot, lr.x, lr.y, lr.count, "-", "");
    drop_series(&lr);
    return plot;
}

/* Both begin at the same place on the left, whatever their numbers, and go over the same steps. */
static void put_both(mr__strbuf *script, const mr_plot *above, const mr_plot *below, const char *key)
{
    mr__strbuf_append(script, "set multiplot\nset lmargin at screen 0.11\n"
                              "set tmargin at screen 0.9\nset bmargin at screen 0.4\n");
    mr__plot_put(script, above, key);
    mr__strbuf_append(script, "set xrange [GPVAL_X_MIN:GPVAL_X_MAX]\nunset title\nunset logscale y\nunset "
                              "mytics\nset yrange [0:*]\n"
                              "set tmargin at screen 0.3\nset bmargin at screen 0.1\n");
    mr__plot_put(script, below, NULL);
    mr__strbuf_append(script, "unset multiplot\n");
}

static mr_status draw_both(const mr_plot *above, const mr_plot *below, const char *path, bool rising)
{
    mr__strbuf script = { 0 };
    mr_status status = mr__plot_check(above, path);
    if (!status)
        status = mr__plot_check(below, path);
    if (!status) {
        mr__begin_script(&script, path, 960, 720);
        put_both(&script, above, below, rising ? "bottom right" : "top right");
        status = mr__draw(&script, path);
    }
    mr__strbuf_free(&script);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), last = strlen(end);
    return length >= last && strcasecmp(text + length - last, end) == 0;
}

static mr_status draw(const mr_frame *frame, const char *path, mr_plot_training_opts *o)
{
    mr_status status = choose(frame, o);
    if (status)
        return status;
    mr_plot *above = losses(frame, o), *below = o->lr ? rates(frame, o) : NULL;
    status = mr__pending() ? mr_error_status()
             : o->lr       ? draw_both(above, below, path, o->more_is_better)
                           : mr_plot_save(above, path);
    mr_plot_free(above);
    mr_plot_free(below);
    return status;
}

mr_status mr_plot_training(const char *log, const char *path, const mr_plot_training_opts *opts)
{
    mr_plot_training_opts o = opts ? *opts : (mr_plot_training_opts){ .train = NULL };
    if (!log || !path)
        return mr__settle(mr__null("plot_training", log ? "path" : "log"));
    mr_frame *frame = ends_with(log, ".jsonl") ? mr_frame_read_jsonl(log) : mr_frame_read_csv(log);
    mr_status status = frame ? draw(frame, path, &o) : mr_error_status();
    mr_frame_free(frame);
    return mr__settle(status);
}
