/* Gradient descent as in section 2.1: the loss of the whole dataset, its gradient, and a step against it. */
#include "my_curve.h"
#include "my_model.h"
#include "show.h"

int main(void)
{
    const double learning_rate = 0.05;
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(100);
    mr_loader *everything = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 100 });
    mr_module *model = my_model_new(rng);
    mr_tape *tape = mr_tape_new(rng);
    mr_params parameters = mr_module_parameters(model);
    const mr_batch *data;
    mr_status s = mr_loader_next(everything, &data);

    for (int epoch = 0; s == MR_OK && epoch <= 1000; epoch++) {
        mr_tensor *y = mr_forward(model, tape, data->field[0]);
        mr_tensor *loss = mr_mse_loss(tape, y, data->field[1], NULL);
        mr_module_zero_grad(model);
        if ((s = mr_backward(tape, loss)) != MR_OK)
            break;
        for (size_t i = 0; s == MR_OK && i < parameters.count; i++) {
            mr_tensor *p = parameters.item[i].tensor;
            s = mr_tensor_add_scaled(p, -learning_rate,
                                     mr_tensor_grad(p)); /* p.sub_(learning_rate * p.grad) */
        }
        if (epoch % 200 == 0)
            printf("epoch %d: loss %.4f\n", epoch, mr_item(loss));
        mr_tape_reset(tape);
    }
    mr_tape_free(tape);
    mr_module_free(model);
    mr_loader_free(everything);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
