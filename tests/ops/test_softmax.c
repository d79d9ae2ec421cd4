/* Softmax and its logarithm, against PyTorch. */
#include "golden_run.h"

#include <millrace/functions.h>

static int dim(const golden_case *c)
{
    return (int)golden_number(c, "dim", 0);
}

GOLDEN_CALL(softmax, in[0], dim(c))
GOLDEN_CALL(log_softmax, in[0], dim(c))

static golden_op ops[] = {
    GOLDEN_OP(softmax, 4, 32, 0.05, "exp of another library; a quotient by its reciprocal; sums that cancel"),
    GOLDEN_OP(log_softmax, 4, 8, 1, "log of another library; sums in another order"),
};

static void test_softmax(void)
{
    GOLDEN_RUN("softmax", ops);
}

int main(void)
{
    RUN(test_softmax);
    return check_report();
}
