/* Gradients of the losses that test_losses.c has not, and of softmax: finite differences, gradients on top of others, and
 * losses of more elements than are computed at a time. Values are compared with torch's in tests/ops. */
#include "check.h"

#include <millrace/millrace.h>

static mr_rng *rng;
static mr_tape *tape;

/* ---- all losses, by number: of two float inputs of one shape (N, C) or (N, C, d), positive and below 1 ---- */

typedef struct choice {
    int which;
    mr_reduction reduction;
    bool option; /* another formula of the same loss */
    mr_tensor *number, *weight, *sign, *spread;
} choice;

enum { LOSSES = 15 };

static mr_tensor *of_classes(const choice *c, mr_tape *t, mr_tensor *a, mr_tensor *b)
{
    mr_nll_opts n = { .reduction = c->reduction, .has_ignore_index = c->option, .ignore_index = 2 };
    mr_cross_entropy_opts e = { .reduction = c->reduction, .label_smoothing = c->option ? 0.3 : 0 };
    switch (c->which) {
    case 8:
        return mr_nll_loss(t, a, c->number, &n);
    case 9:
        return mr_nll_loss_weighted(t, a, c->number, c->weight, &n);
    case 10:
        return mr_cross_entropy(t, a, c->number, &e);
    case 11:
        return mr_cross_entropy_weighted(t, a, c->number, c->weight, &e);
    case 12:
        return mr_cross_entropy(t, a, b, &e);
    default:
        return mr_cross_entropy_weighted(t, a, b, c->weight, &e);
    }
}

static mr_tensor *of_elements(const choice *c, mr_tape *t, mr_tensor *a, mr_tensor *b)
{
    mr_loss_opts plain = { .reduction = c->reduction };
    mr_smooth_l1_opts smooth = { .reduction = c->reduction, .beta = c->option ? 0.3 : 0 };
    mr_huber_opts huber = { .reduction = c->reduction, .delta = c->option ? 0.3 : 0 };
    mr_kl_div_opts kl = { .reduction = c->reduction, .log_target = c->option };
    mr_poisson_nll_opts poisson = { .reduction = c->reduction, .no_log_input = c->option };
    mr_gaussian_nll_opts gaussian = { .reduction = c->reduction, .full = c->option };
    mr_margin_opts margin = { .reduction = c->reduction, .margin = c->option ? 0.3 : 0 };
    switch (c->which) {
    case 0:
        return mr_smooth_l1_loss(t, a, b, &smooth);
    case 1:
        return mr_huber_loss(t, a, b, &huber);
    case 2:
        return c->option ? mr_binary_cross_entropy_weighted(t, a, b, c->spread, &plain)
                         : mr_binary_cross_entropy(t, a, b, &plain);
    case 3:
        return c->option ? mr_binary_cross_entropy_with_logits_weighted(t, a, b, mr_scalar(t, MR_FLOAT64, 1),
                                                                        c->spread, &plain)
                         : mr_binary_cross_entropy_with_logits(t, a, b, &plain);
    case 4:
        return mr_kl_div(t, a, b, &kl);
    case 5:
        return mr_poisson_nll_loss(t, a, b, &poisson);
    case 6:
        return mr_gaussian_nll_loss(t, a, c->spread, b, &gaussian);
    default:
        return mr_margin_ranking_loss(t, a, b, c->sign, &margin);
    }
}

static mr_tensor *loss_of(const choice *c, mr_tape *t, mr_tensor *a, mr_tensor *b)
{
    mr_triplet_margin_opts triplet = { .reduction = c->reduction, .margin = 3, .p = c->option ? 3 : 0 };
    if (c->which < 8)
        return of_elements(c, t, a, b);
    return c->which < 14 ? of_classes(c, t, a, b) : mr_triplet_margin_loss(t, a, b, c->spread, &triplet);
}

static mr_tensor *leaf(mr_dtype dtype, mr_shape shape, double low, double high)
{
    mr_tensor *x = mr_tensor_rand(rng, MR_FLOAT64, shape), *scaled;
    scaled = mr_add_scalar(tape, mr_mul_scalar(tape, x, high - low), low);
    mr_tensor *y = mr_tensor_keep(mr_cast(tape, scaled, dtype));
    mr_tape_reset(tape);
    mr_tensor_free(x);
    return y;
}

/* Inputs of the shape (n, 3, d), or (n, 3) for d of 0. */
typedef struct inputs {
    choice c;
    mr_tensor *a, *b;
} inputs;

static inputs make(mr_dtype dtype, int64_t n, int64_t d)
{
    mr_shape shape = d ? MR_SHAPE(n, 3, d) : MR_SHAPE(n, 3), rows = d ? MR_SHAPE(n, d) : MR_SHAPE(n);
    inputs in = { .a = leaf(dtype, shape, 0.05, 0.95), .b = leaf(dtype, shape, 0.05, 0.95) };
    CHECK(mr_tensor_set_requires_grad(in.a, true) == MR_OK &&
          mr_tensor_set_requires_grad(in.b, true) == MR_OK);
    in.c.number = mr_tensor_randint(rng, MR_INT64, 0, 3, rows);
    in.c.weight = leaf(dtype, MR_SHAPE(3), 0.5, 2);
    in.c.spread = leaf(dtype, shape, 0.1, 3);
    in.c.sign = mr_tensor_full(dtype, shape, -1);
    return in;
}

static void drop(inputs *in)
{
    mr_tensor *all[] = { in->a, in->b, in->c.number, in->c.weight, in->c.spread, in->c.sign };
    for (int i = 0; i < 6; i++)
        mr_tensor_free(all[i]);
}

/* ---- finite differences ---- */

static mr_tensor *chosen(void *user, mr_tape *t, mr_tensor *const *in, int count)
{
    (void)count;
    return loss_of(user, t, in[0], in[1]);
}

static void test_finite_differences(void)
{
    for (int64_t d = 0; d < 3; d++) {
        inputs in = make(MR_FLOAT64, 4, d);
        mr_tensor *list[] = { in.a, in.b };
        for (in.c.which = 0; in.c.which < LOSSES; in.c.which++)
            for (int r = MR_REDUCE_MEAN; r <= MR_REDUCE_NONE; r++)
                for (int option = 0; option < 2; option++) {
                    in.c.reduction = (mr_reduction)r;
                    in.c.option = option;
                    if (!CHECK_EQ_I64(mr_gradcheck(chosen, &in.c, list, 2, NULL), MR_OK))
                        printf("    loss %d, reduction %d, option %d: %s\n", in.c.which, r, option,
                               mr_error());
                }
        drop(&in);
    }
}

static mr_tensor *third(void *user, mr_tape *t, mr_tensor *const *in, int count)
{
    (void)count;
    switch (*(const int *)user) {
    case 0:
        return mr_gaussian_nll_loss(t, in[0], in[1], in[2],
                                    &(mr_gaussian_nll_opts){ .reduction = MR_REDUCE_SUM });
    case 1:
        return mr_margin_ranking_loss(t, in[0], in[1], in[2], &(mr_margin_opts){ .margin = 1 });
    case 2:
        return mr_triplet_margin_loss(t, in[0], in[1], in[2],
                                      &(mr_triplet_margin_opts){ .margin = 3, .p = 1.5 });
    case 3:
        return mr_cosine_embedding_loss(t, in[0], in[1], mr_scalar(t, MR_INT64, 1),
                                        &(mr_margin_opts){ .reduction = MR_REDUCE_NONE });
    case 4:
        return mr_cosine_embedding_loss(t, in[0], in[1], mr_scalar(t, MR_FLOAT64, -1), NULL);
    case 5:
        return mr_poisson_nll_loss(t, in[0], mr_add_scalar(t, in[1], 2),
                                   &(mr_poisson_nll_opts){ .full = true, .no_log_input = true });
    default:
        return mr_triplet_margin_loss(t, in[0], in[1], in[2],
                                      &(mr_triplet_margin_opts){ .margin = 3, .p = INFINITY, .swap = true });
    }
}

static void test_three_inputs(void)
{
    mr_tensor *list[3];
    for (int i = 0; i < 3; i++) {
        list[i] = leaf(MR_FLOAT64, MR_SHAPE(5), 0.1, 1);
        CHECK(mr_tensor_set_requires_grad(list[i], true) == MR_OK);
    }
    for (int which = 0; which < 7; which++)
        if (!CHECK_EQ_I64(mr_gradcheck(third, &which, list, 3, NULL), MR_OK))
            printf("    %d: %s\n", which, mr_error());
    for (int i = 0; i < 3; i++)
        mr_tensor_free(list[i]);
}

static mr_tensor *soft(void *user, mr_tape *t, mr_tensor *const *in, int count)
{
    const int *what = user;
    (void)count;
    return what[1] ? mr_log_softmax(t, in[0], what[0]) : mr_softmax(t, in[0], what[0]);
}

static void test_softmax_differences(void)
{
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(3, 4, 2));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    for (int what[2] = { 0, 0 }; what[1] < 2; what[1]++)
        for (what[0] = 0; what[0] < 3; what[0]++)
            CHECK_EQ_I64(mr_gradcheck(soft, what, &x, 1, NULL), MR_OK);
    mr_tensor_free(x);
}

/* ---- where torch 1.13 is wrong: docs/differences.md ---- */

static void check_slopes(mr_dtype dtype)
{
    mr_tensor *a = mr_tensor_full(dtype, MR_SHAPE(3), -1), *b = mr_tensor_zeros(dtype, MR_SHAPE(3));
    double slope[3];
    CHECK(mr_tensor_set_requires_grad(b, true) == MR_OK);

    CHECK_EQ_I64(mr_backward(tape, mr_smooth_l1_loss(tape, b, mr_full(tape, dtype, MR_SHAPE(3), 0),
                                                     &(mr_smooth_l1_opts){ .beta = MR_ZERO })),
                 MR_OK);
    CHECK(mr_copy_out(mr_tensor_grad(b), MR_FLOAT64, slope, 3) == MR_OK);
    CHECK(slope[0] == 0 && slope[1] == 0 && slope[2] == 0);

    mr_tape_reset(tape);
    mr_tensor_zero_grad(b);
    CHECK_EQ_I64(mr_backward(tape, mr_kl_div(tape, a, b, NULL)), MR_OK);
    CHECK(mr_copy_out(mr_tensor_grad(b), MR_FLOAT64, slope, 3) == MR_OK);
    CHECK(slope[0] == -INFINITY && slope[2] == -INFINITY);

    mr_tape_reset(tape);
    mr_tensor_zero_grad(b);
    mr_poisson_nll_opts full = { .reduction = MR_REDUCE_SUM, .full = true };
    CHECK_EQ_I64(mr_backward(tape, mr_poisson_nll_loss(tape, a, b, &full)), MR_OK);
    CHECK(mr_copy_out(mr_tensor_grad(b), MR_FLOAT64, slope, 3) == MR_OK);
    CHECK(slope[0] == 1 && slope[2] == 1);
    mr_tape_reset(tape);
    mr_tensor_free(a);
    mr_tensor_free(b);
}

static void test_differences(void)
{
    check_slopes(MR_FLOAT32);
    check_slopes(MR_FLOAT64);
}

/* ---- sums of gradients ---- */

static void backward(mr_tensor *loss, const inputs *in, double *da, double *db)
{
    int64_t n = mr_tensor_numel(in->a);
    memset(da, 0, (size_t)n * sizeof *da);
    memset(db, 0, (size_t)n * sizeof *db);
    if (!CHECK_EQ_I64(mr_backward(tape, loss), MR_OK))
        printf("    %s\n", mr_error());
    CHECK(mr_copy_out(mr_tensor_grad(in->a), MR_FLOAT64, da, n) == MR_OK);
    if (mr_tensor_has_grad(in->b))
        CHECK(mr_copy_out(mr_tensor_grad(in->b), MR_FLOAT64, db, n) == MR_OK);
    mr_tensor_zero_grad(in->a);
    mr_tensor_zero_grad(in->b);
    mr_tape_reset(tape);
}

/* A loss on top of another: both inputs' gradients are sums. */
static void check_sums(mr_dtype dtype, int64_t d)
{
    enum { MOST = 64 };
    inputs in = make(dtype, 6, d);
    double first[2][MOST], one[2][MOST], both[2][MOST];
    double tolerance = dtype == MR_FLOAT32 ? 2e-6 : 2e-15;
    backward(mr_mse_loss(tape, in.a, in.b, NULL), &in, first[0], first[1]);
    for (in.c.which = 0; in.c.which < LOSSES; in.c.which++)
        for (int r = MR_REDUCE_MEAN; r <= MR_REDUCE_SUM; r++) {
            in.c.reduction = (mr_reduction)r;
            backward(loss_of(&in.c, tape, in.a, in.b), &in, one[0], one[1]);
            mr_tensor *loss = loss_of(&in.c, tape, in.a, in.b);
            backward(mr_add(tape, loss, mr_mse_loss(tape, in.a, in.b, NULL)), &in, both[0], both[1]);
            for (int64_t i = 0; i < mr_tensor_numel(in.a); i++)
                for (int k = 0; k < 2; k++)
                    CHECK_CLOSE(both[k][i], one[k][i] + first[k][i], tolerance, tolerance);
        }
    drop(&in);
}

static void test_sums_of_gradients(void)
{
    check_sums(MR_FLOAT32, 0);
    check_sums(MR_FLOAT32, 3);
    check_sums(MR_FLOAT64, 0);
    check_sums(MR_FLOAT64, 3);
}

/* ---- many elements ---- */

/* float32 and float64 give the same, of more elements than a block has, reduced or not. */
static void test_many_elements(void)
{
    enum { ROWS = 1001, MOST = ROWS * 3 };
    static double got[2][MOST], want[2][MOST];
    for (int option = 0; option < 2; option++) {
        inputs wide = make(MR_FLOAT64, ROWS, 0), in = wide;
        mr_tensor **from[] = { &wide.a, &wide.b, &wide.c.weight, &wide.c.spread, &wide.c.sign };
        mr_tensor **to[] = { &in.a, &in.b, &in.c.weight, &in.c.spread, &in.c.sign };
        for (int i = 0; i < 5; i++) {
            *to[i] = mr_tensor_keep(mr_cast(tape, *from[i], MR_FLOAT32));
            CHECK(i > 1 || mr_tensor_set_requires_grad(*to[i], true) == MR_OK);
        }
        mr_tape_reset(tape);
        for (int which = 0; which < LOSSES; which++)
            for (int r = MR_REDUCE_MEAN; r <= MR_REDUCE_NONE; r++) {
                in.c.which = wide.c.which = which;
                in.c.option = wide.c.option = option;
                in.c.reduction = wide.c.reduction = (mr_reduction)r;
                double x = mr_item(mr_mean(tape, loss_of(&in.c, tape, in.a, in.b), MR_ALL, false));
                CHECK_CLOSE(x, mr_item(mr_mean(tape, loss_of(&wide.c, tape, wide.a, wide.b), MR_ALL, false)),
                            3e-6, 1e-6);
                mr_tape_reset(tape);
                backward(mr_mean(tape, loss_of(&in.c, tape, in.a, in.b), MR_ALL, false), &in, got[0], got[1]);
                backward(mr_mean(tape, loss_of(&wide.c, tape, wide.a, wide.b), MR_ALL, false), &wide, want[0],
                         want[1]);
                double largest = 0, off = 0;
                for (int i = 0; i < 2 * MOST; i++) {
                    largest = fmax(largest, fabs(want[i / MOST][i % MOST]));
                    off = fmax(off, fabs(want[i / MOST][i % MOST] - got[i / MOST][i % MOST]));
                }
                if (!CHECK(off <= 1e-5 * largest))
                    printf("    loss %d, reduction %d: %g of %g\n", which, r, off, largest);
            }
        for (int i = 0; i < 5; i++)
            mr_tensor_free(*to[i]);
        drop(&wide);
    }
}

int main(void)
{
    rng = mr_rng_new(5);
    tape = mr_tape_new(rng);
    RUN(test_finite_differences);
    RUN(test_three_inputs);
    RUN(test_softmax_differences);
    RUN(test_differences);
    RUN(test_sums_of_gradients);
    RUN(test_many_elements);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
