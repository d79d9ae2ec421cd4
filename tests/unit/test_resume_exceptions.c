/* What a failure leaves (save_on_exception): the training goes on from there, behind the batch that failed, or with the
 * validation that did. */
#include "resume.h"

/* The last checkpoint, the weights and the rows of two trainings are equal. */
static void check_same(const char *a, const char *b, const char *checkpoint)
{
    const char *files[] = { "version_0/metrics.csv", "model.safetensors", checkpoint };
    char command[1500];
    for (int i = 0; i < 3; i++) {
        snprintf(command, sizeof command, "cmp '%s/%s/%s' '%s/%s/%s'", files_folder, a, files[i],
                 files_folder, b, files[i]);
        CHECK(system(command) == 0);
    }
}

static int64_t failing_at; /* updates after which it comes; -1: not any more */
static const char *failing_in;

static mr_status fail_there(void *self, mr_step *s)
{
    if (strcmp(failing_in, self) != 0 || s->global_step != failing_at ||
        (s->validating && s->batch && s->batch_index < 2))
        return MR_OK;
    failing_at = -1;
    return mr_fail(MR_ERR_FORMAT, "no more");
}

static void keep_exception(mr_trainer *t)
{
    static char batch[] = "batch", validation[] = "validation", epoch[] = "epoch",
                within[] = "within validation", behind[] = "behind validation";
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_batch_start = fail_there }, batch));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_validation_start = fail_there }, validation));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_train_epoch_end = fail_there }, epoch));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_validation_batch_end = fail_there }, within));
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(&(mr_callback_vtable){ .on_validation_end = fail_there }, behind));
    (void)mr_trainer_add_callback(t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){
                                         .save_top_k = MR_ZERO_INT, .save_on_exception = true }));
}

/* It goes on from there to the same number of updates: no batch comes twice, and no epoch has more. But for one that failed
 * in a step: that batch is lost. */
static void test_exceptions(void)
{
    static const struct {
        const char *in;
        int64_t at;
        const char *interval;
        int lost;
    } cases[] = { { "batch", 5, NULL, 1 },
                  { "validation", 15, NULL, 0 },
                  { "epoch", 15, NULL, 0 },
                  { "validation", 3, "4ba", 0 },
                  { "validation", 17, "4ba", 0 } };
    add_callbacks = keep_exception;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[30], path[120], last[120];
        mr_trainer_opts opts = { .max_epochs = EPOCHS, .val_check_interval = cases[i].interval };
        snprintf(name, sizeof name, "exception%zu", i);
        snprintf(path, sizeof path, "%s/version_0/checkpoints/exception.safetensors", name);
        failing_in = cases[i].in;
        failing_at = -1;
        CHECK_EQ_I64(fit("exception_whole", "last", &opts, 0, false), MR_OK);
        failing_at = cases[i].at;
        CHECK_EQ_I64(fit(name, NULL, &opts, 0, false), MR_ERR_FORMAT);
        CHECK_EQ_I64(failing_at, -1);
        if (!CHECK(file_exists(in_folder(path))))
            continue;
        CHECK_EQ_I64(fit(name, in_folder(path), &opts, 0, false), MR_OK);
        /* Of 54 batches 46 are updates. */
        snprintf(last, sizeof last, "%s/version_0/checkpoints/epoch=5-step=%d.safetensors", name,
                 46 - cases[i].lost);
        if (!CHECK(file_exists(in_folder(last))))
            (void)!system("ls /dev/shm/millrace-test*/exception*/version_0/checkpoints");
    }
    add_callbacks = NULL;
}

/* A validation that has failed is done again as if it had not begun: the bytes are those of a training without a failure. */
static void test_failed_validations(void)
{
    static const struct {
        const char *in;
        int64_t at;
        const char *interval;
    } cases[] = { { "validation", 15, NULL },        { "within validation", 15, NULL },
                  { "behind validation", 15, NULL }, { "within validation", 17, "4ba" },
                  { "within validation", 5, "3ba" }, { "within validation", 8, "3ba" },
                  { "behind validation", 3, "4ba" } };
    add_callbacks = keep_exception;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[30], whole[30], path[120];
        mr_trainer_opts opts = { .max_epochs = EPOCHS,
                                 .log_every_n_steps = 1,
                                 .val_check_interval = cases[i].interval };
        snprintf(name, sizeof name, "validation%zu", i);
        snprintf(whole, sizeof whole, "validation%zu_whole", i);
        snprintf(path, sizeof path, "%s/version_0/checkpoints/exception.safetensors", name);
        failing_in = cases[i].in;
        failing_at = -1;
        CHECK_EQ_I64(fit(whole, NULL, &opts, 0, false), MR_OK);
        failing_at = cases[i].at;
        CHECK_EQ_I64(fit(name, NULL, &opts, 0, false), MR_ERR_FORMAT);
        CHECK_EQ_I64(failing_at, -1);
        CHECK(strstr(mr_error(), "no more") != NULL);
        CHECK_EQ_I64(fit(name, in_folder(path), &opts, 0, false), MR_OK);
        check_same(whole, name, "version_0/checkpoints/epoch=5-step=46.safetensors");
    }
    add_callbacks = NULL;
}

/* ---- a failure in a batch, within a window of accumulated ones ---- */

static enum { IN_STEP, BEFORE_BACKWARD, BEHIND_BACKWARD, WAYS } way;
static int64_t failed_epoch, failed_batch;
static bool fails; /* or the batch is left out there; behind backward it is not */
static bool was_there;

static bool is_there(const mr_step *s, int of_way)
{
    const bool there = (int)way == of_way && s->epoch == failed_epoch && s->batch_index == failed_batch;
    was_there |= there;
    return there;
}

static mr_tensor *step_there(mr_step *s, const mr_batch *b)
{
    mr_tensor *loss = training_step(s, b);
    if (is_there(s, IN_STEP) && fails)
        mr_fail(MR_ERR_FORMAT, "no more");
    else if (is_there(s, IN_STEP))
        mr_step_skip(s);
    return loss;
}

static mr_status before_there(void *self, mr_step *s)
{
    (void)self;
    if (!is_there(s, BEFORE_BACKWARD))
        return MR_OK;
    return fails ? mr_fail(MR_ERR_FORMAT, "no more") : MR_END;
}

static mr_status behind_there(void *self, mr_step *s)
{
    (void)self;
    return is_there(s, BEHIND_BACKWARD) && fails ? mr_fail(MR_ERR_FORMAT, "no more") : MR_OK;
}

static void keep_failed(mr_trainer *t)
{
    (void)mr_trainer_add_callback(
        t, mr_lambda_callback_new(
               &(mr_callback_vtable){ .on_before_backward = before_there, .on_after_backward = behind_there },
               NULL));
    (void)mr_trainer_add_callback(t, mr_model_checkpoint_new(&(mr_model_checkpoint_opts){
                                         .save_top_k = MR_ZERO_INT, .save_on_exception = true }));
}

/* The training goes on as if the batch had been left out, or behind backward as if there had been no failure: to the byte. */
static void compare_failed(const char *kind, mr_trainer_opts opts)
{
    char name[60], whole[70], path[120], command[1500];
    snprintf(name, sizeof name, "%s_%d_%d_%d", kind, (int)way, (int)failed_epoch, (int)failed_batch);
    snprintf(whole, sizeof whole, "%s_whole", name);
    snprintf(path, sizeof path, "%s/version_0/checkpoints/exception.safetensors", name);
    opts.max_epochs = 3;
    opts.log_every_n_steps = 1;
    fails = was_there = false;
    CHECK_EQ_I64(fit(whole, NULL, &opts, 0, false), MR_OK);
    if (!was_there) /* the step itself has left it out */
        return;
    fails = true;
    CHECK_EQ_I64(fit(name, NULL, &opts, 0, false), MR_ERR_FORMAT);
    CHECK_EQ_I64(fit(name, in_folder(path), &opts, 0, false), MR_OK);
    snprintf(command, sizeof command, "rm '%s' && cd '%s' && diff -rq '%s' '%s'", in_folder(path),
             files_folder, whole, name);
    CHECK(system(command) == 0);
}

static void test_failed_batches(void)
{
    static const struct {
        const char *name;
        mr_trainer_opts opts;
        int batches;
    } kinds[] = { { "window", { .accumulate_grad_batches = 4 }, 9 },
                  { "due", { .accumulate_grad_batches = 2, .val_check_interval = "2ba" }, 9 },
                  { "parts", { .accumulate_grad_batches = 3, .val_check_interval = "0.34ep" }, 9 },
                  { "single", { .val_check_interval = "18sp", .limit_train_batches = 8 }, 8 } };
    const mr_task_vtable *kind_before = task_kind;
    mr_task_vtable kind = *task_kind;
    const long pause_before = pause_us;
    kind.training_step = step_there;
    task_kind = &kind;
    add_callbacks = keep_failed;
    pause_us = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (way = IN_STEP; way < WAYS; way++)
            for (failed_epoch = 0; failed_epoch < 2; failed_epoch++)
                for (failed_batch = failed_epoch == 0; failed_batch < kinds[k].batches; failed_batch++)
                    compare_failed(kinds[k].name, kinds[k].opts);
    pause_us = pause_before;
    task_kind = kind_before;
    add_callbacks = NULL;
}

/* Of another kind of updates the gradients are not: it is refused. */
static void test_another_window(void)
{
    static const char path[] = "others/version_0/checkpoints/exception.safetensors";
    mr_trainer_opts opts = { .max_epochs = 1, .accumulate_grad_batches = 4 };
    add_callbacks = keep_failed;
    fails = true;
    way = BEHIND_BACKWARD;
    failed_epoch = 0;
    failed_batch = 1;
    for (int i = 0; i < 2; i++) {
        opts.accumulate_grad_batches = i ? 1 : 4;
        CHECK_EQ_I64(fit("others", NULL, &opts, 0, false), MR_ERR_FORMAT);
        opts.accumulate_grad_batches = i ? 4 : 1;
        CHECK_EQ_I64(fit("others", in_folder(path), &opts, 0, false), MR_ERR_ARGUMENT);
        CHECK(strstr(mr_error(),
                     i ? "it has the gradients of 1 batch alone, and accumulate_grad_batches is 4 here"
                       : "it has the gradients of 2 batches of a window, and "
                         "accumulate_grad_batches is 1 here") != NULL);
        folder_remove(in_folder("others"));
    }
    add_callbacks = NULL;
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    RUN(test_exceptions);
    RUN(test_failed_validations);
    RUN(test_failed_batches);
    RUN(test_another_window);
    return files_report();
}
