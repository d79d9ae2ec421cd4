/*
 * Sections 6.1 and 6.2: a module, a loss and an optimizer make a task (my_task.h), and a trainer fits it: the loop of
 * 07_batch_training.c, with the optimizer, the progress bar and the table of the model. The loss of one batch is
 * printed before and after.
 */
#include "my_curve.h"
#include "my_task.h"
#include "show.h"

/* with torch.no_grad(): print(f.loss(f.forward(batch[0]), batch[1])) */
static mr_status show_loss(mr_module *f, mr_tape *tape, const mr_batch *batch)
{
    mr_tape_set_grad(tape, false);
    mr_tensor *y = mr_forward(f, tape, batch->field[0]);
    mr_status s = show_tensor(mr_mse_loss(tape, y, batch->field[1], NULL));
    mr_tape_reset(tape);
    return s;
}

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *few = my_curve_new(100), *many = my_curve_new(1024);
    const mr_loader_opts opts = { .batch_size = 32, .shuffle = true };
    mr_loader *dataloader = mr_loader_new(few, rng, &opts);
    mr_loader *training_dataloader = mr_loader_new(many, rng, &opts);
    mr_module *f = my_model_new(rng);
    mr_task *task = my_task_new(f);
    mr_tape *tape = mr_tape_new(rng);

    const mr_batch *batch; /* stays what it is while the other loader works */
    mr_status s = mr_loader_next(dataloader, &batch);
    if (s == MR_OK)
        s = show_loss(f, tape, batch);

    mr_trainer *trainer = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 10 });
    if (s == MR_OK)
        s = mr_trainer_fit(trainer, task, training_dataloader);
    if (s == MR_OK)
        s = show_loss(f, tape, batch);

    mr_trainer_free(trainer);
    mr_tape_free(tape);
    mr_task_free(task);
    mr_module_free(f);
    mr_loader_free(training_dataloader);
    mr_loader_free(dataloader);
    mr_dataset_free(many);
    mr_dataset_free(few);
    mr_rng_free(rng);
    return finish(s);
}
