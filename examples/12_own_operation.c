/*
 * An operation of one's own, forward and backward: the third Legendre polynomial P3(x) = (5 x^3 - 3 x) / 2, with which
 * y = a + b P3(c + d x) is fitted to a sine.
 *
 *     class LegendrePolynomial3(torch.autograd.Function):
 */
#include "show.h"

/* For both types, so that mr_gradcheck can look at it, which computes in float64. */
static mr_status legendre_forward(mr_op_call *call)
{
    mr_tensor *x = mr_contiguous(call->tape, call->input[0]); /* it may be a view with other strides */
    mr_tensor *y = mr_tape_empty(call->tape, mr_tensor_dtype(x), mr_tensor_shape(x));
    const void *in = mr_tensor_data(x);
    void *out = mr_tensor_data(y);
    for (int64_t i = 0; i < mr_tensor_numel(y); i++)
        if (mr_tensor_dtype(x) == MR_FLOAT64) {
            double v = ((const double *)in)[i];
            ((double *)out)[i] = 0.5 * (5 * v * v * v - 3 * v);
        } else {
            float v = ((const float *)in)[i];
            ((float *)out)[i] = 0.5f * (5 * v * v * v - 3 * v);
        }
    call->output[0] = y;
    return MR_OK; /* or mr_fail(…) with what is wrong */
}

/* The inputs are still there, and nothing needs to be saved. Other operations do as well as a loop. */
static mr_status legendre_backward(mr_op_call *call)
{
    mr_tape *tape = call->tape;
    mr_tensor *square = mr_square(tape, call->input[0]);
    mr_tensor *slope = mr_mul_scalar(tape, mr_sub_scalar(tape, mr_mul_scalar(tape, square, 5), 1), 1.5);
    mr_op_add_grad(call, 0, mr_mul(tape, call->grad[0], slope));
    return MR_OK;
}

static const mr_op legendre = { .name = "legendre",
                                .forward = legendre_forward,
                                .backward = legendre_backward };

static mr_tensor *apply_legendre(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    (void)user;
    return mr_apply(tape, &legendre, inputs, count, NULL, 0);
}

/* Is backward the derivative of forward? */
static mr_status check_legendre(mr_rng *rng)
{
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(5, 3));
    mr_tensor_set_requires_grad(x, true);
    mr_status s = mr_gradcheck(apply_legendre, NULL, &x, 1, NULL);
    mr_tensor_free(x);
    return s;
}

int main(void)
{
    const double learning_rate = 0.01, pi = 3.141592653589793;
    mr_rng *rng = mr_rng_new(42);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_linspace(MR_FLOAT32, -pi, pi, 2000);
    mr_tensor *target = mr_tensor_keep(mr_sin(tape, x));
    const float start[4] = { 0, -1, 0, 0.3f };
    mr_tensor *p[4]; /* a, b, c, d */
    for (int i = 0; i < 4; i++) {
        p[i] = mr_tensor_full(MR_FLOAT32, MR_SCALAR, start[i]);
        mr_tensor_set_requires_grad(p[i], true);
    }

    mr_status s = check_legendre(rng);
    for (int step = 1; s == MR_OK && step <= 2000; step++) {
        mr_tensor *inner = mr_add(tape, p[2], mr_mul(tape, p[3], x));
        mr_tensor *outer =
            mr_apply(tape, &legendre, &inner, 1, NULL, 0); /* LegendrePolynomial3.apply(inner) */
        mr_tensor *loss = mr_mse_loss(tape, mr_add(tape, p[0], mr_mul(tape, p[1], outer)), target, NULL);
        s = mr_backward(tape, loss);
        if (s == MR_OK && step % 500 == 0)
            printf("step %d: loss %.4f\n", step, mr_item(loss));
        for (int i = 0; s == MR_OK && i < 4; i++) {
            s = mr_tensor_add_scaled(p[i], -learning_rate, mr_tensor_grad(p[i]));
            mr_tensor_zero_grad(p[i]);
        }
        mr_tape_reset(tape);
    }
    if (s == MR_OK)
        printf("y = %.4f P3(%.4f x), and nearly nothing else\n", mr_item(p[1]), mr_item(p[3]));

    for (int i = 0; i < 4; i++)
        mr_tensor_free(p[i]);
    mr_tensor_free(target);
    mr_tensor_free(x);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return finish(s);
}
