/* What the losses of many classes share: shapes, class numbers, weights, and reducing a loss for each row. */
#include "nn/losses.h"

#include <stdio.h>

mr__classes mr__classes_of(const mr_tensor *input)
{
    int at = input->ndim > 1;
    mr__classes s = { 1, input->shape[at], 1, 1 };
    if (at)
        s.outer = input->shape[0];
    for (int d = at + 1; d < input->ndim; d++)
        s.inner *= input->shape[d];
    s.rows = s.outer * s.inner;
    return s;
}

bool mr__class_weight(mr_tape *tape, const char *op, const mr_tensor *input, const mr_tensor *weight)
{
    int64_t classes = input->shape[input->ndim > 1];
    if (weight->dtype != input->dtype)
        mr__fail(tape, MR_ERR_DTYPE, "%s: weight %s is %s, the input %s", op, mr__tensor_text(weight).text,
                 mr_dtype_name((mr_dtype)weight->dtype), mr_dtype_name((mr_dtype)input->dtype));
    else if (weight->ndim != 1 || weight->shape[0] != classes)
        mr__fail(tape, MR_ERR_SHAPE, "%s: weight %s is not one for each of the %lld classes of input %s", op,
                 mr__tensor_text(weight).text, (long long)classes, mr__tensor_text(input).text);
    return !tape->failed;
}

bool mr__class_inputs(mr_tape *tape, const char *op, const mr_tensor *input, const mr_tensor *target,
                      const mr_tensor *weight)
{
    if (!mr__is_float(input->dtype) || target->dtype != MR_INT64) {
        mr__fail(tape, MR_ERR_DTYPE, "%s: input is %s and target %s, not a floating type and int64", op,
                 mr_dtype_name((mr_dtype)input->dtype), mr_dtype_name((mr_dtype)target->dtype));
        return false;
    }
    bool fits = input->ndim >= 1 && target->ndim == input->ndim - 1;
    for (int d = 0; fits && d < target->ndim; d++)
        fits = target->shape[d] == input->shape[d ? d + 1 : 0];
    if (!fits) {
        mr__fail(tape, MR_ERR_SHAPE, "%s: input %s and target %s, not %s", op, mr__tensor_text(input).text,
                 mr__tensor_text(target).text,
                 input->ndim > 2 ? "(N,C,d1,...) and (N,d1,...)" : "(N,C) and (N)");
        return false;
    }
    return !weight || mr__class_weight(tape, op, input, weight);
}

static void wrong_class(mr_tape *tape, const char *op, const mr__classes *sizes, const mr_tensor *target,
                        int64_t row)
{
    char place[24 * MR_MAX_DIMS];
    int64_t index[MR_MAX_DIMS], rest = row;
    for (int d = target->ndim - 1; d >= 0; d--) {
        index[d] = rest % target->shape[d];
        rest /= target->shape[d];
    }
    size_t length = (size_t)snprintf(place, sizeof place, "row %lld", (long long)row);
    if (target->ndim > 1) {
        length = (size_t)snprintf(place, sizeof place, "[");
        for (int d = 0; d < target->ndim; d++)
            length += (size_t)snprintf(place + length, sizeof place - length, d ? ",%lld" : "%lld",
                                       (long long)index[d]);
        snprintf(place + length, sizeof place - length, "]");
    }
    mr__fail(tape, MR_ERR_ARGUMENT, "%s: target %lld of %s is no class of %lld", op,
             (long long)((const int64_t *)target->data)[row], place, (long long)sizes->classes);
}

bool mr__class_targets(mr_tape *tape, const char *op, const mr__classes *sizes, const mr_tensor *target,
                       mr_dtype dtype, mr__targets *t)
{
    const int64_t *number = t->number = (const int64_t *)target->data;
    int64_t counted = 0, ignored = t->ignored, classes = sizes->classes;
    bool right = true;
    for (int64_t i = 0; i < sizes->rows; i++) {
        right &= (number[i] >= 0 && number[i] < classes) || number[i] == ignored;
        counted += number[i] != ignored;
    }
    for (int64_t i = 0; !right; i++)
        if ((number[i] < 0 || number[i] >= classes) && number[i] != ignored) {
            wrong_class(tape, op, sizes, target, i);
            return false;
        }
    t->divisor = (double)counted;
    if (!t->weight)
        return true;
    t->divisor = 0;
    for (int64_t i = 0; i < sizes->rows; i++)
        if (number[i] != ignored)
            t->divisor += dtype == MR_FLOAT32 ? (double)((const float *)t->weight)[number[i]]
                                              : ((const double *)t->weight)[number[i]];
    return true;
}

mr_tensor *mr__reduce_rows(mr_tape *tape, const mr_tensor *like, const mr_tensor *input,
                           mr_reduction reduction, const double *loss, int64_t rows, double divisor)
{
    mr_dtype dtype = (mr_dtype)input->dtype;
    if (reduction == MR_REDUCE_NONE) {
        mr_tensor *y = mr__result_like(tape, dtype, like);
        if (y)
            mr__cast_elements(dtype, y->data, MR_FLOAT64, loss, 1, rows);
        return y;
    }
    mr_tensor *y = mr__result(tape, dtype, 0, NULL);
    if (!y)
        return NULL;
    double sums[4] = { 0, 0, 0, 0 };
    for (int64_t i = 0; i < rows; i++)
        sums[i & 3] += loss[i];
    double sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / divisor;
    if (dtype == MR_FLOAT32)
        *(float *)y->data = (float)sum;
    else
        *(double *)y->data = sum;
    return y;
}
