/*
 * One epoch of a 784-500-10 network on the 60,000 images of Fashion-MNIST as float32 in memory, batch 128, Adam, with a
 * shuffling loader: `bench-fashion_mlp IMAGES LABELS`, two IDX files that are not compressed.
 *
 *   bench-fashion_mlp IMAGES LABELS [--threads N]            the milliseconds of the second epoch
 *   bench-fashion_mlp IMAGES LABELS [--threads N] --losses   the first five losses, a line each
 */
#include "fashion.h"

#include <string.h>
#include <time.h>

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* One epoch; with `losses` only five steps, whose losses are printed. */
static mr_status train(mr_loader *loader, mr_module *net, mr_optim *adam, mr_tape *tape, bool losses)
{
    const mr_batch *b;
    mr_status s;
    for (int step = 0; (s = mr_loader_next(loader, &b)) == MR_OK && !(losses && step == 5); step++) {
        mr_optim_zero_grad(adam);
        mr_tensor *loss = mr_cross_entropy(tape, mr_forward(net, tape, b->field[0]), b->field[1], NULL);
        if ((s = mr_backward(tape, loss)) < 0 || (s = mr_optim_step(adam)) < 0)
            break;
        if (losses)
            printf("%.9g\n", mr_item(loss));
        mr_tape_reset(tape);
    }
    return s == MR_END ? MR_OK : s;
}

int main(int argc, char **argv)
{
    bool losses = false, wrong = argc < 3;
    int threads = 2;
    for (int i = 3; i < argc; i++)
        if (strcmp(argv[i], "--losses") == 0)
            losses = true;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = atoi(argv[++i]);
        else
            wrong = true;
    if (wrong) {
        fprintf(stderr, "usage: bench-fashion_mlp IMAGES LABELS [--threads N] [--losses]\n");
        return 2;
    }
    mr_tensor *x, *y;
    read_fashion(argv[1], argv[2], TRAINING_IMAGES, &x, &y);
    mr_status s = mr_set_num_threads(threads);
    mr_rng *rng = mr_rng_new(0);
    mr_module *net = mr_sequential_new();
    mr_sequential_add(net, mr_linear_new(PIXELS, 500, rng, NULL));
    mr_sequential_add(net, mr_relu_new());
    mr_sequential_add(net, mr_linear_new(500, 10, rng, NULL));
    mr_optim *adam = mr_adam_new(mr_module_parameters(net), 1e-3, NULL);
    mr_dataset *data = mr_dataset_from_tensors((mr_tensor *[]){ x, y }, NULL, 2);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 128, .shuffle = true });
    mr_tape *tape = mr_tape_new(rng);
    if (s == MR_OK)
        s = train(loader, net, adam, tape, losses);
    if (s == MR_OK && !losses) {
        double before = milliseconds();
        s = train(loader, net, adam, tape, false);
        printf("%.3f\n", milliseconds() - before);
    }
    if (s != MR_OK)
        fprintf(stderr, "bench-fashion_mlp: %s\n", mr_error());
    mr_tape_free(tape);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_optim_free(adam);
    mr_module_free(net);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_rng_free(rng);
    return s != MR_OK;
}
