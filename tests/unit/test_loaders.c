/* Several loaders in training, validation, test and prediction; parts of them; the same few batches again and again. */
#include "check.h"
#include "fit.h"

static char seen[4096]; /* what steps got: the first sample of each batch, and of which loader */

static void note(const char *what, const mr_step *s, const mr_batch *b)
{
    const size_t used = strlen(seen);
    snprintf(seen + used, sizeof seen - used, "%s%lld", what, (long long)b->indices[0]);
    for (int i = 0; i < s->batch_count; i++)
        if (s->batches[i] && s->batches[i] != b)
            snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "+%lld",
                     (long long)s->batches[i]->indices[0]);
        else if (!s->batches[i])
            strcat(seen, "-");
    if (s->loader_index)
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "@%d", s->loader_index);
    strcat(seen, " ");
}

static mr_tensor *training_step(mr_step *s, const mr_batch *b)
{
    note("", s, b);
    return fit_step(s, b);
}

static mr_status validation_step(mr_step *s, const mr_batch *b)
{
    note("v", s, b);
    mr_log_value(s, "rows", (double)b->rows, &(mr_log_opts){ .reduction = MR_OVER_EPOCH_SUM });
    mr_log_value(s, "all", (double)b->rows,
                 &(mr_log_opts){ .reduction = MR_OVER_EPOCH_SUM, .no_loader_index = true });
    if (s->loader_index == 1)
        mr_log_value(s, "second", 0.25, NULL);
    return MR_OK;
}

static mr_tensor *predict_step(mr_step *s, const mr_batch *b)
{
    note("p", s, b);
    return mr_mul_scalar(s->tape, b->field[0], 1);
}

static const mr_task_vtable task_vtable = { .training_step = training_step,
                                            .configure_optimizers = fit_optimizers,
                                            .validation_step = validation_step,
                                            .test_step = validation_step,
                                            .predict_step = predict_step };

/* Loaders of the same ten samples in batches of 4, 3 and 10: of 3, 4 and 1. */
typedef struct bench {
    fit f;
    mr_task *task;
    mr_loader *loader[3];
    mr_trainer *trainer;
} bench;

static bench begin(mr_trainer_opts opts)
{
    static const int64_t sizes[] = { 4, 3, 10 };
    bench b = { .f = fit_new(10) };
    b.task = mr_task_new(&task_vtable, b.f.model, NULL, 0);
    for (int i = 0; i < 3; i++)
        b.loader[i] = mr_loader_new(b.f.data, b.f.rng, &(mr_loader_opts){ .batch_size = sizes[i] });
    opts.no_progress = true;
    opts.max_epochs = opts.max_epochs ? opts.max_epochs : 1;
    b.trainer = mr_trainer_new(&opts);
    CHECK(b.trainer != NULL);
    *seen = *heard = '\0';
    return b;
}

static void end(bench *b)
{
    mr_trainer_free(b->trainer);
    mr_task_free(b->task);
    for (int i = 0; i < 3; i++)
        mr_loader_free(b->loader[i]);
    fit_free(&b->f);
}

/* ---- training ---- */

static void check_mode(mr_loaders_mode mode, mr_trainer_opts opts, const char *wanted)
{
    opts.no_summary = true;
    bench b = begin(opts);
    CHECK_EQ_I64(mr_trainer_fit_loaders(b.trainer, b.task, b.loader, 3, mode), MR_OK);
    CHECK_EQ_STR(seen, wanted);
    end(&b);
}

static void test_modes(void)
{
    const mr_trainer_opts two = { .max_epochs = 2 };
    check_mode(MR_LOADERS_MIN_SIZE, two, "0+0+0 0+0+0 ");
    check_mode(MR_LOADERS_MAX_SIZE, two, "0+0+0 4+3- 8+6- 9-- 0+0+0 4+3- 8+6- 9-- ");
    check_mode(MR_LOADERS_MAX_SIZE_CYCLE, two, "0+0+0 4+3+0 8+6+0 0+9+0 0+0+0 4+3+0 8+6+0 0+9+0 ");
    check_mode(MR_LOADERS_SEQUENTIAL, two, "0 4 8 0@1 3@1 6@1 9@1 0@2 0 4 8 0@1 3@1 6@1 9@1 0@2 ");
    check_mode(MR_LOADERS_SEQUENTIAL, (mr_trainer_opts){ .max_epochs = 2, .limit_train_batches = 5 },
               "0 4 8 0@1 3@1 0 4 8 0@1 3@1 ");
    check_mode(MR_LOADERS_MAX_SIZE_CYCLE, (mr_trainer_opts){ .max_epochs = 2, .limit_train_share = 0.5 },
               "0+0+0 4+3+0 0+0+0 4+3+0 ");
}

/* ---- what is said of numbers that went wrong ---- */

static mr_tensor *poison_last(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    const mr_batch *last = s->batch_count > 1 ? s->batches[1] : b;
    if (s->batch_count > 1 || s->loader_index == 1)
        ((float *)mr_tensor_data(last->field[1]))[0] = NAN;
    return mr_mul_scalar(s->tape, loss, s->batch_count > 1 || s->loader_index == 1 ? (double)NAN : 1);
}

static void check_wrong(mr_loaders_mode mode, const char *wanted)
{
    bench b = begin((mr_trainer_opts){ .no_summary = true });
    hook.step = poison_last;
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(mr_trainer_fit_loaders(b.trainer, b.task, b.loader, 2, mode), MR_ERR_NONFINITE);
    mr_set_log_hook(NULL, NULL);
    mr_error_clear();
    CHECK_EQ_STR(heard, wanted);
    end(&b);
}

static void test_wrong_numbers(void)
{
    check_wrong(MR_LOADERS_MIN_SIZE, "fit: the batch of loader 0 has the samples 0, 1, 2, 3\n"
                                     "fit: the batch of loader 1 has the samples 0, 1, 2\n"
                                     "fit: field y of the batch of loader 1 is not finite\n");
    check_wrong(MR_LOADERS_SEQUENTIAL, "fit: the batch of loader 1 has the samples 0, 1, 2\n"
                                       "fit: field y of the batch of loader 1 is not finite\n");
}

static void test_fit_refuses(void)
{
    bench b = begin((mr_trainer_opts){ .no_summary = true });
    mr_loader *twice[] = { b.loader[0], b.loader[1], b.loader[0] }, *none[] = { NULL };
    const struct {
        mr_loader *const *loaders;
        int count, mode;
        const char *text;
    } cases[] = { { NULL, 1, 0, "fit_loaders: loaders is NULL" },
                  { twice, 0, 0, "fit_loaders: 0 loaders, not 1 to 16" },
                  { twice, 17, 0, "fit_loaders: 17 loaders, not 1 to 16" },
                  { twice, 3, 0, "fit_loaders: loader 2 is loader 0, too" },
                  { none, 1, 0, "fit_loaders: a loader is NULL" },
                  { twice, 2, 4, "fit_loaders: there is no mode 4" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQ_I64(mr_trainer_fit_loaders(b.trainer, b.task, cases[i].loaders, cases[i].count,
                                            (mr_loaders_mode)cases[i].mode),
                     MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error(), cases[i].text);
    }
    CHECK_EQ_I64(mr_trainer_fit_loaders(NULL, b.task, twice, 2, 0), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit_loaders: trainer is NULL");
    end(&b);
    fit empty = fit_new(0);
    b = begin((mr_trainer_opts){ .no_summary = true });
    mr_loader *with[] = { b.loader[0], empty.loader };
    CHECK_EQ_I64(mr_trainer_fit_loaders(b.trainer, b.task, with, 2, MR_LOADERS_MAX_SIZE_CYCLE),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: loader 1 has no batches");
    end(&b);
    fit_free(&empty);
}

/* Loaders of which all are empty end a fit as one does, in every mode; one beside others can do so where nobody needs it. */
static void test_empty(void)
{
    fit empty[3] = { fit_new(0), fit_new(0), fit_new(0) };
    bench b = begin((mr_trainer_opts){ 0 });
    mr_set_log_hook(hear, NULL);
    for (int mode = MR_LOADERS_MAX_SIZE_CYCLE; mode <= MR_LOADERS_SEQUENTIAL; mode++)
        for (int count = 1; count <= 3; count++) {
            mr_loader *const none[] = { empty[0].loader, empty[1].loader, empty[2].loader };
            *heard = '\0';
            CHECK_EQ_I64(mr_trainer_fit_loaders(b.trainer, b.task, none, count, (mr_loaders_mode)mode),
                         MR_OK);
            CHECK(strstr(heard, "`Trainer.fit` stopped: No training batches.\n") != NULL);
        }
    mr_set_log_hook(NULL, NULL);
    for (int i = 0; i < 3; i++) {
        char text[60];
        mr_loader *with[] = { b.loader[0], b.loader[1], b.loader[2] };
        with[i] = empty[0].loader;
        CHECK_EQ_I64(mr_trainer_fit_loaders(b.trainer, b.task, with, 3, MR_LOADERS_MAX_SIZE_CYCLE),
                     MR_ERR_ARGUMENT);
        snprintf(text, sizeof text, "fit: loader %d has no batches", i);
        CHECK_EQ_STR(mr_error(), text);
        with[0] = empty[0].loader;
        with[1] = empty[1].loader;
        with[2] = b.loader[2];
        CHECK_EQ_I64(mr_trainer_fit_loaders(b.trainer, b.task, with, 3, MR_LOADERS_MAX_SIZE_CYCLE),
                     MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error(), "fit: loader 0 has no batches");
    }
    end(&b);
    for (int i = 0; i < 3; i++)
        fit_free(&empty[i]);
}

/* ---- validation and test ---- */

static void test_validation(void)
{
    bench b = begin((mr_trainer_opts){ .no_summary = true,
                                       .num_sanity_val_steps = 1,
                                       .csv = files_folder,
                                       .name = "several",
                                       .no_checkpoint = true,
                                       .limit_train_batches = 1 });
    for (int i = 0; i < 3; i++)
        CHECK_EQ_I64(mr_trainer_add_val_loader(b.trainer, b.loader[i]), MR_OK);
    CHECK_EQ_I64(mr_trainer_add_val_loader(b.trainer, b.loader[1]), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_val_loader: loader 3 is loader 1, too");
    CHECK_EQ_I64(mr_trainer_add_val_loader(b.trainer, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "trainer_add_val_loader: loader is NULL");
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK_EQ_STR(seen, "v0 v0@1 v0@2 0 v0 v4 v8 v0@1 v3@1 v6@1 v9@1 v0@2 ");
    CHECK(mr_trainer_metric(b.trainer, "rows/dataloader_idx_0") == 10);
    CHECK(mr_trainer_metric(b.trainer, "rows/dataloader_idx_2") == 10);
    CHECK(mr_trainer_metric(b.trainer, "second/dataloader_idx_1") == 0.25);
    CHECK(mr_trainer_metric(b.trainer, "all") == 30);
    CHECK(isnan(mr_trainer_metric(b.trainer, "rows")));
    CHECK_EQ_STR(file_contents(mr_trainer_metrics_path(b.trainer), NULL),
                 "rows/dataloader_idx_0,all,rows/dataloader_idx_1,second/dataloader_idx_1,"
                 "rows/dataloader_idx_2,epoch,step\r\n10.0,30.0,10.0,0.25,10.0,0,0\r\n");
    /* One again: without a suffix. */
    CHECK_EQ_I64(mr_trainer_set_val_loader(b.trainer, b.loader[2]), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.f.loader), MR_OK);
    CHECK(mr_trainer_metric(b.trainer, "rows") == 10);
    end(&b);
}

static const char *bar(void)
{
    static char text[400];
    *text = '\0';
    for (int i = 0; i < 120; i++)
        strcat(text, "─");
    return text;
}

static void test_test(void)
{
    char wanted[3000];
    bench b = begin((mr_trainer_opts){ .limit_test_batches = 2 });
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(mr_trainer_test_loaders(b.trainer, b.task, b.loader, 3), MR_OK);
    mr_set_log_hook(NULL, NULL);
    CHECK_EQ_STR(seen, "v0 v4 v0@1 v3@1 v0@2 ");
    /* Three loaders have room beside each other: (120 - 25) / 25. */
    snprintf(wanted, sizeof wanted,
             "%s\n"
             "       Test metric             DataLoader 0             DataLoader 1             DataLoader 2\n"
             "%s\n"
             "           all                     24.0\n"
             "          rows                      8.0                      6.0                     10.0\n"
             "         second                                             0.25\n"
             "%s\n",
             bar(), bar(), bar());
    CHECK_EQ_STR(heard, wanted);
    static const char *const names[] = { "rows/dataloader_idx_0", "all", "rows/dataloader_idx_1",
                                         "second/dataloader_idx_1", "rows/dataloader_idx_2" };
    static const double values[] = { 8, 24, 6, 0.25, 10 };
    for (size_t i = 0; i < 5; i++) {
        double value = -1;
        CHECK_EQ_STR(mr_trainer_result(b.trainer, i, &value), names[i]);
        CHECK(value == values[i]);
    }
    CHECK(!mr_trainer_result(b.trainer, 5, NULL) && !mr_trainer_result(NULL, 0, NULL));
    CHECK_EQ_I64(mr_trainer_validate_loaders(b.trainer, b.task, b.loader, 1), MR_OK);
    CHECK_EQ_STR(mr_trainer_result(b.trainer, 0, NULL), "all"); /* what is of this validation alone */
    CHECK_EQ_STR(mr_trainer_result(b.trainer, 1, NULL), "rows");
    CHECK(!mr_trainer_result(b.trainer, 2, NULL));
    CHECK_EQ_I64(mr_trainer_test_loaders(b.trainer, b.task, NULL, 1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "test_loaders: loaders is NULL");
    CHECK_EQ_I64(mr_trainer_validate_loaders(b.trainer, NULL, b.loader, 1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "validate_loaders: task is NULL");
    end(&b);
}

/* Six have not: the others come in a second table. */
static void test_wide_table(void)
{
    bench b = begin((mr_trainer_opts){ 0 });
    mr_loader *six[6];
    for (int i = 0; i < 6; i++)
        six[i] = mr_loader_new(b.f.data, b.f.rng, &(mr_loader_opts){ .batch_size = 5 });
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(mr_trainer_validate_loaders(b.trainer, b.task, six, 6), MR_OK);
    mr_set_log_hook(NULL, NULL);
    const char *first = strstr(heard, "DataLoader 2\n"), *second = strstr(heard, "DataLoader 5\n");
    CHECK(first && second && first < second);
    CHECK(strstr(heard, "     Validate metric           DataLoader 3             DataLoader 4") != NULL);
    for (int i = 0; i < 6; i++)
        mr_loader_free(six[i]);
    end(&b);
}

/* ---- prediction ---- */

static void test_predict(void)
{
    mr_tensor *p[3];
    bench b = begin((mr_trainer_opts){ .limit_predict_batches = 2 });
    CHECK_EQ_I64(mr_trainer_predict_loaders(b.trainer, b.task, b.loader, 3, p), MR_OK);
    CHECK_EQ_STR(seen, "p0 p4 p0@1 p3@1 p0@2 ");
    static const int64_t rows[] = { 8, 6, 10 };
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_I64(mr_tensor_size(p[i], 0), rows[i]);
        CHECK(((float *)mr_tensor_data(p[i]))[5] == 0.5f);
        mr_tensor_free(p[i]);
    }
    CHECK_EQ_I64(mr_trainer_predict_loaders(b.trainer, b.task, b.loader, 3, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "predict_loaders: predictions is NULL");
    fit empty = fit_new(0);
    mr_loader *with[] = { b.loader[0], empty.loader };
    CHECK_EQ_I64(mr_trainer_predict_loaders(b.trainer, b.task, with, 2, p), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "predict: the loader has no batches");
    CHECK(!p[0] && !p[1]);
    fit_free(&empty);
    end(&b);
}

/* ---- parts ---- */

static int64_t no_len(void *self)
{
    (void)self;
    return -1;
}

static void *no_open(void *self, int64_t shard, int64_t shards)
{
    (void)self;
    (void)shard;
    (void)shards;
    return NULL;
}

static mr_status no_next(void *cursor, const mr_sample *sample)
{
    (void)cursor;
    (void)sample;
    return MR_END;
}

static void no_close(void *cursor)
{
    (void)cursor;
}

static void test_shares(void)
{
    bench b = begin((mr_trainer_opts){ .no_summary = true,
                                       .limit_train_share = 0.7, /* of three, four and one batches */
                                       .limit_val_share = 0.5,
                                       .limit_test_share = 1,
                                       .limit_predict_share = 0.34 });
    CHECK_EQ_I64(mr_trainer_set_val_loader(b.trainer, b.loader[1]), MR_OK);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.loader[0]), MR_OK);
    CHECK_EQ_STR(seen, "0 4 v0 v3 ");
    *seen = '\0';
    CHECK_EQ_I64(mr_trainer_test(b.trainer, b.task, b.loader[0]), MR_OK);
    CHECK_EQ_STR(seen, "v0 v4 v8 ");
    *seen = '\0';
    mr_tensor_free(mr_trainer_predict(b.trainer, b.task, b.loader[0]));
    CHECK_EQ_STR(seen, "p0 ");
    CHECK_EQ_I64(mr_trainer_validate(b.trainer, b.task, b.loader[2]), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "validation: limit_val_share: 0.5 of 1 batches is less than one");
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.loader[2]), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: limit_train_share: 0.7 of 1 batches is less than one");
    static const mr_stream_vtable endless = {
        .open = no_open, .next = no_next, .close = no_close, .len = no_len
    };
    mr_dataset *stream = mr_stream_new(&endless, NULL, 0, fit_fields, 2);
    mr_loader *unknown = mr_loader_new(stream, b.f.rng, NULL);
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, unknown), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "fit: limit_train_share: how many batches the loader has is not known");
    mr_loader_free(unknown);
    mr_dataset_free(stream);
    end(&b);
    static const struct {
        mr_trainer_opts opts;
        const char *text;
    } wrong[] = {
        { { .limit_train_share = 1.5 }, "trainer_new: limit_train_share 1.5 is not in (0, 1]" },
        { { .limit_val_share = -1 }, "trainer_new: limit_val_share -1 is not in (0, 1]" },
        { { .limit_test_batches = -1 }, "trainer_new: limit_test_batches -1 is not at least 1" },
        { { .limit_predict_batches = 1, .limit_predict_share = 1 },
          "trainer_new: limit_predict_batches and limit_predict_share exclude each other" },
        { { .overfit_batches = -3 }, "trainer_new: overfit_batches -3 is not at least 1" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!mr_trainer_new(&wrong[i].opts));
        CHECK_EQ_STR(mr_error(), wrong[i].text);
    }
}

/* The first batches of the dataset, not shuffled, for both. */
static void test_overfit(void)
{
    for (int by_share = 0; by_share < 2; by_share++) {
        bench b = begin((mr_trainer_opts){ .no_summary = true,
                                           .max_epochs = 2,
                                           .overfit_batches = by_share ? 0 : 2,
                                           .overfit_share = by_share ? 0.67 : 0 });
        mr_loader *shuffled =
            mr_loader_new(b.f.data, b.f.rng, &(mr_loader_opts){ .batch_size = 4, .shuffle = true });
        CHECK_EQ_I64(mr_trainer_set_val_loader(b.trainer, b.loader[1]), MR_OK);
        CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, shuffled), MR_OK);
        CHECK_EQ_STR(seen, "0 4 v0 v4 0 4 v0 v4 ");
        CHECK_EQ_I64(mr_trainer_fit_loaders(b.trainer, b.task, b.loader, 2, MR_LOADERS_MIN_SIZE),
                     MR_ERR_ARGUMENT);
        CHECK_EQ_STR(mr_error(), "fit: overfitting is for one loader, not 2");
        mr_loader_free(shuffled);
        end(&b);
    }
    bench b = begin((mr_trainer_opts){ .no_summary = true, .overfit_batches = 1 });
    CHECK_EQ_I64(mr_trainer_fit(b.trainer, b.task, b.loader[1]), MR_OK); /* without a validation */
    CHECK_EQ_STR(seen, "0 ");
    end(&b);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_modes);
    RUN(test_wrong_numbers);
    RUN(test_fit_refuses);
    RUN(test_empty);
    RUN(test_validation);
    RUN(test_test);
    RUN(test_wide_table);
    RUN(test_predict);
    RUN(test_shares);
    RUN(test_overfit);
    return files_report();
}
