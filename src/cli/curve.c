/*
 * curve: fits y = 3x + sin(6x) + 1 on [0, 1] by a small network; the last program of the chapter, with flags.
 * It makes and draws everything in the order in which the PyTorch program does, so that the numbers agree.
 */
#include "args.h"

#include <millrace/millrace.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

static const char usage[] =
    "usage: curve [flags]\n"
    "Fits y = 3x + sin(6x) + 1 on [0, 1] by Linear(1, hidden), sigmoid, Linear(hidden, 1).\n"
    "\n"
    "  --seed N            of the generator, 0 to 4294967295 (42)\n"
    "  --points N          of the curve, evenly spaced, 1 to 100000000 (1024)\n"
    "  --batch-size N      1 to 1000000000 (32)\n"
    "  --epochs N          1 to 1000000000 (30)\n"
    "  --hidden N          units, 1 to 1000000 (16)\n"
    "  --lr X              learning rate, 0 or more (1e-3)\n"
    "  --optimizer NAME    adam, adamw, sgd, or momentum, which is SGD with 0.9 (adam)\n"
    "  --no-shuffle        keep the points in order\n"
    "  --drop-last         leave out a last batch that is short\n"
    "  --workers N         threads that compute batches ahead, 0 to 256 (0); the numbers stay the same\n"
    "  --log-dir DIR       where the log goes: DIR/NAME/version_N (lightning_logs)\n"
    "  --name NAME         (my_lt_module)\n"
    "  --log-every N       steps from row to row of metrics.csv, 1 to 1000000000 (50)\n"
    "  --log LIST          logs besides metrics.csv, with commas: merged (one row a step), jsonl, "
    "tensorboard\n"
    "  --checkpoint-every D  from checkpoint to checkpoint: 7ba (batches), 2ep (epochs), 10000sp (samples), "
    "90s, or\n"
    "                      0.3dur (of the whole); the newest is kept, and there is one at the end (1ep)\n"
    "  --resume FROM       last: go on from the newest checkpoint of the last version in DIR/NAME exactly\n"
    "                      as if the program had not been stopped, or from the beginning if there is none,\n"
    "                      in that same version, whose logs begin anew (its other files stay);\n"
    "                      or the path of a checkpoint or a version, and go on there, whatever --log-dir\n"
    "                      and --name say\n"
    "  --no-progress       no progress bar\n"
    "  --no-checkpoint     no checkpoints\n"
    "  --plot FILE         draw the loss to a .png or .svg file (needs gnuplot)\n"
    "  --help              this text\n"
    "\n"
    "--seed=1 is the same as --seed 1. Whole numbers are digits alone: not 1e3. Of a flag that is given\n"
    "twice the last counts. The status is 0; 1 if anything failed; 2 for a wrong flag or value; 130 and 143 "
    "after\n"
    "SIGINT and SIGTERM, which end it in order, with a checkpoint. SIGUSR1 writes a checkpoint.\n";

typedef struct options {
    int64_t seed, points, batch_size, epochs, hidden, log_every, workers;
    double lr;
    const char *optimizer, *log_dir, *name, *log, *plot, *checkpoint_every, *resume;
    bool no_shuffle, drop_last, no_progress, no_checkpoint;
} options;

/* ---- the data: computed at each access, as the chapter's dataset does ---- */

typedef struct curve {
    const float *x;
    int64_t points;
    mr_rng *rng; /* a tape has one; no operation here draws from it */
} curve;

static int64_t curve_len(void *self)
{
    return ((const curve *)self)->points;
}

static mr_status curve_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const curve *c = self;
    mr_tape *t = first->worker;
    float *row = first->field[0];
    for (int64_t i = 0; i < count; i++)
        row[i] = c->x[indices[i]];
    mr_tensor *x = mr_tape_wrap(t, MR_FLOAT32, MR_SHAPE(count), row);
    mr_tensor *y = mr_add_scalar(t, mr_add(t, mr_mul_scalar(t, x, 3), mr_sin(t, mr_mul_scalar(t, x, 6))), 1);
    mr_status s = mr_copy_out(y, MR_FLOAT32, first->field[1], count);
    mr_tape_reset(t);
    return s;
}

static mr_status curve_get(void *self, int64_t index, const mr_sample *sample)
{
    return curve_get_many(self, &index, 1, sample);
}

/* Each thread that makes batches computes on a tape of its own. */
static void *curve_worker_open(void *self)
{
    return mr_tape_new(((const curve *)self)->rng);
}

static void curve_worker_close(void *self, void *tape)
{
    (void)self;
    mr_tape_free(tape);
}

static const mr_dataset_vtable curve_vtable = { .len = curve_len,
                                                .get = curve_get,
                                                .get_many = curve_get_many,
                                                .worker_open = curve_worker_open,
                                                .worker_close = curve_worker_close };
static const mr_field curve_fields[] = { { .name = "x" }, { .name = "y" } };

/* ---- the model ---- */

typedef struct net {
    mr_module *layer1, *layer2;
} net;

static mr_tensor *net_forward(mr_module *m, mr_tape *t, mr_tensor *x) /* x: (batch,) */
{
    net *n = mr_module_self(m);
    x = mr_unsqueeze(t, x, 1);                            /* (batch, 1)      */
    x = mr_sigmoid(t, mr_forward(n->layer1, t, x));       /* (batch, hidden) */
    return mr_squeeze(t, mr_forward(n->layer2, t, x), 1); /* (batch,)      */
}

static const mr_module_vtable net_vtable = { .type = "MyLtModule", .forward = net_forward };

static mr_module *net_new(int64_t hidden, mr_rng *rng)
{
    net n;
    n.layer1 = mr_linear_new(1, hidden, rng, NULL);
    n.layer2 = mr_linear_new(hidden, 1, rng, NULL);
    mr_module *m = mr_module_new(&net_vtable, &n, sizeof n);
    mr_module_add(m, "layer1", n.layer1);
    mr_module_add(m, "layer2", n.layer2);
    return m;
}

/* ---- the task ---- */

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
    mr_log(s, "loss", loss, &(mr_log_opts){ .prog_bar = true });
    return loss;
}

static mr_optim *configure_optimizers(void *self, mr_module *model)
{
    const options *o = self;
    mr_params params = mr_module_parameters(model);
    if (strcmp(o->optimizer, "adam") == 0)
        return mr_adam_new(params, o->lr, NULL);
    if (strcmp(o->optimizer, "adamw") == 0)
        return mr_adamw_new(params, o->lr, NULL);
    double momentum = strcmp(o->optimizer, "momentum") == 0 ? 0.9 : 0;
    return mr_sgd_new(params, o->lr, &(mr_sgd_opts){ .momentum = momentum });
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = configure_optimizers };

/* Prints the loss of a batch of random points, the same ones each time. They are drawn from a generator of
 * their own, so that the one that training uses does not move. */
static mr_status print_loss(const char *when, mr_module *model, mr_dataset *data, const options *o)
{
    const mr_batch *b;
    mr_rng *rng = mr_rng_new((uint64_t)o->seed);
    mr_loader *loader =
        mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = o->batch_size, .shuffle = true });
    mr_tape *tape = mr_tape_new(rng);
    mr_tape_set_grad(tape, false);
    mr_status s = mr_loader_next(loader, &b);
    if (s == MR_OK) {
        mr_tensor *loss = mr_mse_loss(tape, mr_forward(model, tape, b->field[0]), b->field[1], NULL);
        if ((s = mr_tape_status(tape)) == MR_OK) {
            printf("batch loss %s training: ", when);
            s = mr_tensor_print(stdout, loss);
            putchar('\n');
        }
    }
    mr_tape_free(tape);
    mr_loader_free(loader);
    mr_rng_free(rng);
    return s;
}

/* ---- logs besides metrics.csv ---- */

static const char *const log_names[] = { "merged", "jsonl", "tensorboard" };

enum { LOGS = 3 };

/* The next of a list of names with commas, as its number; -1: there is no such. Moves behind it; *list is NULL behind the last. */
static int next_log(const char **list)
{
    const size_t length = strcspn(*list, ",");
    int found = -1;
    for (int i = 0; i < LOGS; i++)
        if (strlen(log_names[i]) == length && strncmp(*list, log_names[i], length) == 0)
            found = i;
    *list = (*list)[length] ? *list + length + 1 : NULL;
    return found;
}

static bool is_log_list(const char *list)
{
    bool there[LOGS] = { false };
    while (list) {
        const int log = next_log(&list);
        if (log < 0 || there[log])
            return false;
        there[log] = true;
    }
    return true;
}

static void add_logs(mr_trainer *trainer, const char *list)
{
    while (list) {
        const int log = next_log(&list);
        mr_trainer_add_logger(trainer, log == 0   ? mr_csv_logger_new(&(mr_csv_logger_opts){ .merged = true })
                                       : log == 1 ? mr_jsonl_logger_new(NULL)
                                                  : mr_tensorboard_logger_new(NULL));
    }
}

/* ---- what comes of it ---- */

static mr_status plot_loss(const char *metrics, const char *picture)
{
    mr_frame *frame = mr_frame_read_csv(metrics);
    mr_status s = mr_plot_metrics(frame, "loss", picture);
    if (s == MR_OK)
        printf("picture: %s\n", picture);
    mr_frame_free(frame);
    return s;
}

static mr_status print_results(const mr_trainer *trainer, const options *o)
{
    const char *metrics = mr_trainer_metrics_path(trainer), *checkpoint = mr_trainer_checkpoint_path(trainer);
    if (*metrics)
        printf("metrics: %s\n", metrics);
    else
        printf("metrics: none, there were fewer than %lld steps\n", (long long)o->log_every);
    if (*checkpoint)
        printf("checkpoint: %s\n", checkpoint);
    if (!o->plot)
        return MR_OK;
    if (!*metrics)
        return mr_fail(MR_ERR_ARGUMENT, "there is nothing to draw: no step was logged (--log-every %lld)",
                       (long long)o->log_every);
    return plot_loss(metrics, o->plot);
}

/* `*signal`: the one that ended it. */
static mr_status run(const options *o, int *signal)
{
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, 0, 1, o->points);
    mr_rng *rng = mr_rng_new((uint64_t)o->seed);
    curve points = { mr_tensor_data(x), o->points, rng };
    mr_dataset *data = mr_dataset_new(&curve_vtable, &points, sizeof points, curve_fields, 2);
    mr_loader *loader = mr_loader_new(data, rng,
                                      &(mr_loader_opts){ .batch_size = o->batch_size,
                                                         .shuffle = !o->no_shuffle,
                                                         .drop_last = o->drop_last,
                                                         .workers = (int)o->workers });
    mr_module *model = net_new(o->hidden, rng);
    mr_task *task = mr_task_new(&task_vtable, model, o, sizeof *o);
    mr_trainer *trainer = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = o->epochs,
                                                             .csv = o->log_dir,
                                                             .name = o->name,
                                                             .log_every_n_steps = o->log_every,
                                                             .checkpoint_every = o->checkpoint_every,
                                                             .resume = o->resume,
                                                             .handle_signals = true,
                                                             .no_progress = o->no_progress,
                                                             .no_checkpoint = o->no_checkpoint });
    add_logs(trainer, o->log);
    mr_status s = print_loss("before", model, data, o);
    if (s == MR_OK)
        s = mr_trainer_fit(trainer, task, loader);
    if (s == MR_OK)
        s = print_loss("after", model, data, o);
    if (s == MR_OK)
        s = print_results(trainer, o);
    *signal = mr_trainer_signal(trainer);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(data);
    mr_tensor_free(x);
    return s;
}

/* ---- the command line ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), last = strlen(end);
    return length >= last && strcasecmp(text + length - last, end) == 0;
}

static options parse(int argc, char **argv)
{
    static const char *const optimizers[] = { "adam", "adamw", "sgd", "momentum", NULL };
    options o = { .seed = 42,
                  .points = 1024,
                  .batch_size = 32,
                  .epochs = 30,
                  .hidden = 16,
                  .log_every = 50,
                  .lr = 1e-3,
                  .optimizer = "adam",
                  .log_dir = "lightning_logs",
                  .name = "my_lt_module" };
    const args_flag flags[] = {
        { .name = "seed", .integer = &o.seed, .low = 0, .high = UINT32_MAX },
        { .name = "points", .integer = &o.points, .low = 1, .high = 100000000 },
        { .name = "batch-size", .integer = &o.batch_size, .low = 1, .high = 1000000000 },
        { .name = "epochs", .integer = &o.epochs, .low = 1, .high = 1000000000 },
        { .name = "hidden", .integer = &o.hidden, .low = 1, .high = 1000000 },
        { .name = "lr", .real = &o.lr },
        { .name = "optimizer", .text = &o.optimizer, .one_of = optimizers },
        { .name = "no-shuffle", .on = &o.no_shuffle },
        { .name = "drop-last", .on = &o.drop_last },
        { .name = "workers", .integer = &o.workers, .low = 0, .high = 256 },
        { .name = "log-dir", .text = &o.log_dir },
        { .name = "name", .text = &o.name },
        { .name = "log-every", .integer = &o.log_every, .low = 1, .high = 1000000000 },
        { .name = "log", .text = &o.log },
        { .name = "checkpoint-every", .text = &o.checkpoint_every },
        { .name = "resume", .text = &o.resume },
        { .name = "no-progress", .on = &o.no_progress },
        { .name = "no-checkpoint", .on = &o.no_checkpoint },
        { .name = "plot", .text = &o.plot },
        { .name = NULL },
    };
    const args_program program = { "curve", usage, flags };
    args_parse(&program, argc, argv);
    mr_duration every;
    if (o.checkpoint_every && mr_duration_parse(o.checkpoint_every, &every))
        args_wrong(&program,
                   "--checkpoint-every takes a duration such as 7ba, 2ep, 10000sp, 90s or 0.3dur, not '%s'",
                   o.checkpoint_every);
    if (o.log && !is_log_list(o.log))
        args_wrong(&program, "--log takes merged, jsonl and tensorboard, with commas, not '%s'", o.log);
    if (o.resume && !*o.resume)
        args_wrong(&program, "--resume takes a path, or last, not ''");
    if (o.plot && !ends_with(o.plot, ".png") && !ends_with(o.plot, ".svg"))
        args_wrong(&program, "--plot takes a file that ends in .png or .svg, not '%s'", o.plot);
    return o;
}

int main(int argc, char **argv)
{
    options o = parse(argc, argv);
    int signal = 0;
    mr_status s = run(&o, &signal);
    if (s == MR_OK && fflush(stdout))
        s = mr_fail(MR_ERR_IO, "cannot write to standard output: %s", strerror(errno));
    if (s == MR_OK)
        return 0;
    if (s == MR_INTERRUPTED)
        return 128 + signal;
    fprintf(stderr, "curve: %s\n", mr_error());
    return 1;
}
