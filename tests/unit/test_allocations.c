/* A step allocates nothing after the first epoch, and a program frees all that it has made. */
#include "check.h"
#include "count_malloc.h"

#include <millrace/millrace.h>

#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

/* ---- the chapter's curve and model ---- */

enum { POINTS = 100, BATCH = 32, STEPS = 4 /* an epoch; the last batch has four rows */ };

static int64_t curve_len(void *self)
{
    (void)self;
    return POINTS;
}

static mr_status curve_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    float x = (float)index / POINTS;
    *(float *)sample->field[0] = x;
    *(float *)sample->field[1] = 3 * x + sinf(6 * x) + 1;
    return MR_OK;
}

static const mr_dataset_vtable curve_vtable = { .len = curve_len, .get = curve_get };
static const mr_field curve_fields[] = { { .name = "x" }, { .name = "y" } };

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

static mr_module *net_new(mr_rng *rng)
{
    net n;
    n.layer1 = mr_linear_new(1, 16, rng, NULL);
    n.layer2 = mr_linear_new(16, 1, rng, NULL);
    mr_module *m = mr_module_new(&net_vtable, &n, sizeof n);
    mr_module_add(m, "layer1", n.layer1);
    mr_module_add(m, "layer2", n.layer2);
    return m;
}

/* ---- what is counted of a training: the allocations of this thread since the last step of the second epoch began,
 * so that the change of epochs is a part of it (at the end of the first each name gets a place for its value) ---- */

static struct {
    int64_t at_start, at_last_second, later, steps;
} watched;

static void watch_start(void)
{
    memset(&watched, 0, sizeof watched);
    watched.at_start = own_allocations;
}

static void watch_step(int64_t epoch)
{
    if (epoch <= 1)
        watched.at_last_second = own_allocations;
    watched.later = own_allocations - watched.at_last_second;
    watched.steps++;
}

static void check_watched(int64_t steps)
{
    CHECK_EQ_I64(watched.steps, steps);
    CHECK(watched.at_last_second > watched.at_start); /* the counting works */
    CHECK_EQ_I64(watched.later, 0);
}

/* ---- the trainer ---- */

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    watch_step(s->epoch);
    mr_tensor *loss = mr_mse_loss(s->tape, mr_forward(s->model, s->tape, b->field[0]), b->field[1], NULL);
    mr_log(s, "loss", loss, &(mr_log_opts){ .prog_bar = true });
    return loss;
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 1e-3, NULL);
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers };

static char dir[] = "/tmp/millrace-allocations-XXXXXX";

static void keep_quiet(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

static void fit(const mr_trainer_opts *opts)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *curve = mr_dataset_new(&curve_vtable, NULL, 0, curve_fields, 2);
    mr_loader *train = mr_loader_new(curve, rng, &(mr_loader_opts){ .batch_size = BATCH, .shuffle = true });
    mr_module *model = net_new(rng);
    mr_task *task = mr_task_new(&task_vtable, model, NULL, 0);
    mr_trainer *trainer = mr_trainer_new(opts);
    watch_start();
    CHECK_EQ_I64(mr_trainer_fit(trainer, task, train), MR_OK);
    check_watched(opts->max_epochs * STEPS);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(model);
    mr_loader_free(train);
    mr_dataset_free(curve);
    mr_rng_free(rng);
}

/* A terminal of its own as stdout for the bar, or /dev/null where there are none; `*other` is its other end. What
 * does not fit the terminal's buffer is lost. Gives what stdout was. */
static int swap_stdout(int *other)
{
    int was = dup(STDOUT_FILENO), fd = -1;
    *other = posix_openpt(O_RDWR | O_NOCTTY);
    if (*other >= 0 && grantpt(*other) == 0 && unlockpt(*other) == 0)
        fd = open(ptsname(*other), O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        fd = open("/dev/null", O_WRONLY);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    close(fd);
    return was;
}

static void fit_with_a_bar(const mr_trainer_opts *opts)
{
    int other = -1, was = swap_stdout(&other);
    char drawn = '\0';
    fit(opts);
    fflush(stdout);
    clearerr(stdout);
    dup2(was, STDOUT_FILENO);
    close(was);
    if (other < 0)
        return;
    CHECK(read(other, &drawn, 1) == 1 && drawn == '\r');
    close(other);
}

static void test_trainer(void)
{
    fit(&(mr_trainer_opts){
        .max_epochs = 6, .csv = dir, .name = "rows", .log_every_n_steps = 3, .no_progress = true });
    fit_with_a_bar(&(mr_trainer_opts){ .max_epochs = 6, .csv = dir, .name = "bar", .log_every_n_steps = 1 });
    fit(&(mr_trainer_opts){ .max_epochs = 6, .no_progress = true, .no_summary = true });
}

/* More rows than a block of the queue between the threads holds, and time for the other thread to write checkpoints. */
static void test_trainer_with_many_rows(void)
{
    fit_with_a_bar(
        &(mr_trainer_opts){ .max_epochs = 2500, .csv = dir, .name = "many", .log_every_n_steps = 1 });
}

/* ---- the loop without a trainer ---- */

/* The loss over a loader without gradients, as a validation. */
static double evaluate(mr_module *model, mr_tape *tape, mr_loader *loader)
{
    const mr_batch *b;
    mr_status s;
    double total = 0;
    bool was = mr_tape_set_grad(tape, false);
    while ((s = mr_loader_next(loader, &b)) == MR_OK) {
        mr_tensor *loss = mr_mse_loss(tape, mr_forward(model, tape, b->field[0]), b->field[1],
                                      &(mr_loss_opts){ .reduction = MR_REDUCE_SUM });
        total += mr_item(loss);
        mr_tape_reset(tape);
    }
    CHECK_EQ_I64(s, MR_END);
    mr_tape_set_grad(tape, was);
    return total / POINTS;
}

static void test_loop_with_validation(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *curve = mr_dataset_new(&curve_vtable, NULL, 0, curve_fields, 2);
    mr_loader *train = mr_loader_new(curve, rng, &(mr_loader_opts){ .batch_size = BATCH, .shuffle = true });
    mr_loader *validation = mr_loader_new(curve, rng, &(mr_loader_opts){ .batch_size = 48 });
    mr_module *model = net_new(rng);
    mr_optim *adam = mr_adamw_new(mr_module_parameters(model), 1e-2, &(mr_adamw_opts){ .amsgrad = true });
    mr_tape *tape = mr_tape_new(rng), *other = mr_tape_new(rng);
    watch_start();
    double first = evaluate(model, other, validation), last = first;
    for (int epoch = 0; epoch < 5; epoch++) {
        const mr_batch *b;
        mr_status s;
        while ((s = mr_loader_next(train, &b)) == MR_OK) {
            watch_step(epoch);
            mr_optim_zero_grad(adam);
            mr_tensor *loss = mr_mse_loss(tape, mr_forward(model, tape, b->field[0]), b->field[1], NULL);
            if ((s = mr_backward(tape, loss)) < 0 || (s = mr_optim_step(adam)) < 0)
                break;
            mr_tape_reset(tape);
        }
        CHECK_EQ_I64(s, MR_END);
        mr_module_train(model, false);
        last = evaluate(model, other, validation);
        mr_module_train(model, true);
    }
    watched.later = own_allocations - watched.at_last_second;
    check_watched(5 * STEPS);
    CHECK(last < first);
    mr_tape_free(tape);
    mr_tape_free(other);
    mr_optim_free(adam);
    mr_module_free(model);
    mr_loader_free(train);
    mr_loader_free(validation);
    mr_dataset_free(curve);
    mr_rng_free(rng);
}

/* ---- a classifier: rows of tensors, cross entropy, two metrics of it ---- */

static mr_module *classifier_new(mr_rng *rng)
{
    mr_module *m = mr_sequential_new();
    mr_sequential_add(m, mr_flatten_new());
    mr_sequential_add(m, mr_linear_new(6, 8, rng, NULL));
    mr_sequential_add(m, mr_relu_new());
    mr_sequential_add(m, mr_linear_new(8, 3, rng, NULL));
    return m;
}

/* A step, and the share of right answers; what user code does with the operations at hand. */
static mr_status classifier_step(mr_tape *t, mr_module *model, mr_optim *sgd, const mr_batch *b)
{
    mr_status s;
    mr_optim_zero_grad(sgd);
    mr_tensor *logits = mr_forward(model, t, b->field[0]);
    mr_tensor *loss =
        mr_cross_entropy(t, logits, b->field[1], &(mr_cross_entropy_opts){ .label_smoothing = 0.1 });
    mr_tensor *centred = mr_sub(t, logits, mr_mean(t, logits, MR_DIMS(1), true));
    loss = mr_add(t, loss, mr_mul_scalar(t, mr_var(t, centred, MR_ALL, false, NULL), 1e-3));
    mr_tensor *right = mr_eq(t, mr_argmax(t, logits, MR_DIMS(1), false), b->field[1]);
    double share = mr_item(mr_mean(t, mr_cast(t, right, MR_FLOAT32), MR_ALL, false));
    CHECK(share >= 0 && share <= 1);
    if ((s = mr_backward(t, loss)) < 0 || (s = mr_optim_step(sgd)) < 0)
        return s;
    mr_tape_reset(t);
    return MR_OK;
}

static mr_status double_inputs(void *user, const mr_batch *samples, mr_collated *out)
{
    (void)user;
    mr_tensor *x = mr_collate_field(out, "x", MR_FLOAT32, mr_tensor_shape(samples->field[0]));
    mr_tensor *y = mr_collate_field(out, "y", MR_INT64, MR_SHAPE(samples->rows));
    if (!x || !y)
        return mr_error_status();
    mr_tensor_copy(y, samples->field[1]);
    mr_tensor_copy(x, samples->field[0]);
    return mr_tensor_add_scaled(x, 1, samples->field[0]);
}

static void train_classifier(bool collate)
{
    mr_rng *rng = mr_rng_new(7), *own = mr_rng_new(8);
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(POINTS, 2, 3));
    mr_tensor *y = mr_tensor_randint(rng, MR_INT64, 0, 3, MR_SHAPE(POINTS));
    mr_dataset *data = mr_dataset_from_tensors((mr_tensor *[]){ x, y }, NULL, 2);
    mr_loader *train = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = BATCH, .shuffle = true });
    mr_module *model = classifier_new(rng);
    mr_optim *sgd = mr_sgd_new(mr_module_parameters(model), 1e-2,
                               &(mr_sgd_opts){ .momentum = 0.9, .nesterov = true, .weight_decay = 1e-4 });
    mr_tape *tape = mr_tape_new(rng);
    CHECK_EQ_I64(mr_loader_set_generator(train, own), MR_OK);
    if (collate)
        CHECK_EQ_I64(mr_loader_set_collate(train, double_inputs, NULL), MR_OK);
    watch_start();
    for (int epoch = 0; epoch < 4; epoch++) {
        const mr_batch *b;
        mr_status s;
        while ((s = mr_loader_next(train, &b)) == MR_OK) {
            watch_step(epoch);
            if ((s = classifier_step(tape, model, sgd, b)) < 0)
                break;
        }
        CHECK_EQ_I64(s, MR_END);
    }
    watched.later = own_allocations - watched.at_last_second;
    check_watched(4 * STEPS);
    mr_tape_free(tape);
    mr_optim_free(sgd);
    mr_module_free(model);
    mr_loader_free(train);
    mr_dataset_free(data);
    mr_tensor_free(x);
    mr_tensor_free(y);
    mr_rng_free(rng);
    mr_rng_free(own);
}

static void test_classifier(void)
{
    train_classifier(false);
}

static void test_classifier_with_collate(void)
{
    train_classifier(true);
}

/* ---- that the counting counts, and that nothing is lost ---- */

static void *do_nothing(void *user)
{
    free(malloc(1)); /* counted, but not for the thread of the tests */
    return user;
}

/* What the C library makes once and keeps: a thread's stack, the buffer of stdout. */
static void warm_up(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
        pthread_join(thread, NULL);
    printf("counting\n");
}

static void test_counting(void)
{
    pthread_t thread;
    int64_t own = own_allocations, all = atomic_load(&counted_allocations), live = atomic_load(&live_blocks);
    json_t *object = json_pack("{s:[i,i]}", "shape", 3, 4);
    char *text = strdup("libraries are counted, and what the C library does for itself");
    mr_rng *rng = mr_rng_new(1);
    void *memory = realloc(malloc(1), 100000);
    CHECK(own_allocations >= own + 5);
    CHECK(atomic_load(&live_blocks) >= live + 4);
    free(memory);
    mr_rng_free(rng);
    free(text);
    json_decref(object);
    CHECK_EQ_I64(atomic_load(&live_blocks), live);
    own = own_allocations;
    int error = pthread_create(&thread, NULL, do_nothing, NULL);
    if (!error)
        pthread_join(thread, NULL);
    CHECK(error == 0 && atomic_load(&counted_allocations) > all);
    CHECK(own_allocations <= own + 1); /* what pthread_create needs */
    CHECK_EQ_I64(atomic_load(&live_blocks), live);
}

/* Runs a test, and checks that as much memory is live as before. */
#define RUN_BALANCED(test)                                 \
    do {                                                   \
        int64_t live = atomic_load(&live_blocks);          \
        RUN(test);                                         \
        CHECK_EQ_I64(atomic_load(&live_blocks) - live, 0); \
    } while (0)

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    mr_set_log_hook(keep_quiet, NULL);
    warm_up();
    RUN_BALANCED(test_counting);
    RUN_BALANCED(test_trainer);
    RUN_BALANCED(test_trainer_with_many_rows);
    RUN_BALANCED(test_loop_with_validation);
    RUN_BALANCED(test_classifier);
    RUN_BALANCED(test_classifier_with_collate);
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return check_report();
}
