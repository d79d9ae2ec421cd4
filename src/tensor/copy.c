/* Operations that copy elements: to another type, or to row-major order. */
#include "tape.h"

/* Copies have a dense gradient in the order of x, whatever x's strides: it is added as it is. */
static void copy_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0];
    const mr_tensor *out = node->out;
    const void *dy = mr__grad_of(out);
    mr_shape shape = mr__shape_of(out);
    if (x->dtype != out->dtype) {
        void *cast = mr__scratch(tape, (mr_dtype)x->dtype, x->numel);
        if (!cast)
            return;
        mr__cast_elements((mr_dtype)x->dtype, cast, (mr_dtype)out->dtype, dy, 1, x->numel);
        dy = cast;
    }
    mr__grad_add(tape, x, dy, &shape);
}

static mr_tensor *copied(mr_tape *tape, const char *op, mr_tensor *x, mr_dtype dtype)
{
    mr_tensor *y = mr__result_like(tape, dtype, x);
    if (!y)
        return NULL;
    mr__gather_elements(dtype, y->data, x);
    if (mr__tracks(tape, x) && mr__is_float(y->dtype) &&
        !mr__record1(tape, op, y, copy_backward, x, MR__SAVES_NONE))
        return NULL;
    return y;
}

mr_tensor *mr_cast(mr_tape *tape, mr_tensor *x, mr_dtype dtype)
{
    if (!mr__ready1(tape, "cast", x))
        return NULL;
    if (mr_dtype_size(dtype) == 0)
        return mr__fail(tape, MR_ERR_DTYPE, "cast: %d is no dtype", (int)dtype);
    return x->dtype == dtype ? x : copied(tape, "cast", x, dtype);
}

mr_tensor *mr_clone(mr_tape *tape, mr_tensor *x)
{
    if (!mr__ready1(tape, "clone", x))
        return NULL;
    return copied(tape, "clone", x, (mr_dtype)x->dtype);
}

mr_tensor *mr_contiguous(mr_tape *tape, mr_tensor *x)
{
    if (!mr__ready1(tape, "contiguous", x))
        return NULL;
    return x->contiguous ? x : copied(tape, "contiguous", x, (mr_dtype)x->dtype);
}
