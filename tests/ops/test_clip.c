/* Clipping of gradients, against PyTorch: golden/make_clip.py. Norms are summed in double here, in float there. */
#include "golden_run.h"

#include <millrace/optim.h>

static golden_op tolerance = { .name = "clip", .forward = 4, .why = "the sum of the norm" };
/* A float64 gradient beside a float32 one, whose squares are summed in float: within 2e-7. */
static golden_op mixed = { .name = "mixed", .forward = 1e9 };

static mr_tape *tape;

static mr_tensor *parameter(mr_dtype dtype, mr_shape shape)
{
    mr_tensor *p = mr_tensor_zeros(dtype, shape);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    return p;
}

/* A parameter with the gradient of an input: that of itself, from there. */
static mr_tensor *with_gradient(const golden_tensor *gradient)
{
    mr_tensor *p = parameter(gradient->dtype, gradient->shape);
    mr_tensor *up = mr_tensor_from(gradient->dtype, gradient->shape, gradient->values);
    CHECK_EQ_I64(mr_backward_from(tape, mr_mul_scalar(tape, p, 1), up), MR_OK);
    mr_tape_reset(tape);
    mr_tensor_free(up);
    return p;
}

static mr_status run(const golden_case *c, mr_params params, double *total)
{
    if (strcmp(c->op, "value") == 0)
        return mr_clip_grad_value(params, golden_number(c, "clip_value", -1));
    const mr_clip_grad_norm_opts opts = { .norm_type = golden_number(c, "norm_type", 0) };
    const mr_clip_grad_norm_opts largest = { .norm_type = INFINITY };
    bool infinite = golden_number(c, "infinite", 0) > 0;
    const mr_clip_grad_norm_opts *o = infinite ? &largest : golden_find(c, "norm_type") ? &opts : NULL;
    return mr_clip_grad_norm(params, golden_number(c, "max_norm", -1), o, total);
}

static void check_case(golden_case *c)
{
    mr_tensor *p[] = { with_gradient(&c->in[0]), with_gradient(&c->in[1]),
                       parameter(MR_FLOAT32, MR_SHAPE(3)) };
    const mr_param list[] = { { "a", p[0] }, { "b", p[1] }, { "c", p[2] } };
    const bool single = c->in[0].dtype == MR_FLOAT32 || c->in[1].dtype == MR_FLOAT32;
    double total = -1;
    CHECK_EQ_I64(run(c, (mr_params){ list, 3 }, &total), MR_OK);
    if (strcmp(c->op, "norm") == 0)
        CHECK_CLOSE(total, golden_number(c, "total", -2), single ? 4e-7 : 1e-14, 0);
    for (int i = 0; i < 2; i++)
        golden_compare(c, c->out[i].dtype == MR_FLOAT64 && single ? &mixed : &tolerance,
                       i ? "second gradient" : "first gradient", &c->out[i], mr_tensor_grad(p[i]), false);
    CHECK(!mr_tensor_has_grad(p[2]));
    for (int i = 0; i < 3; i++)
        mr_tensor_free(p[i]);
}

static void test_clip(void)
{
    golden_file f;
    golden_case c = { 0 };
    if (!golden_open(&f, "clip"))
        return;
    while (golden_next(&f, &c))
        check_case(&c);
    golden_free_case(&c);
    golden_close(&f);
    if (getenv("MR_GOLDEN_WORST"))
        printf("%.3f of %g, %.3f of %g\n", tolerance.worst[0], tolerance.forward, mixed.worst[0],
               mixed.forward);
}

/* ---- what torch does not do, or not so well ---- */

static void expect(mr_status status, mr_status want, const char *text)
{
    CHECK_EQ_I64(status, want);
    CHECK_EQ_STR(mr_error(), text);
}

static void test_failures(void)
{
    float values[] = { 1, NAN, 3 };
    golden_tensor g = { .dtype = MR_FLOAT32, .shape = MR_SHAPE(3), .values = values };
    mr_tensor *a = with_gradient(&g), *b = parameter(MR_FLOAT64, MR_SHAPE(2));
    mr_tensor_set_name(a, "layer.weight");
    const mr_param list[] = { { "b", b }, { "layer.weight", a } }, none[] = { { "b", NULL } };
    const mr_params params = { list, 2 };
    const mr_clip_grad_norm_opts strict = { .error_if_nonfinite = true };
    double total = 7;
    expect(mr_clip_grad_norm(params, 1, &strict, &total), MR_ERR_NONFINITE,
           "clip_grad_norm: the norm of the gradients is nan, by that of layer.weight[3]");
    CHECK(isnan(total));
    CHECK_NEAR(((float *)mr_tensor_data(mr_tensor_grad(a)))[2], 3, 0); /* as it was */
    ((float *)mr_tensor_data(mr_tensor_grad(a)))[1] = -INFINITY;
    expect(mr_clip_grad_norm(params, 1, &strict, NULL), MR_ERR_NONFINITE,
           "clip_grad_norm: the norm of the gradients is inf, by that of layer.weight[3]");
    expect(mr_clip_grad_norm(params, -1, NULL, NULL), MR_ERR_ARGUMENT,
           "clip_grad_norm: max_norm -1 is negative or not a number");
    expect(mr_clip_grad_norm(params, 1, &(mr_clip_grad_norm_opts){ .norm_type = -2 }, NULL), MR_ERR_ARGUMENT,
           "clip_grad_norm: norm_type -2 is not greater than 0");
    expect(mr_clip_grad_norm(params, 1, &(mr_clip_grad_norm_opts){ .norm_type = MR_ZERO }, NULL),
           MR_ERR_ARGUMENT, "clip_grad_norm: norm_type 0 is not greater than 0");
    expect(mr_clip_grad_norm((mr_params){ NULL, 0 }, 1, NULL, NULL), MR_ERR_ARGUMENT,
           "clip_grad_norm: params is NULL");
    expect(mr_clip_grad_norm((mr_params){ none, 1 }, 1, NULL, NULL), MR_ERR_ARGUMENT,
           "clip_grad_norm: b is NULL");
    expect(mr_clip_grad_value(params, NAN), MR_ERR_ARGUMENT,
           "clip_grad_value: clip_value nan is negative or not a number");
    expect(mr_clip_grad_value((mr_params){ NULL, 0 }, 1), MR_ERR_ARGUMENT, "clip_grad_value: params is NULL");
    mr_tensor *sum = mr_sum(tape, a, MR_ALL, false);
    const mr_param wrong = { "sum", sum };
    expect(mr_clip_grad_value((mr_params){ &wrong, 1 }, 1), MR_ERR_ARGUMENT,
           "clip_grad_value: sum[] lives on a tape: it is no parameter");
    mr_tape_reset(tape);
    mr_tensor_free(a);
    mr_tensor_free(b);
}

/* Squares too large for a float, many terms, no gradient at all, one that is zeroed. */
static void test_sizes(void)
{
    enum { MANY = 10000 };
    static float values[MANY];
    for (int i = 0; i < MANY; i++)
        values[i] = 1e25f;
    golden_tensor g = { .dtype = MR_FLOAT32, .shape = MR_SHAPE(MANY), .values = values };
    mr_tensor *a = with_gradient(&g), *b = parameter(MR_FLOAT32, MR_SHAPE(0));
    const mr_param list[] = { { "a", a }, { "b", b } };
    const mr_params params = { list, 2 };
    const double orders[] = { 1, 2, 3, INFINITY }, want[] = { 1e29, 1e27, 2.1544346900318845e26, 1e25 };
    double total;
    for (int i = 0; i < 4; i++) {
        CHECK_EQ_I64(
            mr_clip_grad_norm(params, INFINITY, &(mr_clip_grad_norm_opts){ .norm_type = orders[i] }, &total),
            MR_OK);
        CHECK_CLOSE(total, want[i], 1e-6, 0);
    }
    CHECK_NEAR(((float *)mr_tensor_data(mr_tensor_grad(a)))[5], 1e25f, 0); /* an infinite max_norm measures */
    CHECK_EQ_I64(mr_clip_grad_norm(params, 1e-3, NULL, NULL), MR_OK);
    CHECK_CLOSE(((float *)mr_tensor_data(mr_tensor_grad(a)))[MANY - 1], 1e-5, 1e-6, 0);
    mr_tensor_zero_grad(a);
    CHECK_EQ_I64(mr_clip_grad_norm(params, 1, NULL, &total), MR_OK);
    CHECK_NEAR(total, 0, 0);
    CHECK_EQ_I64(mr_clip_grad_norm((mr_params){ list + 1, 1 }, 1, NULL, &total), MR_OK);
    CHECK_NEAR(total, 0, 0);
    mr_tensor_free(a);
    mr_tensor_free(b);
}

int main(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_clip);
    RUN(test_failures);
    RUN(test_sizes);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
