/* What the losses share: checks, and reducing what was recorded. */
#include "nn/losses.h"

#include "tensor/shape.h"

bool mr__loss_reduction(mr_tape *tape, const char *op, mr_reduction reduction)
{
    if (MR__LIKELY((unsigned)reduction <= MR_REDUCE_NONE))
        return true;
    mr__fail(tape, MR_ERR_ARGUMENT, "%s: %d is no reduction", op, (int)reduction);
    return false;
}

bool mr__loss_inputs(mr_tape *tape, const char *op, const mr_tensor *a, const mr_tensor *b, bool whole)
{
    mr_shape shape;
    bool some_float = mr__is_float(a->dtype) || mr__is_float(b->dtype);
    if (a->dtype >= MR_BOOL || b->dtype >= MR_BOOL || (!whole && !some_float))
        mr__fail(tape, MR_ERR_DTYPE, "%s: not defined for %s %s and %s %s", op,
                 mr_dtype_name((mr_dtype)a->dtype), mr__tensor_text(a).text,
                 mr_dtype_name((mr_dtype)b->dtype), mr__tensor_text(b).text);
    else if (!mr__same_shape(a, b) && !mr__broadcast(op, a, b, &shape))
        mr__stop(tape);
    return !tape->failed;
}

void mr__loss_warn(const char *op, const mr_tensor *input, const mr_tensor *target)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!mr__same_shape(input, target) && !atomic_flag_test_and_set(&said))
        mr__log(MR_LOG_WARNING,
                "%s: input %s and target %s have different shapes and are broadcast; is that meant?", op,
                mr__tensor_text(input).text, mr__tensor_text(target).text);
}

bool mr__loss_float(mr_tape *tape, const char *op, const char *what, const mr_tensor *x)
{
    if (MR__LIKELY(mr__is_float(x->dtype)))
        return true;
    mr__fail(tape, MR_ERR_DTYPE, "%s: %s %s is %s, not of a floating type", op, what, mr__tensor_text(x).text,
             mr_dtype_name((mr_dtype)x->dtype));
    return false;
}

bool mr__loss_operands(mr_tape *tape, mr_tensor **a, mr_tensor **b)
{
    const mr_tensor *x = *a, *y = *b;
    if (MR__LIKELY(x->dtype == y->dtype && x->contiguous && y->contiguous && mr__same_shape(x, y)))
        return true;
    mr_shape shape;
    mr_dtype dtype = mr__promote(x, y);
    mr__broadcast("loss", x, y, &shape); /* was checked */
    mr_tensor **both[] = { a, b };
    for (int i = 0; i < 2; i++)
        *both[i] = mr_contiguous(tape, mr_expand(tape, mr_cast(tape, *both[i], dtype), shape));
    return *a && *b;
}

mr_tensor *mr__loss_reduced(mr_tape *tape, mr_tensor *x, mr_reduction reduction)
{
    return reduction == MR_REDUCE_MEAN  ? mr_mean(tape, x, MR_ALL, false)
           : reduction == MR_REDUCE_SUM ? mr_sum(tape, x, MR_ALL, false)
                                        : x;
}
