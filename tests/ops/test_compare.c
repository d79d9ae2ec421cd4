/* Comparisons and choice, against PyTorch. */
#include "golden_run.h"

GOLDEN_CALL(eq, in[0], in[1])
GOLDEN_CALL(ne, in[0], in[1])
GOLDEN_CALL(lt, in[0], in[1])
GOLDEN_CALL(le, in[0], in[1])
GOLDEN_CALL(gt, in[0], in[1])
GOLDEN_CALL(ge, in[0], in[1])
GOLDEN_CALL(where, in[0], in[1], in[2])

static golden_op ops[] = {
    GOLDEN_EXACT(eq),
    GOLDEN_EXACT(ne),
    GOLDEN_EXACT(lt),
    GOLDEN_EXACT(le),
    GOLDEN_EXACT(gt),
    GOLDEN_EXACT(ge),
    GOLDEN_OP(where, 0, 4, 1, "the gradient of a broadcast operand is a sum in another order"),
};

static void test_compare(void)
{
    GOLDEN_RUN("compare", ops);
}

int main(void)
{
    RUN(test_compare);
    return check_report();
}
