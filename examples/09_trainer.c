/* A module, a loss and an optimizer make a task, and a trainer fits it: no loop of our own. */
#include "my_curve.h"
#include "my_task.h"
#include "show.h"

/* Prints the loss of a batch, without gradients. */
static mr_status show_loss(mr_module *f, mr_tape *tape, const mr_batch *batch)
{
    bool was = mr_tape_set_grad(tape, false);
    mr_tensor *loss = mr_mse_loss(tape, mr_forward(f, tape, batch->field[0]), batch->field[1], NULL);
    mr_status s = mr_tape_status(tape);
    if (s == MR_OK)
        s = mr_tensor_print(stdout, loss);
    putchar('\n');
    mr_tape_set_grad(tape, was);
    mr_tape_reset(tape);
    return s;
}

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(1024);
    mr_loader *loader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });
    mr_module *f = my_model_new(rng);
    mr_task *task = mr_task_new(&my_task_vtable, f, NULL, 0);
    mr_trainer *trainer = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 10 });
    mr_tape *tape = mr_tape_new(rng);
    mr_batch *batch = NULL;
    const mr_batch *first;
    mr_status s = mr_loader_next(loader, &first);
    if (s == MR_OK) {
        batch = mr_batch_keep(first); /* `first` is only lent: the fit below refills it */
        mr_loader_rewind(loader);
        s = batch ? show_loss(f, tape, batch) : mr_error_status();
    }
    if (s == MR_OK)
        s = mr_trainer_fit(trainer, task, loader);
    if (s == MR_OK)
        s = show_loss(f, tape, batch);
    mr_batch_free(batch);
    mr_tape_free(tape);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(f);
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
