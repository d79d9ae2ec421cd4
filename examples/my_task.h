/*
 * The chapter's LightningModule = module + loss + optimizer. The module is my_model.h's; a task adds the other two.
 *
 *     class MyLtModule(LightningModule):
 */
#ifndef EXAMPLES_MY_TASK_H
#define EXAMPLES_MY_TASK_H

#include "my_model.h"

/* def training_step(self, batch, batch_index): returns the loss */
static mr_tensor *my_training_step(mr_step *step, const mr_batch *batch)
{
    mr_tensor *x = batch->field[0], *target = batch->field[1];
    mr_tensor *y = mr_forward(step->model, step->tape, x);
    mr_tensor *loss = mr_mse_loss(step->tape, y, target, NULL);
    mr_log(step, "loss", loss, &(mr_log_opts){ .prog_bar = true });
    return loss;
}

/* def configure_optimizers(self): */
static mr_optim *my_configure_optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 1e-3, NULL);
}

static inline mr_task *my_task_new(mr_module *model)
{
    static const mr_task_vtable vtable = { .training_step = my_training_step,
                                           .configure_optimizers = my_configure_optimizers };
    return mr_task_new(&vtable, model, NULL, 0);
}

#endif
