/* The table of one level's kernels. */
#include "kernels/level/level.h"

#define MR__TEXT_(x) #x
#define MR__TEXT(x) MR__TEXT_(x)

const mr__kernels MR__LEVEL(kernels) = {
    .level = MR__TEXT(MR_LEVEL),
    .linear = MR__LEVEL(linear),
    .linear_dx = MR__LEVEL(linear_dx),
    .linear_dw = MR__LEVEL(linear_dw),
    .gemm = MR__LEVEL(gemm),
    .gemm_bias = MR__LEVEL(gemm_bias),
    .column_sums = MR__LEVEL(column_sums),
    .add = MR__LEVEL(add),
    .sub = MR__LEVEL(sub),
    .mul = MR__LEVEL(mul),
    .div = MR__LEVEL(div),
    .affine = MR__LEVEL(affine),
    .add_scaled = MR__LEVEL(add_scaled),
    .fill = MR__LEVEL(fill),
    .relu = MR__LEVEL(relu),
    .sigmoid = MR__LEVEL(sigmoid),
    .tanh = MR__LEVEL(tanh),
    .exp = MR__LEVEL(exp),
    .sin = MR__LEVEL(sin),
    .cos = MR__LEVEL(cos),
    .relu_backward = MR__LEVEL(relu_backward),
    .sigmoid_backward = MR__LEVEL(sigmoid_backward),
    .tanh_backward = MR__LEVEL(tanh_backward),
    .mul_backward = MR__LEVEL(mul_backward),
    .scale = MR__LEVEL(scale),
    .sum = MR__LEVEL(sum),
    .sum_squared_difference = MR__LEVEL(sum_squared_difference),
    .mse_backward = MR__LEVEL(mse_backward),
    .all_finite = MR__LEVEL(all_finite),
    .pool_max = MR__LEVEL(pool_max),
    .lstm_forward = MR__LEVEL(lstm_forward),
    .lstm_backward = MR__LEVEL(lstm_backward),
    .gru_forward = MR__LEVEL(gru_forward),
    .gru_backward = MR__LEVEL(gru_backward),
    .adam = MR__LEVEL(adam),
    .sgd = MR__LEVEL(sgd),
};
