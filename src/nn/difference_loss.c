/* Losses of a difference, besides its square: absolute, smooth and Huber's. */
#include "nn/losses.h"

static mr_tensor *difference(mr_tape *tape, const mr__pointwise *loss, mr_tensor *input, mr_tensor *target)
{
    if (!mr__loss_inputs(tape, loss->name, input, target, false))
        return NULL;
    mr__loss_warn(loss->name, input, target);
    return mr__pointwise_loss(tape, loss, input, target, NULL);
}

mr_tensor *mr_l1_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_loss_opts *opts)
{
    mr__pointwise loss = { "l1_loss", MR__LOSS_L1, opts ? opts->reduction : MR_REDUCE_MEAN, 0, 0 };
    if (!mr__ready2(tape, loss.name, input, target) || !mr__loss_reduction(tape, loss.name, loss.reduction))
        return NULL;
    if (mr__is_float(input->dtype) || mr__is_float(target->dtype) || loss.reduction == MR_REDUCE_MEAN)
        return difference(tape, &loss, input, target);
    /* Of whole numbers a sum is defined, and is a whole number. */
    if (!mr__loss_inputs(tape, loss.name, input, target, true))
        return NULL;
    return mr__loss_reduced(tape, mr_abs(tape, mr_sub(tape, input, target)), loss.reduction);
}

mr_tensor *mr_smooth_l1_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                             const mr_smooth_l1_opts *opts)
{
    static const mr_smooth_l1_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    const double beta = mr__option(opts->beta, 1);
    mr__pointwise loss = { "smooth_l1_loss", beta == 0 ? MR__LOSS_L1 : MR__LOSS_SMOOTH_L1, opts->reduction,
                           beta, 0 };
    if (!mr__ready2(tape, loss.name, input, target) || !mr__loss_reduction(tape, loss.name, loss.reduction))
        return NULL;
    if (!(beta >= 0))
        return mr__fail(tape, MR_ERR_ARGUMENT, "smooth_l1_loss: beta %g is not 0 or more", beta);
    return difference(tape, &loss, input, target);
}

mr_tensor *mr_huber_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_huber_opts *opts)
{
    static const mr_huber_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr__pointwise loss = { "huber_loss", MR__LOSS_HUBER, opts->reduction, mr__option(opts->delta, 1), 0 };
    if (!mr__ready2(tape, loss.name, input, target) || !mr__loss_reduction(tape, loss.name, loss.reduction))
        return NULL;
    if (!(loss.parameter > 0))
        return mr__fail(tape, MR_ERR_ARGUMENT, "huber_loss: delta %g is not more than 0", loss.parameter);
    return difference(tape, &loss, input, target);
}
