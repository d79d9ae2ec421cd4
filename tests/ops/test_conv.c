/* Convolutions, against PyTorch, and their gradients against differences. */
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

static mr_conv_opts opts_of(const golden_case *c)
{
    mr_conv_opts o = { .groups = (int64_t)golden_number(c, "groups", 0),
                       .same = golden_number(c, "same", 0) != 0 };
    set_pair(c, "stride", &o.stride, &o.stride_w);
    set_pair(c, "padding", &o.padding, &o.padding_w);
    set_pair(c, "dilation", &o.dilation, &o.dilation_w);
    set_pair(c, "output_padding", &o.output_padding, &o.output_padding_w);
    return o;
}

#define CONV_CALL(op, ...)                                                                              \
    static mr_tensor *with_opts_##op(mr_tape *tape, const golden_case *c, mr_tensor **in)               \
    {                                                                                                   \
        mr_conv_opts o = opts_of(c);                                                                    \
        return mr_##op(tape, __VA_ARGS__, &o);                                                          \
    }                                                                                                   \
    static mr_tensor *run_##op(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second) \
    {                                                                                                   \
        (void)second;                                                                                   \
        return with_opts_##op(tape, c, in);                                                             \
    }

CONV_CALL(conv2d, in[0], in[1], in[2])
CONV_CALL(conv2d_no_bias, in[0], in[1])
CONV_CALL(conv1d, in[0], in[1], in[2])
CONV_CALL(conv1d_no_bias, in[0], in[1])
CONV_CALL(conv_transpose2d, in[0], in[1], in[2])
CONV_CALL(conv_transpose2d_no_bias, in[0], in[1])

#define SUM "sums of up to 100 products of the size of 1, in another order"

static golden_op ops[] = {
    GOLDEN_OP(conv2d, 32, 32, 1, SUM),
    GOLDEN_OP(conv2d_no_bias, 32, 32, 1, SUM),
    GOLDEN_OP(conv1d, 32, 32, 1, SUM),
    GOLDEN_OP(conv1d_no_bias, 32, 32, 1, SUM),
    { "conv2d_many_channels",
      run_conv2d,
      8,
      8,
      16,
      "Winograd's errors are about those of the largest values",
      { 0, 0 } },
    GOLDEN_OP(conv_transpose2d, 32, 32, 1, SUM),
    GOLDEN_OP(conv_transpose2d_no_bias, 32, 32, 1, SUM),
};

static void test_conv(void)
{
    GOLDEN_RUN("conv", ops);
}

int main(void)
{
    RUN(test_conv);
    return check_report();
}
