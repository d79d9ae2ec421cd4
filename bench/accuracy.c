/*
 * Trains a model on Fashion-MNIST and prints its accuracy on the test images after each epoch, in percent:
 * `bench-accuracy mlp|cnn EPOCHS SEED DIRECTORY`, which holds train-images, train-labels, t10k-images and t10k-labels.
 * peers/accuracy_torch.py does the same from the same draws.
 */
#include "fashion.h"

#include <string.h>

static mr_module *mlp(mr_rng *rng)
{
    mr_module *m = mr_sequential_add(mr_sequential_new(), mr_linear_new(PIXELS, 500, rng, NULL));
    mr_sequential_add(m, mr_relu_new());
    return mr_sequential_add(m, mr_linear_new(500, 10, rng, NULL));
}

static mr_module *cnn(mr_rng *rng)
{
    const mr_conv_opts padded = { .padding = 1 };
    mr_module *m = mr_sequential_add(mr_sequential_new(), mr_unflatten_new(1, MR_SHAPE(1, 28, 28)));
    mr_sequential_add(m, mr_conv2d_new(1, 16, 3, rng, &padded));
    mr_sequential_add(m, mr_batch_norm2d_new(16, NULL));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    mr_sequential_add(m, mr_conv2d_new(16, 32, 3, rng, &padded));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_max_pool2d_new(2, NULL));
    mr_sequential_add(m, mr_flatten_new());
    mr_sequential_add(m, mr_dropout_new(0.25));
    return mr_sequential_add(m, mr_linear_new(32 * 49, 10, rng, NULL));
}

static mr_status train(mr_loader *loader, mr_module *model, mr_optim *adam, mr_tape *tape)
{
    const mr_batch *b;
    mr_status s;
    mr_module_train(model, true);
    while ((s = mr_loader_next(loader, &b)) == MR_OK) {
        mr_optim_zero_grad(adam);
        mr_tensor *loss = mr_cross_entropy(tape, mr_forward(model, tape, b->field[0]), b->field[1], NULL);
        if ((s = mr_backward(tape, loss)) < 0 || (s = mr_optim_step(adam)) < 0)
            return s;
        mr_tape_reset(tape);
    }
    return s == MR_END ? MR_OK : s;
}

static mr_status test(mr_loader *loader, mr_module *model, mr_tape *tape)
{
    const mr_batch *b;
    mr_status s;
    mr_metric *accuracy = mr_accuracy_new(NULL);
    bool was = mr_tape_set_grad(tape, false);
    mr_module_train(model, false);
    while ((s = mr_loader_next(loader, &b)) == MR_OK) {
        s = mr_metric_update(accuracy, mr_forward(model, tape, b->field[0]), b->field[1]);
        mr_tape_reset(tape);
        if (s < 0)
            break;
    }
    mr_tape_set_grad(tape, was);
    double value = mr_metric_value(accuracy);
    mr_metric_free(accuracy);
    if (s == MR_END)
        printf("%.2f\n", 100 * value);
    return s == MR_END ? MR_OK : s;
}

static mr_loader *load(const char *directory, const char *part, size_t count, mr_rng *rng, bool shuffle,
                       mr_dataset **data, mr_tensor **x)
{
    char images[512], labels[512];
    snprintf(images, sizeof images, "%s/%s-images", directory, part);
    snprintf(labels, sizeof labels, "%s/%s-labels", directory, part);
    read_fashion(images, labels, count, &x[0], &x[1]);
    *data = mr_dataset_from_tensors(x, NULL, 2);
    return mr_loader_new(*data, rng, &(mr_loader_opts){ .batch_size = 128, .shuffle = shuffle });
}

int main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[1], "mlp") != 0 && strcmp(argv[1], "cnn") != 0)) {
        fprintf(stderr, "usage: bench-accuracy mlp|cnn EPOCHS SEED DIRECTORY\n");
        return 2;
    }
    mr_tensor *x[4];
    mr_dataset *data[2];
    mr_rng *rng = mr_rng_new(strtoull(argv[3], NULL, 10));
    mr_loader *training = load(argv[4], "train", TRAINING_IMAGES, rng, true, &data[0], &x[0]),
              *testing = load(argv[4], "t10k", TEST_IMAGES, rng, false, &data[1], &x[2]);
    mr_module *model = argv[1][0] == 'm' ? mlp(rng) : cnn(rng);
    mr_optim *adam = mr_adam_new(mr_module_parameters(model), 1e-3, NULL);
    mr_tape *tape = mr_tape_new(rng);
    mr_status s = MR_OK;
    for (int epoch = 0; s == MR_OK && epoch < atoi(argv[2]); epoch++) {
        s = train(training, model, adam, tape);
        if (s == MR_OK)
            s = test(testing, model, tape);
        fflush(stdout);
    }
    if (s != MR_OK)
        fprintf(stderr, "bench-accuracy: %s\n", mr_error());
    mr_tape_free(tape);
    mr_optim_free(adam);
    mr_module_free(model);
    mr_loader_free(training);
    mr_loader_free(testing);
    for (int i = 0; i < 2; i++)
        mr_dataset_free(data[i]);
    for (int i = 0; i < 4; i++)
        mr_tensor_free(x[i]);
    mr_rng_free(rng);
    return s != MR_OK;
}
