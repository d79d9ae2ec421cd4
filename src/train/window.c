#include "window.h"

#include "copies.h"

#include "base/alloc.h"
#include "formats/module_file.h"

enum { VALIDATION_DUE = 1, CHECKPOINT_DUE = 2 };

static const char key[] = MR__SAVED_PREFIX "window";

/* ---- listing ---- */

static void note_row(const mr__fit_log *log, int64_t row[MR__MAX_METRICS])
{
    size_t count = 0;
    for (size_t i = 0; i < log->logged; i++)
        for (size_t k = 0; k < log->key_count; k++)
            if (log->key[k].step_metric == (int)log->metric[i] && !log->key[k].validating)
                row[count++] = (int64_t)k;
    while (count < MR__MAX_METRICS)
        row[count++] = -1;
}

/* Those of a task that zeroes them when it likes are saved anyway. */
static bool list_gradients(mr__fit *fit, struct mr__window *w)
{
    if (fit->saved.gradients || !fit->window)
        return true;
    w->gradients = mr__alloc_zeroed(mr__copies_bytes(fit->params));
    if (!w->gradients)
        return false;
    mr__gradients_take(fit->params, w->gradients);
    return mr__copies_list(&w->list, MR__SAVED_PREFIX "gradient", fit->params, w->gradients);
}

mr_status mr__window_list(mr__fit *fit)
{
    mr__window_drop(&fit->saved);
    struct mr__window *w = fit->saved.window = mr__alloc_zeroed(sizeof *w);
    if (!w)
        return MR_ERR_MEMORY;
    if (fit->trainer->accumulate == 1)
        fit->window_weight = 0; /* its gradients are the batch's, and not so many times */
    w->due = (fit->val_due ? VALIDATION_DUE : 0) | (fit->checkpoint_due ? CHECKPOINT_DUE : 0);
    note_row(&fit->log, w->row);
    const mr_params buffers = { fit->buffer_list.item, fit->window ? fit->buffer_list.count : 0 };
    const bool listed = mr__state_add(&w->list, key, "rows", MR_INT64, MR_SCALAR, &fit->failed_rows) &&
                        mr__state_add(&w->list, key, "batches", MR_INT64, MR_SCALAR, &fit->window) &&
                        mr__state_add(&w->list, key, "weight", MR_FLOAT64, MR_SCALAR, &fit->window_weight) &&
                        mr__state_add(&w->list, key, "due", MR_INT64, MR_SCALAR, &w->due) &&
                        mr__state_add(&w->list, key, "row", MR_INT64, MR_SHAPE(MR__MAX_METRICS), w->row) &&
                        mr__copies_list(&w->list, MR__SAVED_PREFIX "window.buffers", buffers, fit->buffers) &&
                        list_gradients(fit, w);
    return listed ? MR_OK : MR_ERR_MEMORY;
}

void mr__window_drop(mr__saved *saved)
{
    if (!saved->window)
        return;
    mr__state_drop(&saved->window->list);
    mr__free(saved->window->gradients);
    mr__free(saved->window);
    saved->window = NULL;
}

mr_params mr__window_saved(const mr__saved *saved)
{
    const struct mr__window *w = saved->window;
    return w ? (mr_params){ w->list.item, w->list.count } : (mr_params){ NULL, 0 };
}

/* ---- going on ---- */

/* A number of the file's; false: it is not there. */
static bool read(const mr__safetensors *file, const char *name, mr_dtype dtype, void *to)
{
    const mr__safetensor *x = mr__safetensors_find(file, name);
    if (!x || x->dtype != dtype || x->bytes != mr_dtype_size(dtype))
        return false;
    memcpy(to, x->data, x->bytes);
    return true;
}

mr_status mr__window_find(mr__fit *fit, const char *path, const mr__safetensors *file)
{
    const int64_t accumulate = fit->trainer->accumulate;
    double weight;
    if (!read(file, MR__SAVED_PREFIX "window.batches", MR_INT64, &fit->window) ||
        !read(file, MR__SAVED_PREFIX "window.weight", MR_FLOAT64, &weight))
        return MR_OK;
    if (fit->window && (weight > 0) != (accumulate > 1))
        return mr__load_failed(MR_ERR_ARGUMENT, path,
                               "it has the gradients of %lld %s, and accumulate_grad_batches is %lld here",
                               (long long)fit->window, weight > 0 ? "batches of a window" : "batch alone",
                               (long long)accumulate);
    return mr__window_list(fit);
}

/* The row that the last batch has left. */
static void put_row_back(mr__fit_log *log, const int64_t row[MR__MAX_METRICS])
{
    log->logged = 0;
    for (size_t i = 0; i < MR__MAX_METRICS && row[i] >= 0 && row[i] < (int64_t)log->key_count; i++) {
        const mr__log_key *k = &log->key[row[i]];
        if (k->step_metric < 0)
            continue;
        log->metric[log->logged] = (uint32_t)k->step_metric;
        log->row_value[log->logged++] = k->step_value;
    }
}

void mr__window_go_on(mr__fit *fit)
{
    const struct mr__window *w = fit->saved.window;
    if (w->gradients)
        mr__gradients_put_back(fit->params, w->gradients);
    fit->val_due = w->due & VALIDATION_DUE;
    fit->checkpoint_due = w->due & CHECKPOINT_DUE;
    put_row_back(&fit->log, w->row);
    mr__window_drop(&fit->saved);
}
