/* A failure that nobody has dealt with is returned by the next call whose status must be checked, which does
 * nothing else: what it would do is built on what has failed. */
#include "check.h"

#include "base/error.h"

#include <millrace/millrace.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static mr_rng *rng;
static mr_tape *tape;
static mr_module *model;
static mr_optim *sgd;
static mr_schedule *decay, *plateau;
static mr_metric *mse, *more_mse;
static mr_tensor *x;
static mr_dataset *rows;
static mr_loader *loader;
static mr_dataset *stream;
static mr_cursor *cursor;
static char path[64];

static int64_t number;

static void *open_numbers(void *self, int64_t shard, int64_t shards)
{
    (void)self;
    (void)shard;
    (void)shards;
    return &number;
}

static mr_status next_number(void *at, const mr_sample *sample)
{
    *(int64_t *)sample->field[0] = ++*(int64_t *)at;
    return MR_OK;
}

static void close_numbers(void *at)
{
    (void)at;
}

static const mr_stream_vtable numbers = { .open = open_numbers, .next = next_number, .close = close_numbers };
static const mr_field number_fields[] = { { "n", MR_INT64, { 0 } } };

static mr_tensor *forward(mr_tape *t)
{
    return mr_sum(t, mr_forward(model, t, x), MR_ALL, false);
}

static mr_tensor *square(void *user, mr_tape *t, mr_tensor *const *in, int count)
{
    (void)user;
    (void)count;
    return mr_square(t, in[0]);
}

/* ---- each of the calls ---- */

static mr_status call_backward(void)
{
    return mr_backward(tape, forward(tape));
}

static mr_status call_backward_from(void)
{
    mr_tensor *one = mr_tensor_ones(MR_FLOAT32, MR_SCALAR);
    mr_status s = mr_backward_from(tape, forward(tape), one);
    mr_tensor_free(one);
    return s;
}

static mr_status call_tape_status(void)
{
    forward(tape);
    return mr_tape_status(tape);
}

static mr_status call_step(void)
{
    return mr_optim_step(sgd);
}

static mr_status call_next(void)
{
    const mr_batch *b;
    return mr_loader_next(loader, &b);
}

static mr_status call_cursor(void)
{
    const mr_batch *sample;
    return mr_cursor_next(cursor, &sample);
}

static mr_status call_save(void)
{
    return mr_module_save(model, path);
}

static mr_status call_load(void)
{
    return mr_module_load(model, path, NULL);
}

static mr_status call_copy_out(void)
{
    float elements[6];
    return mr_copy_out(x, MR_FLOAT32, elements, 6);
}

static mr_status call_gradcheck(void)
{
    mr_tensor *in = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(2));
    mr_tensor_set_requires_grad(in, true);
    mr_status s = mr_gradcheck(square, NULL, &in, 1, NULL);
    mr_tensor_free(in);
    return s;
}

static mr_status call_schedule_step(void)
{
    return mr_schedule_step(decay);
}

static mr_status call_schedule_step_metric(void)
{
    return mr_schedule_step_metric(plateau, 1);
}

static mr_status call_schedule_load_state(void)
{
    return mr_schedule_load_state(decay, mr_schedule_state(decay));
}

static mr_status call_metric_update(void)
{
    return mr_metric_update(mse, x, x);
}

static mr_status call_metric_merge(void)
{
    return mr_metric_merge(mse, more_mse);
}

static const struct {
    const char *name;
    mr_status (*call)(void);
} calls[] = {
    { "backward", call_backward },
    { "backward_from", call_backward_from },
    { "tape_status", call_tape_status },
    { "optim_step", call_step },
    { "loader_next", call_next },
    { "cursor_next", call_cursor },
    { "module_save", call_save },
    { "module_load", call_load },
    { "copy_out", call_copy_out },
    { "gradcheck", call_gradcheck },
    { "schedule_step", call_schedule_step },
    { "schedule_step_metric", call_schedule_step_metric },
    { "schedule_load_state", call_schedule_load_state },
    { "metric_update", call_metric_update },
    { "metric_merge", call_metric_merge },
};

static void test_calls(void)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        mr_error_clear();
        mr_status healthy = calls[i].call();
        mr_tape_reset(tape);
        mr__raise(MR_ERR_FORMAT, "something before");
        mr_status failed = calls[i].call();
        bool settled = !mr__pending();
        mr_tape_reset(tape);
        if (!CHECK_EQ_I64(healthy, MR_OK) || !CHECK_EQ_I64(failed, MR_ERR_FORMAT) || !CHECK(settled) ||
            !CHECK_EQ_STR(mr_error(), "something before"))
            printf("    %s\n", calls[i].name);
    }
}

/* A training on what an earlier failure has left must not replace what was saved. */
static void test_nothing_is_written(void)
{
    struct stat there;
    unlink(path);
    mr__raise(MR_ERR_FORMAT, "something before");
    CHECK_EQ_I64(call_save(), MR_ERR_FORMAT);
    CHECK(stat(path, &there) != 0);
}

/* Nothing on the tape has failed, but one of its leaves is not what it should be. */
static void test_unused_failure(void)
{
    mr_tensor *w = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(-1));
    CHECK_EQ_I64(mr_backward(tape, forward(tape)), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "tensor_zeros: negative size in shape [-1]");
    mr_tape_reset(tape);
    CHECK_EQ_I64(mr_backward(tape, forward(tape)), MR_OK);
    mr_tape_reset(tape);
    mr_tensor_free(w);
}

/* Calls whose status may be ignored leave the failure to the next one whose status may not. */
static void test_ignored_status(void)
{
    mr_tensor *w = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(-1));
    FILE *file = fopen("/dev/null", "w");
    CHECK_EQ_I64(mr_tensor_print(file, w), MR_ERR_SHAPE);
    CHECK_EQ_I64(mr_tensor_fill(w, 1), MR_ERR_SHAPE);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(w, true), MR_ERR_SHAPE);
    CHECK(mr__pending());
    CHECK_EQ_I64(call_step(), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "tensor_zeros: negative size in shape [-1]");
    fclose(file);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/millrace-pending-%ld.safetensors", (long)getpid());
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    model = mr_linear_new(3, 1, rng, NULL);
    sgd = mr_sgd_new(mr_module_parameters(model), 0.1, NULL);
    decay = mr_exponential_lr_new(sgd, 0.5);
    plateau = mr_reduce_lr_on_plateau_new(sgd, NULL);
    mse = mr_mse_new();
    more_mse = mr_mse_new();
    x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(2, 3));
    rows = mr_dataset_from_tensors(&x, NULL, 1);
    loader = mr_loader_new(rows, rng, NULL);
    stream = mr_stream_new(&numbers, NULL, 0, number_fields, 1);
    cursor = mr_stream_open(stream);
    RUN(test_calls);
    RUN(test_nothing_is_written);
    RUN(test_unused_failure);
    RUN(test_ignored_status);
    unlink(path);
    mr_cursor_free(cursor);
    mr_dataset_free(stream);
    mr_loader_free(loader);
    mr_dataset_free(rows);
    mr_tensor_free(x);
    mr_schedule_free(decay);
    mr_schedule_free(plateau);
    mr_metric_free(mse);
    mr_metric_free(more_mse);
    mr_optim_free(sgd);
    mr_module_free(model);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
