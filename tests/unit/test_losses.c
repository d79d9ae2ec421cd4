/* Losses: what they refuse, gradients on top of others, finite differences. Values are compared with torch's in
 * tests/ops. */
#include "check.h"

#include <millrace/nn.h>

static mr_rng *rng;
static mr_tape *tape;

static mr_tensor *leaf(mr_dtype dtype, mr_shape shape)
{
    mr_tensor *x = mr_tensor_randn(rng, dtype, shape);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    return x;
}

static mr_tensor *classes(int64_t a, int64_t b, int64_t c)
{
    return mr_tensor_from(MR_INT64, MR_SHAPE(3), (int64_t[]){ a, b, c });
}

/* ---- failures ---- */

static void check_failure(const mr_tensor *y, mr_status status, const char *text)
{
    CHECK(y == NULL);
    CHECK_EQ_I64(mr_tape_status(tape), status);
    CHECK_EQ_STR(mr_error(), text);
    mr_tape_reset(tape);
}

static void test_elementwise_failures(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 3)),
              *other = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    mr_tensor *yes = mr_tensor_ones(MR_BOOL, MR_SHAPE(3)), *whole = mr_tensor_ones(MR_INT64, MR_SHAPE(3));
    mr_loss_opts sum = { .reduction = MR_REDUCE_SUM }, none = { .reduction = MR_REDUCE_NONE };
    mr_loss_opts wrong = { .reduction = (mr_reduction)3 }, minus = { .reduction = (mr_reduction)-1 };
    mr_tensor_set_name(other, "target");
    check_failure(mr_mse_loss(tape, NULL, x, NULL), MR_ERR_ARGUMENT, "mse_loss: first input is NULL");
    check_failure(mr_mse_loss(tape, x, NULL, NULL), MR_ERR_ARGUMENT, "mse_loss: second input is NULL");
    check_failure(mr_mse_loss(tape, x, x, &wrong), MR_ERR_ARGUMENT, "mse_loss: 3 is no reduction");
    check_failure(mr_mse_loss(tape, x, yes, &minus), MR_ERR_ARGUMENT, "mse_loss: -1 is no reduction");
    check_failure(mr_mse_loss(tape, x, other, NULL), MR_ERR_SHAPE,
                  "mse_loss: shapes do not broadcast: [2,3] and target[2]");
    check_failure(mr_mse_loss(tape, x, yes, &sum), MR_ERR_DTYPE,
                  "mse_loss: not defined for float32 [2,3] and bool [3]");
    check_failure(mr_mse_loss(tape, yes, x, &none), MR_ERR_DTYPE,
                  "mse_loss: not defined for bool [3] and float32 [2,3]");
    check_failure(mr_mse_loss(tape, whole, whole, NULL), MR_ERR_DTYPE,
                  "mse_loss: not defined for int64 [3] and int64 [3]");
    check_failure(mr_l1_loss(tape, NULL, x, NULL), MR_ERR_ARGUMENT, "l1_loss: first input is NULL");
    check_failure(mr_l1_loss(tape, x, NULL, NULL), MR_ERR_ARGUMENT, "l1_loss: second input is NULL");
    check_failure(mr_l1_loss(tape, x, x, &wrong), MR_ERR_ARGUMENT, "l1_loss: 3 is no reduction");
    check_failure(mr_l1_loss(tape, other, x, &sum), MR_ERR_SHAPE,
                  "l1_loss: shapes do not broadcast: target[2] and [2,3]");
    check_failure(mr_l1_loss(tape, x, yes, NULL), MR_ERR_DTYPE,
                  "l1_loss: not defined for float32 [2,3] and bool [3]");
    check_failure(mr_l1_loss(tape, whole, whole, NULL), MR_ERR_DTYPE,
                  "l1_loss: not defined for int64 [3] and int64 [3]");
    CHECK(mr_mse_loss(NULL, x, x, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "mse_loss: tape is NULL");
    CHECK(mr_l1_loss(NULL, x, x, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "l1_loss: tape is NULL");
    /* A sum of integers is defined, as torch.nn.functional.l1_loss's. */
    CHECK_EQ_I64(mr_item_int64(mr_l1_loss(tape, whole, whole, &sum)), 0);
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_tensor_free(other);
    mr_tensor_free(yes);
    mr_tensor_free(whole);
}

static void test_cross_entropy_failures(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3, 4)), *t = classes(0, 3, 1);
    mr_tensor *whole = mr_tensor_ones(MR_INT64, MR_SHAPE(3, 4)),
              *short_ = mr_tensor_ones(MR_INT32, MR_SHAPE(3));
    mr_tensor *cube = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(3, 4, 2)), *one = mr_tensor_scalar(MR_INT64, 1);
    mr_tensor *high = classes(0, 3, 4), *low = classes(0, -1, 4),
              *row = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1));
    mr_tensor_set_name(x, "logits");
    check_failure(mr_cross_entropy(tape, NULL, t, NULL), MR_ERR_ARGUMENT,
                  "cross_entropy: first input is NULL");
    check_failure(mr_cross_entropy(tape, x, NULL, NULL), MR_ERR_ARGUMENT,
                  "cross_entropy: second input is NULL");
    check_failure(mr_cross_entropy(tape, x, t, &(mr_cross_entropy_opts){ .reduction = (mr_reduction)3 }),
                  MR_ERR_ARGUMENT, "cross_entropy: 3 is no reduction");
    check_failure(mr_cross_entropy(tape, whole, t, NULL), MR_ERR_DTYPE,
                  "cross_entropy: input is int64 and target int64, not a floating type and int64");
    check_failure(mr_cross_entropy(tape, x, short_, NULL), MR_ERR_DTYPE,
                  "cross_entropy: input is float32 and target int32, not a floating type and int64");
    check_failure(mr_cross_entropy(tape, cube, t, NULL), MR_ERR_SHAPE,
                  "cross_entropy: input [3,4,2] and target [3], not (N,C,d1,...) and (N,d1,...)");
    check_failure(mr_cross_entropy(tape, x, one, NULL), MR_ERR_SHAPE,
                  "cross_entropy: input logits[3,4] and target [], not (N,C) and (N)");
    check_failure(mr_cross_entropy(tape, x, t, &(mr_cross_entropy_opts){ .label_smoothing = 1.5 }),
                  MR_ERR_ARGUMENT, "cross_entropy: label smoothing 1.5 is not from 0 to 1");
    check_failure(mr_cross_entropy(tape, x, t, &(mr_cross_entropy_opts){ .label_smoothing = -0.25 }),
                  MR_ERR_ARGUMENT, "cross_entropy: label smoothing -0.25 is not from 0 to 1");
    check_failure(mr_cross_entropy(tape, x, high, NULL), MR_ERR_ARGUMENT,
                  "cross_entropy: target 4 of row 2 is no class of 4");
    check_failure(mr_cross_entropy(tape, x, low, NULL), MR_ERR_ARGUMENT,
                  "cross_entropy: target -1 of row 1 is no class of 4");
    check_failure(mr_cross_entropy(tape, row, one, NULL), MR_ERR_ARGUMENT,
                  "cross_entropy: target 1 of row 0 is no class of 1");
    CHECK(mr_cross_entropy(NULL, x, t, NULL) == NULL);
    CHECK_EQ_STR(mr_error(), "cross_entropy: tape is NULL");
    mr_tensor *all[] = { x, t, whole, short_, cube, one, high, low, row };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mr_tensor_free(all[i]);
}

/* Losses need their inputs as they were: a target that is filled anew before backward is named. */
static void test_changed_target(void)
{
    mr_tensor *x = leaf(MR_FLOAT32, MR_SHAPE(3, 4)), *t = classes(0, 3, 1),
              *z = leaf(MR_FLOAT32, MR_SHAPE(3, 4));
    mr_tensor_set_name(t, "batch.class");
    mr_tensor *loss = mr_cross_entropy(tape, x, t, NULL);
    CHECK_EQ_I64(mr_tensor_fill(t, 2), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, loss), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "backward: cross_entropy needs the elements of batch.class[3] as they were, but they "
                 "have been changed since");
    mr_tape_reset(tape);
    loss = mr_mse_loss(tape, x, z, NULL);
    CHECK_EQ_I64(mr_tensor_fill(z, 2), MR_OK);
    CHECK_EQ_I64(mr_backward(tape, loss), MR_ERR_STATE);
    CHECK_EQ_STR(
        mr_error(),
        "backward: mse_loss needs the elements of [3,4] as they were, but they have been changed since");
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_tensor_free(z);
    mr_tensor_free(t);
}

/* ---- gradients ---- */

static mr_tensor *loss_number(int which, mr_tensor *x, mr_tensor *z, mr_tensor *t)
{
    static const mr_cross_entropy_opts opts = { .has_ignore_index = true, .ignore_index = 3 };
    return which == 0   ? mr_mse_loss(tape, x, z, NULL)
           : which == 1 ? mr_l1_loss(tape, x, z, NULL)
                        : mr_cross_entropy(tape, x, t, &opts);
}

static void copy_gradient(mr_tensor *x, double *to)
{
    CHECK(mr_copy_out(mr_tensor_grad(x), MR_FLOAT64, to, mr_tensor_numel(x)) == MR_OK);
    mr_tensor_zero_grad(x);
}

/* Two losses of the same tensors: the second's gradient comes on top of the first's, on both inputs. */
static void check_sums_of_gradients(mr_dtype dtype)
{
    enum { N = 3 * 7 };
    mr_tensor *x = leaf(dtype, MR_SHAPE(3, 7)), *z = leaf(dtype, MR_SHAPE(3, 7)), *t = classes(6, 3, 0);
    double dx[3][N], dz[3][N], both[N], both_z[N];
    double tolerance = dtype == MR_FLOAT32 ? 1e-7 : 1e-16;
    for (int a = 0; a < 3; a++) {
        CHECK_EQ_I64(mr_backward(tape, loss_number(a, x, z, t)), MR_OK);
        copy_gradient(x, dx[a]);
        memset(dz[a], 0, sizeof dz[a]);
        if (a < 2)
            copy_gradient(z, dz[a]);
        mr_tape_reset(tape);
    }
    for (int i = 0; i < 7; i++)
        CHECK(dx[2][7 + i] == 0); /* the ignored row's */
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            mr_tensor *sum = mr_add(tape, loss_number(a, x, z, t), loss_number(b, x, z, t));
            CHECK_EQ_I64(mr_backward(tape, sum), MR_OK);
            copy_gradient(x, both);
            copy_gradient(z, both_z);
            for (int i = 0; i < N; i++) {
                CHECK_NEAR(both[i], dx[a][i] + dx[b][i], tolerance);
                CHECK_NEAR(both_z[i], dz[a][i] + dz[b][i], tolerance);
            }
            mr_tape_reset(tape);
        }
    mr_tensor_free(x);
    mr_tensor_free(z);
    mr_tensor_free(t);
}

static void test_sums_of_gradients(void)
{
    check_sums_of_gradients(MR_FLOAT32);
    check_sums_of_gradients(MR_FLOAT64);
}

typedef struct choice {
    int which;
    mr_reduction reduction;
    double smoothing;
    mr_tensor *target;
} choice;

static mr_tensor *chosen_loss(void *user, mr_tape *t, mr_tensor *const *in, int count)
{
    const choice *c = user;
    mr_loss_opts o = { .reduction = c->reduction };
    mr_cross_entropy_opts e = { .reduction = c->reduction, .label_smoothing = c->smoothing };
    (void)count;
    if (c->which == 2)
        return mr_cross_entropy(t, mr_add(t, in[0], in[1]), c->target, &e);
    return c->which ? mr_l1_loss(t, in[0], in[1], &o) : mr_mse_loss(t, in[0], in[1], &o);
}

static void test_finite_differences(void)
{
    mr_tensor *list[] = { leaf(MR_FLOAT64, MR_SHAPE(3, 5)), leaf(MR_FLOAT64, MR_SHAPE(3, 5)) };
    mr_tensor *wide[] = { list[0], leaf(MR_FLOAT64, MR_SHAPE(5)) };
    choice c = { .target = classes(4, -100, 1) };
    for (c.which = 0; c.which < 3; c.which++)
        for (int r = MR_REDUCE_MEAN; r <= MR_REDUCE_NONE; r++)
            for (c.smoothing = 0; c.smoothing < 1; c.smoothing += 0.375) {
                c.reduction = (mr_reduction)r;
                CHECK_EQ_I64(mr_gradcheck(chosen_loss, &c, list, 2, NULL), MR_OK);
                CHECK_EQ_I64(mr_gradcheck(chosen_loss, &c, wide, 2, NULL), MR_OK);
            }
    mr_tensor_free(list[0]);
    mr_tensor_free(list[1]);
    mr_tensor_free(wide[1]);
    mr_tensor_free(c.target);
}

/* (N) beside (N,1): said once. */
static int warnings;
static char warned[200];

static void hear(void *user, mr_log_level level, const char *line)
{
    (void)user;
    warnings += level == MR_LOG_WARNING;
    snprintf(warned, sizeof warned, "%s", line);
}

static void test_different_shapes_are_said_once(void)
{
    mr_rng *r = mr_rng_new(1);
    mr_tape *t = mr_tape_new(r);
    mr_tensor *a = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(4, 1)), *b = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(4));
    mr_set_log_hook(hear, NULL);
    warnings = 0;
    CHECK(mr_l1_loss(t, b, b, NULL) && mr_mse_loss(t, a, a, NULL) && warnings == 0);
    CHECK(mr_mse_loss(t, a, b, NULL) && mr_l1_loss(t, a, b, NULL) && mr_mse_loss(t, a, b, NULL));
    mr_set_log_hook(NULL, NULL);
    CHECK_EQ_I64(warnings, 1);
    CHECK_EQ_STR(
        warned,
        "mse_loss: input [4,1] and target [4] have different shapes and are broadcast; is that meant?");
    mr_tensor_free(a);
    mr_tensor_free(b);
    mr_tape_free(t);
    mr_rng_free(r);
}

int main(void)
{
    rng = mr_rng_new(5);
    tape = mr_tape_new(rng);
    RUN(test_different_shapes_are_said_once);
    RUN(test_elementwise_failures);
    RUN(test_cross_entropy_failures);
    RUN(test_changed_target);
    RUN(test_sums_of_gradients);
    RUN(test_finite_differences);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
