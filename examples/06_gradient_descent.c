/*
 * Section 2.1: gradient descent. In each epoch the loss of the whole dataset, its gradient, and a step against it.
 *
 * The loss is the mean over the samples instead of their sum, so that a good learning rate does not hang on how many
 * there are.
 */
#include "my_curve.h"
#include "my_model.h"
#include "show.h"

int main(void)
{
    const double learning_rate = 0.05;
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(100);
    mr_loader *loader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 100 }); /* all of it */
    mr_module *model = my_model_new(rng);
    mr_params parameters = mr_module_parameters(model);
    mr_tape *tape = mr_tape_new(rng);

    const mr_batch *data;
    mr_status s = mr_loader_next(loader, &data);
    for (int epoch = 0; s == MR_OK && epoch <= 1000; epoch++) {
        mr_tensor *y = mr_forward(model, tape, data->field[0]);
        mr_tensor *loss = mr_mse_loss(tape, y, data->field[1], NULL);

        mr_module_zero_grad(model);  /* p.zero_grad() */
        s = mr_backward(tape, loss); /* loss.backward(); the status is that of everything before, too */
        for (size_t i = 0; s == MR_OK && i < parameters.count; i++) {
            mr_tensor *p = parameters.item[i].tensor;
            /* p.sub_(learning_rate * p.grad) */
            s = mr_tensor_add_scaled(p, -learning_rate, mr_tensor_grad(p));
        }

        if (s == MR_OK && epoch % 200 == 0)
            printf("epoch %d: loss %.4f\n", epoch, mr_item(loss));
        mr_tape_reset(tape); /* y and loss end here, and their memory serves the next epoch */
    }

    mr_tape_free(tape);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
