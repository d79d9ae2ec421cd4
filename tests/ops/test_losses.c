/* Losses, against PyTorch. */
#include "golden_run.h"

#include <millrace/nn.h>

static mr_reduction reduction(const golden_case *c)
{
    return (mr_reduction)(int)golden_number(c, "reduction", MR_REDUCE_MEAN);
}

static mr_cross_entropy_opts entropy_opts(const golden_case *c)
{
    return (mr_cross_entropy_opts){ .reduction = reduction(c),
                                    .has_ignore_index = golden_find(c, "ignore_index") != NULL,
                                    .ignore_index = (int64_t)golden_number(c, "ignore_index", 0),
                                    .label_smoothing = golden_number(c, "label_smoothing", 0) };
}

GOLDEN_CALL(mse_loss, in[0], in[1], &(mr_loss_opts){ .reduction = reduction(c) })
GOLDEN_CALL(l1_loss, in[0], in[1], &(mr_loss_opts){ .reduction = reduction(c) })
GOLDEN_CALL(cross_entropy, in[0], in[1], &(mr_cross_entropy_opts[]){ entropy_opts(c) }[0])

static golden_op ops[] = {
    GOLDEN_OP(mse_loss, 4, 8, 1, "sums of values of the size of 1, in another order"),
    GOLDEN_OP(l1_loss, 4, 4, 1, "sums of values of the size of 1, in another order"),
    GOLDEN_OP(cross_entropy, 4, 4, 1, "exp and log of another library; sums in another order"),
};

static void test_losses(void)
{
    GOLDEN_RUN("losses", ops);
}

int main(void)
{
    RUN(test_losses);
    return check_report();
}
