/*
 * Section 2.2: batch training by hand. A step needs 32 samples instead of the whole dataset: their gradient estimates
 * that of all. 09_trainer.c does the same without a loop of its own.
 */
#include "my_curve.h"
#include "my_model.h"
#include "show.h"

/* One step: the body of the loop over batches. Gives the loss of the batch. */
static mr_status train_step(mr_module *model, mr_tape *tape, const mr_batch *batch, double learning_rate,
                            double *batch_loss)
{
    mr_params parameters = mr_module_parameters(model);
    mr_tensor *y = mr_forward(model, tape, batch->field[0]);
    mr_tensor *loss = mr_mse_loss(tape, y, batch->field[1], NULL);

    mr_module_zero_grad(model);
    mr_status s = mr_backward(tape, loss);
    for (size_t i = 0; s == MR_OK && i < parameters.count; i++) {
        mr_tensor *p = parameters.item[i].tensor;
        /* p.sub_(learning_rate * p.grad) */
        s = mr_tensor_add_scaled(p, -learning_rate, mr_tensor_grad(p));
    }
    if (s == MR_OK)
        *batch_loss = mr_item(loss);
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
        const mr_batch *batch;
        double loss = 0, sum = 0;
        /* for batch in loader: ends with MR_END, and the next call begins the next epoch, shuffled anew */
        while ((s = mr_loader_next(loader, &batch)) == MR_OK) {
            s = train_step(model, tape, batch, 0.05, &loss);
            if (s < 0)
                break;
            sum += loss;
        }
        if (s == MR_END && epoch % 5 == 0)
            printf("epoch %d: loss %.4f\n", epoch, sum / (double)mr_loader_len(loader)); /* the mean */
    }

    mr_tape_free(tape);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
