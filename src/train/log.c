/* mr_log: takes a value in a step; what it costs is a comparison and two stores. */
#include "log.h"

#include "trainer.h"

#include "base/alloc.h"
#include "tensor/tape.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

/* All but the weight; there are no gaps between the first ones, nor between the last ones. */
static bool same_options(const mr_log_opts *a, const mr_log_opts *b)
{
    enum { LAST = offsetof(mr_log_opts, no_loader_index), BEHIND = offsetof(mr_log_opts, no_epoch) + 1 };
    _Static_assert(offsetof(mr_log_opts, weight) == 4 * sizeof(bool) + sizeof(mr_over_epoch) &&
                       BEHIND - LAST == 3,
                   "bytes that are compared mean something");
    return memcmp(a, b, offsetof(mr_log_opts, weight)) == 0 &&
           memcmp((const char *)a + LAST, (const char *)b + LAST, BEHIND - LAST) == 0;
}

static mr__log_key *find(mr__fit_log *log, const char *name, int loader)
{
    mr__log_key *next = log->key + log->next;
    if (MR__LIKELY(log->next < log->key_count && next->given == name && next->validating == log->validating &&
                   next->loader == loader))
        return next; /* steps log the same names in the same order */
    for (size_t i = 0; i < log->key_count; i++)
        if (log->key[i].validating == log->validating && log->key[i].loader == loader &&
            strcmp(log->key[i].name, name) == 0) {
            log->key[i].given = name;
            return &log->key[i];
        }
    return NULL;
}

/* The reporter's metric of that name, which training and validation may share. -1: no room. */
static int metric_of(mr__reporter *r, const char *name)
{
    size_t count = atomic_load_explicit(&r->metric_count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++)
        if (strcmp(r->metric[i].name, name) == 0)
            return (int)i;
    if (count == MR__MAX_METRICS)
        return -1;
    r->metric[count].name = name;
    atomic_store_explicit(&r->metric_count, count + 1, memory_order_release);
    return (int)count;
}

/* NAME_step and NAME_epoch, where both are logged; the loader's number comes behind that. */
static bool fork_names(mr__log_key *key)
{
    static const char *const ends[] = { "_step", "_epoch" };
    const char *suffix = key->full_name ? key->full_name + strlen(key->name) : "";
    const size_t room = strlen(key->name) + strlen(suffix) + sizeof "_epoch";
    for (int i = 0; i < 2; i++) {
        key->own_names[i] = mr__alloc(room);
        if (!key->own_names[i])
            return false;
        snprintf(key->own_names[i], room, "%s%s%s", key->name, ends[i], suffix);
    }
    return true;
}

static void free_names(mr__log_key *key)
{
    mr__free(key->own_names[0]);
    mr__free(key->own_names[1]);
    mr__free(key->own_name);
    mr__free(key->full_name);
}

/* What it is logged as, if not under two names. */
static const char *shown_name(const mr__log_key *key)
{
    return key->full_name ? key->full_name : key->name;
}

static bool add_suffix(mr__log_key *key)
{
    const size_t room = strlen(key->name) + sizeof MR__LOADER_SUFFIX + 3;
    key->full_name = mr__alloc(room);
    if (key->full_name)
        snprintf(key->full_name, room, "%s" MR__LOADER_SUFFIX "%d", key->name, key->loader - 1);
    return key->full_name;
}

/* Gives a key its metrics: of the step, of the epoch or both. False without room for them, or for the names. */
static bool place(mr__fit *fit, mr__log_key *key)
{
    const mr_log_opts *o = &key->opts;
    const bool of_step = key->validating ? o->on_step : !(o->on_epoch && o->no_step),
               of_epoch = key->validating ? !o->no_epoch : o->on_epoch;
    if ((key->loader && !add_suffix(key)) || (of_step && of_epoch && !fork_names(key)))
        return false;
    if (of_step)
        key->step_metric = metric_of(fit->reporter, key->own_names[0] ? key->own_names[0] : shown_name(key));
    if (of_epoch)
        key->epoch_metric = metric_of(fit->reporter, key->own_names[1] ? key->own_names[1] : shown_name(key));
    return (!of_step || key->step_metric >= 0) && (!of_epoch || key->epoch_metric >= 0);
}

/* False with the tape failed: options that say nothing. */
static bool acceptable(const mr__fit_log *log, mr_tape *tape, const char *name, const mr_log_opts *opts)
{
    if ((unsigned)opts->reduction > MR_OVER_EPOCH_MAX)
        mr__fail(tape, MR_ERR_ARGUMENT, "log: '%s': there is no reduction %d", name, (int)opts->reduction);
    else if ((opts->on_step && opts->no_step) || (opts->on_epoch && opts->no_epoch))
        mr__fail(tape, MR_ERR_ARGUMENT, "log: '%s' has both %s", name,
                 opts->on_step && opts->no_step ? "on_step and no_step" : "on_epoch and no_epoch");
    else if (log->validating ? opts->no_epoch && !opts->on_step : opts->no_step && !opts->on_epoch)
        mr__fail(tape, MR_ERR_ARGUMENT, "log: '%s' has %s, so nothing would be logged", name,
                 log->validating ? "no_epoch without on_step" : "no_step without on_epoch");
    else
        return true;
    return false;
}

mr__log_key *mr__log_enter(mr__fit *fit, mr_tape *tape, const char *name, int loader, const mr_log_opts *opts)
{
    mr__fit_log *log = &fit->log;
    mr__log_key key = { .name = name,
                        .given = name,
                        .validating = log->validating,
                        .loader = loader,
                        .opts = *opts,
                        .step_metric = -1,
                        .epoch_metric = -1,
                        .only_floats = true };
    if (!acceptable(log, tape, name, opts))
        return NULL;
    if (log->key_count < MR__MAX_METRICS && place(fit, &key)) {
        log->epoch_keys += key.epoch_metric >= 0;
        log->key[log->key_count] = key;
        return &log->key[log->key_count++];
    }
    if (mr__pending())
        mr__stop(tape); /* no memory for a name */
    else
        mr__fail(tape, MR_ERR_ARGUMENT, "log: '%s' is one name more than the %d that a fit can log", name,
                 MR__MAX_METRICS);
    free_names(&key);
    return NULL;
}

static mr__log_key *key_of(mr__fit *fit, mr_tape *tape, const char *name, const mr_log_opts *opts)
{
    const int loader = MR__UNLIKELY(opts->no_loader_index) ? 0 : fit->log.loader;
    mr__log_key *key = find(&fit->log, name, loader);
    if (MR__UNLIKELY(!key))
        key = mr__log_enter(fit, tape, name, loader, opts);
    else if (MR__UNLIKELY(!same_options(&key->opts, opts))) {
        mr__fail(tape, MR_ERR_ARGUMENT, "log: '%s' has been logged with other options before", name);
        return NULL;
    }
    if (key)
        fit->log.next = (size_t)(key - fit->log.key) + 1;
    return key;
}

/* ---- values ---- */

static double value_of(const mr_tensor *x)
{
    double value;
    if (x->dtype == MR_FLOAT32)
        return *(const float *)x->data;
    mr__cast_elements(MR_FLOAT64, &value, (mr_dtype)x->dtype, x->data, 1, 1);
    return value;
}

static void show(mr__metric *metric, double x)
{
    atomic_store_explicit(&metric->latest, x, memory_order_relaxed);
    atomic_store_explicit(&metric->seen, true, memory_order_relaxed);
}

static void log_step(mr__fit *fit, const mr__log_key *key, double x)
{
    mr__fit_log *log = &fit->log;
    const uint32_t at = (uint32_t)key->step_metric;
    if (key->opts.prog_bar)
        show(&fit->reporter->metric[at], x);
    if (key->opts.no_logger)
        return;
    size_t i = 0;
    while (i < log->logged && log->metric[i] != at)
        i++;
    log->metric[i] = at;
    log->row_value[i] = x;
    if (i == log->logged)
        log->logged++;
}

static void add(mr__log_key *k);

/* Options for a value that is of an epoch, not of a batch; false with the tape failed. */
static bool between_batches(mr__fit *fit, const char *name, mr_log_opts *opts)
{
    if (opts->on_step || opts->no_epoch) {
        mr__fail(fit->step.tape, MR_ERR_ARGUMENT, "log: '%s' has %s where there is no batch", name,
                 opts->on_step ? "on_step" : "no_epoch");
        return false;
    }
    opts->on_epoch = opts->no_step = true;
    return true;
}

static void log_number(mr__fit *fit, const char *name, double x, bool is_float, const mr_log_opts *opts)
{
    static const mr_log_opts defaults = { 0 };
    mr_log_opts of_epoch;
    if (MR__UNLIKELY(fit->log.muted))
        return;
    if (MR__UNLIKELY(!fit->reporter)) {
        mr__fail(fit->step.tape, MR_ERR_STATE, "log: '%s': a prediction has no log", name);
        return;
    }
    opts = opts ? opts : &defaults;
    if (MR__UNLIKELY(fit->log.between)) {
        of_epoch = *opts;
        if (!between_batches(fit, name, &of_epoch))
            return;
        opts = &of_epoch;
    }
    mr__log_key *key = key_of(fit, fit->step.tape, name, opts);
    if (!key)
        return;
    if (key->step_metric >= 0) {
        log_step(fit, key, x);
        if (MR__LIKELY(key->batch != fit->log.batch)) {
            key->batch = fit->log.batch;
            key->was_in_steps = key->in_steps;
            key->value_before = key->step_value;
        }
        key->in_steps = true;
        key->step_value = x;
    }
    if (key->epoch_metric >= 0) {
        key->in_batch = true;
        key->batch_value = x;
        key->batch_weight = opts->weight > 0 ? opts->weight : fit->log.rows;
        key->only_floats = key->only_floats && is_float;
        if (fit->log.between)
            add(key);
    }
}

static bool is_name(mr_step *step, const char *name)
{
    if (MR__LIKELY(name && *name))
        return true;
    mr__fail(step->tape, MR_ERR_ARGUMENT, "log: name is %s", name ? "empty" : "NULL");
    return false;
}

void mr_log(mr_step *step, const char *name, const mr_tensor *value, const mr_log_opts *opts)
{
    if (!step || !mr__ready1(step->tape, "log", value) || !is_name(step, name))
        return;
    if (MR__UNLIKELY(value->numel != 1))
        mr__fail(step->tape, MR_ERR_SHAPE, "log: '%s' has shape %s, not one element", name,
                 mr__tensor_text(value).text);
    else
        log_number((mr__fit *)step, name, value_of(value), value->dtype == MR_FLOAT32, opts);
}

void mr_log_value(mr_step *step, const char *name, double value, const mr_log_opts *opts)
{
    if (step && !step->tape->failed && is_name(step, name))
        log_number((mr__fit *)step, name, value, false, opts);
}

/* ---- batches and epochs ---- */

void mr__log_keep_row(mr__fit_log *log)
{
    log->kept = log->logged;
    memcpy(log->kept_metric, log->metric, log->logged * sizeof *log->metric);
    memcpy(log->kept_value, log->row_value, log->logged * sizeof *log->row_value);
}

void mr__log_begin(mr__fit_log *log, bool validating, int64_t rows)
{
    log->batch++;
    log->validating = validating;
    log->between = false;
    log->rows = (double)rows;
    log->logged = log->next = 0;
    for (size_t i = 0; MR__UNLIKELY(log->epoch_keys) && i < log->key_count; i++)
        log->key[i].in_batch = false;
}

void mr__log_leave_out(mr__fit_log *log)
{
    log->logged = log->kept;
    memcpy(log->metric, log->kept_metric, log->kept * sizeof *log->metric);
    memcpy(log->row_value, log->kept_value, log->kept * sizeof *log->row_value);
    for (size_t i = 0; i < log->key_count; i++) {
        mr__log_key *k = &log->key[i];
        k->in_batch = false;
        if (k->batch == log->batch) {
            k->in_steps = k->was_in_steps;
            k->step_value = k->value_before;
        }
    }
}

static void add(mr__log_key *k)
{
    const double x = k->batch_value;
    const bool mean = k->opts.reduction == MR_OVER_EPOCH_MEAN;
    if (!k->in_epoch) {
        k->in_epoch = true;
        k->weight = k->batch_weight;
        k->value = mean ? x * k->batch_weight : x;
    } else if (mean) {
        k->value += x * k->batch_weight;
        k->weight += k->batch_weight;
    } else if (k->opts.reduction == MR_OVER_EPOCH_SUM) {
        k->value += x;
    } else {
        const bool takes = k->opts.reduction == MR_OVER_EPOCH_MIN ? x < k->value : x > k->value;
        k->value = takes || isnan(x) ? x : k->value;
    }
}

void mr__log_between(mr__fit_log *log, bool validating)
{
    log->validating = validating;
    log->between = true;
    log->rows = 1;
    log->next = 0;
}

void mr__log_batch_ended(mr__fit_log *log)
{
    for (size_t i = 0; MR__UNLIKELY(log->epoch_keys) && i < log->key_count; i++)
        if (log->key[i].in_batch)
            add(&log->key[i]);
}

/* Whether a name without _epoch or _step is a key's for those that look at a metric: one that validation logs as well
 * is its own. */
static bool has_plain_name(const mr__fit_log *log, const mr__log_key *key)
{
    for (size_t i = 0; i < log->key_count && !key->validating; i++)
        if (log->key[i].validating && strcmp(log->key[i].name, key->name) == 0)
            return false;
    return true;
}

static mr_status keep_plain(mr__fit *fit, const mr__log_key *key, double value)
{
    if (!has_plain_name(&fit->log, key))
        return MR_OK;
    return mr__epoch_value_set(&fit->trainer->epoch_values, shown_name(key), value);
}

/* The last step of an epoch of training stands for it, for those that look at a metric. */
static mr_status keep_last_step(mr__fit *fit, mr__log_key *key)
{
    const bool seen = key->in_steps && !key->validating;
    key->in_steps = false;
    if (!seen)
        return MR_OK;
    return key->own_names[0]
               ? mr__epoch_value_set(&fit->trainer->epoch_values, key->own_names[0], key->step_value)
               : keep_plain(fit, key, key->step_value);
}

const double *mr__log_step_value(const mr__fit *fit, const char *name)
{
    const mr__fit_log *log = &fit->log;
    for (size_t i = 0; i < log->key_count; i++) {
        const mr__log_key *k = &log->key[i];
        if (k->in_steps && !k->validating &&
            ((k->own_names[0] && strcmp(k->own_names[0], name) == 0) ||
             (strcmp(k->name, name) == 0 && has_plain_name(log, k))))
            return &k->step_value;
    }
    return NULL;
}

/* In a fit that of the last update, as it was before that was counted; outside how many there were (Lightning's). */
static int64_t number_of_row(const mr__fit *fit)
{
    const int64_t done = fit->manual ? fit->batches : fit->step.global_step;
    if (!fit->optim)
        return fit->trainer->log_step;
    return done > 0 ? done - 1 : 0;
}

mr_status mr__log_epoch(mr__fit *fit, bool validating)
{
    mr__fit_log *log = &fit->log;
    uint32_t metric[MR__MAX_METRICS];
    double value[MR__MAX_METRICS];
    size_t count = 0;
    fit->trainer->epoch_values.round++;
    for (size_t i = 0; i < log->key_count; i++) {
        mr__log_key *k = &log->key[i];
        if (k->validating != validating)
            continue;
        if (keep_last_step(fit, k))
            return MR_ERR_MEMORY;
        if (!k->in_epoch)
            continue;
        k->in_epoch = false;
        double x = k->opts.reduction == MR_OVER_EPOCH_MEAN ? k->value / k->weight : k->value;
        x = k->only_floats ? (double)(float)x : x;
        mr__metric *m = &fit->reporter->metric[k->epoch_metric];
        if (k->opts.prog_bar)
            show(m, x);
        if (!k->opts.no_logger) {
            metric[count] = (uint32_t)k->epoch_metric;
            value[count++] = x;
        }
        mr_status status = mr__epoch_value_set(&fit->trainer->epoch_values, m->name, x);
        if (!status && k->own_names[1])
            status = keep_plain(fit, k, x);
        if (!status && fit->optim)
            status = mr__history_add(&fit->trainer->history, m->name,
                                     (mr_point){ fit->step.epoch, fit->step.global_step, x });
        if (status)
            return status;
    }
    if (count)
        mr__reporter_row(fit->reporter,
                         !validating                ? MR_ROW_EPOCH
                         : fit->pass == MR__ON_TEST ? MR_ROW_TEST
                                                    : MR_ROW_VALIDATION,
                         fit->step.epoch, number_of_row(fit), count, metric, value);
    return MR_OK;
}

void mr__bar_show(mr__fit *fit, const char *name, double value)
{
    const int at = metric_of(fit->reporter, name);
    if (at >= 0)
        show(&fit->reporter->metric[at], value);
}

void mr__bar_hide(mr__fit *fit, const char *name)
{
    mr__reporter *r = fit->reporter;
    const size_t count = atomic_load_explicit(&r->metric_count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++)
        if (strcmp(r->metric[i].name, name) == 0)
            atomic_store_explicit(&r->metric[i].seen, false, memory_order_relaxed);
}

void mr__log_forget(mr__fit_log *log, bool validating)
{
    for (size_t i = 0; i < log->key_count; i++)
        if (log->key[i].validating == validating)
            log->key[i].in_epoch = log->key[i].in_steps = false;
}

void mr__log_free(mr__fit_log *log)
{
    for (size_t i = 0; i < log->key_count; i++)
        free_names(&log->key[i]);
}

/* ---- values of epochs ---- */

/* A fit needs one block alone: a checkpoint that is being written looks at its names. */
static bool more_values(mr__epoch_values *v)
{
    const size_t room = v->room ? 2 * v->room : MR__MAX_METRICS;
    char **name = mr__grow(v->name, v->count * sizeof *name, room * sizeof *name);
    v->name = name ? name : v->name;
    double *value = name ? mr__grow(v->value, v->count * sizeof *value, room * sizeof *value) : NULL;
    v->value = value ? value : v->value;
    int64_t *updated =
        value ? mr__grow(v->updated, v->count * sizeof *updated, room * sizeof *updated) : NULL;
    v->updated = updated ? updated : v->updated;
    v->room = updated ? room : v->room;
    return updated;
}

mr_status mr__epoch_value_set(mr__epoch_values *values, const char *name, double value)
{
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->name[i], name) == 0) {
            values->value[i] = value;
            values->updated[i] = values->round;
            return MR_OK;
        }
    if (values->count == values->room && !more_values(values))
        return MR_ERR_MEMORY;
    if (!(values->name[values->count] = mr__strdup(name)))
        return MR_ERR_MEMORY;
    values->updated[values->count] = values->round;
    values->value[values->count++] = value;
    return MR_OK;
}

const double *mr__epoch_value(const mr__epoch_values *values, const char *name)
{
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->name[i], name) == 0)
            return &values->value[i];
    return NULL;
}

void mr__epoch_values_free(mr__epoch_values *values)
{
    for (size_t i = 0; i < values->count; i++)
        mr__free(values->name[i]);
    mr__free(values->name);
    mr__free(values->value);
    mr__free(values->updated);
    *values = (mr__epoch_values){ .name = NULL };
}

const char *mr_trainer_result(const mr_trainer *trainer, size_t index, double *value)
{
    const mr__epoch_values *values = trainer ? &trainer->epoch_values : NULL;
    for (size_t i = 0; values && i < values->count; i++)
        if (values->updated[i] == values->round && index-- == 0) {
            if (value)
                *value = values->value[i];
            return values->name[i];
        }
    return NULL;
}

double mr_trainer_metric(const mr_trainer *trainer, const char *name)
{
    const double *value = trainer && name ? mr__epoch_value(&trainer->epoch_values, name) : NULL;
    return value ? *value : NAN;
}
