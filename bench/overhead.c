/*
 * What the trainer costs beside a loop of one's own: the chapter's model, the same loader, steps timed within the process,
 * the two in turn. `bench-overhead FOLDER` prints the best microseconds of a step of the trainer, with a CSV row at every
 * step and the bar on, and of the bare loop; `bench-overhead FOLDER --check` says whether they give the same weights.
 */
#include <millrace/millrace.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POINTS = 1024, BATCH = 32, EPOCHS = 1000, ROUNDS = 25 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- the chapter's curve and model ---- */

typedef struct net {
    mr_module *layer1, *layer2;
} net;

static mr_tensor *net_forward(mr_module *m, mr_tape *t, mr_tensor *x)
{
    net *n = mr_module_self(m);
    x = mr_unsqueeze(t, x, 1);
    x = mr_sigmoid(t, mr_forward(n->layer1, t, x));
    return mr_squeeze(t, mr_forward(n->layer2, t, x), 1);
}

static const mr_module_vtable net_vtable = { .type = "Net", .forward = net_forward };

typedef struct run {
    mr_rng *rng;
    mr_tensor *x, *y;
    mr_dataset *data;
    mr_loader *loader;
    mr_module *model;
} run;

static run run_new(void)
{
    run r;
    net n;
    r.rng = mr_rng_new(42);
    mr_tape *t = mr_tape_new(r.rng);
    r.x = mr_tensor_linspace(MR_FLOAT32, 0, 1, POINTS);
    r.y = mr_tensor_keep(
        mr_add_scalar(t, mr_add(t, mr_mul_scalar(t, r.x, 3), mr_sin(t, mr_mul_scalar(t, r.x, 6))), 1));
    mr_tape_free(t);
    r.data = mr_dataset_from_tensors((mr_tensor *[]){ r.x, r.y }, NULL, 2);
    r.loader = mr_loader_new(r.data, r.rng, &(mr_loader_opts){ .batch_size = BATCH, .shuffle = true });
    n.layer1 = mr_linear_new(1, 16, r.rng, NULL);
    n.layer2 = mr_linear_new(16, 1, r.rng, NULL);
    r.model = mr_module_new(&net_vtable, &n, sizeof n);
    mr_module_add(r.model, "layer1", n.layer1);
    mr_module_add(r.model, "layer2", n.layer2);
    return r;
}

static void run_free(run *r)
{
    mr_module_free(r->model);
    mr_loader_free(r->loader);
    mr_dataset_free(r->data);
    mr_tensor_free(r->x);
    mr_tensor_free(r->y);
    mr_rng_free(r->rng);
}

/* ---- the bare loop ---- */

static double loop(run *r, int epochs)
{
    const mr_batch *b;
    mr_status s = MR_OK;
    mr_tape *tape = mr_tape_new(r->rng);
    mr_optim *adam = mr_adam_new(mr_module_parameters(r->model), 1e-3, NULL);
    double begin = 0;
    for (int epoch = 0; epoch < epochs && s >= 0; epoch++) {
        if (epoch == 1)
            begin = now();
        while ((s = mr_loader_next(r->loader, &b)) == MR_OK) {
            mr_optim_zero_grad(adam);
            mr_tensor *loss = mr_mse_loss(tape, mr_forward(r->model, tape, b->field[0]), b->field[1], NULL);
            if ((s = mr_backward(tape, loss)) < 0 || (s = mr_optim_step(adam)) < 0)
                break;
            mr_tape_reset(tape);
        }
    }
    double end = now();
    mr_tape_free(tape);
    mr_optim_free(adam);
    return s < 0 ? -1 : end - begin;
}

/* ---- the trainer ---- */

static double began, ended;

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    if (s->batch_index == 0 && s->epoch == 1)
        began = now();
    mr_tensor *loss = mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
    mr_log(s, "loss", loss, &(mr_log_opts){ .prog_bar = true });
    return loss;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 1e-3, NULL);
}

static mr_status stop_clock(void *self, mr_step *s)
{
    (void)self;
    (void)s;
    ended = now();
    return MR_OK;
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers };
static const mr_callback_vtable clock_vtable = { .name = "Clock", .on_train_end = stop_clock };

static double train(run *r, int epochs, const char *folder)
{
    mr_task *task = mr_task_new(&task_vtable, r->model, NULL, 0);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = epochs,
                                                       .csv = folder,
                                                       .name = "overhead",
                                                       .log_every_n_steps = 1,
                                                       .no_checkpoint = true,
                                                       .no_summary = true });
    (void)mr_trainer_add_callback(t, mr_callback_new(&clock_vtable, NULL, 0));
    mr_status s = mr_trainer_fit(t, task, r->loader);
    mr_trainer_free(t);
    mr_task_free(task);
    return s < 0 ? -1 : ended - began;
}

/* ---- both ---- */

static int check(const char *folder)
{
    run a = run_new(), b = run_new();
    if (loop(&a, 30) < 0 || train(&b, 30, folder) < 0)
        return 1;
    for (int i = 0; i < 4; i++) {
        const mr_tensor *x = mr_module_parameters(a.model).item[i].tensor;
        const mr_tensor *y = mr_module_parameters(b.model).item[i].tensor;
        if (memcmp(mr_tensor_data((mr_tensor *)(uintptr_t)x), mr_tensor_data((mr_tensor *)(uintptr_t)y),
                   (size_t)mr_tensor_numel(x) * sizeof(float)) != 0)
            return 1;
    }
    run_free(&a);
    run_free(&b);
    return 0;
}

int main(int argc, char **argv)
{
    double ours = 1e30, theirs = 1e30;
    const double steps = (double)(EPOCHS - 1) * POINTS / BATCH;
    if (argc < 2)
        return 2;
    FILE *out = fdopen(dup(STDOUT_FILENO), "w"); /* the bar is drawn on what was standard output */
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    if (argc > 2 && strcmp(argv[2], "--check") == 0)
        return check(argv[1]);
    for (int round = 0; round < ROUNDS; round++) {
        run a = run_new(), b = run_new();
        double t = train(&a, EPOCHS, argv[1]), l = loop(&b, EPOCHS);
        if (t < 0 || l < 0) {
            fprintf(stderr, "%s\n", mr_error());
            return 1;
        }
        ours = t < ours ? t : ours;
        theirs = l < theirs ? l : theirs;
        run_free(&a);
        run_free(&b);
    }
    fprintf(out, "%.4f %.4f\n", ours / steps, theirs / steps);
    return fclose(out) ? 1 : 0;
}
