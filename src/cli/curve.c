/*
 * curve: fits y = 3x + sin(6x) + 1 on [0, 1] by a small network; the last program of the chapter, with flags.
 * It makes and draws everything in the order in which the PyTorch program does, so that the numbers agree.
 */
#include "args.h"

#include <millrace/millrace.h>

#include <getopt.h>
#include <string.h>

static const char usage[] = "usage: curve [flags]\n"
                            "Fits y = 3x + sin(6x) + 1 by Linear(1, hidden), sigmoid, Linear(hidden, 1).\n"
                            "  --seed N            of the generator, 0 to 4294967295 (42)\n"
                            "  --points N          of the curve, evenly spaced on [0, 1] (1024)\n"
                            "  --batch-size N      (32)\n"
                            "  --epochs N          (30)\n"
                            "  --hidden N          units (16)\n"
                            "  --lr X              learning rate (1e-3)\n"
                            "  --optimizer NAME    adam, adamw, sgd, or momentum (SGD with 0.9) (adam)\n"
                            "  --no-shuffle        keep the points in order\n"
                            "  --drop-last         leave out a last batch that is short\n"
                            "  --log-dir DIR       where versions are numbered (lightning_logs)\n"
                            "  --name NAME         folder below it (my_lt_module)\n"
                            "  --log-every N       steps between rows of metrics.csv (50)\n"
                            "  --no-progress       no progress bar\n"
                            "  --no-checkpoint     no checkpoints\n"
                            "  --plot FILE         draw the loss to a .png or .svg file (needs gnuplot)\n"
                            "  --help              this text\n";

typedef struct options {
    int64_t seed, points, batch_size, epochs, hidden, log_every;
    double lr;
    const char *optimizer, *log_dir, *name, *plot;
    bool no_shuffle, drop_last, no_progress, no_checkpoint;
} options;

/* ---- the data: computed at each access, as the chapter's dataset does ---- */

typedef struct curve {
    const float *x;
    int64_t points;
    mr_tape *tape; /* to compute on */
} curve;

static int64_t curve_len(void *self)
{
    return ((const curve *)self)->points;
}

static mr_status curve_get_many(void *self, const int64_t *indices, int64_t count, void *const *field)
{
    const curve *c = self;
    mr_tape *t = c->tape;
    float *row = field[0];
    for (int64_t i = 0; i < count; i++)
        row[i] = c->x[indices[i]];
    mr_tensor *x = mr_tape_wrap(t, MR_FLOAT32, MR_SHAPE(count), row);
    mr_tensor *y = mr_add_scalar(t, mr_add(t, mr_mul_scalar(t, x, 3), mr_sin(t, mr_mul_scalar(t, x, 6))), 1);
    mr_status s = mr_copy_out(y, MR_FLOAT32, field[1], count);
    mr_tape_reset(t);
    return s;
}

static mr_status curve_get(void *self, int64_t index, const mr_sample *sample)
{
    return curve_get_many(self, &index, 1, sample->field);
}

static const mr_dataset_vtable curve_vtable = { .len = curve_len, .get = curve_get, .get_many = curve_get_many };
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
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = o->batch_size, .shuffle = true });
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

static mr_status print_results(const mr_trainer *trainer, const options *o)
{
    mr_status s = MR_OK;
    printf("metrics: %s\n", mr_trainer_metrics_path(trainer));
    if (*mr_trainer_checkpoint_path(trainer))
        printf("checkpoint: %s\n", mr_trainer_checkpoint_path(trainer));
    if (o->plot) {
        mr_frame *metrics = mr_frame_read_csv(mr_trainer_metrics_path(trainer));
        s = mr_plot_metrics(metrics, "loss", o->plot);
        if (s == MR_OK)
            printf("picture: %s\n", o->plot);
        mr_frame_free(metrics);
    }
    return s;
}

static mr_status run(const options *o)
{
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, 0, 1, o->points);
    mr_rng *rng = mr_rng_new((uint64_t)o->seed);
    curve points = { mr_tensor_data(x), o->points, mr_tape_new(rng) };
    mr_dataset *data = mr_dataset_new(&curve_vtable, &points, sizeof points, curve_fields, 2);
    mr_loader *loader = mr_loader_new(data, rng,
                                      &(mr_loader_opts){ .batch_size = o->batch_size,
                                                         .shuffle = !o->no_shuffle,
                                                         .drop_last = o->drop_last });
    mr_module *model = net_new(o->hidden, rng);
    mr_task *task = mr_task_new(&task_vtable, model, o, sizeof *o);
    mr_trainer *trainer = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = o->epochs,
                                                             .csv = o->log_dir,
                                                             .name = o->name,
                                                             .log_every_n_steps = o->log_every,
                                                             .no_progress = o->no_progress,
                                                             .no_checkpoint = o->no_checkpoint });
    mr_status s = print_loss("before", model, data, o);
    if (s == MR_OK)
        s = mr_trainer_fit(trainer, task, loader);
    if (s == MR_OK)
        s = print_loss("after", model, data, o);
    if (s == MR_OK)
        s = print_results(trainer, o);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(data);
    mr_tape_free(points.tape);
    mr_tensor_free(x);
    return s;
}

/* ---- the command line ---- */

static void wrong(const char *message, const char *value)
{
    fprintf(stderr, "curve: %s '%s'; see curve --help\n", message, value);
    exit(ARGS_WRONG);
}

static const char *one_of(const char *value)
{
    static const char *const names[] = { "adam", "adamw", "sgd", "momentum" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0)
            return value;
    wrong("--optimizer is adam, adamw, sgd or momentum, not", value);
    return NULL;
}

static options parse(int argc, char **argv)
{
    enum {
        SEED = 256,
        POINTS,
        BATCH,
        EPOCHS,
        HIDDEN,
        LR,
        OPTIMIZER,
        ORDERED,
        DROP,
        DIR,
        NAME,
        EVERY,
        QUIET,
        BARE,
        PLOT,
        HELP
    };
    static const struct option flags[] = {
        { "seed", 1, NULL, SEED },
        { "points", 1, NULL, POINTS },
        { "batch-size", 1, NULL, BATCH },
        { "epochs", 1, NULL, EPOCHS },
        { "hidden", 1, NULL, HIDDEN },
        { "lr", 1, NULL, LR },
        { "optimizer", 1, NULL, OPTIMIZER },
        { "no-shuffle", 0, NULL, ORDERED },
        { "drop-last", 0, NULL, DROP },
        { "log-dir", 1, NULL, DIR },
        { "name", 1, NULL, NAME },
        { "log-every", 1, NULL, EVERY },
        { "no-progress", 0, NULL, QUIET },
        { "no-checkpoint", 0, NULL, BARE },
        { "plot", 1, NULL, PLOT },
        { "help", 0, NULL, HELP },
        { NULL, 0, NULL, 0 },
    };
    enum { MOST = 1 << 30 };
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
    int flag, at = -1;
    opterr = 0;
    while ((flag = getopt_long(argc, argv, "+:", flags, &at)) != -1) {
        const char *name = flag > 255 && at >= 0 ? flags[at].name : "";
        switch (flag) {
        case SEED:
            o.seed = args_integer("curve", name, optarg, 0, UINT32_MAX);
            break;
        case POINTS:
            o.points = args_integer("curve", name, optarg, 1, MOST);
            break;
        case BATCH:
            o.batch_size = args_integer("curve", name, optarg, 1, MOST);
            break;
        case EPOCHS:
            o.epochs = args_integer("curve", name, optarg, 1, MOST);
            break;
        case HIDDEN:
            o.hidden = args_integer("curve", name, optarg, 1, MOST);
            break;
        case EVERY:
            o.log_every = args_integer("curve", name, optarg, 1, MOST);
            break;
        case LR:
            o.lr = args_real("curve", name, optarg);
            break;
        case OPTIMIZER:
            o.optimizer = one_of(optarg);
            break;
        case ORDERED:
            o.no_shuffle = true;
            break;
        case DROP:
            o.drop_last = true;
            break;
        case DIR:
            o.log_dir = optarg;
            break;
        case NAME:
            o.name = optarg;
            break;
        case QUIET:
            o.no_progress = true;
            break;
        case BARE:
            o.no_checkpoint = true;
            break;
        case PLOT:
            o.plot = optarg;
            break;
        case HELP:
            fputs(usage, stdout);
            exit(0);
        case ':':
            wrong("a value is missing behind", argv[optind - 1]);
            break;
        default:
            wrong("unknown flag", argv[optind - 1]);
        }
    }
    if (optind < argc)
        wrong("unknown argument", argv[optind]);
    return o;
}

int main(int argc, char **argv)
{
    options o = parse(argc, argv);
    if (run(&o) == MR_OK)
        return 0;
    fprintf(stderr, "curve: %s\n", mr_error());
    return 1;
}
