/* Constants on the tape. */
#include "tape.h"

#include "kernels/kernels.h"

static mr_tensor *full(mr_tape *tape, const char *op, mr_dtype dtype, const mr_shape *shape, double value)
{
    if (!tape) {
        mr__null(op, "tape");
        return NULL;
    }
    if (tape->failed)
        return NULL;
    if (mr__numel(op, shape, dtype) < 0)
        return mr__stop(tape);
    mr_tensor *x = mr__result(tape, dtype, shape->ndim, shape->dim);
    if (!x || x->numel == 0)
        return x;
    if (dtype == MR_FLOAT32) {
        mr__k->fill((float *)x->data, (float)value, x->numel);
        return x;
    }
    /* One element is cast; then what is there is copied behind itself, twice as much each time. */
    size_t size = mr_dtype_size(dtype), total = (size_t)x->numel * size;
    mr__cast_elements(dtype, x->data, MR_FLOAT64, &value, 1, 1);
    for (size_t done = size; done < total;) {
        size_t more = done < total - done ? done : total - done;
        memcpy(x->data + done, x->data, more);
        done += more;
    }
    return x;
}

mr_tensor *mr_scalar(mr_tape *tape, mr_dtype dtype, double value)
{
    return full(tape, "scalar", dtype, &MR_SCALAR, value);
}

mr_tensor *mr_full(mr_tape *tape, mr_dtype dtype, mr_shape shape, double value)
{
    return full(tape, "full", dtype, &shape, value);
}
