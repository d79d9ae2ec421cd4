/* Initial values, against PyTorch: draws bit for bit, what is made of them to a few units in the last place. */
#include "golden_run.h"

#include <millrace/init.h>

/* A tensor of the input's shape and type, initialised; it goes onto the tape as a copy. */
static mr_tensor *initialised(mr_tape *tape, const golden_case *c, mr_tensor *like, mr_tensor **second,
                              mr_status (*fill)(const golden_case *c, mr_tensor *x, mr_rng *rng))
{
    mr_rng *rng = mr_rng_new((uint64_t)golden_number(c, "seed", 0));
    mr_tensor *x = mr_tensor_full(mr_tensor_dtype(like), mr_tensor_shape(like), 77), *y = NULL;
    if (fill(c, x, rng) == MR_OK) {
        y = mr_clone(tape, x);
        *second = mr_full(tape, golden_storage(c->out[1].dtype), MR_SHAPE(1),
                          (double)(mr_rng_u32(rng) & 0xffffff) * 0x1p-24);
    } else {
        mr_neg(tape, NULL); /* so that the tape has failed, too */
    }
    mr_tensor_free(x);
    mr_rng_free(rng);
    return y;
}

static double number(const golden_case *c, const char *key)
{
    return golden_number(c, key, 0);
}

#define INIT_CALL(op, ...)                                                                              \
    static mr_status fill_##op(const golden_case *c, mr_tensor *x, mr_rng *rng)                         \
    {                                                                                                   \
        (void)c, (void)rng;                                                                             \
        return mr_init_##op(x, __VA_ARGS__);                                                            \
    }                                                                                                   \
    static mr_tensor *run_##op(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second) \
    {                                                                                                   \
        return initialised(tape, c, in[0], second, fill_##op);                                          \
    }

#define GAIN                      \
    &(mr_init_opts)               \
    {                             \
        .gain = number(c, "gain") \
    }
#define KAIMING                                                           \
    &(mr_kaiming_opts)                                                    \
    {                                                                     \
        .slope = number(c, "slope"), .fan_out = number(c, "fan_out") > 0, \
        .nonlinearity = (mr_nonlinearity)(int)number(c, "kind")           \
    }

INIT_CALL(uniform, number(c, "low"), number(c, "high"), rng)
INIT_CALL(normal, number(c, "mean"), number(c, "std"), rng)
INIT_CALL(constant, number(c, "value"))
INIT_CALL(trunc_normal, number(c, "mean"), number(c, "std"), number(c, "low"), number(c, "high"), rng)
INIT_CALL(xavier_uniform, rng, GAIN)
INIT_CALL(xavier_normal, rng, GAIN)
INIT_CALL(kaiming_uniform, rng, KAIMING)
INIT_CALL(kaiming_normal, rng, KAIMING)
INIT_CALL(orthogonal, rng, GAIN)
INIT_CALL(sparse, number(c, "sparsity"), number(c, "std"), rng)

#define NORMAL "the C library's functions in float64"

static golden_op ops[] = {
    GOLDEN_EXACT(uniform),
    GOLDEN_OP(normal, 1, 0, 1, NORMAL),
    GOLDEN_EXACT(constant),
    GOLDEN_OP(trunc_normal, 16, 0, 1, "torch inverts the error function in the type itself"),
    GOLDEN_EXACT(xavier_uniform),
    GOLDEN_OP(xavier_normal, 1, 0, 1, NORMAL),
    GOLDEN_EXACT(kaiming_uniform),
    GOLDEN_OP(kaiming_normal, 1, 0, 1, NORMAL),
    GOLDEN_OP(orthogonal, 64, 0, 1, "torch's decomposition is LAPACK's"),
    GOLDEN_OP(sparse, 1, 0, 1, NORMAL),
};

static void test_golden(void)
{
    GOLDEN_RUN("init", ops);
}

static void check_refused(mr_status status, mr_status want, const char *text)
{
    CHECK_EQ_I64(status, want);
    CHECK_EQ_STR(mr_error(), text);
}

static void test_refused(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 3)), *v = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3));
    mr_tensor *whole = mr_tensor_ones(MR_INT64, MR_SHAPE(2, 3));
    check_refused(mr_init_uniform(NULL, 0, 1, rng), MR_ERR_ARGUMENT, "init_uniform: tensor is NULL");
    check_refused(mr_init_uniform(x, 0, 1, NULL), MR_ERR_ARGUMENT, "init_uniform: rng is NULL");
    check_refused(mr_init_uniform(x, 2, 1, rng), MR_ERR_ARGUMENT, "init_uniform: from 2 to 1");
    check_refused(mr_init_normal(mr_neg(tape, x), 0, 1, rng), MR_ERR_ARGUMENT,
                  "init_normal: only for tensors of your own, not for results on a tape");
    check_refused(mr_init_normal(x, 0, -1, rng), MR_ERR_ARGUMENT, "init_normal: a standard deviation of -1");
    check_refused(mr_init_normal(whole, 0, 1, rng), MR_ERR_DTYPE,
                  "init_normal: [2,3] is int64, not a floating type");
    check_refused(mr_init_trunc_normal(x, 0, 1, 2, -2, rng), MR_ERR_ARGUMENT,
                  "init_trunc_normal: between 2 and -2 with a standard deviation of 1");
    check_refused(mr_init_xavier_uniform(v, rng, NULL), MR_ERR_SHAPE,
                  "init_xavier_uniform: [3] has not at least two dimensions");
    check_refused(mr_init_kaiming_normal(x, rng, &(mr_kaiming_opts){ .nonlinearity = (mr_nonlinearity)9 }),
                  MR_ERR_ARGUMENT, "init_gain: 9 is no nonlinearity");
    check_refused(mr_init_sparse(v, 0.5, 1, rng), MR_ERR_SHAPE, "init_sparse: [3] is no matrix");
    check_refused(mr_init_sparse(x, 1.5, 1, rng), MR_ERR_ARGUMENT,
                  "init_sparse: sparsity 1.5 is not in [0, 1]");
    check_refused(mr_init_constant(NULL, 1), MR_ERR_ARGUMENT, "init_constant: tensor is NULL");
    CHECK_EQ_I64(mr_init_constant(whole, 4), MR_OK);
    CHECK_EQ_I64(*(int64_t *)mr_tensor_data(whole), 4);
    CHECK_EQ_I64(mr_init_xavier_uniform(x, rng, &(mr_init_opts){ .gain = MR_ZERO }), MR_OK);
    CHECK_NEAR((double)*(float *)mr_tensor_data(x), 0, 0);
    mr_tensor_free(x);
    mr_tensor_free(v);
    mr_tensor_free(whole);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_golden);
    RUN(test_refused);
    return check_report();
}
