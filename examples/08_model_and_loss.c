/* A model and a loss, looked at without gradients. */
#include "my_curve.h"
#include "my_model.h"
#include "show.h"

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(100);
    mr_loader *loader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });
    mr_tape *tape = mr_tape_new(rng);
    const mr_batch *batch;
    mr_status s = mr_loader_next(loader, &batch);
    mr_module *f = my_model_new(rng);
    if (s == MR_OK) {
        mr_tensor *x = batch->field[0], *target = batch->field[1];
        show_size(x);
        putchar(' ');
        show_size(target);
        putchar('\n');

        mr_tape_set_grad(tape, false); /* with torch.no_grad(): */
        mr_tensor *y = mr_forward(f, tape, x);
        mr_tensor *loss = mr_mse_loss(tape, y, target, NULL);
        if ((s = mr_tape_status(tape)) == MR_OK) {
            show_size(y);
            putchar('\n');
            mr_tensor_print(stdout, loss);
            putchar('\n');
        }
    }
    mr_tape_free(tape);
    mr_module_free(f);
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
