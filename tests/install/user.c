/* A user of the installed library, in C11. Succeeds when the library has the version it is given, learns y = x, and
 * reads back what it saved: that takes everything the library stands on, so that all of it has to be linked. */
#include <millrace/millrace.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    return mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
}

static mr_optim *configure_optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_sgd_new(mr_module_parameters(model), 0.5, NULL);
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = configure_optimizers };

int main(int argc, char **argv)
{
    mr_rng *rng = mr_rng_new(1);
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(64, 1));
    mr_dataset *line = mr_dataset_from_tensors((mr_tensor *[]){ x, x }, (const char *[]){ "x", "y" }, 2);
    mr_loader *loader = mr_loader_new(line, rng, &(mr_loader_opts){ .batch_size = 8, .shuffle = true });
    mr_module *model = mr_linear_new(1, 1, rng, NULL), *copy = mr_linear_new(1, 1, rng, NULL);
    mr_task *task = mr_task_new(&task_vtable, model, NULL, 0);
    mr_trainer *trainer =
        mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 40, .no_progress = true, .no_summary = true });

    mr_status s = mr_trainer_fit(trainer, task, loader);
    if (s == MR_OK)
        s = mr_module_save(model, "user.safetensors");
    if (s == MR_OK)
        s = mr_module_load(copy, "user.safetensors", NULL);
    if (s != MR_OK)
        fprintf(stderr, "%s\n", mr_error());
    double slope = s == MR_OK ? mr_item(mr_module_parameters(copy).item[0].tensor) : NAN;
    printf("C, millrace %s: y = %.2f x\n", mr_version(), slope);

    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(copy);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_dataset_free(line);
    mr_tensor_free(x);
    mr_rng_free(rng);
    return argc != 2 || strcmp(mr_version(), argv[1]) != 0 || !(fabs(slope - 1) < 0.05);
}
