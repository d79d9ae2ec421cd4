/*
 * Section 5: a model, which is a function with weights, and a loss, both looked at without gradients. my_model.h is
 * the class.
 */
#include "my_curve.h"
#include "my_model.h"
#include "show.h"

static mr_status look_at(mr_module *f, mr_tape *tape, const mr_batch *batch)
{
    mr_tensor *x = batch->field[0], *target = batch->field[1];
    show_size("(", x, ", "); /* print((x.shape, target.shape)) */
    show_size("", target, ")\n");

    mr_tape_set_grad(tape, false); /* with torch.no_grad(): this tape remembers nothing for backward */
    mr_tensor *y = mr_forward(f, tape, x);
    mr_tensor *loss = mr_mse_loss(tape, y, target, NULL);
    if (!loss)
        return mr_tape_status(tape);
    show_size("", y, "\n"); /* print(y.shape) */
    return show_tensor(loss);
}

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(100);
    mr_loader *dataloader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });
    mr_tape *tape = mr_tape_new(rng);

    const mr_batch *batch;
    mr_status s = mr_loader_next(dataloader, &batch); /* (x, target) = next(iter(dataloader)) */
    mr_module *f = my_model_new(rng);
    if (s == MR_OK)
        s = look_at(f, tape, batch);

    mr_module_free(f);
    mr_tape_free(tape);
    mr_loader_free(dataloader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
