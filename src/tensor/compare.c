/* Comparisons of two tensors: broadcast and promoted, the result is bool. */
#include "iterate.h"

/* A loop for each type that is computed in; bool is compared as uint8. */
typedef struct comparison {
    const char *name;
    mr__loop loop[MR_BOOL];
} comparison;

#define DEFINE_COMPARISON(op, value)                    \
    MR__DEFINE_LOOP2(op##_f32, float, uint8_t, value)   \
    MR__DEFINE_LOOP2(op##_f64, double, uint8_t, value)  \
    MR__DEFINE_LOOP2(op##_i64, int64_t, uint8_t, value) \
    MR__DEFINE_LOOP2(op##_i32, int32_t, uint8_t, value) \
    MR__DEFINE_LOOP2(op##_u8, uint8_t, uint8_t, value)

DEFINE_COMPARISON(eq, a == b)
DEFINE_COMPARISON(ne, a != b)
DEFINE_COMPARISON(lt, a < b)
DEFINE_COMPARISON(le, a <= b)
DEFINE_COMPARISON(gt, a > b)
DEFINE_COMPARISON(ge, a >= b)

static mr_tensor *compare(mr_tape *tape, const comparison *op, mr_tensor *a, mr_tensor *b)
{
    if (!mr__ready2(tape, op->name, a, b))
        return NULL;
    bool was = mr_tape_set_grad(tape, false); /* a cast on the way need not be recorded */
    bool comparable = mr__to_one_type(tape, op->name, &a, &b);
    mr_tape_set_grad(tape, was);
    if (!comparable)
        return NULL;
    mr_tensor *y = mr__broadcast_result(tape, op->name, MR_BOOL, a, b);
    if (!y)
        return NULL;
    mr_shape shape = mr__shape_of(y);
    const mr__operand in[] = { mr__elements_of(a), mr__elements_of(b) };
    mr__each(op->loop[a->dtype == MR_BOOL ? MR_UINT8 : a->dtype], y->data, MR_BOOL, &shape, in, 2);
    return y;
}

mr_tensor *mr_eq(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const comparison op = { "eq", { eq_f32, eq_f64, eq_i64, eq_i32, eq_u8 } };
    return compare(tape, &op, a, b);
}

mr_tensor *mr_ne(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const comparison op = { "ne", { ne_f32, ne_f64, ne_i64, ne_i32, ne_u8 } };
    return compare(tape, &op, a, b);
}

mr_tensor *mr_lt(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const comparison op = { "lt", { lt_f32, lt_f64, lt_i64, lt_i32, lt_u8 } };
    return compare(tape, &op, a, b);
}

mr_tensor *mr_le(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const comparison op = { "le", { le_f32, le_f64, le_i64, le_i32, le_u8 } };
    return compare(tape, &op, a, b);
}

mr_tensor *mr_gt(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const comparison op = { "gt", { gt_f32, gt_f64, gt_i64, gt_i32, gt_u8 } };
    return compare(tape, &op, a, b);
}

mr_tensor *mr_ge(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const comparison op = { "ge", { ge_f32, ge_f64, ge_i64, ge_i32, ge_u8 } };
    return compare(tape, &op, a, b);
}
