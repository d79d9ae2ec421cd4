/* What users ask of gradients; backward.c fills them. */
#include "tape.h"

mr_status mr_tensor_set_requires_grad(mr_tensor *x, bool requires_grad)
{
    if (!x)
        return mr__null("set_requires_grad", "tensor");
    if (x->tape)
        return mr__raise(MR_ERR_ARGUMENT,
                         "set_requires_grad: only for tensors of your own, not for results on a "
                         "tape; mr_detach stops a gradient there");
    if (requires_grad && !mr__is_float(x->dtype))
        return mr__raise(MR_ERR_DTYPE, "set_requires_grad: %s is %s; only floating types have gradients",
                         mr__tensor_text(x).text, mr_dtype_name((mr_dtype)x->dtype));
    x->grad = requires_grad ? &x->own_grad : NULL;
    return MR_OK;
}

bool mr_tensor_requires_grad(const mr_tensor *x)
{
    return x && x->grad;
}

static bool readable(const mr_tensor *x)
{
    return x->grad && x->grad->state != MR__GRAD_NONE && (!x->tape || x->grad->retain);
}

bool mr_tensor_has_grad(const mr_tensor *x)
{
    return x && readable(x);
}

/* The gradient of a result, in its own shape: a view of a whole tensor shares that one's gradient. */
static mr_tensor *on_tape(const mr_tensor *x)
{
    mr_tensor *view = mr__header(x->tape, (mr_dtype)x->dtype);
    if (!view)
        return NULL;
    mr__set_shape(view, x->ndim, x->shape);
    view->data = x->grad->data;
    return view;
}

mr_tensor *mr_tensor_grad(mr_tensor *x)
{
    if (!mr__live("tensor_grad", x, "tensor"))
        return NULL;
    if (!readable(x)) {
        const char *why = !x->grad ? "does not require one"
                          : x->tape && !x->grad->retain
                              ? "is an intermediate; ask for it by mr_tensor_retain_grad"
                              : "has had no backward";
        mr__raise(MR_ERR_STATE, "tensor_grad: %s has no gradient: it %s", mr__tensor_text(x).text, why);
        return NULL;
    }
    mr__grad *g = x->grad;
    size_t bytes = (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype);
    if (g->state == MR__GRAD_ZERO) { /* zeroed by a flag alone until somebody looks */
        memset(g->data, 0, bytes);
        g->state = MR__GRAD_WRITTEN;
    }
    if (x->tape)
        return on_tape(x);
    if (!g->view) {
        g->view = mr_tensor_wrap((mr_dtype)x->dtype, mr__shape_of(x), g->data);
        if (g->view)
            g->view->adopted = true;
    }
    return g->view;
}

void mr_tensor_zero_grad(mr_tensor *x)
{
    mr__grad *g = x ? x->grad : NULL;
    if (!g || g->state != MR__GRAD_WRITTEN)
        return;
    if (MR__UNLIKELY(g->view != NULL)) /* somebody holds it, and may look at it or write to it */
        memset(g->data, 0, (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype));
    else
        g->state = MR__GRAD_ZERO;
}

mr_status mr_tensor_retain_grad(mr_tensor *x)
{
    if (!mr__live("retain_grad", x, "tensor"))
        return mr_error_status();
    if (!x->grad)
        return mr__raise(MR_ERR_STATE, "retain_grad: %s does not require a gradient",
                         mr__tensor_text(x).text);
    if (!x->tape || x->grad->retain)
        return MR_OK;
    if (x->tape->used_up)
        return mr__raise(MR_ERR_STATE,
                         "retain_grad: the backward of %s has been; ask for its gradient before it",
                         mr__tensor_text(x).text);
    x->grad->retain = true;
    return MR_OK;
}
