/* Losses of distributions: Kullback-Leibler divergence, likelihoods of Poisson's and Gauss's. */
#include "nn/losses.h"

#include "tensor/shape.h"

mr_tensor *mr_kl_div(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_kl_div_opts *opts)
{
    static const mr_kl_div_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr__pointwise loss = { "kl_div", opts->log_target ? MR__LOSS_KL_LOG : MR__LOSS_KL, opts->reduction, 0,
                           1 };
    if (!mr__ready2(tape, loss.name, input, target))
        return NULL;
    if ((loss.reduction != MR_REDUCE_BATCHMEAN && !mr__loss_reduction(tape, loss.name, loss.reduction)) ||
        !mr__loss_inputs(tape, loss.name, input, target, false))
        return NULL;
    if (input->ndim)
        loss.batch = (double)input->shape[0];
    return mr__pointwise_loss(tape, &loss, input, target, NULL);
}

mr_tensor *mr_poisson_nll_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                               const mr_poisson_nll_opts *opts)
{
    static const mr_poisson_nll_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr__pointwise loss = { "poisson_nll_loss", opts->no_log_input ? MR__LOSS_POISSON : MR__LOSS_POISSON_LOG,
                           opts->reduction, mr__option(opts->eps, 1e-8), 0 };
    if (!mr__ready2(tape, loss.name, input, target) || !mr__loss_reduction(tape, loss.name, loss.reduction) ||
        !mr__loss_inputs(tape, loss.name, input, target, false) || !mr__loss_operands(tape, &input, &target))
        return NULL;
    mr_tensor *y = mr__pointwise_loss(tape, &loss, input, target, NULL);
    if (!opts->full)
        return y;
    loss.kind = MR__LOSS_STIRLING;
    return mr_add(tape, y, mr__pointwise_loss(tape, &loss, target, target, NULL));
}

/* ---- Gauss ---- */

/* The variance with a last dimension of 1 where it has none; NULL when it does not fit the input. */
static mr_tensor *fitted(mr_tape *tape, mr_tensor *variance, const mr_tensor *input)
{
    int n = input->ndim;
    bool same = variance->ndim == n, without = n > 0 && variance->ndim == n - 1;
    for (int d = 0; d < n; d++) {
        bool last = d == n - 1;
        same = same && (variance->shape[d] == input->shape[d] || (last && variance->shape[d] == 1));
        without = without && (last || variance->shape[d] == input->shape[d]);
    }
    if (same)
        return variance;
    if (without)
        return mr_unsqueeze(tape, variance, -1);
    return mr__fail(tape, MR_ERR_SHAPE, "gaussian_nll_loss: variance %s does not fit input %s",
                    mr__tensor_text(variance).text, mr__tensor_text(input).text);
}

static bool not_negative(mr_tape *tape, const mr_tensor *variance)
{
    bool f32 = variance->dtype == MR_FLOAT32;
    for (int64_t i = 0; i < variance->numel; i++) {
        double v = f32 ? (double)((const float *)variance->data)[i] : ((const double *)variance->data)[i];
        if (v < 0) {
            mr__fail(tape, MR_ERR_ARGUMENT,
                     "gaussian_nll_loss: variance %g at element %lld of %s is negative", v, (long long)i,
                     mr__tensor_text(variance).text);
            return false;
        }
    }
    return true;
}

mr_tensor *mr_gaussian_nll_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *variance,
                                const mr_gaussian_nll_opts *opts)
{
    static const mr_gaussian_nll_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr__pointwise loss = { "gaussian_nll_loss", MR__LOSS_GAUSSIAN, opts->reduction,
                           mr__option(opts->eps, 1e-6), 0 };
    if (!mr__ready2(tape, loss.name, input, target))
        return NULL;
    if (!mr__usable(variance))
        return mr__not_ready(tape, loss.name, variance, "variance");
    if (!mr__loss_reduction(tape, loss.name, loss.reduction) ||
        !mr__loss_inputs(tape, loss.name, input, target, false) ||
        !mr__loss_float(tape, loss.name, "variance", variance))
        return NULL;
    variance = mr_contiguous(tape, fitted(tape, variance, input));
    if (!variance || !not_negative(tape, variance))
        return NULL;
    mr_tensor *squares = mr_square(tape, mr_sub(tape, input, target));
    if (!squares || !mr__loss_inputs(tape, loss.name, squares, variance, false))
        return NULL;
    int64_t count = squares->numel;
    mr_tensor *y = mr__pointwise_loss(tape, &loss, squares, variance, NULL);
    const double constant = 0.91893853320467274178; /* ln(2 pi) / 2 */
    if (!opts->full)
        return y;
    return mr_add_scalar(tape, y, loss.reduction == MR_REDUCE_SUM ? (double)count * constant : constant);
}
