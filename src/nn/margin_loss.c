/* Losses of pairs and triples: margin ranking, cosine embedding, triplet margin. */
#include "nn/losses.h"

#include "nn/distance.h"
#include "tensor/iterate.h"
#include "tensor/shape.h"

#include <math.h>

/* Whether three inputs are there and usable; the third is called `third`. */
static bool ready3(mr_tape *tape, const char *op, const mr_tensor *a, const mr_tensor *b, const mr_tensor *c,
                   const char *third)
{
    if (!mr__ready2(tape, op, a, b))
        return false;
    if (!mr__usable(c))
        mr__not_ready(tape, op, c, third);
    return mr__usable(c);
}

mr_tensor *mr_margin_ranking_loss(mr_tape *tape, mr_tensor *a, mr_tensor *b, mr_tensor *target,
                                  const mr_margin_opts *opts)
{
    static const mr_margin_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    mr__pointwise loss = { "margin_ranking_loss", MR__LOSS_HINGE, opts->reduction,
                           mr__option(opts->margin, 0), 0 };
    if (!ready3(tape, loss.name, a, b, target, "target") ||
        !mr__loss_reduction(tape, loss.name, loss.reduction) ||
        !mr__loss_inputs(tape, loss.name, a, b, false))
        return NULL;
    if (a->ndim != b->ndim || a->ndim != target->ndim)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: %s, %s and target %s have different numbers of dimensions",
                        loss.name, mr__tensor_text(a).text, mr__tensor_text(b).text,
                        mr__tensor_text(target).text);
    mr_tensor *difference = mr_sub(tape, a, b);
    if (!difference || !mr__loss_inputs(tape, loss.name, difference, target, false))
        return NULL;
    return mr__pointwise_loss(tape, &loss, difference, target, NULL);
}

/* ---- cosine embedding ---- */

static bool acceptable(mr_tape *tape, const char *op, const mr_tensor *a, const mr_tensor *b,
                       const mr_tensor *target)
{
    if (!mr__loss_float(tape, op, "first input", a) || !mr__loss_float(tape, op, "second input", b) ||
        !mr__check_computes(tape, op, target))
        return false;
    mr_shape shape;
    bool fits = target->ndim <= 1 && a->ndim == target->ndim + 1 && b->ndim == a->ndim;
    if (fits && !mr__broadcast(op, a, b, &shape)) {
        mr__stop(tape);
        return false;
    }
    if (!fits ||
        (target->ndim && target->shape[0] != shape.dim[0] && target->shape[0] != 1 && shape.dim[0] != 1))
        mr__fail(tape, MR_ERR_SHAPE, "%s: inputs %s and %s with target %s, not (N,D), (N,D) and (N)", op,
                 mr__tensor_text(a).text, mr__tensor_text(b).text, mr__tensor_text(target).text);
    return !tape->failed;
}

/* Of vectors along the last dimension. */
static mr_tensor *cosine(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    const double eps = (double)1e-12f; /* a float in torch, too */
    mr_tensor *product = mr_sum(tape, mr_mul(tape, a, b), MR_DIMS(-1), false);
    mr_tensor *aa = mr_add_scalar(tape, mr_sum(tape, mr_mul(tape, a, a), MR_DIMS(-1), false), eps);
    mr_tensor *bb = mr_add_scalar(tape, mr_sum(tape, mr_mul(tape, b, b), MR_DIMS(-1), false), eps);
    return mr_div(tape, product, mr_sqrt(tape, mr_mul(tape, aa, bb)));
}

mr_tensor *mr_cosine_embedding_loss(mr_tape *tape, mr_tensor *a, mr_tensor *b, mr_tensor *target,
                                    const mr_margin_opts *opts)
{
    static const mr_margin_opts defaults = { 0 };
    static const char *const op = "cosine_embedding_loss";
    opts = opts ? opts : &defaults;
    if (!ready3(tape, op, a, b, target, "target") || !mr__loss_reduction(tape, op, opts->reduction) ||
        !acceptable(tape, op, a, b, target))
        return NULL;
    mr_tensor *cos = cosine(tape, a, b);
    mr_tensor *near = mr_rsub_scalar(tape, cos, 1);
    mr_tensor *apart = mr_clamp(tape, mr_sub_scalar(tape, cos, mr__option(opts->margin, 0)), 0, INFINITY);
    if (!near || !apart)
        return NULL;
    mr_dtype dtype = (mr_dtype)cos->dtype;
    mr_tensor *is_near = mr_eq(tape, target, mr_scalar(tape, MR_FLOAT32, 1));
    mr_tensor *is_apart = mr_eq(tape, target, mr_scalar(tape, MR_FLOAT32, -1));
    mr_tensor *rest = mr_where(tape, is_apart, apart, mr_scalar(tape, dtype, 0));
    return mr__loss_reduced(tape, mr_where(tape, is_near, near, rest), opts->reduction);
}

/* ---- triplets ---- */

mr_tensor *mr_triplet_margin_loss(mr_tape *tape, mr_tensor *anchor, mr_tensor *positive, mr_tensor *negative,
                                  const mr_triplet_margin_opts *opts)
{
    static const mr_triplet_margin_opts defaults = { 0 };
    static const char *const op = "triplet_margin_loss";
    opts = opts ? opts : &defaults;
    const double p = mr__option(opts->p, 2), eps = mr__option(opts->eps, 1e-6);
    if (!ready3(tape, op, anchor, positive, negative, "third input") ||
        !mr__loss_reduction(tape, op, opts->reduction) ||
        !mr__loss_inputs(tape, op, anchor, positive, false) ||
        !mr__loss_inputs(tape, op, anchor, negative, false) ||
        !mr__loss_inputs(tape, op, positive, negative, false))
        return NULL;
    if (anchor->ndim != positive->ndim || anchor->ndim != negative->ndim || anchor->ndim == 0)
        return mr__fail(tape, MR_ERR_SHAPE, "%s: %s, %s and %s have not one number of dimensions, 1 or more",
                        op, mr__tensor_text(anchor).text, mr__tensor_text(positive).text,
                        mr__tensor_text(negative).text);
    if (!(p >= 0))
        return mr__fail(tape, MR_ERR_ARGUMENT, "%s: there is no norm with p = %g", op, p);
    mr_tensor *near = mr__distance(tape, op, anchor, positive, p, eps);
    mr_tensor *far = mr__distance(tape, op, anchor, negative, p, eps);
    if (opts->swap)
        far = mr_minimum(tape, far, mr__distance(tape, op, positive, negative, p, eps));
    mr_tensor *over = mr_add_scalar(tape, mr_sub(tape, near, far), mr__option(opts->margin, 1));
    return mr__loss_reduced(tape, mr_clamp(tape, over, 0, INFINITY), opts->reduction);
}
