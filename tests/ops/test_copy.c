/* Constants and copies, against PyTorch. */
#include "golden_run.h"

static mr_dtype dtype(const golden_case *c)
{
    return (mr_dtype)golden_number(c, "dtype", 0);
}

GOLDEN_CALL(scalar, dtype(c), golden_number(c, "value", 0))
GOLDEN_CALL(full, dtype(c), golden_sizes(c, "shape"), golden_number(c, "value", 0))
GOLDEN_CALL(cast, in[0], dtype(c))
GOLDEN_CALL(clone, in[0])
GOLDEN_CALL(contiguous, in[0])
GOLDEN_CALL(detach, in[0])

static golden_op ops[] = {
    GOLDEN_EXACT(scalar), GOLDEN_EXACT(full),       GOLDEN_EXACT(cast),
    GOLDEN_EXACT(clone),  GOLDEN_EXACT(contiguous), GOLDEN_EXACT(detach),
};

static void test_copy(void)
{
    GOLDEN_RUN("copy", ops);
}

int main(void)
{
    RUN(test_copy);
    return check_report();
}
