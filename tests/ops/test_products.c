/* Matrix products, against PyTorch. */
#include "golden_run.h"

GOLDEN_CALL(matmul, in[0], in[1])
GOLDEN_CALL(linear, in[0], in[1], in[2])
GOLDEN_CALL(linear_no_bias, in[0], in[1])

#define SUM "sums of up to 49 products of the size of 1, in another order"

static golden_op ops[] = {
    GOLDEN_OP(matmul, 32, 32, 1, SUM),
    GOLDEN_OP(linear, 32, 32, 1, SUM),
    GOLDEN_OP(linear_no_bias, 32, 32, 1, SUM),
};

static void test_products(void)
{
    GOLDEN_RUN("products", ops);
}

int main(void)
{
    RUN(test_products);
    return check_report();
}
