#include "nonfinite.h"

#include "copies.h"
#include "rollback.h"

#include "base/log.h"
#include "base/strbuf.h"
#include "tensor/tape.h"

#include <stdio.h>

/* ---- saying ---- */

/* Of several loaders, which one a batch is of: " of loader 1"; "" where there is one. */
typedef struct origin {
    char text[24];
} origin;

static origin origin_of(const mr__fit *fit, const mr_batch *batch)
{
    origin of = { "" };
    int loader = fit->step.loader_index;
    for (int i = 0; fit->step.batch_count > 1 && i < fit->step.batch_count; i++)
        if (fit->step.batches[i] == batch)
            loader = i;
    if (fit->train.count > 1)
        snprintf(of.text, sizeof of.text, " of loader %d", loader);
    return of;
}

static void say_samples_of(const mr__fit *fit, const mr_batch *batch)
{
    enum { SHOWN = 16 };
    mr__strbuf list = { 0 };
    for (int64_t i = 0; i < batch->rows && i < SHOWN; i++)
        mr__strbuf_appendf(&list, "%s%lld", i ? ", " : "", (long long)batch->indices[i]);
    if (batch->rows > SHOWN)
        mr__strbuf_appendf(&list, ", and %lld more", (long long)(batch->rows - SHOWN));
    mr__log(MR_LOG_WARNING, "fit: the batch%s has the samples %s", origin_of(fit, batch).text,
            mr__strbuf_text(&list));
    mr__strbuf_free(&list);
}

/* Each of the step's batches: the one, or those of several loaders. */
static const mr_batch *batch_of(const mr__fit *fit, const mr_batch *batch, int index)
{
    return fit->step.batch_count > 1 ? fit->step.batches[index] : batch;
}

static int batches_of(const mr__fit *fit)
{
    return fit->step.batch_count > 1 ? fit->step.batch_count : 1;
}

static void say_samples(const mr__fit *fit, const mr_batch *batch)
{
    for (int i = 0; i < batches_of(fit); i++)
        if (batch_of(fit, batch, i))
            say_samples_of(fit, batch_of(fit, batch, i));
}

/* Whether a field of the batch is to blame, which it says. */
static bool say_field(const mr__fit *fit, const mr_batch *batch)
{
    for (int i = 0; batch && i < batch->field_count; i++)
        if (!mr__all_finite(batch->field[i])) {
            mr__log(MR_LOG_WARNING, "fit: field %s of the batch%s is not finite", batch->name[i],
                    origin_of(fit, batch).text);
            return true;
        }
    return false;
}

/* The last loss was of a finite batch and model: so the step is done again, with an eye on the modules. */
static void say_module(mr__fit *fit, const mr_batch *batch)
{
    mr_tape *tape = fit->tape;
    mr_tape_reset(tape);
    tape->wrong = NULL;
    tape->watching = fit->log.muted = true;
    (void)fit->task->vtable->training_step(&fit->step, batch);
    tape->watching = fit->log.muted = false;
    mr_error_clear();
    const mr_module *wrong = tape->wrong;
    if (wrong)
        mr__log(MR_LOG_WARNING, "fit: the first module with a result that is not finite is %s (%s)",
                mr__module_path(wrong).text, mr_module_type(wrong));
    else
        mr__log(MR_LOG_WARNING, "fit: the results of all modules are finite");
}

static void explain(mr__fit *fit, const mr_batch *batch)
{
    say_samples(fit, batch);
    for (int i = 0; i < batches_of(fit); i++)
        if (say_field(fit, batch_of(fit, batch, i)))
            return;
    for (size_t i = 0; i < fit->params.count; i++)
        if (!mr__all_finite(fit->params.item[i].tensor)) {
            mr__log(MR_LOG_WARNING, "fit: parameter %s is not finite", fit->params.item[i].name);
            return;
        }
    say_module(fit, batch);
}

/* Backward goes from the last parameters to the first: so the last one is what went wrong first. */
static const char *wrong_gradient(const mr__fit *fit)
{
    const char *name = "a parameter";
    for (size_t i = 0; i < fit->params.count; i++)
        if (!mr__gradient_finite(fit->params.item[i].tensor))
            name = fit->params.item[i].name;
    return name;
}

/* ---- buffers ---- */

mr_status mr__buffers_begin(mr__fit *fit)
{
    const mr_params state = mr_module_state(fit->task->model);
    mr_param *list = mr__alloc_array(state.count + 1, sizeof *list);
    size_t count = 0;
    if (!state.item || !list) {
        mr__free(list);
        return mr_error_status();
    }
    for (size_t i = 0; i < state.count; i++) {
        bool trained = false;
        for (size_t k = 0; k < fit->params.count; k++)
            trained = trained || fit->params.item[k].tensor == state.item[i].tensor;
        if (!trained)
            list[count++] = state.item[i];
    }
    fit->buffer_list = (mr_params){ list, count };
    const size_t bytes = mr__copies_bytes(fit->buffer_list);
    if (count && !(fit->buffers = mr__alloc(bytes)))
        return MR_ERR_MEMORY;
    if (count && fit->trainer->accumulate > 1 && !(fit->batch_buffers = mr__alloc(bytes)))
        return MR_ERR_MEMORY;
    return MR_OK;
}

void mr__buffers_keep(mr__fit *fit)
{
    mr__copies_take(fit->buffer_list, fit->window ? fit->batch_buffers : fit->buffers);
}

void mr__buffers_put_back(mr__fit *fit)
{
    if (fit->buffers)
        mr__copies_put_back(fit->buffer_list, fit->window ? fit->batch_buffers : fit->buffers);
}

void mr__buffers_free(mr__fit *fit)
{
    mr__free((mr_param *)(uintptr_t)fit->buffer_list.item);
    mr__free(fit->buffers);
    mr__free(fit->batch_buffers);
}

/* ---- doing ---- */

/* `what` is not finite, `where` in the training; and what is done about it without a rollback. */
static mr_status decide(mr__fit *fit, const char *what, const char *where, const char *skipped)
{
    switch (fit->trainer->nonfinite) {
    case MR_NONFINITE_SKIP:
        fit->nonfinite = true;
        if (!fit->quiet)
            mr__log(MR_LOG_WARNING, "fit: %s%s: %s", what, where, skipped);
        return MR_OK;
    case MR_NONFINITE_ROLLBACK:
        return mr__roll_back(fit, what, where);
    case MR_NONFINITE_STOP:
        break;
    }
    return mr__raise(MR_ERR_NONFINITE, "fit: %s%s", what, where);
}

typedef struct place {
    char text[80];
} place;

static place here(const mr__fit *fit)
{
    place p;
    snprintf(p.text, sizeof p.text, " at epoch %lld, step %lld", (long long)fit->step.epoch,
             (long long)fit->step.global_step);
    return p;
}

/* Of what is no number; a NaN's sign, which printf shows, says nothing. */
static const char *name_of(double loss)
{
    return isnan(loss) ? "nan" : loss > 0 ? "inf" : "-inf";
}

mr_status mr__loss_nonfinite(mr__fit *fit, const mr_batch *batch, const mr_tensor *loss)
{
    const place at = here(fit);
    char what[40], skipped[60];
    snprintf(what, sizeof what, "the loss is %s", name_of(mr_item(loss)));
    snprintf(skipped, sizeof skipped, "batch %lld is left out", (long long)fit->step.batch_index);
    if (!mr__goes_on(fit))
        explain(fit, batch);
    mr__buffers_put_back(fit);
    return decide(fit, what, at.text, skipped);
}

mr_status mr__gradient_nonfinite(mr__fit *fit, mr_optim *optim, const mr_batch *batch)
{
    const place at = here(fit);
    char what[200];
    snprintf(what, sizeof what, "the gradient of %.140s is not finite", wrong_gradient(fit));
    if (!mr__goes_on(fit) && batch)
        say_samples(fit, batch);
    if (fit->buffers) /* of all batches of this update: its window is closed */
        mr__copies_put_back(fit->buffer_list, fit->buffers);
    mr_status status = decide(fit, what, at.text, "there is no update");
    if (!status) /* a task that zeroes them when it likes would add to them */
        mr_optim_zero_grad(optim);
    return status;
}
