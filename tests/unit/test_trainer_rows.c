/* The rows that loggers get, their steps, epochs and values, beside those of Lightning's rules (golden/make_trainer_rows.py). */
#include "check.h"

#include <millrace/millrace.h>

#include <stdlib.h>

enum { SAMPLES = 50, MOST_ROWS = 64, MOST_VALUES = 3 };

/* ---- rows ---- */

typedef struct row {
    char kind[12];
    int64_t epoch, step;
    size_t count;
    char name[MOST_VALUES][20];
    double value[MOST_VALUES];
} row;

static row wanted[MOST_ROWS], got[MOST_ROWS];
static int wanted_count, got_count;

static mr_status take_row(void *self, const mr_log_row *r)
{
    static const char *const kinds[] = { "step", "validation", "epoch" };
    (void)self;
    if (got_count == MOST_ROWS || r->count > MOST_VALUES)
        return mr_fail(MR_ERR_STATE, "too much to log");
    row *to = &got[got_count++];
    *to = (row){ .epoch = r->epoch, .step = r->step, .count = r->count };
    snprintf(to->kind, sizeof to->kind, "%s", kinds[r->kind]);
    for (size_t i = 0; i < r->count; i++) {
        snprintf(to->name[i], sizeof to->name[i], "%s", r->names[i]);
        to->value[i] = r->values[i];
    }
    return MR_OK;
}

/* "step 0 4 loss_step=0.5": behind a row of the monitor its value comes first. */
static void read_row(char *text)
{
    static row monitor;
    char *rest, *word = strtok_r(text, " \n", &rest);
    row r = { .epoch = strtol(rest, &rest, 10) };
    snprintf(r.kind, sizeof r.kind, "%s", word);
    r.step = strtol(rest, &rest, 10);
    if (monitor.count && CHECK_EQ_STR(r.kind, "step") && CHECK_EQ_I64(r.step, monitor.step)) {
        memcpy(r.name, monitor.name, sizeof r.name);
        memcpy(r.value, monitor.value, sizeof r.value);
        r.count = monitor.count;
    }
    monitor.count = 0;
    while ((word = strtok_r(NULL, " \n", &rest)) && CHECK(r.count < MOST_VALUES)) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        snprintf(r.name[r.count], sizeof r.name[r.count], "%s", word);
        r.value[r.count++] = strtod(equals + 1, NULL);
    }
    if (strcmp(r.kind, "lr") == 0)
        monitor = r;
    else if (CHECK(wanted_count < MOST_ROWS))
        wanted[wanted_count++] = r;
}

static void compare_rows(const char *name)
{
    const int before = check_failed;
    CHECK_EQ_I64(got_count, wanted_count);
    for (int i = 0; i < got_count && i < wanted_count; i++) {
        CHECK_EQ_STR(got[i].kind, wanted[i].kind);
        CHECK_EQ_I64(got[i].epoch, wanted[i].epoch);
        CHECK_EQ_I64(got[i].step, wanted[i].step);
        CHECK_EQ_I64(got[i].count, wanted[i].count);
        for (size_t k = 0; k < wanted[i].count; k++) {
            CHECK_EQ_STR(got[i].name[k], wanted[i].name[k]);
            CHECK_CLOSE(got[i].value[k], wanted[i].value[k], 1e-6, 1e-8);
        }
    }
    if (check_failed > before)
        printf("    in case %s\n", name);
}

/* ---- a training ---- */

static struct {
    double batch, epochs, max_steps, log_every, lr, accumulate, clip_norm, clip_value, schedule, monitor,
        patience, min_delta, val_every, val_interval, limit_train, drop_last;
} o;

static void read_options(char *text)
{
    const struct {
        const char *name;
        double *at;
    } all[] = { { "batch", &o.batch },
                { "epochs", &o.epochs },
                { "max_steps", &o.max_steps },
                { "log_every", &o.log_every },
                { "lr", &o.lr },
                { "accumulate", &o.accumulate },
                { "clip_norm", &o.clip_norm },
                { "clip_value", &o.clip_value },
                { "schedule", &o.schedule },
                { "monitor", &o.monitor },
                { "patience", &o.patience },
                { "min_delta", &o.min_delta },
                { "val_every", &o.val_every },
                { "val_interval", &o.val_interval },
                { "limit_train", &o.limit_train },
                { "drop_last", &o.drop_last } };
    int read = 0;
    char *rest;
    for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            const size_t length = strlen(all[i].name);
            if (strncmp(word, all[i].name, length) == 0 && word[length] == '=') {
                *all[i].at = strtod(word + length + 1, NULL);
                read++;
            }
        }
    CHECK_EQ_I64(read, sizeof all / sizeof *all);
}

static int64_t data_len(void *self)
{
    (void)self;
    return SAMPLES;
}

static mr_status data_get(void *self, int64_t index, const mr_sample *sample)
{
    (void)self;
    const float x = (float)index / SAMPLES;
    *(float *)sample->field[0] = x;
    *(float *)sample->field[1] = 2 * x - x * x;
    return MR_OK;
}

static const mr_dataset_vtable data_vtable = { .len = data_len, .get = data_get };
static const mr_field fields[] = { { .name = "x" }, { .name = "y" } };

static mr_tensor *loss_of(mr_step *s, const mr_batch *b)
{
    mr_tensor *y = mr_forward(s->model, s->tape, mr_unsqueeze(s->tape, b->field[0], 1));
    return mr_mse_loss(s->tape, mr_squeeze(s->tape, y, 1), b->field[1], NULL);
}

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = loss_of(s, b);
    mr_log(s, "loss", loss, &(mr_log_opts){ .on_epoch = true });
    return loss;
}

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    mr_log(s, "val_loss", loss_of(s, b), NULL);
    return MR_OK;
}

static mr_optim *optimizer(void *self, mr_module *model)
{
    (void)self;
    return mr_sgd_new(mr_module_parameters(model), o.lr, &(mr_sgd_opts){ .momentum = 0.5 });
}

static mr_schedule *schedule(void *self, mr_optim *optim)
{
    (void)self;
    if (o.schedule == 1)
        return mr_step_lr_new(optim, 1, &(mr_step_lr_opts){ .gamma = 0.5 });
    if (o.schedule == 2)
        return mr_exponential_lr_new(optim, 0.9);
    return mr_reduce_lr_on_plateau_new(
        optim, &(mr_reduce_lr_on_plateau_opts){ .factor = 0.5, .patience = MR_ZERO_INT, .threshold = 0.1 });
}

static mr_trainer *trainer_new(void)
{
    static const mr_logger_vtable logger = { .name = "rows", .row = take_row };
    char interval[24];
    snprintf(interval, sizeof interval, "%gep", o.val_interval);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){
        .max_epochs = (int64_t)o.epochs,
        .max_steps = (int64_t)o.max_steps,
        .log_every_n_steps = (int64_t)o.log_every,
        .accumulate_grad_batches = (int64_t)o.accumulate,
        .gradient_clip_norm = o.clip_norm > 0 ? o.clip_norm : 0,
        .gradient_clip_value = o.clip_value > 0 ? o.clip_value : 0,
        .check_val_every_n_epoch = (int64_t)o.val_every,
        .val_check_interval = o.val_interval > 0 ? interval : NULL,
        .limit_train_batches = o.limit_train > 0 ? (int64_t)o.limit_train : 0,
        .no_progress = true,
        .no_summary = true,
    });
    (void)mr_trainer_add_logger(t, mr_logger_new(&logger, NULL, 0));
    if (o.monitor > 0)
        (void)mr_trainer_add_callback(t, mr_lr_monitor_new(NULL));
    if (o.patience >= 0)
        (void)mr_trainer_add_callback(
            t, mr_early_stopping_new("val_loss", &(mr_early_stopping_opts){ .patience = (int64_t)o.patience,
                                                                            .min_delta = o.min_delta }));
    return t;
}

static void run_training(void)
{
    mr_task_vtable task = { .training_step = training_step,
                            .configure_optimizers = optimizer,
                            .validation_step = validation_step,
                            .configure_schedule = o.schedule > 0 ? schedule : NULL,
                            .schedule_each_step = o.schedule == 2,
                            .schedule_monitor = o.schedule == 3 ? "val_loss" : NULL };
    mr_rng *rng = mr_rng_new(7);
    mr_dataset *d = mr_dataset_new(&data_vtable, NULL, 0, fields, 2);
    mr_loader *train = mr_loader_new(
        d, rng, &(mr_loader_opts){ .batch_size = (int64_t)o.batch, .drop_last = o.drop_last > 0 });
    mr_loader *val = mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 20 });
    mr_module *model = mr_sequential_new();
    model = mr_sequential_add(model, mr_linear_new(1, 8, rng, NULL));
    model = mr_sequential_add(model, mr_tanh_new());
    model = mr_sequential_add(model, mr_linear_new(8, 1, rng, NULL));
    mr_task *t = mr_task_new(&task, model, NULL, 0);
    mr_trainer *trainer = trainer_new();
    (void)mr_trainer_set_val_loader(trainer, val);
    got_count = 0;
    if (!CHECK_EQ_I64(mr_trainer_fit(trainer, t, train), MR_OK))
        printf("    %s\n", mr_error());
    mr_trainer_free(trainer);
    mr_task_free(t);
    mr_module_free(model);
    mr_loader_free(train);
    mr_loader_free(val);
    mr_dataset_free(d);
    mr_rng_free(rng);
}

/* ---- all cases ---- */

static void end_case(const char *name)
{
    if (!*name)
        return;
    run_training();
    compare_rows(name);
}

static void test_golden(void)
{
    char line[1000], name[60] = "", *rest;
    int cases = 0;
    FILE *file = fopen(MR_TEST_DATA "/trainer_rows.txt", "r");
    if (!CHECK(file != NULL))
        return;
    while (fgets(line, sizeof line, file)) {
        const char *word = strtok_r(line, " ", &rest);
        if (strcmp(word, "row") == 0) {
            read_row(rest);
        } else if (CHECK_EQ_STR(word, "case")) {
            end_case(name);
            wanted_count = 0;
            snprintf(name, sizeof name, "%s", strtok_r(NULL, " ", &rest));
            read_options(rest);
            cases++;
        }
    }
    end_case(name);
    fclose(file);
    CHECK_EQ_I64(cases, 24);
}

int main(void)
{
    RUN(test_golden);
    return check_report();
}
