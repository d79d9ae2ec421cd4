/* add sub mul div pow minimum maximum, and arithmetic with a number, against PyTorch. */
#include "golden_run.h"

GOLDEN_CALL(add, in[0], in[1])
GOLDEN_CALL(sub, in[0], in[1])
GOLDEN_CALL(mul, in[0], in[1])
GOLDEN_CALL(div, in[0], in[1])
GOLDEN_CALL(pow, in[0], in[1])
GOLDEN_CALL(minimum, in[0], in[1])
GOLDEN_CALL(maximum, in[0], in[1])
GOLDEN_CALL(add_scalar, in[0], golden_number(c, "value", NAN))
GOLDEN_CALL(sub_scalar, in[0], golden_number(c, "value", NAN))
GOLDEN_CALL(rsub_scalar, in[0], golden_number(c, "value", NAN))
GOLDEN_CALL(mul_scalar, in[0], golden_number(c, "value", NAN))
GOLDEN_CALL(div_scalar, in[0], golden_number(c, "value", NAN))
GOLDEN_CALL(pow_scalar, in[0], golden_number(c, "value", NAN))

#define SUM "the gradient of a broadcast operand is a sum of values of the size of 1, in another order"
#define POWER "another way to compute powers"

static golden_op ops[] = {
    GOLDEN_OP(add, 0, 4, 1, SUM),
    GOLDEN_OP(sub, 0, 4, 1, SUM),
    GOLDEN_OP(mul, 0, 4, 1, SUM),
    GOLDEN_OP(div, 0, 16, 1, SUM),
    GOLDEN_OP(pow, 4, 16, 1, POWER),
    GOLDEN_OP(minimum, SAME, 4, 1, SUM),
    GOLDEN_OP(maximum, SAME, 4, 1, SUM),
    GOLDEN_EXACT(add_scalar),
    GOLDEN_EXACT(sub_scalar),
    GOLDEN_EXACT(rsub_scalar),
    GOLDEN_EXACT(mul_scalar),
    GOLDEN_EXACT(div_scalar),
    GOLDEN_OP(pow_scalar, 4, 8, 0, POWER),
};

static void test_arithmetic(void)
{
    GOLDEN_RUN("arithmetic", ops);
}

int main(void)
{
    RUN(test_arithmetic);
    return check_report();
}
