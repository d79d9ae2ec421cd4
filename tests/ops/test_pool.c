/* Pooling, against PyTorch. */
#include "golden_run.h"

#include <millrace/functions.h>

/* A pair of the case's parameters, as options that have a field for each. */
static void set_pair(const golden_case *c, const char *key, int64_t *first, int64_t *second)
{
    const golden_parameter *p = golden_find(c, key);
    if (!p)
        return;
    *first = (int64_t)p->value[0];
    int64_t width = p->count > 1 ? (int64_t)p->value[1] : *first;
    *second = width ? width : MR_ZERO_INT;
}

static mr_pool_opts opts_of(const golden_case *c, int64_t *kernel)
{
    mr_pool_opts o = { .ceil = golden_number(c, "ceil", 0) != 0,
                       .exclude_padding = golden_number(c, "exclude", 0) != 0,
                       .divisor = (int64_t)golden_number(c, "divisor", 0) };
    set_pair(c, "kernel", kernel, &o.kernel_w);
    set_pair(c, "stride", &o.stride, &o.stride_w);
    set_pair(c, "padding", &o.padding, &o.padding_w);
    set_pair(c, "dilation", &o.dilation, &o.dilation_w);
    return o;
}

#define POOL_CALL(op)                                                                                   \
    static mr_tensor *run_##op(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second) \
    {                                                                                                   \
        int64_t kernel = 0;                                                                             \
        mr_pool_opts o = opts_of(c, &kernel);                                                           \
        (void)second;                                                                                   \
        return mr_##op(tape, in[0], kernel, &o);                                                        \
    }

POOL_CALL(max_pool2d)
POOL_CALL(max_pool1d)
POOL_CALL(avg_pool2d)
POOL_CALL(avg_pool1d)
GOLDEN_CALL(adaptive_avg_pool2d, in[0], (int64_t)golden_find(c, "size")->value[0],
            (int64_t)golden_find(c, "size")->value[1])

#define SUM "sums of a few values, in another order"

static golden_op ops[] = {
    GOLDEN_EXACT(max_pool2d),
    GOLDEN_EXACT(max_pool1d),
    GOLDEN_OP(avg_pool2d, 4, 4, 1, SUM),
    GOLDEN_OP(avg_pool1d, 4, 4, 1, SUM),
    GOLDEN_OP(adaptive_avg_pool2d, 4, 4, 1, SUM),
};

static void test_pool(void)
{
    GOLDEN_RUN("pool", ops);
}

/* A dilated window may hold padding alone: -inf, which no gradient goes through (torch writes outside of the image). */
static void test_padding_alone(void)
{
    for (int f32 = 0; f32 < 2; f32++) {
        mr_rng *rng = mr_rng_new(1);
        mr_tape *tape = mr_tape_new(rng);
        mr_tensor *x = mr_tensor_ones(f32 ? MR_FLOAT32 : MR_FLOAT64, MR_SHAPE(1, 1, 1, 40));
        CHECK_EQ_I64(mr_tensor_set_requires_grad(x, true), MR_OK);
        mr_tensor *y = mr_max_pool2d(tape, x, 2, &(mr_pool_opts){ .padding = 1, .dilation = 2, .stride = 1 });
        CHECK_EQ_I64(mr_tensor_numel(y), 40);
        double out[40], grad[40];
        CHECK_EQ_I64(mr_copy_out(y, MR_FLOAT64, out, 40), MR_OK);
        for (int i = 0; i < 40; i++)
            CHECK(out[i] == -INFINITY); /* rows -1 and 1 of an image that is one high */
        CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, y, MR_ALL, false)), MR_OK);
        CHECK_EQ_I64(mr_copy_out(mr_tensor_grad(x), MR_FLOAT64, grad, 40), MR_OK);
        for (int i = 0; i < 40; i++)
            CHECK(grad[i] == 0);
        mr_tensor_free(x);
        mr_tape_free(tape);
        mr_rng_free(rng);
    }
}

int main(void)
{
    RUN(test_pool);
    RUN(test_padding_alone);
    return check_report();
}
