/* Shapes and views, against PyTorch. */
#include "golden_run.h"

static int number(const golden_case *c, const char *key)
{
    return (int)golden_number(c, key, 0);
}

GOLDEN_CALL(view, in[0], golden_sizes(c, "shape"))
GOLDEN_CALL(reshape, in[0], golden_sizes(c, "shape"))
GOLDEN_CALL(flatten, in[0], number(c, "first"), number(c, "last"))
GOLDEN_CALL(squeeze, in[0], number(c, "dim"))
GOLDEN_CALL(squeeze_all, in[0])
GOLDEN_CALL(unsqueeze, in[0], number(c, "dim"))
GOLDEN_CALL(transpose, in[0], golden_dims(c, "dims").dim[0], golden_dims(c, "dims").dim[1])
GOLDEN_CALL(permute, in[0], golden_dims(c, "dims"))
GOLDEN_CALL(expand, in[0], golden_sizes(c, "shape"))
GOLDEN_CALL(slice, in[0], number(c, "dim"), number(c, "start"),
            golden_find(c, "end") ? number(c, "end") : MR_TO_END, number(c, "step"))
GOLDEN_CALL(select, in[0], number(c, "dim"), number(c, "index"))

static golden_op ops[] = {
    GOLDEN_EXACT(view),
    GOLDEN_EXACT(reshape),
    GOLDEN_EXACT(flatten),
    GOLDEN_EXACT(squeeze),
    GOLDEN_EXACT(squeeze_all),
    GOLDEN_EXACT(unsqueeze),
    GOLDEN_EXACT(transpose),
    GOLDEN_EXACT(permute),
    GOLDEN_OP(expand, 0, 8, 1, "gradients are summed in another order"),
    GOLDEN_EXACT(slice),
    GOLDEN_EXACT(select),
};

static void test_shape(void)
{
    GOLDEN_RUN("shape", ops);
}

int main(void)
{
    RUN(test_shape);
    return check_report();
}
