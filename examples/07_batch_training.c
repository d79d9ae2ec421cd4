/* Batch training by hand as in section 2.2: the gradient is estimated from 32 samples at a time. */
#include "my_curve.h"
#include "my_model.h"
#include "show.h"

/* The step of section 2.2 on one batch; adds its loss to `sum`. */
static mr_status train_on(const mr_batch *b, mr_module *model, mr_tape *tape, double learning_rate,
                          double *sum)
{
    mr_params parameters = mr_module_parameters(model);
    mr_tensor *loss = mr_mse_loss(tape, mr_forward(model, tape, b->field[0]), b->field[1], NULL);
    mr_module_zero_grad(model);
    mr_status s = mr_backward(tape, loss);
    for (size_t i = 0; s == MR_OK && i < parameters.count; i++) {
        mr_tensor *p = parameters.item[i].tensor;
        s = mr_tensor_add_scaled(p, -learning_rate, mr_tensor_grad(p));
    }
    if (s == MR_OK)
        *sum += mr_item(loss);
    mr_tape_reset(tape);
    return s;
}

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(1024);
    mr_loader *loader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });
    mr_module *model = my_model_new(rng);
    mr_tape *tape = mr_tape_new(rng);
    mr_status s = MR_OK;

    for (int epoch = 0; s >= 0 && epoch < 30; epoch++) {
        const mr_batch *b;
        double sum = 0;
        while ((s = mr_loader_next(loader, &b)) == MR_OK)
            if ((s = train_on(b, model, tape, 0.05, &sum)) < 0)
                break;
        if (s == MR_END && epoch % 5 == 0)
            printf("epoch %d: loss %.4f\n", epoch, sum / (double)mr_loader_len(loader));
    }
    mr_tape_free(tape);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
