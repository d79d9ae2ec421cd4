/* mr_log: what reaches metrics.csv, and what it refuses. */
#include "check.h"
#include "fit.h"

static char name_of_test[20];

/* Fits one epoch of three steps, logging each step; the rows, or NULL after a failure. */
static const char *rows(mr_tensor *(*step)(mr_step *, const mr_batch *, mr_tensor *))
{
    static int number;
    fit f = fit_new(10);
    hook.step = step;
    snprintf(name_of_test, sizeof name_of_test, "log%d", number++);
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_epochs = 1,
                                                       .csv = files_folder,
                                                       .name = name_of_test,
                                                       .log_every_n_steps = 1,
                                                       .no_progress = true,
                                                       .no_summary = true,
                                                       .no_checkpoint = true });
    mr_status status = mr_trainer_fit(t, f.task, f.loader);
    const char *text = status ? NULL : file_contents(mr_trainer_metrics_path(t), NULL);
    mr_trainer_free(t);
    fit_free(&f);
    return text;
}

/* ---- values ---- */

static mr_tensor *log_types(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    static const mr_dtype types[] = { MR_FLOAT64, MR_INT64, MR_INT32, MR_UINT8, MR_BOOL };
    static const char *const names[] = { "f64", "i64", "i32", "u8", "bool" };
    static const double values[] = { 0.1, -3, 7, 200, 1 };
    (void)b;
    mr_log(s, "f32", fit_value(s, 0.1), NULL);
    for (int i = 0; i < 5; i++)
        mr_log(s, names[i], mr_scalar(s->tape, types[i], values[i]), NULL);
    mr_tensor *one = mr_unsqueeze(s->tape, mr_unsqueeze(s->tape, fit_value(s, 0.5), 0), 0);
    mr_log(s, "one element", one, NULL); /* of shape [1,1] */
    mr_log(s, "nan", fit_value(s, NAN), NULL);
    return loss;
}

static void test_types(void)
{
    CHECK_EQ_STR(rows(log_types), "f32,f64,i64,i32,u8,bool,one element,nan,epoch,step\r\n"
                                  "0.10000000149011612,0.1,-3.0,7.0,200.0,1.0,0.5,nan,0,0\r\n"
                                  "0.10000000149011612,0.1,-3.0,7.0,200.0,1.0,0.5,nan,0,1\r\n"
                                  "0.10000000149011612,0.1,-3.0,7.0,200.0,1.0,0.5,nan,0,2\r\n");
}

static mr_tensor *log_loss(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "loss", loss, NULL);
    return s->batch_index == 1 ? mr_mul_scalar(s->tape, loss, 2) : loss;
}

/* The value is the tensor's, whatever is returned. */
static void test_loss(void)
{
    const char *text = rows(log_loss);
    if (!CHECK(text != NULL))
        return;
    fit f = fit_new(10);
    float w = fit_weight(&f), bias = fit_bias(&f);
    double sum = 0, first = strtod(text + strlen("loss,epoch,step\r\n"), NULL);
    for (int i = 0; i < 4; i++) {
        double x = i / 10.0, e = w * x + bias - 2 * x;
        sum += e * e;
    }
    CHECK_CLOSE(first, sum / 4, 1e-5, 0);
    CHECK((double)(float)first == first);
    fit_free(&f);
}

/* ---- how often ---- */

static const char *warning_of(mr_trainer_opts opts, int64_t samples)
{
    fit f = fit_new(samples);
    opts.no_progress = opts.no_summary = opts.no_checkpoint = true;
    opts.max_epochs = 2;
    opts.name = "interval";
    mr_trainer *t = mr_trainer_new(&opts);
    mr_set_log_hook(hear, NULL);
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    mr_set_log_hook(NULL, NULL);
    mr_trainer_free(t);
    fit_free(&f);
    return heard;
}

/* Said once when an epoch ends before the first row, and somebody logs. */
static void test_interval(void)
{
    CHECK_EQ_STR(
        warning_of((mr_trainer_opts){ .csv = files_folder }, 10),
        "fit: an epoch has 3 batches, fewer than log_every_n_steps, 50: set it lower to see the steps of "
        "each epoch in the log\n");
    CHECK_EQ_STR(
        warning_of((mr_trainer_opts){ .csv = files_folder, .limit_train_batches = 2, .log_every_n_steps = 3 },
                   10),
        "fit: an epoch has 2 batches, fewer than log_every_n_steps, 3: set it lower to see the steps of each "
        "epoch in the log\n");
    CHECK_EQ_STR(warning_of((mr_trainer_opts){ .csv = files_folder, .log_every_n_steps = 3 }, 10), "");
    CHECK_EQ_STR(warning_of((mr_trainer_opts){ .csv = files_folder, .log_every_n_steps = MR_ZERO_INT }, 10),
                 "");
    CHECK_EQ_STR(warning_of((mr_trainer_opts){ .csv = files_folder, .fast_dev_run = 1 }, 10), "");
    CHECK_EQ_STR(warning_of((mr_trainer_opts){ .csv = files_folder }, 0), "");
    CHECK_EQ_STR(warning_of((mr_trainer_opts){ 0 }, 10), "");
}

/* ---- names ---- */

static mr_tensor *log_changing(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    static const char *const orders[3][3] = { { "a", "b", "c" }, { "c", "a", "d" }, { "b", NULL, NULL } };
    (void)b;
    for (int i = 0; i < 3; i++)
        if (orders[s->batch_index][i])
            mr_log(s, orders[s->batch_index][i], fit_value(s, (double)(s->batch_index * 10 + i)), NULL);
    return loss;
}

/* Names in another order, others, fewer: each value is in its name's column. */
static void test_changing_names(void)
{
    CHECK_EQ_STR(rows(log_changing), "a,b,c,epoch,step,d\r\n"
                                     "0.0,1.0,2.0,0,0,\r\n"
                                     "11.0,,10.0,0,1,12.0\r\n"
                                     ",20.0,,0,2,\r\n");
}

static mr_tensor *log_elsewhere(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    static char memory[3][8];
    (void)b;
    snprintf(memory[s->batch_index], sizeof *memory, "loss"); /* the same text in another place each time */
    mr_log(s, memory[s->batch_index], fit_value(s, (double)s->batch_index), NULL);
    return loss;
}

static void test_equal_names(void)
{
    CHECK_EQ_STR(rows(log_elsewhere), "loss,epoch,step\r\n0.0,0,0\r\n1.0,0,1\r\n2.0,0,2\r\n");
}

static mr_tensor *log_twice(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "a", fit_value(s, 1), NULL);
    mr_log(s, "b", fit_value(s, 2), NULL);
    mr_log(s, "a", fit_value(s, 3), NULL);
    if (s->batch_index == 1)
        mr_log(s, "b", fit_value(s, 4), NULL);
    return loss;
}

static void test_twice(void)
{
    CHECK_EQ_STR(rows(log_twice), "a,b,epoch,step\r\n3.0,2.0,0,0\r\n3.0,4.0,0,1\r\n3.0,2.0,0,2\r\n");
}

static mr_tensor *log_reserved(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "epoch", fit_value(s, 7), NULL);
    mr_log(s, "a,\"b\"", fit_value(s, 1), NULL);
    return loss;
}

static mr_tensor *log_step(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "a", fit_value(s, 1), NULL);
    mr_log(s, "step", fit_value(s, 10.0 * (double)s->batch_index), NULL);
    return loss;
}

static void test_reserved_names(void)
{
    CHECK_EQ_STR(rows(log_reserved), "epoch,\"a,\"\"b\"\"\",step\r\n7.0,1.0,0\r\n7.0,1.0,1\r\n7.0,1.0,2\r\n");
    CHECK_EQ_STR(rows(log_step), "a,step\r\n1.0,0.0\r\n1.0,10.0\r\n1.0,20.0\r\n");
}

static mr_tensor *log_hidden(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log(s, "bar", fit_value(s, 1), &(mr_log_opts){ .prog_bar = true, .no_logger = true });
    if (s->batch_index == 1)
        mr_log(s, "row", fit_value(s, 2), &(mr_log_opts){ 0 });
    return loss;
}

/* What the logger does not get makes no row either. */
static void test_no_logger(void)
{
    CHECK_EQ_STR(rows(log_hidden), "row,epoch,step\r\n2.0,0,1\r\n");
}

static mr_tensor *log_nothing(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)s;
    (void)b;
    return loss;
}

static void test_nothing(void)
{
    CHECK_EQ_STR(rows(log_nothing), "");
    mr_log(NULL, "loss", NULL, NULL);
    CHECK_EQ_I64(mr_error_status(), MR_OK);
}

/* ---- as many names as there may be, and more ---- */

static char many[256][24];
static int64_t count;

static mr_tensor *log_many(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    for (int64_t i = 0; i < count; i++)
        mr_log(s, many[i], fit_value(s, (double)(i + 1000 * s->global_step)), NULL);
    return loss;
}

static void test_many(void)
{
    char cell[40];
    count = 256;
    const char *text = rows(log_many);
    if (!CHECK(text != NULL))
        return;
    for (int64_t i = 0; i < count; i++) {
        snprintf(cell, sizeof cell, "m%lld,", (long long)i);
        CHECK(strncmp(text, cell, strlen(cell)) == 0);
        text += strlen(cell);
    }
    CHECK(strncmp(text, "epoch,step\r\n", 12) == 0);
    text += 12;
    for (int64_t row = 0; row < 3; row++) {
        for (int64_t i = 0; i < count; i++) {
            snprintf(cell, sizeof cell, "%lld.0,", (long long)(i + 1000 * row));
            CHECK(strncmp(text, cell, strlen(cell)) == 0);
            text += strlen(cell);
        }
        snprintf(cell, sizeof cell, "0,%lld\r\n", (long long)row);
        CHECK(strncmp(text, cell, strlen(cell)) == 0);
        text += strlen(cell);
    }
    CHECK_EQ_STR(text, "");
}

/* More rows than the reporter's buffer holds arrive all the same, and in order. */
static void test_many_rows(void)
{
    enum { ROWS = 5000, METRICS = 20 };
    fit f = fit_new(10);
    hook.step = log_many;
    count = METRICS;
    mr_trainer *t = mr_trainer_new(&(mr_trainer_opts){ .max_steps = ROWS,
                                                       .csv = files_folder,
                                                       .name = "rows",
                                                       .log_every_n_steps = 1,
                                                       .no_progress = true,
                                                       .no_summary = true,
                                                       .no_checkpoint = true });
    CHECK_EQ_I64(mr_trainer_fit(t, f.task, f.loader), MR_OK);
    FILE *file = fopen(mr_trainer_metrics_path(t), "r");
    char line[1000], wanted[1000];
    if (!CHECK(file && fgets(line, sizeof line, file)))
        return;
    for (long long row = 0; row < ROWS; row++) {
        size_t used = 0;
        for (int i = 0; i < METRICS; i++)
            used += (size_t)snprintf(wanted + used, sizeof wanted - used, "%.1f,",
                                     (double)(float)(i + 1000 * row));
        snprintf(wanted + used, sizeof wanted - used, "%lld,%lld\r\n", row / 3, row);
        if (!CHECK_EQ_STR(fgets(line, sizeof line, file), wanted))
            break;
    }
    CHECK(fgets(line, sizeof line, file) == NULL);
    fclose(file);
    mr_trainer_free(t);
    fit_free(&f);
}

/* ---- what is refused ---- */

static enum wrong_way { TOO_MANY, VECTOR, EMPTY, NO_NAME, NO_VALUE, BAR, LOGGER } way;

static mr_tensor *log_wrong(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    mr_log(s, "loss", loss, NULL);
    if (s->global_step < 1)
        return loss;
    if (way == TOO_MANY)
        log_many(s, b, loss);
    else if (way == VECTOR)
        mr_log(s, "x", b->field[0], NULL);
    else if (way == EMPTY)
        mr_log(s, "x", mr_slice(s->tape, b->field[0], 0, 0, 0, 1), NULL);
    else
        mr_log(s, way == NO_NAME ? NULL : "loss", way == NO_VALUE ? NULL : loss,
               &(mr_log_opts){ .prog_bar = way == BAR, .no_logger = way == LOGGER });
    return loss;
}

static void check_refused(enum wrong_way how, mr_status status, const char *text)
{
    char wanted[300];
    way = how;
    CHECK(rows(log_wrong) == NULL);
    CHECK_EQ_I64(mr_error_status(), status);
    snprintf(wanted, sizeof wanted, "fit: epoch 0, step 1: %s", text);
    CHECK_EQ_STR(mr_error(), wanted);
}

static void test_refused(void)
{
    count = 256;
    check_refused(TOO_MANY, MR_ERR_ARGUMENT, "log: 'm255' is one name more than the 256 that a fit can log");
    check_refused(VECTOR, MR_ERR_SHAPE, "log: 'x' has shape x[4], not one element");
    check_refused(EMPTY, MR_ERR_SHAPE, "log: 'x' has shape [0], not one element");
    check_refused(NO_NAME, MR_ERR_ARGUMENT, "log: name is NULL");
    check_refused(NO_VALUE, MR_ERR_ARGUMENT, "log: input is NULL");
    check_refused(BAR, MR_ERR_ARGUMENT, "log: 'loss' has been logged with other options before");
    check_refused(LOGGER, MR_ERR_ARGUMENT, "log: 'loss' has been logged with other options before");
}

static mr_tensor *log_for_nothing(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log_value(s, "x", 1, &(mr_log_opts){ .no_step = true });
    return loss;
}

static mr_tensor *log_reduced(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    mr_log_value(s, "x", 1, &(mr_log_opts){ .on_epoch = true, .reduction = (mr_over_epoch)7 });
    return loss;
}

static void test_options_without_meaning(void)
{
    CHECK(!rows(log_for_nothing));
    CHECK_EQ_STR(mr_error(),
                 "fit: epoch 0, step 0: log: 'x' has no_step without on_epoch, so nothing would be logged");
    CHECK(!rows(log_reduced));
    CHECK_EQ_STR(mr_error(), "fit: epoch 0, step 0: log: 'x': there is no reduction 7");
}

int main(void)
{
    if (!files_begin())
        return 1;
    for (int i = 0; i < 256; i++)
        snprintf(many[i], sizeof *many, "m%d", i);
    RUN(test_types);
    RUN(test_loss);
    RUN(test_interval);
    RUN(test_changing_names);
    RUN(test_equal_names);
    RUN(test_twice);
    RUN(test_reserved_names);
    RUN(test_no_logger);
    RUN(test_nothing);
    RUN(test_many);
    RUN(test_many_rows);
    RUN(test_refused);
    RUN(test_options_without_meaning);
    return files_report();
}
