/* The states of optimizers and schedules as files: a loop without a trainer that goes on from them is the one that was not
 * interrupted. */
#include "check.h"
#include "files.h"

#include <millrace/millrace.h>

typedef struct loop {
    mr_rng *rng;
    mr_module *model;
    mr_optim *optim;
    mr_schedule *schedule;
    mr_tape *tape;
} loop;

static loop loop_new(void)
{
    loop l;
    l.rng = mr_rng_new(3);
    l.model = mr_linear_new(2, 2, l.rng, NULL);
    l.optim = mr_adam_new(mr_module_parameters(l.model), 0.1, NULL);
    l.schedule = mr_cosine_annealing_lr_new(l.optim, 7, NULL);
    l.tape = mr_tape_new(l.rng);
    return l;
}

static void loop_free(loop *l)
{
    mr_tape_free(l->tape);
    mr_schedule_free(l->schedule);
    mr_optim_free(l->optim);
    mr_module_free(l->model);
    mr_rng_free(l->rng);
}

static void train(loop *l, int from, int to)
{
    for (int i = from; i < to; i++) {
        mr_tensor *x = mr_tensor_full(MR_FLOAT32, MR_SHAPE(3, 2), 0.1 * i);
        mr_tensor *y = mr_forward(l->model, l->tape, x);
        mr_optim_zero_grad(l->optim);
        CHECK_EQ_I64(mr_backward(l->tape, mr_mean(l->tape, mr_mul(l->tape, y, y), MR_ALL, false)), MR_OK);
        CHECK_EQ_I64(mr_optim_step(l->optim), MR_OK);
        CHECK_EQ_I64(mr_schedule_step(l->schedule), MR_OK);
        mr_tape_reset(l->tape);
        mr_tensor_free(x);
    }
}

static void test_going_on(void)
{
    loop a = loop_new(), b = loop_new();
    train(&a, 0, 9);
    CHECK_EQ_I64(mr_module_save(a.model, in_folder("model")), MR_OK);
    CHECK_EQ_I64(mr_optim_save(a.optim, in_folder("optim")), MR_OK);
    CHECK_EQ_I64(mr_schedule_save(a.schedule, in_folder("schedule")), MR_OK);
    train(&a, 9, 20);
    CHECK_EQ_I64(mr_module_load(b.model, in_folder("model"), NULL), MR_OK);
    CHECK_EQ_I64(mr_optim_load(b.optim, in_folder("optim")), MR_OK);
    CHECK_EQ_I64(mr_schedule_load(b.schedule, in_folder("schedule")), MR_OK);
    train(&b, 9, 20);
    for (int i = 0; i < 2; i++)
        CHECK(memcmp(mr_tensor_data(mr_module_parameters(a.model).item[i].tensor),
                     mr_tensor_data(mr_module_parameters(b.model).item[i].tensor),
                     (i ? 2 : 4) * sizeof(float)) == 0);
    CHECK(mr_optim_lr(a.optim) == mr_optim_lr(b.optim));
    loop_free(&a);
    loop_free(&b);
}

static void expect(mr_status status, mr_status wanted, const char *text)
{
    CHECK_EQ_I64(status, wanted);
    CHECK_EQ_STR(mr_error(), text);
}

static void test_failures(void)
{
    char text[700];
    loop l = loop_new();
    expect(mr_optim_save(NULL, "x"), MR_ERR_ARGUMENT, "optim_save: optim is NULL");
    expect(mr_optim_save(l.optim, NULL), MR_ERR_ARGUMENT, "optim_save: path is NULL");
    expect(mr_optim_load(NULL, "x"), MR_ERR_ARGUMENT, "optim_load: optim is NULL");
    expect(mr_optim_load(l.optim, NULL), MR_ERR_ARGUMENT, "optim_load: path is NULL");
    expect(mr_schedule_save(NULL, "x"), MR_ERR_ARGUMENT, "schedule_save: schedule is NULL");
    expect(mr_schedule_save(l.schedule, NULL), MR_ERR_ARGUMENT, "schedule_save: path is NULL");
    expect(mr_schedule_load(NULL, "x"), MR_ERR_ARGUMENT, "schedule_load: schedule is NULL");
    expect(mr_schedule_load(l.schedule, NULL), MR_ERR_ARGUMENT, "schedule_load: path is NULL");
    expect(mr_optim_load(l.optim, "/nowhere/x"), MR_ERR_IO,
           "cannot read '/nowhere/x': No such file or directory");
    expect(mr_optim_save(l.optim, "/nowhere/x"), MR_ERR_IO,
           "cannot write '/nowhere/x': No such file or directory");
    snprintf(text, sizeof text, "load '%s': optim_load_state: weight.step is missing", in_folder("schedule"));
    expect(mr_optim_load(l.optim, in_folder("schedule")), MR_ERR_ARGUMENT, text);
    snprintf(text, sizeof text, "load '%s': schedule_load_state: last_epoch is missing", in_folder("optim"));
    expect(mr_schedule_load(l.schedule, in_folder("optim")), MR_ERR_ARGUMENT, text);
    CHECK_EQ_I64(mr_fail(MR_ERR_STATE, "before"), MR_ERR_STATE);
    expect(mr_optim_load(l.optim, in_folder("optim")), MR_ERR_STATE, "before");
    (void)mr_fail(MR_ERR_STATE, "before");
    expect(mr_schedule_save(l.schedule, in_folder("x")), MR_ERR_STATE, "before");
    CHECK(!file_exists(in_folder("x")));
    loop_free(&l);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_going_on);
    RUN(test_failures);
    return files_report();
}
