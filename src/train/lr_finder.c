/* The learning-rate finder. */
#include "trial.h"

#include "base/log.h"
#include "base/option.h"

#include <millrace/finders.h>
#include <millrace/plot.h>

#include <math.h>
#include <stdio.h>

struct mr_lr_finder {
    mr_lr_find_mode mode;
    size_t count;
    double *rate, *loss;
    double suggestion;
};

/* ---- options ---- */

static bool acceptable(const char *call, mr_lr_find_opts *o)
{
    o->min_lr = mr__option(o->min_lr, 1e-8);
    o->max_lr = mr__option(o->max_lr, 1);
    o->num_training = mr__option_int(o->num_training, 100);
    o->early_stop_threshold = mr__option(o->early_stop_threshold, 4);
    o->smoothing = mr__option(o->smoothing, 0.98);
    o->skip_begin = mr__option_int(o->skip_begin, 10);
    o->skip_end = mr__option_int(o->skip_end, 1);
    if (!(o->min_lr > 0 && o->max_lr > o->min_lr) || isinf(o->max_lr))
        mr__raise(MR_ERR_ARGUMENT, "%s: min_lr %g and max_lr %g are no range of rates above 0", call,
                  o->min_lr, o->max_lr);
    else if (o->num_training < 1)
        mr__raise(MR_ERR_ARGUMENT, "%s: num_training %lld is not at least 1", call,
                  (long long)o->num_training);
    else if ((unsigned)o->mode > MR_LR_FIND_LINEAR)
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no mode %d", call, (int)o->mode);
    else if (!(o->early_stop_threshold > 0))
        mr__raise(MR_ERR_ARGUMENT, "%s: early_stop_threshold %g is not greater than 0", call,
                  o->early_stop_threshold);
    else if (!(o->smoothing >= 0 && o->smoothing < 1))
        mr__raise(MR_ERR_ARGUMENT, "%s: smoothing %g is not in [0, 1)", call, o->smoothing);
    else if (o->skip_begin < 0 || o->skip_end < 0)
        mr__raise(MR_ERR_ARGUMENT, "%s: %s %lld is negative", call,
                  o->skip_begin < 0 ? "skip_begin" : "skip_end",
                  (long long)(o->skip_begin < 0 ? o->skip_begin : o->skip_end));
    else
        return true;
    return false;
}

/* ---- the range ---- */

static double rate_at(const mr_lr_find_opts *o, int64_t step)
{
    const double share = (double)(step + 1) / (double)o->num_training;
    if (step == 0)
        return o->min_lr;
    return o->mode == MR_LR_FIND_LINEAR ? o->min_lr + share * (o->max_lr - o->min_lr)
                                        : o->min_lr * pow(o->max_lr / o->min_lr, share);
}

/* It has ended before its last step. */
static void say_where(const mr_lr_find_opts *o, const mr_lr_finder *f, bool diverges)
{
    char why[80] = "the loss or a gradient is not finite";
    if (diverges)
        snprintf(why, sizeof why, "the loss is more than %g times the best", o->early_stop_threshold);
    mr__log(MR_LOG_INFO, "lr_find: stopped early, after %zu of %lld steps: at the learning rate %.3g %s",
            f->count, (long long)o->num_training, f->rate[f->count - 1], why);
}

static mr_status run(mr__trial *trial, const mr_lr_find_opts *o, mr_lr_finder *f)
{
    double mean = 0, best = 0;
    for (int64_t i = 0; i < o->num_training; i++) {
        mr_optim_set_lr(trial->fit->optim, rate_at(o, i));
        const mr_status status = mr__trial_step(trial);
        if (status && (status != MR_ERR_NONFINITE || mr__pending()))
            return status;
        mean = o->smoothing * mean + (1 - o->smoothing) * trial->loss;
        const double smoothed = mean / (1 - pow(o->smoothing, (double)(i + 2)));
        f->rate[f->count] = rate_at(o, i);
        f->loss[f->count++] = status ? (double)NAN : smoothed;
        if (status || (!o->no_early_stop && i > 0 && smoothed > o->early_stop_threshold * best)) {
            say_where(o, f, !status);
            return MR_OK;
        }
        if (i == 0 || smoothed < best)
            best = smoothed;
    }
    return MR_OK;
}

/* Where the difference from point to point is least, as numpy.gradient has it. */
static double suggest(const mr_lr_find_opts *o, const mr_lr_finder *f)
{
    double least = INFINITY, found = NAN, *loss = mr__alloc_array(f->count + 1, 2 * sizeof *loss);
    if (!loss)
        return NAN;
    double *rate = loss + f->count + 1;
    int64_t n = 0;
    for (int64_t i = o->skip_begin; i + o->skip_end < (int64_t)f->count; i++)
        if (isfinite(f->loss[i])) {
            loss[n] = f->loss[i];
            rate[n++] = f->rate[i];
        }
    for (int64_t i = 0; n > 1 && i < n; i++) {
        const double slope = i == 0       ? loss[1] - loss[0]
                             : i == n - 1 ? loss[i] - loss[i - 1]
                                          : (loss[i + 1] - loss[i - 1]) / 2;
        if (slope < least) {
            least = slope;
            found = rate[i];
        }
    }
    mr__free(loss);
    return found;
}

/* ---- calls ---- */

static mr_lr_finder *finder_new(int64_t points)
{
    mr_lr_finder *f = mr__alloc_zeroed(sizeof *f);
    if (f && (f->rate = mr__alloc_array((size_t)points, sizeof *f->rate)) != NULL &&
        (f->loss = mr__alloc_array((size_t)points, sizeof *f->loss)) != NULL)
        return f;
    mr_lr_finder_free(f);
    return NULL;
}

mr_lr_finder *mr_trainer_lr_find(mr_trainer *trainer, mr_task *task, mr_loader *loader,
                                 const mr_lr_find_opts *opts)
{
    static const char call[] = "lr_find";
    mr_lr_find_opts o = opts ? *opts : (mr_lr_find_opts){ 0 };
    mr__trial trial;
    if (!trainer || !task || !loader) {
        mr__null(call, !trainer ? "trainer" : !task ? "task" : "loader");
        return NULL;
    }
    mr_lr_finder *f = mr__pending() || !acceptable(call, &o) ? NULL : finder_new(o.num_training);
    if (!f)
        return NULL;
    mr_status status = mr__trial_begin(&trial, call, trainer, task, loader);
    if (!status)
        status = run(&trial, &o, f);
    if (mr__trial_end(&trial, status) == MR_OK) {
        f->mode = o.mode;
        f->suggestion = suggest(&o, f);
        if (!mr__pending())
            return f;
    }
    mr_lr_finder_free(f);
    return NULL;
}

void mr_lr_finder_free(mr_lr_finder *finder)
{
    if (!finder)
        return;
    mr__free(finder->rate);
    mr__free(finder->loss);
    mr__free(finder);
}

double mr_lr_finder_suggestion(const mr_lr_finder *finder)
{
    return finder ? finder->suggestion : (double)NAN;
}

const double *mr_lr_finder_rates(const mr_lr_finder *finder, size_t *count)
{
    if (count)
        *count = finder ? finder->count : 0;
    return finder ? finder->rate : NULL;
}

const double *mr_lr_finder_losses(const mr_lr_finder *finder, size_t *count)
{
    if (count)
        *count = finder ? finder->count : 0;
    return finder ? finder->loss : NULL;
}

/* ---- the picture ---- */

static void mark_suggestion(mr_plot *plot, const mr_lr_finder *f)
{
    char label[60];
    for (size_t i = 0; i < f->count; i++)
        if (f->rate[i] == f->suggestion) {
            snprintf(label, sizeof label, "suggestion: %.3g", f->suggestion);
            (void)mr_plot_mark(plot, f->rate[i], f->loss[i], label);
            return;
        }
}

mr_status mr_lr_finder_plot(const mr_lr_finder *finder, const char *path)
{
    if (!finder || !path)
        return mr__settle(mr__null("lr_finder_plot", finder ? "path" : "finder"));
    mr_plot *plot = mr_plot_new(&(mr_plot_opts){ .x_label = "learning rate",
                                                 .y_label = "smoothed loss",
                                                 .log_x = finder->mode == MR_LR_FIND_EXPONENTIAL });
    if (plot) { /* what these raise, mr_plot_save returns */
        (void)mr_plot_line(plot, finder->rate, finder->loss, (int64_t)finder->count, "-", "");
        mark_suggestion(plot, finder);
    }
    mr_status status = mr_plot_save(plot, path);
    mr_plot_free(plot);
    return status;
}
