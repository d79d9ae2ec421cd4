/* Joining and picking, against PyTorch. */
#include "golden_run.h"

static int dim(const golden_case *c)
{
    return (int)golden_number(c, "dim", 0);
}

GOLDEN_CALL(cat, in, c->inputs, dim(c))
GOLDEN_CALL(stack, in, c->inputs, dim(c))
GOLDEN_CALL(index_select, in[0], dim(c), in[1])
GOLDEN_CALL(gather, in[0], dim(c), in[1])

#define SUM "gradients of what is taken several times are summed in another order"

static golden_op ops[] = {
    GOLDEN_EXACT(cat),
    GOLDEN_EXACT(stack),
    GOLDEN_OP(index_select, 0, 4, 1, SUM),
    GOLDEN_OP(gather, 0, 4, 1, SUM),
};

static void test_join(void)
{
    GOLDEN_RUN("join", ops);
}

int main(void)
{
    RUN(test_join);
    return check_report();
}
