/* The batch-size finder: which sizes it tries and takes under which limit, and that everything stands where it stood. */
#include "check.h"
#include "fit.h"

enum { SAMPLES = 3000, WIDTH = 64 };

static char tried[1000]; /* the sizes of loaders that were made */
static mr_dataset *data;
static mr_rng *rng;

static int64_t data_len(void *self)
{
    (void)self;
    return SAMPLES;
}

static mr_status data_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    for (int i = 0; i < WIDTH; i++)
        ((float *)sample->field[0])[i] = (float)((index + i) % 7);
    return MR_OK;
}

static mr_status failing_by = MR_ERR_FORMAT;

static mr_loader *make(void *user, int64_t size)
{
    const size_t used = strlen(tried);
    snprintf(tried + used, sizeof tried - used, "%lld ", (long long)size);
    if (user && size == *(int64_t *)user) {
        mr_fail(failing_by, "no more");
        return NULL;
    }
    return mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = size, .shuffle = true });
}

static int steps;

/* Of rows of 256 bytes: two results of as many, and their gradients. */
static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    steps++;
    mr_tensor *x = mr_forward(s->model, s->tape, b->field[0]);
    return mr_mean(s->tape, mr_relu(s->tape, x), MR_ALL, false);
}

static mr_optim *optimizers(void *self, mr_module *model)
{
    (void)self;
    return mr_adam_new(mr_module_parameters(model), 0.1, NULL);
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = optimizers };

static mr_module *model;
static mr_task *task;
static mr_trainer *trainer;

/* What the model takes besides the step: parameters, gradients, two averages. */
static size_t fixed_bytes(void)
{
    mr_optim *optim = mr_adam_new(mr_module_parameters(model), 0.1, NULL);
    const size_t bytes = mr_memory_of(model, optim, NULL).total;
    mr_optim_free(optim);
    return bytes;
}

static int64_t find(mr_batch_size_opts opts, size_t rows)
{
    static const size_t of_a_row = WIDTH * sizeof(float); /* of each field, result and gradient */
    opts.max_bytes = rows ? fixed_bytes() + 5 * rows * of_a_row + 20000 : 0;
    *tried = '\0';
    steps = 0;
    return mr_trainer_scale_batch_size(trainer, task, make, NULL, &opts);
}

static void test_power(void)
{
    const int64_t size = find((mr_batch_size_opts){ 0 }, 500);
    CHECK(size == 256 || size == 512);
    CHECK_EQ_STR(tried, size == 256 ? "2 4 8 16 32 64 128 256 512 " : "2 4 8 16 32 64 128 256 512 1024 ");
    CHECK(steps >= 3 * 8);
    CHECK_EQ_I64(find((mr_batch_size_opts){ .init_val = 100, .max_val = 300 }, 100000), 300);
    CHECK_EQ_STR(tried, "100 200 300 ");
    CHECK_EQ_I64(find((mr_batch_size_opts){ .init_val = 1000, .steps_per_trial = 1 }, 100000), SAMPLES);
    CHECK_EQ_STR(tried, "1000 2000 3000 "); /* as many as there are */
    CHECK_EQ_I64(steps, 3);
    CHECK_EQ_I64(find((mr_batch_size_opts){ .max_trials = 3 }, 100000), 8);
    CHECK_EQ_STR(tried, "2 4 8 ");
    CHECK_EQ_I64(find((mr_batch_size_opts){ .init_val = 4096 }, 0), SAMPLES); /* the machine has that much */
    const int64_t down = find((mr_batch_size_opts){ .init_val = 2048 }, 500);
    CHECK(down == 256 || down == 512); /* halved until it fits */
}

static void test_binsearch(void)
{
    char fits[60], too_large[60];
    mr_trainer *quiet = trainer;
    trainer = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1 });
    mr_set_log_hook(hear, NULL);
    *heard = '\0';
    const int64_t size =
        find((mr_batch_size_opts){ .mode = MR_BATCH_SIZE_BINSEARCH, .margin = MR_ZERO }, 500);
    mr_set_log_hook(NULL, NULL);
    CHECK(size > 200 && size < 600);
    snprintf(fits, sizeof fits, "batches of %lld fit, ", (long long)size);
    snprintf(too_large, sizeof too_large, "batches of %lld do not fit, ", (long long)size + 1);
    CHECK(strstr(heard, fits) && strstr(heard, too_large)); /* it is the largest */
    mr_trainer_free(trainer);
    trainer = quiet;
    const int64_t rough = find((mr_batch_size_opts){ .mode = MR_BATCH_SIZE_BINSEARCH, .margin = 0.25 }, 500);
    CHECK(rough <= size && (double)rough * 1.25 >= (double)size);
    CHECK_EQ_I64(find((mr_batch_size_opts){ .mode = MR_BATCH_SIZE_BINSEARCH, .max_val = 100 }, 100000), 100);
}

static void test_saying(void)
{
    mr_trainer *loud = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1 });
    mr_set_log_hook(hear, NULL);
    *heard = *tried = '\0';
    CHECK_EQ_I64(mr_trainer_scale_batch_size(loud, task, make, NULL,
                                             &(mr_batch_size_opts){ .max_val = 4, .max_bytes = 100000000 }),
                 4);
    mr_set_log_hook(NULL, NULL);
    CHECK(strncmp(heard, "scale_batch_size: batches of 2 fit, with ", 41) == 0);
    CHECK(strstr(heard, " bytes of 100000000\nscale_batch_size: batches of 4 fit, with ") != NULL);
    mr_trainer_free(loud);
}

/* A loader that there is no memory for is a size that does not fit. */
static void test_no_loader(void)
{
    int64_t at = 32;
    failing_by = MR_ERR_MEMORY;
    mr_trainer *loud = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1 });
    mr_set_log_hook(hear, NULL);
    *heard = *tried = '\0';
    CHECK_EQ_I64(mr_trainer_scale_batch_size(loud, task, make, &at, NULL), 16);
    CHECK_EQ_STR(mr_error(), "");
    mr_set_log_hook(NULL, NULL);
    CHECK(
        strstr(heard, "scale_batch_size: batches of 32 do not fit: there is no memory for their loader\n") !=
        NULL);
    mr_trainer_free(loud);
    failing_by = MR_ERR_FORMAT;
}

/* Weights and generator are what they were, in whatever way it ended. */
static void test_put_back(void)
{
    uint8_t before[MR_RNG_STATE_BYTES], after[MR_RNG_STATE_BYTES];
    mr_params p = mr_module_parameters(model);
    mr_tensor *weight = mr_tensor_keep(p.item[0].tensor);
    mr_rng_get_state(rng, before);
    CHECK(find((mr_batch_size_opts){ .mode = MR_BATCH_SIZE_BINSEARCH }, 300) > 0);
    mr_rng_get_state(rng, after);
    CHECK(memcmp(before, after, sizeof before) == 0);
    CHECK(memcmp(mr_tensor_data(weight), mr_tensor_data(p.item[0].tensor), sizeof(float) * WIDTH * WIDTH) ==
          0);
    CHECK(!mr_tensor_has_grad(p.item[0].tensor));
    mr_tensor_free(weight);
}

static void test_failures(void)
{
    int64_t at = 4;
    *tried = '\0';
    CHECK_EQ_I64(mr_trainer_scale_batch_size(trainer, task, make, &at, NULL), 0);
    CHECK_EQ_STR(mr_error(), "no more");
    CHECK_EQ_I64(mr_error_status(), MR_ERR_FORMAT);
    mr_error_clear();
    *tried = '\0';
    CHECK_EQ_I64(
        mr_trainer_scale_batch_size(trainer, task, make, NULL, &(mr_batch_size_opts){ .max_bytes = 1000 }),
        0);
    CHECK_EQ_STR(mr_error(), "scale_batch_size: not even batches of 1 fit into 1000 bytes");
    CHECK_EQ_STR(tried, "2 1 ");
    static const struct {
        mr_batch_size_opts opts;
        const char *text;
    } wrong[] = {
        { { .init_val = -1 }, "scale_batch_size: init_val -1 is not at least 1" },
        { { .max_val = -1 }, "scale_batch_size: max_val -1 is not at least 1" },
        { { .steps_per_trial = -1 }, "scale_batch_size: steps_per_trial -1 is not at least 1" },
        { { .max_trials = -1 }, "scale_batch_size: max_trials -1 is not at least 1" },
        { { .mode = (mr_batch_size_mode)2 }, "scale_batch_size: there is no mode 2" },
        { { .margin = 1 }, "scale_batch_size: margin 1 is not in [0, 1)" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQ_I64(mr_trainer_scale_batch_size(trainer, task, make, NULL, &wrong[i].opts), 0);
        CHECK_EQ_STR(mr_error(), wrong[i].text);
    }
    CHECK_EQ_I64(mr_trainer_scale_batch_size(trainer, task, NULL, NULL, NULL), 0);
    CHECK_EQ_STR(mr_error(), "scale_batch_size: make is NULL");
}

int main(void)
{
    static const mr_dataset_vtable data_vtable = { .len = data_len, .get = data_get };
    static const mr_field field = { "x", MR_FLOAT32, { 1, { WIDTH } } };
    rng = mr_rng_new(1);
    data = mr_dataset_new(&data_vtable, NULL, 0, &field, 1);
    model = mr_linear_new(WIDTH, WIDTH, rng, NULL);
    task = mr_task_new(&task_vtable, model, NULL, 0);
    trainer = mr_trainer_new(&(mr_trainer_opts){ .no_progress = true, .no_summary = true });
    RUN(test_power);
    RUN(test_binsearch);
    RUN(test_saying);
    RUN(test_no_loader);
    RUN(test_put_back);
    RUN(test_failures);
    mr_trainer_free(trainer);
    mr_task_free(task);
    mr_module_free(model);
    mr_dataset_free(data);
    mr_rng_free(rng);
    return check_report();
}
