/* Functions of each element, against PyTorch. */
#include "golden_run.h"

GOLDEN_CALL(neg, in[0])
GOLDEN_CALL(abs, in[0])
GOLDEN_CALL(square, in[0])
GOLDEN_CALL(reciprocal, in[0])
GOLDEN_CALL(exp, in[0])
GOLDEN_CALL(ln, in[0])
GOLDEN_CALL(sqrt, in[0])
GOLDEN_CALL(sin, in[0])
GOLDEN_CALL(cos, in[0])
GOLDEN_CALL(tanh, in[0])
GOLDEN_CALL(sigmoid, in[0])
GOLDEN_CALL(relu, in[0])
GOLDEN_CALL(clamp, in[0], golden_find(c, "limits")->value[0], golden_find(c, "limits")->value[1])

#define ZERO "of two zeros either may be the larger one"
#define FUNCTION "another polynomial"

static golden_op ops[] = {
    GOLDEN_EXACT(neg),
    GOLDEN_EXACT(abs),
    GOLDEN_EXACT(square),
    GOLDEN_EXACT(reciprocal),
    GOLDEN_OP(exp, 4, 4, 0, FUNCTION),
    GOLDEN_OP(ln, 4, 4, 0, FUNCTION),
    GOLDEN_EXACT(sqrt),
    GOLDEN_OP(sin, 4, 4, 0, FUNCTION),
    GOLDEN_OP(cos, 4, 4, 0, FUNCTION),
    GOLDEN_OP(tanh, 4, 16, 1, "the gradient 1 - y*y cancels where y is near 1"),
    GOLDEN_OP(sigmoid, 4, 64, 0, "the gradient 1 - y cancels where y is near 1"),
    GOLDEN_OP(relu, SAME, SAME, 0, ZERO),
    GOLDEN_OP(clamp, SAME, SAME, 0, ZERO),
};

static void test_unary(void)
{
    GOLDEN_RUN("unary", ops);
}

int main(void)
{
    RUN(test_unary);
    return check_report();
}
