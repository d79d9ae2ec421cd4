/* Activations, against PyTorch, finite differences and, in all of float32, against their float64 formulas. */
#include "golden_run.h"

#include <millrace/functions.h>

static double number(const golden_case *c, const char *key)
{
    return golden_number(c, key, 0);
}

GOLDEN_CALL(leaky_relu, in[0], number(c, "slope"))
GOLDEN_CALL(prelu, in[0], in[1])
GOLDEN_CALL(elu, in[0], number(c, "alpha"))
GOLDEN_CALL(selu, in[0])
GOLDEN_CALL(gelu, in[0])
GOLDEN_CALL(gelu_tanh, in[0])
GOLDEN_CALL(silu, in[0])
GOLDEN_CALL(mish, in[0])
GOLDEN_CALL(softplus, in[0],
            &(mr_softplus_opts){ .beta = number(c, "beta"), .threshold = number(c, "threshold") })
GOLDEN_CALL(hardtanh, in[0], number(c, "low"), number(c, "high"))
GOLDEN_CALL(hardswish, in[0])
GOLDEN_CALL(glu, in[0], (int)number(c, "dim"))

#define WHY "exponentials, and sums and differences of what is made of them, in another order"

static golden_op ops[] = {
    GOLDEN_EXACT(leaky_relu),
    GOLDEN_OP(prelu, 0, 4, 1, "sums in another order"),
    GOLDEN_OP(elu, 2, 4, 1, "torch takes 1 from the exponential"),
    GOLDEN_OP(selu, 4, 4, 1, "torch takes 1 from the exponential"),
    GOLDEN_OP(gelu, 6, 6, 0.5, WHY),
    GOLDEN_OP(gelu_tanh, 6, 16, 0.5, WHY),
    GOLDEN_OP(silu, 4, 6, 0.1, WHY),
    GOLDEN_OP(mish, 6, 12, 0.1, WHY),
    GOLDEN_OP(softplus, 4, 4, 1e-2, WHY),
    GOLDEN_EXACT(hardtanh),
    GOLDEN_OP(hardswish, 2, 2, 0.1, "a division and a product in another order"),
    GOLDEN_OP(glu, 4, 4, 0.1, WHY),
};

static void test_golden(void)
{
    GOLDEN_RUN("activation", ops);
}

/* ---- finite differences, and float32 against float64 ---- */

enum { LEAKY, ELU, SELU, GELU, GELU_TANH, SILU, MISH, SOFTPLUS, HARDTANH, HARDSWISH, GLU, KINDS };

static mr_tensor *activated(mr_tape *tape, int kind, mr_tensor *x)
{
    switch (kind) {
    case LEAKY:
        return mr_leaky_relu(tape, x, 0.1);
    case ELU:
        return mr_elu(tape, x, 0.5);
    case SELU:
        return mr_selu(tape, x);
    case GELU:
        return mr_gelu(tape, x);
    case GELU_TANH:
        return mr_gelu_tanh(tape, x);
    case SILU:
        return mr_silu(tape, x);
    case MISH:
        return mr_mish(tape, x);
    case SOFTPLUS:
        return mr_softplus(tape, x, NULL);
    case HARDTANH:
        return mr_hardtanh(tape, x, -1, 1);
    case HARDSWISH:
        return mr_hardswish(tape, x);
    default:
        return mr_glu(tape, x, 0);
    }
}

static mr_tensor *summed(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)count;
    return mr_sum(tape, mr_square(tape, activated(tape, *(const int *)user, in[0])), MR_ALL, false);
}

static mr_tensor *preluded(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)user, (void)count;
    return mr_sum(tape, mr_square(tape, mr_prelu(tape, in[0], in[1])), MR_ALL, false);
}

static void test_gradients(void)
{
    mr_rng *rng = mr_rng_new(2);
    mr_tensor *in[] = { mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(4, 3, 2)),
                        mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(3)) };
    CHECK_EQ_I64(mr_tensor_set_requires_grad(in[0], true), MR_OK);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(in[1], true), MR_OK);
    for (int kind = 0; kind < KINDS; kind++)
        if (!CHECK_EQ_I64(mr_gradcheck(summed, &kind, in, 1, NULL), MR_OK))
            printf("    kind %d: %s\n", kind, mr_error());
    CHECK_EQ_I64(mr_gradcheck(preluded, NULL, in, 2, NULL), MR_OK);
    mr_tensor_free(in[0]);
    mr_tensor_free(in[1]);
    mr_rng_free(rng);
}

/* The largest errors of values and slopes, relative to their size where that is not small. */
static void check_float32(mr_tape *tape, int kind, mr_tensor *x, mr_tensor *wide, mr_tensor *ones)
{
    mr_tensor_zero_grad(x);
    mr_tensor_zero_grad(wide);
    mr_tensor *y = activated(tape, kind, x), *exact = activated(tape, kind, wide);
    CHECK_EQ_I64(mr_backward_from(tape, mr_add(tape, y, exact), ones), MR_OK);
    const float *v = mr_tensor_data(y), *d = mr_tensor_data(mr_tensor_grad(x));
    const double *want_v = mr_tensor_data(exact), *want_d = mr_tensor_data(mr_tensor_grad(wide));
    double worst[2] = { 0, 0 };
    for (int64_t i = 0; i < mr_tensor_numel(x); i++) {
        worst[0] = fmax(worst[0], fabs((double)v[i] - want_v[i]) / (fabs(want_v[i]) + 1e-2));
        worst[1] = fmax(worst[1], fabs((double)d[i] - want_d[i]) / (fabs(want_d[i]) + 1e-1));
    }
    if (!CHECK(worst[0] < 2e-6 && worst[1] < 3e-6))
        printf("    kind %d: %g %g\n", kind, worst[0], worst[1]);
    mr_tape_reset(tape);
}

static void test_float32(void)
{
    enum { N = 60001 }; /* enough for several threads */
    mr_rng *rng = mr_rng_new(2);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, -30, 30, N),
              *wide = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(N));
    mr_tensor *ones = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(N));
    CHECK_EQ_I64(mr_tensor_copy(wide, x), MR_OK);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(x, true), MR_OK);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(wide, true), MR_OK);
    for (int kind = 0; kind < GLU; kind++)
        check_float32(tape, kind, x, wide, ones);
    mr_tensor *all[] = { x, wide, ones };
    for (int i = 0; i < 3; i++)
        mr_tensor_free(all[i]);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

/* NaN stays NaN; the largest numbers give no NaN. */
static void test_special(void)
{
    static const float values[] = { NAN, INFINITY, 3e38f, -3e38f };
    mr_rng *rng = mr_rng_new(2);
    mr_tape *tape = mr_tape_new(rng);
    for (int kind = 0; kind < GLU; kind++)
        for (int i = 0; i < 4; i++) {
            mr_tensor *x = mr_tensor_scalar(MR_FLOAT32, (double)values[i]);
            CHECK_EQ_I64(mr_tensor_set_requires_grad(x, true), MR_OK);
            mr_tensor *y = activated(tape, kind, x);
            bool ok = CHECK(isnan(mr_item(y)) == (i == 0));
            CHECK_EQ_I64(mr_backward(tape, y), MR_OK);
            if (i != 1 && i != 0)
                ok = CHECK(!isnan(mr_item(mr_tensor_grad(x)))) && ok;
            if (!ok)
                printf("    kind %d of %g\n", kind, (double)values[i]);
            mr_tensor_free(x);
            mr_tape_reset(tape);
        }
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
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 3)), *whole = mr_tensor_ones(MR_INT64, MR_SHAPE(2));
    mr_tensor *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2)), *d = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(1));
    mr_tensor_set_name(w, "act.weight");
    check_fails(mr_gelu(tape, whole), MR_ERR_DTYPE, "gelu: input [2] is int64, not a floating type");
    check_fails(mr_hardtanh(tape, x, 2, 1), MR_ERR_ARGUMENT, "hardtanh: low 2 is above high 1");
    check_fails(mr_softplus(tape, x, &(mr_softplus_opts){ .beta = MR_ZERO }), MR_ERR_ARGUMENT,
                "softplus: a beta of 0");
    check_fails(mr_glu(tape, x, 1), MR_ERR_SHAPE, "glu: dimension 1 of input [2,3] has no halves");
    check_fails(mr_prelu(tape, x, w), MR_ERR_SHAPE,
                "prelu: weight act.weight[2] has neither one value nor one for each channel of input [2,3]");
    check_fails(mr_prelu(tape, x, d), MR_ERR_DTYPE,
                "prelu: input [2,3] is float32 and weight [1] float64, not one floating type");
    check_fails(mr_silu(tape, NULL), MR_ERR_ARGUMENT, "silu: input is NULL");
    mr_tensor *y = mr_softplus(tape, x, &(mr_softplus_opts){ .threshold = MR_ZERO });
    CHECK_NEAR((double)*(float *)mr_tensor_data(y), 1, 0);
    mr_tensor *all[] = { x, whole, w, d };
    for (int i = 0; i < 4; i++)
        mr_tensor_free(all[i]);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_golden);
    RUN(test_gradients);
    RUN(test_float32);
    RUN(test_special);
    RUN(test_errors);
    return check_report();
}
