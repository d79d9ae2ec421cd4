#include "positions.h"

int64_t *mr__positions(mr_tape *tape, const char *op, const mr_tensor *x, int dim, const mr_tensor *index)
{
    int64_t size = x->ndim ? x->shape[dim] : 1;
    if (index->dtype != MR_INT64 && index->dtype != MR_INT32) {
        mr__fail(tape, MR_ERR_DTYPE, "%s: index %s is %s, not int64 or int32", op,
                 mr__tensor_text(index).text, mr_dtype_name((mr_dtype)index->dtype));
        return NULL;
    }
    int64_t *positions = mr__arena_alloc(&tape->arena, (size_t)index->numel * sizeof *positions);
    if (!positions) {
        mr__stop(tape);
        return NULL;
    }
    mr__gather_elements(MR_INT64, positions, index);
    for (int64_t i = 0; i < index->numel; i++)
        if (positions[i] < 0 || positions[i] >= size) {
            mr__fail(tape, MR_ERR_ARGUMENT,
                     "%s: index %lld at element %lld is out of range for dimension %d of %s", op,
                     (long long)positions[i], (long long)i, dim, mr__tensor_text(x).text);
            return NULL;
        }
    return positions;
}
