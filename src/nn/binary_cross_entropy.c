/* Cross entropy of two classes, of probabilities and of logits. */
#include "nn/losses.h"

#include "tensor/shape.h"

static bool acceptable(mr_tape *tape, const mr__pointwise *loss, const mr_tensor *input,
                       const mr_tensor *target)
{
    const char *op = loss->name;
    if (!mr__loss_reduction(tape, op, loss->reduction) || !mr__loss_float(tape, op, "input", input) ||
        !mr__loss_float(tape, op, "target", target))
        return false;
    if (!mr__same_shape(input, target))
        mr__fail(tape, MR_ERR_SHAPE, "%s: input %s and target %s are not of one shape", op,
                 mr__tensor_text(input).text, mr__tensor_text(target).text);
    return !tape->failed;
}

/* The weight as a dense tensor of the input's shape and the common type; NULL also where it is 1 throughout. */
static mr_tensor *spread(mr_tape *tape, const char *op, const char *what, mr_tensor *weight,
                         const mr_tensor *input, const mr_tensor *target)
{
    if (!mr__usable(weight))
        return mr__not_ready(tape, op, weight, what);
    if (!mr__loss_float(tape, op, what, weight))
        return NULL;
    if (weight->numel == 1 && weight->ndim == 0 &&
        (weight->dtype == MR_FLOAT32 ? *(const float *)weight->data == 1
                                     : *(const double *)weight->data == 1))
        return NULL;
    bool fits = weight->ndim <= input->ndim;
    for (int d = 1; fits && d <= weight->ndim; d++)
        fits = weight->shape[weight->ndim - d] == 1 ||
               weight->shape[weight->ndim - d] == input->shape[input->ndim - d];
    if (!fits)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: %s %s does not broadcast to input %s", op, what,
                        mr__tensor_text(weight).text, mr__tensor_text(input).text);
    mr_dtype dtype = mr__promote(input, target);
    if (weight->dtype == dtype && weight->contiguous && mr__same_shape(weight, input))
        return weight;
    weight = mr_cast(tape, mr_detach(tape, weight), dtype);
    return mr_contiguous(tape, mr_expand(tape, weight, mr__shape_of(input)));
}

/* ---- of probabilities ---- */

/* The first element that is no probability; -1 if all are. */
static int64_t first_outside(const mr_tensor *x)
{
    bool f32 = x->dtype == MR_FLOAT32;
    for (int64_t i = 0; i < x->numel; i += 256) {
        int64_t end = i + 256 < x->numel ? i + 256 : x->numel;
        int outside = 0;
        for (int64_t k = i; f32 && k < end; k++)
            outside |= !(((const float *)x->data)[k] >= 0 && ((const float *)x->data)[k] <= 1);
        for (int64_t k = i; !f32 && k < end; k++)
            outside |= !(((const double *)x->data)[k] >= 0 && ((const double *)x->data)[k] <= 1);
        for (int64_t k = i; outside && k < end; k++) {
            double v = f32 ? (double)((const float *)x->data)[k] : ((const double *)x->data)[k];
            if (!(v >= 0 && v <= 1))
                return k;
        }
    }
    return -1;
}

static mr_tensor *of_probabilities(mr_tape *tape, const mr__pointwise *loss, mr_tensor *input,
                                   mr_tensor *target, mr_tensor *weight)
{
    input = mr_contiguous(tape, input);
    if (!input)
        return NULL;
    int64_t i = first_outside(input);
    if (i >= 0)
        return mr__fail(tape, MR_ERR_ARGUMENT, "%s: %g at element %lld of %s is not from 0 to 1", loss->name,
                        input->dtype == MR_FLOAT32 ? (double)((const float *)input->data)[i]
                                                   : ((const double *)input->data)[i],
                        (long long)i, mr__tensor_text(input).text);
    return mr__pointwise_loss(tape, loss, input, target, weight);
}

mr_tensor *mr_binary_cross_entropy(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                   const mr_loss_opts *opts)
{
    mr__pointwise loss = { "binary_cross_entropy", MR__LOSS_BCE, opts ? opts->reduction : MR_REDUCE_MEAN, 0,
                           0 };
    if (!mr__ready2(tape, loss.name, input, target) || !acceptable(tape, &loss, input, target))
        return NULL;
    return of_probabilities(tape, &loss, input, target, NULL);
}

mr_tensor *mr_binary_cross_entropy_weighted(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                            mr_tensor *weight, const mr_loss_opts *opts)
{
    mr__pointwise loss = { "binary_cross_entropy", MR__LOSS_BCE, opts ? opts->reduction : MR_REDUCE_MEAN, 0,
                           0 };
    if (!mr__ready2(tape, loss.name, input, target) || !acceptable(tape, &loss, input, target))
        return NULL;
    weight = spread(tape, loss.name, "weight", weight, input, target);
    return tape->failed ? NULL : of_probabilities(tape, &loss, input, target, weight);
}

/* ---- of logits ---- */

mr_tensor *mr_binary_cross_entropy_with_logits(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                               const mr_loss_opts *opts)
{
    mr__pointwise loss = { "binary_cross_entropy_with_logits", MR__LOSS_BCE_LOGITS,
                           opts ? opts->reduction : MR_REDUCE_MEAN, 0, 0 };
    if (!mr__ready2(tape, loss.name, input, target) || !acceptable(tape, &loss, input, target))
        return NULL;
    return mr__pointwise_loss(tape, &loss, input, target, NULL);
}

mr_tensor *mr_binary_cross_entropy_with_logits_weighted(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                                        mr_tensor *weight, mr_tensor *pos_weight,
                                                        const mr_loss_opts *opts)
{
    mr__pointwise loss = { "binary_cross_entropy_with_logits", MR__LOSS_BCE_LOGITS,
                           opts ? opts->reduction : MR_REDUCE_MEAN, 0, 0 };
    if (!mr__ready2(tape, loss.name, input, target) || !acceptable(tape, &loss, input, target))
        return NULL;
    weight = spread(tape, loss.name, "weight", weight, input, target);
    pos_weight = tape->failed ? NULL : spread(tape, loss.name, "pos_weight", pos_weight, input, target);
    if (tape->failed)
        return NULL;
    if (!pos_weight)
        return mr__pointwise_loss(tape, &loss, input, target, weight);
    loss.kind = MR__LOSS_BCE_LOGITS_POS;
    if (!weight)
        return mr__pointwise_loss(tape, &loss, input, target, pos_weight);
    loss.reduction = MR_REDUCE_NONE;
    mr_tensor *each = mr__pointwise_loss(tape, &loss, input, target, pos_weight);
    each = mr_mul(tape, each, mr_detach(tape, weight));
    return mr__loss_reduced(tape, each, opts ? opts->reduction : MR_REDUCE_MEAN);
}
