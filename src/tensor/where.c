/* The choice between two tensors, element by element. */
#include "iterate.h"

#include "shape.h"

/* Elements are only moved, so a loop for each size does for all types. */
#define DEFINE_CHOICE(name, type)                                                      \
    static void name(void *out, const void *const *in, const int64_t *step, int64_t n) \
    {                                                                                  \
        type *restrict o = out;                                                        \
        const uint8_t *c = in[0];                                                      \
        const type *a = in[1], *b = in[2];                                             \
        for (int64_t i = 0; i < n; i++)                                                \
            o[i] = c[i * step[0]] ? a[i * step[1]] : b[i * step[2]];                   \
    }
DEFINE_CHOICE(choose1, uint8_t)
DEFINE_CHOICE(choose4, uint32_t)
DEFINE_CHOICE(choose8, uint64_t)

/* dy where the condition is `wanted`, else 0. */
#define DEFINE_MASK(name, type, wanted)                                                \
    static void name(void *out, const void *const *in, const int64_t *step, int64_t n) \
    {                                                                                  \
        type *restrict o = out;                                                        \
        const type *dy = in[0];                                                        \
        const uint8_t *c = in[1];                                                      \
        for (int64_t i = 0; i < n; i++)                                                \
            o[i] = (c[i * step[1]] != 0) == (wanted) ? dy[i] : 0;                      \
    }
DEFINE_MASK(where_true_f32, float, true)
DEFINE_MASK(where_true_f64, double, true)
DEFINE_MASK(where_false_f32, float, false)
DEFINE_MASK(where_false_f64, double, false)

static void where_backward(mr_tape *tape, mr__node *node)
{
    const mr_tensor *out = node->out;
    const mr__operand in[] = { mr__gradient_of(out), mr__elements_of(node->in[2]) };
    bool f32 = out->dtype == MR_FLOAT32;
    mr__each_to_grad(tape, node->in[0], out, f32 ? where_true_f32 : where_true_f64, in, 2);
    mr__each_to_grad(tape, node->in[1], out, f32 ? where_false_f32 : where_false_f64, in, 2);
}

/* The shape that all three broadcast to; false when there is none, and the tape has stopped then. */
static bool common_shape(mr_tape *tape, const mr_tensor *condition, const mr_tensor *a, const mr_tensor *b,
                         mr_shape *shape)
{
    /* A header without elements stands for what a and b broadcast to. */
    mr_tensor *both = mr__header(tape, MR_BOOL);
    if (!both)
        return false;
    if (mr__broadcast("where", a, b, shape)) {
        mr__set_shape(both, shape->ndim, shape->dim);
        if (mr__broadcast("where", condition, both, shape))
            return true;
    }
    mr__stop(tape);
    return false;
}

mr_tensor *mr_where(mr_tape *tape, mr_tensor *condition, mr_tensor *a, mr_tensor *b)
{
    if (tape && !tape->failed && !mr__usable(condition))
        return mr__not_ready(tape, "where", condition, "condition");
    if (!mr__ready2(tape, "where", a, b))
        return NULL;
    if (condition->dtype != MR_BOOL)
        return mr__fail(tape, MR_ERR_DTYPE, "where: the condition %s is %s, not bool",
                        mr__tensor_text(condition).text, mr_dtype_name((mr_dtype)condition->dtype));
    if (!mr__to_one_type(tape, "where", &a, &b))
        return NULL;
    mr_shape shape;
    if (!common_shape(tape, condition, a, b, &shape))
        return NULL;
    mr_tensor *y = mr__result(tape, (mr_dtype)a->dtype, shape.ndim, shape.dim);
    if (!y)
        return NULL;
    const mr__operand in[] = { mr__elements_of(condition), mr__elements_of(a), mr__elements_of(b) };
    size_t size = mr_dtype_size((mr_dtype)y->dtype);
    mr__each(size == 1 ? choose1 : size == 4 ? choose4 : choose8, y->data, (mr_dtype)y->dtype, &shape, in, 3);
    if (!mr__tracks(tape, a) && !mr__tracks(tape, b))
        return y;
    mr__node *node = mr__record(tape, sizeof *node, "where", y, where_backward);
    if (!node)
        return NULL;
    mr__add_input(node, a, false);
    mr__add_input(node, b, false);
    mr__add_input(node, condition, true);
    return y;
}
