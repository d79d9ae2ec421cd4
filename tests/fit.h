/* A small fit for tests of the trainer: y = 2x learned by one Linear(1, 1), batches of four, three in an epoch,
 * with hooks in which a test logs, fails or waits. */
#ifndef FIT_H
#define FIT_H

#include "files.h"

#include <millrace/millrace.h>

#include <math.h>

/* What a test puts in; NULL for nothing. */
static struct fit_hooks {
    mr_status (*sample)(int64_t index);                                 /* before a sample is made */
    mr_tensor *(*step)(mr_step *s, const mr_batch *b, mr_tensor *loss); /* gives the loss */
    mr_optim *(*optimizers)(mr_module *model);
} hook;

typedef struct fit {
    mr_rng *rng;
    mr_dataset *data;
    mr_loader *loader;
    mr_module *model;
    mr_task *task;
} fit;

/* ---- the parts ---- */

static inline int64_t fit_len(void *self)
{
    return *(int64_t *)self;
}

static inline mr_status fit_get(void *self, int64_t index, const mr_sample *sample)
{
    mr_status status = hook.sample ? hook.sample(index) : MR_OK;
    float x = (float)index / (float)fit_len(self);
    *(float *)sample->field[0] = x;
    *(float *)sample->field[1] = 2 * x;
    return status;
}

static inline mr_tensor *fit_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *y = mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1));
    mr_tensor *loss = mr_mse_loss(s->tape, mr_squeeze(s->tape, y, 1), b->field[1], NULL);
    return hook.step ? hook.step(s, b, loss) : loss;
}

static inline mr_optim *fit_optimizers(void *self, mr_module *model)
{
    (void)self;
    return hook.optimizers ? hook.optimizers(model) : mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
}

static const mr_dataset_vtable fit_data = { .len = fit_len, .get = fit_get };
static const mr_task_vtable fit_task = { .training_step = fit_step, .configure_optimizers = fit_optimizers };
static const mr_field fit_fields[] = { { .name = "x" }, { .name = "y" } };

/* ---- the log ---- */

static char heard[8192];

static inline void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    strncat(heard, line, sizeof heard - strlen(heard) - 2);
    strcat(heard, "\n");
}

/* ---- putting together ---- */

static inline fit fit_new(int64_t samples)
{
    fit f;
    *heard = '\0';
    f.rng = mr_rng_new(1);
    f.data = mr_dataset_new(&fit_data, &samples, sizeof samples, fit_fields, 2);
    f.loader = mr_loader_new(f.data, f.rng, &(mr_loader_opts){ .batch_size = 4 });
    f.model = mr_linear_new(1, 1, f.rng, NULL);
    f.task = mr_task_new(&fit_task, f.model, NULL, 0);
    return f;
}

/* Frees it, and takes the hooks out. */
static inline void fit_free(fit *f)
{
    mr_task_free(f->task);
    mr_module_free(f->model);
    mr_loader_free(f->loader);
    mr_dataset_free(f->data);
    mr_rng_free(f->rng);
    memset(&hook, 0, sizeof hook);
}

static inline float fit_weight(const fit *f)
{
    return *(float *)mr_tensor_data(mr_module_parameters(f->model).item[0].tensor);
}

static inline float fit_bias(const fit *f)
{
    return *(float *)mr_tensor_data(mr_module_parameters(f->model).item[1].tensor);
}

/* A scalar with a value of the test's own, for mr_log. */
static inline mr_tensor *fit_value(mr_step *s, double value)
{
    return mr_scalar(s->tape, MR_FLOAT32, value);
}

#endif
