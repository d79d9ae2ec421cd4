/* Reductions, against PyTorch. */
#include "golden_run.h"

static bool keepdim(const golden_case *c)
{
    return golden_number(c, "keepdim", 0) != 0;
}

GOLDEN_CALL(sum, in[0], golden_dims(c, "dims"), keepdim(c))
GOLDEN_CALL(mean, in[0], golden_dims(c, "dims"), keepdim(c))
GOLDEN_CALL(var, in[0], golden_dims(c, "dims"), keepdim(c),
            &(mr_var_opts){ .biased = golden_number(c, "biased", 0) != 0 })
GOLDEN_CALL(max, in[0], golden_dims(c, "dims"), keepdim(c))
GOLDEN_CALL(min, in[0], golden_dims(c, "dims"), keepdim(c))
GOLDEN_CALL(max_dim, in[0], (int)golden_number(c, "dim", 0), keepdim(c), second)
GOLDEN_CALL(min_dim, in[0], (int)golden_number(c, "dim", 0), keepdim(c), second)
GOLDEN_CALL(argmax, in[0], golden_dims(c, "dims"), keepdim(c))
GOLDEN_CALL(argmin, in[0], golden_dims(c, "dims"), keepdim(c))

#define SUM "sums of values of the size of 1, in another order"

static golden_op ops[] = {
    GOLDEN_OP(sum, 8, SAME, 1, SUM),
    GOLDEN_OP(mean, 8, 1, 1, SUM),
    GOLDEN_OP(var, 8, 8, 1, SUM),
    GOLDEN_OP(max, SAME, 1, 0, "a gradient is divided among equal values"),
    GOLDEN_OP(min, SAME, 1, 0, "a gradient is divided among equal values"),
    GOLDEN_EXACT(max_dim),
    GOLDEN_EXACT(min_dim),
    GOLDEN_EXACT(argmax),
    GOLDEN_EXACT(argmin),
};

static void test_reduce(void)
{
    GOLDEN_RUN("reduce", ops);
}

int main(void)
{
    RUN(test_reduce);
    return check_report();
}
