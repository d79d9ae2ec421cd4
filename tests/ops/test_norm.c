/* Normalisation, against PyTorch and against finite differences. */
#include "golden_run.h"

#include <millrace/functions.h>

static double eps_of(const golden_case *c)
{
    return golden_number(c, "eps", 0);
}

static bool training_of(const golden_case *c)
{
    return golden_number(c, "training", 0) != 0;
}

#define NORM             \
    &(mr_norm_opts)      \
    {                    \
        .eps = eps_of(c) \
    }
#define BATCH             \
    &(mr_batch_norm_opts) \
    {                     \
        .eps = eps_of(c)  \
    }
#define GROUPS (int64_t) golden_number(c, "groups", 0)

GOLDEN_CALL(layer_norm, in[0], in[1], in[2], NORM)
GOLDEN_CALL(layer_norm_plain, in[0], golden_sizes(c, "sizes"), NORM)
GOLDEN_CALL(group_norm, in[0], GROUPS, in[1], in[2], NORM)
GOLDEN_CALL(group_norm_plain, in[0], GROUPS, NORM)
GOLDEN_CALL(instance_norm, in[0], in[1], in[2], NORM)
GOLDEN_CALL(instance_norm_plain, in[0], NORM)
GOLDEN_CALL(batch_norm_no_stats, in[0], in[1], in[2], BATCH)
GOLDEN_CALL(batch_norm_no_stats_plain, in[0], BATCH)

/* The running values are changed: each run has copies of its own, freed when the next one begins. */
static mr_tensor *running_mean, *running_var;

static void keep_running(mr_tensor *mean, mr_tensor *var)
{
    mr_tensor_free(running_mean);
    mr_tensor_free(running_var);
    running_mean = mean ? mr_tensor_keep(mean) : NULL;
    running_var = var ? mr_tensor_keep(var) : NULL;
}

static mr_tensor *run_batch_norm(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second)
{
    (void)second;
    keep_running(in[3], in[4]);
    return mr_batch_norm(tape, in[0], in[1], in[2], running_mean, running_var, training_of(c), BATCH);
}

static mr_tensor *run_batch_norm_plain(mr_tape *tape, const golden_case *c, mr_tensor **in,
                                       mr_tensor **second)
{
    (void)second;
    keep_running(in[1], in[2]);
    return mr_batch_norm_plain(tape, in[0], running_mean, running_var, training_of(c), BATCH);
}

static mr_tensor *run_running(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second)
{
    mr_batch_norm_opts opts = { .momentum = golden_number(c, "momentum", 0) };
    keep_running(in[1], in[2]);
    if (!mr_batch_norm_plain(tape, in[0], running_mean, running_var, true, &opts))
        return NULL;
    *second = mr_clone(tape, running_var);
    return mr_clone(tape, running_mean);
}

/* torch takes the mean away after scaling, where that loses more. */
#define WHY "moments in another order; gradients are differences of sums"
#define OP(op, floor) GOLDEN_OP(op, 24, 128, floor, WHY)

static golden_op ops[] = {
    OP(layer_norm, 1),
    OP(layer_norm_plain, 1),
    OP(group_norm, 1),
    OP(group_norm_plain, 1),
    OP(instance_norm, 1),
    OP(instance_norm_plain, 1),
    OP(batch_norm, 1),
    OP(batch_norm_plain, 1),
    OP(batch_norm_no_stats, 1),
    OP(batch_norm_no_stats_plain, 1),
    { .name = "running", .call = run_running, .forward = 4, .floor = 1, .why = WHY },
};

static void test_golden(void)
{
    GOLDEN_RUN("norm", ops);
    keep_running(NULL, NULL);
}

/* ---- finite differences ---- */

static mr_tensor *layer(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)user, (void)count;
    return mr_sum(tape, mr_square(tape, mr_layer_norm(tape, in[0], in[1], in[2], NULL)), MR_ALL, false);
}

static mr_tensor *group(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)count;
    mr_tensor *y = mr_group_norm(tape, in[0], *(const int64_t *)user, in[1], in[2], NULL);
    return mr_sum(tape, mr_square(tape, y), MR_ALL, false);
}

static mr_tensor *batch(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)count;
    mr_tensor *const *stats = user;
    mr_tensor *y = stats ? mr_batch_norm(tape, in[0], in[1], in[2], stats[0], stats[1], false, NULL)
                         : mr_batch_norm_no_stats(tape, in[0], in[1], in[2], NULL);
    return mr_sum(tape, mr_square(tape, y), MR_ALL, false);
}

static void check_gradient(mr_function function, void *user, mr_rng *rng, mr_shape shape, mr_shape sizes)
{
    mr_tensor *in[] = { mr_tensor_randn(rng, MR_FLOAT64, shape), mr_tensor_randn(rng, MR_FLOAT64, sizes),
                        mr_tensor_randn(rng, MR_FLOAT64, sizes) };
    for (int i = 0; i < 3; i++)
        CHECK_EQ_I64(mr_tensor_set_requires_grad(in[i], true), MR_OK);
    if (!CHECK_EQ_I64(mr_gradcheck(function, user, in, 3, NULL), MR_OK))
        printf("    %s\n", mr_error());
    for (int i = 0; i < 3; i++)
        mr_tensor_free(in[i]);
}

static void test_gradients(void)
{
    mr_rng *rng = mr_rng_new(3);
    mr_tensor *stats[] = { mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(4)),
                           mr_tensor_full(MR_FLOAT64, MR_SHAPE(4), 2) };
    int64_t groups[] = { 1, 2, 4 };
    check_gradient(layer, NULL, rng, MR_SHAPE(3, 5), MR_SHAPE(5));
    check_gradient(layer, NULL, rng, MR_SHAPE(2, 3, 2), MR_SHAPE(3, 2));
    for (int i = 0; i < 3; i++)
        check_gradient(group, &groups[i], rng, MR_SHAPE(2, 4, 3), MR_SHAPE(4));
    check_gradient(group, &groups[1], rng, MR_SHAPE(3, 4), MR_SHAPE(4));
    check_gradient(batch, NULL, rng, MR_SHAPE(3, 4), MR_SHAPE(4));
    check_gradient(batch, NULL, rng, MR_SHAPE(2, 4, 3), MR_SHAPE(4));
    check_gradient(batch, stats, rng, MR_SHAPE(2, 4, 3), MR_SHAPE(4));
    check_gradient(batch, stats, rng, MR_SHAPE(3, 4), MR_SHAPE(4));
    mr_tensor_free(stats[0]);
    mr_tensor_free(stats[1]);
    mr_rng_free(rng);
}

/* ---- large ones: the same on several threads, and against float64 ---- */

static mr_tensor *normalised(mr_tape *tape, int kind, mr_tensor **in)
{
    switch (kind) {
    case 0:
        return mr_layer_norm(tape, in[0], in[1], in[2], NULL);
    case 1:
        return mr_group_norm(tape, in[0], 4, in[1], in[2], NULL);
    default:
        return mr_batch_norm_no_stats(tape, in[0], in[1], in[2], NULL);
    }
}

static double largest_difference(mr_tensor *a, mr_tensor *b)
{
    double most = 0;
    const float *x = mr_tensor_data(a);
    const double *y = mr_tensor_data(b);
    for (int64_t i = 0; i < mr_tensor_numel(a); i++)
        most = fmax(most, fabs((double)x[i] - y[i]));
    return most;
}

static void check_large(mr_tape *const *tapes, mr_rng *rng, int kind, mr_shape shape, mr_shape sizes)
{
    mr_tensor *in[2][3], *up[2];
    float *one_thread = malloc(sizeof(float) * 4 * 128 * 33 * 31);
    for (int i = 0; i < 3; i++) {
        in[0][i] = mr_tensor_randn(rng, MR_FLOAT32, i ? sizes : shape);
        in[1][i] = mr_tensor_zeros(MR_FLOAT64, i ? sizes : shape);
        CHECK_EQ_I64(mr_tensor_copy(in[1][i], in[0][i]), MR_OK);
        for (int d = 0; d < 2; d++)
            CHECK_EQ_I64(mr_tensor_set_requires_grad(in[d][i], true), MR_OK);
    }
    up[0] = mr_tensor_randn(rng, MR_FLOAT32, shape);
    up[1] = mr_tensor_zeros(MR_FLOAT64, shape);
    CHECK_EQ_I64(mr_tensor_copy(up[1], up[0]), MR_OK);
    for (int threads = 1; threads <= 3; threads += 2) {
        CHECK_EQ_I64(mr_set_num_threads(threads), MR_OK);
        mr_tensor *y[2];
        for (int d = 0; d < 2; d++) {
            for (int i = 0; i < 3; i++)
                mr_tensor_zero_grad(in[d][i]);
            y[d] = normalised(tapes[d], kind, in[d]);
            CHECK_EQ_I64(mr_backward_from(tapes[d], y[d], up[d]), MR_OK);
        }
        CHECK(largest_difference(y[0], y[1]) < 1e-5);
        CHECK(largest_difference(mr_tensor_grad(in[0][0]), mr_tensor_grad(in[1][0])) < 1e-4);
        for (int i = 1; i < 3; i++)
            CHECK(largest_difference(mr_tensor_grad(in[0][i]), mr_tensor_grad(in[1][i])) < 1e-3);
        size_t bytes = (size_t)mr_tensor_numel(in[0][0]) * sizeof(float);
        if (threads == 1)
            memcpy(one_thread, mr_tensor_data(mr_tensor_grad(in[0][0])), bytes);
        CHECK(memcmp(one_thread, mr_tensor_data(mr_tensor_grad(in[0][0])), bytes) == 0);
        mr_tape_reset(tapes[0]);
        mr_tape_reset(tapes[1]);
    }
    CHECK_EQ_I64(mr_set_num_threads(0), MR_OK);
    for (int i = 0; i < 6; i++)
        mr_tensor_free(in[i / 3][i % 3]);
    mr_tensor_free(up[0]);
    mr_tensor_free(up[1]);
    free(one_thread);
}

static void test_large(void)
{
    mr_rng *rng = mr_rng_new(5);
    mr_tape *tapes[] = { mr_tape_new(rng), mr_tape_new(rng) };
    check_large(tapes, rng, 0, MR_SHAPE(300, 515), MR_SHAPE(515));
    check_large(tapes, rng, 1, MR_SHAPE(4, 128, 33, 31), MR_SHAPE(128));
    check_large(tapes, rng, 2, MR_SHAPE(4, 128, 33, 31), MR_SHAPE(128));
    check_large(tapes, rng, 2, MR_SHAPE(300, 515), MR_SHAPE(515));
    mr_tape_free(tapes[0]);
    mr_tape_free(tapes[1]);
    mr_rng_free(rng);
}

/* ---- zero itself, where zero is the default ---- */

static void test_zero(void)
{
    mr_rng *rng = mr_rng_new(5);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2, 1, 2), (double[]){ 1, 3, 1, 3 });
    mr_tensor *mean = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(1)),
              *var = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(1));
    const mr_norm_opts none = { .eps = MR_ZERO };
    const mr_batch_norm_opts all[] = { { 0 }, { .eps = MR_ZERO }, { .momentum = MR_ZERO } };
    mr_tensor *y[] = { mr_layer_norm_plain(tape, x, MR_SHAPE(2), &none),
                       mr_group_norm_plain(tape, x, 1, &none), mr_instance_norm_plain(tape, x, &none),
                       mr_batch_norm_no_stats_plain(tape, x, &all[1]) };
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(((double *)mr_tensor_data(y[i]))[1], 1, 0);
    CHECK(mr_batch_norm_plain(tape, x, mean, var, true, &all[2]) != NULL);
    CHECK_NEAR(mr_item(mean), 0, 0);
    CHECK_NEAR(mr_item(var), 1, 0);
    y[0] = mr_batch_norm_plain(tape, x, mean, var, true, &all[0]);
    CHECK_NEAR(((double *)mr_tensor_data(y[0]))[1], 1 / sqrt(1 + 1e-5), 1e-15);
    CHECK_NEAR(mr_item(mean), 0.2, 1e-15);
    CHECK_NEAR(mr_item(var), 0.9 + 0.1 * 4 / 3, 1e-15);
    mr_tensor_free(x);
    mr_tensor_free(mean);
    mr_tensor_free(var);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* ---- error texts ---- */

static mr_tape *tape;

static void check_fails(const mr_tensor *y, mr_status status, const char *text)
{
    CHECK(y == NULL);
    CHECK_EQ_I64(mr_tape_status(tape), status);
    CHECK_EQ_STR(mr_error(), text);
    mr_tape_reset(tape);
}

static void test_errors(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 4)), *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3));
    mr_tensor *d = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(4)), *w4 = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(4));
    mr_tensor *whole = mr_tensor_ones(MR_INT64, MR_SHAPE(2, 4)),
              *row = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 4));
    mr_tensor_set_name(w, "norm.weight");
    check_fails(
        mr_layer_norm(tape, x, w, w, NULL), MR_ERR_SHAPE,
        "layer_norm: weight norm.weight[3] and bias norm.weight[3] are not the last sizes of input [2,4]");
    check_fails(mr_layer_norm(tape, x, d, d, NULL), MR_ERR_DTYPE,
                "layer_norm: weight [4] is float64, bias [4] float64, input [2,4] float32");
    check_fails(mr_layer_norm_plain(tape, x, MR_SHAPE(2), NULL), MR_ERR_SHAPE,
                "layer_norm: [2] are not the last sizes of input [2,4]");
    check_fails(mr_layer_norm_plain(tape, whole, MR_SHAPE(4), NULL), MR_ERR_DTYPE,
                "layer_norm: input [2,4] is int64, not a floating type");
    check_fails(mr_group_norm_plain(tape, x, 3, NULL), MR_ERR_SHAPE,
                "group_norm: input [2,4] has no channels, dimension 1, that can be divided into 3 groups");
    check_fails(mr_group_norm(tape, x, 2, w, w4, NULL), MR_ERR_SHAPE,
                "group_norm: weight norm.weight[3] has no value for each of the 4 channels of input [2,4]");
    check_fails(mr_instance_norm_plain(tape, x, NULL), MR_ERR_SHAPE,
                "instance_norm: one pixel alone, in input [2,4], has no variance");
    check_fails(mr_batch_norm(tape, x, w4, w4, w4, d, true, NULL), MR_ERR_DTYPE,
                "batch_norm: running variance [4] is float64, input [2,4] float32");
    check_fails(mr_batch_norm_no_stats_plain(tape, row, NULL), MR_ERR_SHAPE,
                "batch_norm: one value alone for each channel, in input [1,4], has no variance");
    check_fails(mr_batch_norm_no_stats_plain(tape, w, NULL), MR_ERR_SHAPE,
                "batch_norm: input norm.weight[3] has no channels, dimension 1");
    check_fails(mr_batch_norm_plain(tape, x, mr_neg(tape, w4), w4, true, NULL), MR_ERR_ARGUMENT,
                "batch_norm: running mean and variance are not tensors of your own");
    check_fails(mr_batch_norm(tape, x, w4, NULL, w4, w4, true, NULL), MR_ERR_ARGUMENT,
                "batch_norm: input is NULL");
    mr_tensor *all[] = { x, w, d, w4, whole, row };
    for (int i = 0; i < 6; i++)
        mr_tensor_free(all[i]);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_golden);
    RUN(test_gradients);
    RUN(test_large);
    RUN(test_zero);
    RUN(test_errors);
    return check_report();
}
