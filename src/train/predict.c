/* Predictions for all batches of a loader. */
#include "setup.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "data/loader.h"
#include "tensor/tape.h"

typedef struct gathered {
    mr__strbuf bytes;
    mr_dtype dtype;
    mr_shape shape; /* of all so far; no dimensions: there are none */
    bool any;
} gathered;

static mr_status add(gathered *p, const mr_tensor *x)
{
    const mr_shape shape = mr__shape_of(x);
    if (shape.ndim == 0)
        return mr__raise(MR_ERR_SHAPE, "predict: the predictions for a batch have no dimension of rows");
    const bool fits = !p->any || (p->dtype == (mr_dtype)x->dtype && p->shape.ndim == shape.ndim &&
                                  memcmp(p->shape.dim + 1, shape.dim + 1,
                                         (size_t)(shape.ndim - 1) * sizeof *shape.dim) == 0);
    if (!fits)
        return mr__raise(MR_ERR_SHAPE, "predict: the predictions for a batch are %s, those before %s",
                         mr__tensor_text(x).text, mr__shape_text(&p->shape).text);
    const size_t size = mr_dtype_size((mr_dtype)x->dtype);
    char *dense = mr__alloc((size_t)x->numel * size);
    if (!dense)
        return MR_ERR_MEMORY;
    mr__gather_elements((mr_dtype)x->dtype, dense, x);
    mr__strbuf_append_bytes(&p->bytes, dense, (size_t)x->numel * size);
    mr__free(dense);
    const int64_t rows = p->any ? p->shape.dim[0] : 0;
    p->dtype = (mr_dtype)x->dtype;
    p->shape = shape;
    p->shape.dim[0] += rows;
    p->any = true;
    return p->bytes.failed ? MR_ERR_MEMORY : MR_OK;
}

static mr_status failed_at(const mr__fit *fit, mr_status status)
{
    mr__failure failure; /* settled already: raised again, with the batch */
    mr__failure_take(&failure);
    mr_error_clear();
    return mr__raise(status, "predict: batch %lld: %s", (long long)fit->step.batch_index, failure.text);
}

static mr_status predict_batch(mr__fit *fit, const mr_batch *batch, gathered *p)
{
    mr_task *task = fit->task;
    mr_status status = mr__pass_hooks(fit, MR__PASS_BATCH_START);
    if (status)
        return failed_at(fit, status);
    mr_tensor *y = task->vtable->predict_step ? task->vtable->predict_step(&fit->step, batch)
                                              : mr_forward(task->model, fit->step.tape, batch->field[0]);
    status = mr_tape_status(fit->step.tape);
    if (!status && !y)
        status = mr__has_cause(MR_OK) ? mr_error_status()
                                      : mr__raise(MR_ERR_CALLBACK, "predict_step gave nothing");
    if (!status)
        status = mr__pass_hooks(fit, MR__PASS_BATCH_END);
    return status ? failed_at(fit, status) : add(p, y);
}

static mr_status run_loader(mr__fit *fit, gathered *p)
{
    const mr_batch *batch;
    int64_t most;
    mr_loader *loader = fit->val.item[fit->step.loader_index];
    mr_status status = mr__limit_of("predict", &fit->trainer->limit_predict, mr_loader_len(loader), &most);
    mr_loader_rewind(loader);
    for (fit->step.batch_index = 0; !status && !mr__reached(most, fit->step.batch_index);
         fit->step.batch_index++) {
        if ((status = mr_loader_next(loader, &batch)))
            break;
        fit->step.batch = batch;
        status = predict_batch(fit, batch, p);
        fit->step.batch = NULL;
        mr_tape_reset(fit->step.tape);
    }
    mr_loader_rewind(loader);
    if (status < 0) { /* the loader's is settled */
        mr__failure failure;
        mr__failure_take(&failure);
        return mr__pending() ? status : mr__failure_raise(&failure);
    }
    return p->any ? MR_OK : mr__raise(MR_ERR_ARGUMENT, "predict: the loader has no batches");
}

static mr_status run(mr__fit *fit, gathered *p)
{
    mr_status status = mr__hooks(fit, MR__SETUP);
    if (!status)
        status = mr__pass_hooks(fit, MR__PASS_START);
    if (!status)
        status = mr__pass_hooks(fit, MR__PASS_EPOCH_START);
    for (int i = 0; i < fit->val.count && !status; i++) {
        fit->step.loader_index = i;
        status = run_loader(fit, &p[i]);
    }
    if (!status)
        status = mr__pass_hooks(fit, MR__PASS_EPOCH_END);
    if (!status)
        status = mr__pass_hooks(fit, MR__PASS_END);
    return mr__hooks_behind(fit, MR__TEARDOWN, status);
}

/* In evaluation mode, with nothing recorded. */
static mr_status predict(mr__fit *fit, gathered *p)
{
    mr__modes modes = { NULL };
    mr_status status = mr__modes_init(&modes, fit->task->model);
    if (status)
        return status;
    mr_tape_set_grad(fit->step.tape, false);
    mr__modes_save(&modes, fit->task->model);
    mr_module_train(fit->task->model, false);
    status = run(fit, p);
    mr__modes_restore(&modes, fit->task->model);
    mr__modes_free(&modes);
    return status;
}

/* Makes the tensors of all predictions, or of none. */
static mr_status make_tensors(const gathered *p, int count, mr_tensor **made)
{
    mr_status status = MR_OK;
    for (int i = 0; i < count && !status; i++) {
        made[i] = mr_tensor_from(p[i].dtype, p[i].shape, p[i].bytes.text ? p[i].bytes.text : "");
        status = made[i] ? MR_OK : mr_error_status();
    }
    for (int i = 0; i < count && status; i++) {
        mr_tensor_free(made[i]);
        made[i] = NULL;
    }
    return status;
}

static mr_status predict_all(mr_trainer *trainer, mr_task *task, const mr__loaders *loaders, mr_tensor **made)
{
    gathered p[MR__MAX_LOADERS] = { { .any = false } };
    memset(made, 0, (size_t)loaders->count * sizeof *made);
    mr__fit *fit = mr__pending() ? NULL : mr__alloc_zeroed(sizeof *fit);
    if (!fit)
        return mr_error_status();
    fit->trainer = trainer;
    fit->task = task;
    fit->val = *loaders;
    fit->loader = loaders->item[0];
    fit->pass = MR__ON_PREDICT;
    fit->events = mr__events_wanted(trainer, task);
    fit->step = (mr_step){ .model = task->model,
                           .self = task->self,
                           .trainer = trainer,
                           .tape = mr_tape_new(fit->loader->order.shared),
                           .stage = MR_STAGE_PREDICT };
    mr_status status = fit->step.tape ? predict(fit, p) : MR_ERR_MEMORY;
    if (!status)
        status = make_tensors(p, loaders->count, made);
    mr_tape_free(fit->step.tape);
    for (int i = 0; i < loaders->count; i++)
        mr__strbuf_free(&p[i].bytes);
    mr__free(fit);
    return status;
}

mr_tensor *mr_trainer_predict(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    mr_tensor *made = NULL;
    if (!trainer || !task || !loader) {
        mr__null("predict", !trainer ? "trainer" : !task ? "task" : "loader");
        return NULL;
    }
    (void)predict_all(trainer, task, &(mr__loaders){ { loader }, 1 }, &made);
    return made;
}

mr_status mr_trainer_predict_loaders(mr_trainer *trainer, mr_task *task, mr_loader *const *loaders, int count,
                                     mr_tensor **predictions)
{
    static const char call[] = "predict_loaders";
    mr__loaders list;
    if (!trainer || !task || !predictions)
        return mr__settle(mr__null(call, !trainer ? "trainer" : !task ? "task" : "predictions"));
    mr_status status = mr__loaders_of(call, loaders, count, &list);
    return mr__settle(status ? status : predict_all(trainer, task, &list, predictions));
}
