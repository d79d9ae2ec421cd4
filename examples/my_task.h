/* The chapter's LightningModule: the model, the mean squared error, and Adam. */
#ifndef EXAMPLES_MY_TASK_H
#define EXAMPLES_MY_TASK_H

#include "my_model.h"

static mr_tensor *my_training_step(mr_step *s, const mr_batch *b) /* returns the loss */
{
    mr_tensor *loss = mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
    mr_log(s, "loss", loss, &(mr_log_opts){ .prog_bar = true });
    return loss;
}

static mr_optim *my_configure_optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 1e-3, NULL);
}

static const mr_task_vtable my_task_vtable = { .training_step = my_training_step,
                                               .configure_optimizers = my_configure_optimizers };

#endif
