/*
 * Images from IDX files, a convolutional network, and its accuracy: Fashion-MNIST, as Debian's package
 * dataset-fashion-mnist brings it.
 *
 *     16_fashion_mnist [EPOCHS [FOLDER]]
 *
 * It draws one batch with its labels, to fashion_batch.png, trains for some epochs (default 3), validates after each on the
 * 10,000 test images, and prints how many of them were told rightly.
 */
#include "show.h"

#include <millrace/plot.h>
#include <millrace/sources/arrays.h>

#include <stdlib.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE };

static const char *const classes[] = { "T-shirt", "Trouser", "Pullover", "Dress", "Coat",
                                       "Sandal",  "Shirt",   "Sneaker",  "Bag",   "Ankle boot" };

/* ---- data ---- */

/* transforms.ToTensor(): bytes become floats from 0 to 1, (1, 28, 28); labels int64, as cross entropy takes them. */
static mr_status to_tensor(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    const uint8_t *pixels = in[0], *label = in[1];
    float *image = out[0];
    (void)user;
    (void)index;
    (void)random;
    for (int i = 0; i < PIXELS; i++)
        image[i] = (float)pixels[i] / 255;
    *(int64_t *)out[1] = *label;
    return MR_OK;
}

/* FashionMNIST(root, train, transform): its two files, "train" or "t10k". */
static mr_dataset *fashion_new(const char *folder, const char *part)
{
    static const mr_field fields[] = { { "image", MR_FLOAT32, { 3, { 1, SIDE, SIDE } } },
                                       { "label", MR_INT64, { 0 } } };
    char images[512], labels[512];
    snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", folder, part);
    snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", folder, part);
    const mr_array_file files[] = { { .path = images, .name = "image" },
                                    { .path = labels, .name = "label" } };
    mr_dataset *bytes = mr_arrays_new(files, 2);
    mr_dataset *fashion =
        mr_map_new(bytes, to_tensor, NULL, &(mr_map_opts){ .fields = fields, .field_count = 2 });
    mr_dataset_free(bytes); /* what is made of it keeps it */
    return fashion;
}

/* ---- one batch, with its labels ---- */

static mr_status draw_batch(mr_dataset *fashion, mr_rng *rng, const char *path)
{
    const char *captions[32];
    const mr_batch *batch;
    mr_loader *loader = mr_loader_new(fashion, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });
    mr_status s = mr_loader_next(loader, &batch);
    if (s == MR_OK) {
        const int64_t *labels = mr_tensor_data(batch->field[1]);
        for (int64_t i = 0; i < batch->rows; i++)
            captions[i] = classes[labels[i]];
        s = mr_plot_images(batch->field[0], &(mr_plot_images_opts){ .captions = captions, .columns = 8 },
                           path);
    }
    mr_loader_free(loader);
    return s;
}

/* ---- the model, and what is done with it ---- */

static mr_module *cnn_new(mr_rng *rng)
{
    const mr_conv_opts padded = { .padding = 1 };
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, mr_conv2d_new(1, 16, 3, rng, &padded));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL)); /* (16, 14, 14) */
    mr_sequential_add(m, mr_conv2d_new(16, 32, 3, rng, &padded));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL)); /* (32, 7, 7) */
    mr_sequential_add(m, mr_flatten_new());
    return mr_sequential_add(m, mr_linear_new(32 * 7 * 7, 10, rng, NULL));
}

static mr_tensor *training_step(mr_step *step, const mr_batch *batch)
{
    mr_tensor *scores = mr_forward(step->model, step->tape, batch->field[0]);
    mr_tensor *loss = mr_cross_entropy(step->tape, scores, batch->field[1], NULL);
    mr_log(step, "loss", loss, &(mr_log_opts){ .prog_bar = true });
    return loss;
}

static mr_status validation_step(mr_step *step, const mr_batch *batch)
{
    mr_tensor *scores = mr_forward(step->model, step->tape, batch->field[0]);
    mr_metric *accuracy = mr_accuracy_new(NULL);
    mr_status s = mr_metric_update(accuracy, scores, batch->field[1]);
    if (!s) /* of all batches: the mean by their rows */
        mr_log_value(step, "accuracy", mr_metric_value(accuracy), NULL);
    mr_metric_free(accuracy);
    return s;
}

static mr_optim *configure_optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 1e-3, NULL);
}

static mr_status train_cnn(mr_dataset *train, mr_dataset *test, mr_rng *rng, int64_t epochs)
{
    static const mr_task_vtable vtable = { .training_step = training_step,
                                           .validation_step = validation_step,
                                           .configure_optimizers = configure_optimizers };
    mr_loader *train_loader =
        mr_loader_new(train, rng, &(mr_loader_opts){ .batch_size = 64, .shuffle = true });
    mr_loader *test_loader = mr_loader_new(test, rng, &(mr_loader_opts){ .batch_size = 500 });
    mr_module *model = cnn_new(rng);
    mr_task *task = mr_task_new(&vtable, model, NULL, 0);
    mr_trainer *trainer = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = epochs });
    mr_trainer_set_val_loader(trainer, test_loader);
    mr_status s = mr_trainer_fit(trainer, task, train_loader);

    size_t count;
    const mr_point *accuracy = s == MR_OK ? mr_trainer_history(trainer, "accuracy", &count) : NULL;
    for (size_t i = 0; accuracy && i < count; i++)
        printf("epoch %lld: %.2f %% of the test images\n", (long long)accuracy[i].epoch,
               100 * accuracy[i].value);

    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(test_loader);
    mr_loader_free(train_loader);
    return s;
}

int main(int argc, char **argv)
{
    int64_t epochs = argc > 1 ? atoll(argv[1]) : 3;
    const char *folder = argc > 2 ? argv[2] : "/usr/share/datasets/fashion-mnist";
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *train = fashion_new(folder, "train"), *test = fashion_new(folder, "t10k");

    mr_status s = draw_batch(train, rng, "fashion_batch.png");
    if (s == MR_OK)
        printf("picture: fashion_batch.png\n");
    if (s == MR_ERR_MISSING) { /* there is no gnuplot, which training does not need */
        fprintf(stderr, "%s\n", mr_error());
        s = MR_OK;
    }
    if (s == MR_OK)
        s = train_cnn(train, test, rng, epochs);

    mr_dataset_free(test);
    mr_dataset_free(train);
    mr_rng_free(rng);
    return finish(s);
}
