/* Elementwise arithmetic of two tensors, broadcast and promoted. */
#include "iterate.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <math.h>

/* An operation: a loop for each type that it computes in, and of which inputs the gradient of the first, and
 * that of the second, needs the elements. */
typedef struct binary {
    const char *name;
    mr__loop loop[MR_BOOL + 1];
    mr__backward_fn backward;
    int first_needs, second_needs;
} binary;

/* ---- loops; dense rows of float32 by the kernels, integers wrap around ---- */

#define DEFINE_BY_KERNEL(op)                                                               \
    static void op##_f32(void *out, const void *const *in, const int64_t *step, int64_t n) \
    {                                                                                      \
        if (step[0] == 1 && step[1] == 1)                                                  \
            mr__k->op(out, in[0], in[1], n);                                               \
        else                                                                               \
            op##_steps_f32(out, in, step, n);                                              \
    }

MR__DEFINE_LOOP2(add_steps_f32, float, float, a + b)
DEFINE_BY_KERNEL(add)
MR__DEFINE_LOOP2(add_f64, double, double, a + b)
MR__DEFINE_LOOP2(add_i64, int64_t, int64_t, (uint64_t)a + (uint64_t)b)
MR__DEFINE_LOOP2(add_i32, int32_t, int32_t, (uint32_t)a + (uint32_t)b)
MR__DEFINE_LOOP2(add_u8, uint8_t, uint8_t, a + b)
MR__DEFINE_LOOP2(add_bool, uint8_t, uint8_t, a | b)

MR__DEFINE_LOOP2(sub_steps_f32, float, float, a - b)
DEFINE_BY_KERNEL(sub)
MR__DEFINE_LOOP2(sub_f64, double, double, a - b)
MR__DEFINE_LOOP2(sub_i64, int64_t, int64_t, (uint64_t)a - (uint64_t)b)
MR__DEFINE_LOOP2(sub_i32, int32_t, int32_t, (uint32_t)a - (uint32_t)b)
MR__DEFINE_LOOP2(sub_u8, uint8_t, uint8_t, a - b)

MR__DEFINE_LOOP2(mul_steps_f32, float, float, (a) * (b))
DEFINE_BY_KERNEL(mul)
MR__DEFINE_LOOP2(mul_f64, double, double, (a) * (b))
MR__DEFINE_LOOP2(mul_i64, int64_t, int64_t, (uint64_t)a *(uint64_t)b)
MR__DEFINE_LOOP2(mul_i32, int32_t, int32_t, (uint32_t)a *(uint32_t)b)
MR__DEFINE_LOOP2(mul_u8, uint8_t, uint8_t, (a) * (b))
MR__DEFINE_LOOP2(mul_bool, uint8_t, uint8_t, (a) & (b))

MR__DEFINE_LOOP2(div_steps_f32, float, float, a / b)
DEFINE_BY_KERNEL(div)
MR__DEFINE_LOOP2(div_f64, double, double, a / b)

/* By squaring; the exponent is not negative. */
static uint64_t integer_power(uint64_t base, uint64_t exponent)
{
    uint64_t result = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

MR__DEFINE_LOOP2(pow_f32, float, float, powf(a, b))
MR__DEFINE_LOOP2(pow_f64, double, double, pow(a, b))
MR__DEFINE_LOOP2(pow_i64, int64_t, int64_t, integer_power((uint64_t)a, (uint64_t)b))
MR__DEFINE_LOOP2(pow_i32, int32_t, int32_t, integer_power((uint64_t)a, (uint64_t)b))
MR__DEFINE_LOOP2(pow_u8, uint8_t, uint8_t, integer_power(a, b))

/* a != a: so that a NaN in either comes out. */
MR__DEFINE_LOOP2(minimum_f32, float, float, a < b || a != a ? a : b)
MR__DEFINE_LOOP2(minimum_f64, double, double, a < b || a != a ? a : b)
MR__DEFINE_LOOP2(minimum_i64, int64_t, int64_t, a < b ? a : b)
MR__DEFINE_LOOP2(minimum_i32, int32_t, int32_t, a < b ? a : b)
MR__DEFINE_LOOP2(minimum_u8, uint8_t, uint8_t, a < b ? a : b)

MR__DEFINE_LOOP2(maximum_f32, float, float, a > b || a != a ? a : b)
MR__DEFINE_LOOP2(maximum_f64, double, double, a > b || a != a ? a : b)
MR__DEFINE_LOOP2(maximum_i64, int64_t, int64_t, a > b ? a : b)
MR__DEFINE_LOOP2(maximum_i32, int32_t, int32_t, a > b ? a : b)
MR__DEFINE_LOOP2(maximum_u8, uint8_t, uint8_t, a > b ? a : b)

/* ---- gradients ---- */

/* What of dy goes to x; loops of one, two or three operands. */
static void give1(mr_tape *tape, mr_tensor *x, const mr_tensor *out, mr__loop f32, mr__loop f64)
{
    const mr__operand in[] = { mr__gradient_of(out) };
    mr__each_to_grad(tape, x, out, out->dtype == MR_FLOAT32 ? f32 : f64, in, 1);
}

static void give2(mr_tape *tape, mr_tensor *x, const mr_tensor *out, mr__loop f32, mr__loop f64,
                  const mr_tensor *b)
{
    const mr__operand in[] = { mr__gradient_of(out), mr__elements_of(b) };
    mr__each_to_grad(tape, x, out, out->dtype == MR_FLOAT32 ? f32 : f64, in, 2);
}

static void give3(mr_tape *tape, mr_tensor *x, const mr_tensor *out, mr__loop f32, mr__loop f64,
                  const mr_tensor *a, const mr_tensor *b)
{
    const mr__operand in[] = { mr__gradient_of(out), mr__elements_of(a), mr__elements_of(b) };
    mr__each_to_grad(tape, x, out, out->dtype == MR_FLOAT32 ? f32 : f64, in, 3);
}

static void give_dy(mr_tape *tape, mr_tensor *x, const mr_tensor *out)
{
    mr_shape shape = mr__shape_of(out);
    if (x->grad)
        mr__grad_add(tape, x, mr__grad_of(out), &shape);
}

static void add_backward(mr_tape *tape, mr__node *node)
{
    give_dy(tape, node->in[0], node->out);
    give_dy(tape, node->in[1], node->out);
}

static void negative_f32(void *out, const void *const *in, const int64_t *step, int64_t n)
{
    (void)step; /* dy is dense */
    mr__k->scale(out, in[0], -1.0f, n, false);
}

static void negative_f64(void *out, const void *const *in, const int64_t *step, int64_t n)
{
    const double *dy = in[0];
    double *o = out;
    (void)step;
    for (int64_t i = 0; i < n; i++)
        o[i] = -dy[i];
}

static void sub_backward(mr_tape *tape, mr__node *node)
{
    give_dy(tape, node->in[0], node->out);
    give1(tape, node->in[1], node->out, negative_f32, negative_f64);
}

typedef struct product {
    float *dx;
    const float *dy, *factor;
    bool add;
} product;

static void product_part(void *work, int64_t begin, int64_t end)
{
    const product *p = work;
    mr__k->mul_backward(p->dx + begin, p->dy + begin, p->factor + begin, end - begin, p->add);
}

/* dy * factor */
static void give_product(mr_tape *tape, mr_tensor *x, const mr_tensor *out, const mr_tensor *factor)
{
    bool add = false;
    if (x->grad && out->dtype == MR_FLOAT32 && factor->contiguous && factor->numel == out->numel &&
        x->numel == out->numel) {
        float *dx = mr__grad_target(tape, x, &add);
        product p = { dx, mr__grad_of(out), (const float *)factor->data, add };
        if (dx && MR__LIKELY(out->numel < 2 * MR__GRAIN_ELEMENTS))
            product_part(&p, 0, out->numel);
        else if (dx)
            mr__parallel(product_part, &p, out->numel, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
        return;
    }
    give2(tape, x, out, mul_f32, mul_f64, factor);
}

static void mul_backward(mr_tape *tape, mr__node *node)
{
    give_product(tape, node->in[0], node->out, node->in[1]);
    give_product(tape, node->in[1], node->out, node->in[0]);
}

/* a is the quotient, b the divisor */
MR__DEFINE_GRADIENT_LOOP(div_second_f32, float, -dy *(a / b))
MR__DEFINE_GRADIENT_LOOP(div_second_f64, double, -dy *(a / b))

static void div_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *a = node->in[0], *b = node->in[1], *y = node->out;
    give2(tape, a, y, div_f32, div_f64, b);
    give3(tape, b, y, div_second_f32, div_second_f64, y, b);
}

MR__DEFINE_GRADIENT_LOOP(pow_first_f32, float, b == 0 ? 0 : dy * (b * powf(a, b - 1)))
MR__DEFINE_GRADIENT_LOOP(pow_first_f64, double, b == 0 ? 0 : dy * (b * pow(a, b - 1)))
/* b is the power a^b here. Where a is 0 and the exponent is not negative, so that the power is 0 or 1, the
 * gradient is 0. */
MR__DEFINE_GRADIENT_LOOP(pow_second_f32, float, dy *(a == 0 && b >= 0 && b <= 1 ? 0 : b * logf(a)))
MR__DEFINE_GRADIENT_LOOP(pow_second_f64, double, dy *(a == 0 && b >= 0 && b <= 1 ? 0 : b * log(a)))

static void pow_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *a = node->in[0], *b = node->in[1], *y = node->out;
    give3(tape, a, y, pow_first_f32, pow_first_f64, a, b);
    give3(tape, b, y, pow_second_f32, pow_second_f64, a, y);
}

/* The smaller (larger) one gets dy, equal ones half of it each; beside a NaN both get it, as in torch. */
MR__DEFINE_GRADIENT_LOOP(if_less_f32, float, a == b ? dy / 2 : a > b ? 0 : dy)
MR__DEFINE_GRADIENT_LOOP(if_less_f64, double, a == b ? dy / 2 : a > b ? 0 : dy)
MR__DEFINE_GRADIENT_LOOP(if_greater_f32, float, a == b ? dy / 2 : a < b ? 0 : dy)
MR__DEFINE_GRADIENT_LOOP(if_greater_f64, double, a == b ? dy / 2 : a < b ? 0 : dy)

static void minimum_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *a = node->in[0], *b = node->in[1];
    give3(tape, a, node->out, if_less_f32, if_less_f64, a, b);
    give3(tape, b, node->out, if_less_f32, if_less_f64, b, a);
}

static void maximum_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *a = node->in[0], *b = node->in[1];
    give3(tape, a, node->out, if_greater_f32, if_greater_f64, a, b);
    give3(tape, b, node->out, if_greater_f32, if_greater_f64, b, a);
}

/* ---- forward ---- */

static mr_tensor *computed(mr_tape *tape, const binary *op, const mr_tensor *a, const mr_tensor *b)
{
    mr_dtype dtype = (mr_dtype)a->dtype;
    if (MR__LIKELY(mr__alike(a, b))) {
        mr_tensor *y = mr__result_like(tape, dtype, a);
        if (y)
            mr__each_alike(op->loop[dtype], y, a, b);
        return y;
    }
    mr_tensor *y = mr__broadcast_result(tape, op->name, dtype, a, b);
    if (!y)
        return NULL;
    mr_shape shape = mr__shape_of(y);
    const mr__operand in[] = { mr__elements_of(a), mr__elements_of(b) };
    mr__each(op->loop[dtype], y->data, dtype, &shape, in, 2);
    return y;
}

static mr_tensor *not_defined(mr_tape *tape, const binary *op, const mr_tensor *a, const mr_tensor *b)
{
    return mr__fail(tape, MR_ERR_DTYPE, "%s: not defined for %s %s and %s %s", op->name,
                    mr_dtype_name((mr_dtype)a->dtype), mr__tensor_text(a).text,
                    mr_dtype_name((mr_dtype)b->dtype), mr__tensor_text(b).text);
}

static mr_tensor *binary_op(mr_tape *tape, const binary *op, mr_tensor *a, mr_tensor *b)
{
    if (MR__UNLIKELY(a->dtype != b->dtype || a->dtype > MR_FLOAT64)) {
        const mr_tensor *first = a, *second = b;
        if (!mr__to_one_type(tape, op->name, &a, &b))
            return NULL;
        if (!op->loop[a->dtype])
            return not_defined(tape, op, first, second);
    }
    mr_tensor *y = computed(tape, op, a, b);
    if (!y || !(mr__tracks(tape, a) || mr__tracks(tape, b)))
        return y;
    int saves = (a->grad ? op->first_needs : 0) | (b->grad ? op->second_needs : 0);
    return mr__record2(tape, op->name, y, op->backward, a, b, saves) ? y : NULL;
}

mr_tensor *mr_add(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const binary op = { .name = "add",
                               .loop = { add_f32, add_f64, add_i64, add_i32, add_u8, add_bool },
                               .backward = add_backward };
    return mr__ready2(tape, "add", a, b) ? binary_op(tape, &op, a, b) : NULL;
}

mr_tensor *mr_sub(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const binary op = { .name = "sub",
                               .loop = { sub_f32, sub_f64, sub_i64, sub_i32, sub_u8, NULL },
                               .backward = sub_backward };
    if (!mr__ready2(tape, "sub", a, b))
        return NULL;
    if (a->dtype == MR_BOOL || b->dtype == MR_BOOL) /* also beside a number, where it would be promoted */
        return not_defined(tape, &op, a, b);
    return binary_op(tape, &op, a, b);
}

mr_tensor *mr_mul(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const binary op = { .name = "mul",
                               .loop = { mul_f32, mul_f64, mul_i64, mul_i32, mul_u8, mul_bool },
                               .backward = mul_backward,
                               .first_needs = MR__SAVES_SECOND,
                               .second_needs = MR__SAVES_FIRST };
    return mr__ready2(tape, "mul", a, b) ? binary_op(tape, &op, a, b) : NULL;
}

mr_tensor *mr_div(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const binary op = { .name = "div",
                               .loop = { div_f32, div_f64 },
                               .backward = div_backward,
                               .first_needs = MR__SAVES_SECOND,
                               .second_needs = MR__SAVES_SECOND };
    if (!mr__ready2(tape, "div", a, b))
        return NULL;
    if (MR__UNLIKELY(!mr__is_float(a->dtype) && !mr__is_float(b->dtype))) {
        if (!mr__check_computes(tape, "div", a) || !mr__check_computes(tape, "div", b))
            return NULL;
        a = mr_cast(tape, a, MR_FLOAT32);
        b = mr_cast(tape, b, MR_FLOAT32);
        if (!a || !b)
            return NULL;
    }
    return binary_op(tape, &op, a, b);
}

/* The first negative element of an integer tensor; 0 when there is none. */
static int64_t first_negative(mr_tape *tape, mr_tensor *x)
{
    const mr_tensor *wide = mr__dense_as(tape, x, MR_INT64);
    for (int64_t i = 0; wide && i < wide->numel; i++)
        if (((const int64_t *)wide->data)[i] < 0)
            return ((const int64_t *)wide->data)[i];
    return 0;
}

mr_tensor *mr_pow(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const binary op = { .name = "pow",
                               .loop = { pow_f32, pow_f64, pow_i64, pow_i32, pow_u8, NULL },
                               .backward = pow_backward,
                               .first_needs = MR__SAVES_BOTH,
                               .second_needs = MR__SAVES_FIRST };
    if (!mr__ready2(tape, "pow", a, b))
        return NULL;
    if (MR__UNLIKELY(!mr__is_float(a->dtype) && !mr__is_float(b->dtype))) {
        int64_t negative = mr__check_computes(tape, "pow", b) ? first_negative(tape, b) : 0;
        if (negative)
            return mr__fail(tape, MR_ERR_ARGUMENT, "pow: integers %s to the negative power %lld of %s",
                            mr__tensor_text(a).text, (long long)negative, mr__tensor_text(b).text);
        if (tape->failed)
            return NULL;
    }
    return binary_op(tape, &op, a, b);
}

mr_tensor *mr_minimum(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const binary op = { .name = "minimum",
                               .loop = { minimum_f32, minimum_f64, minimum_i64, minimum_i32, minimum_u8,
                                         minimum_u8 },
                               .backward = minimum_backward,
                               .first_needs = MR__SAVES_BOTH,
                               .second_needs = MR__SAVES_BOTH };
    return mr__ready2(tape, "minimum", a, b) ? binary_op(tape, &op, a, b) : NULL;
}

mr_tensor *mr_maximum(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    static const binary op = { .name = "maximum",
                               .loop = { maximum_f32, maximum_f64, maximum_i64, maximum_i32, maximum_u8,
                                         maximum_u8 },
                               .backward = maximum_backward,
                               .first_needs = MR__SAVES_BOTH,
                               .second_needs = MR__SAVES_BOTH };
    return mr__ready2(tape, "maximum", a, b) ? binary_op(tape, &op, a, b) : NULL;
}
