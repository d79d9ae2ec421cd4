/* What gradients backward leaves: how they add up, those of results, and where there are none. */
#include "check.h"

#include <millrace/ops.h>

#include <stdlib.h>

static mr_rng *rng;
static mr_tape *tape;

static mr_tensor *leaf(mr_shape shape, double value)
{
    mr_tensor *x = mr_tensor_full(MR_FLOAT64, shape, value);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    return x;
}

/* Whether all elements are `value`. */
static bool all(const mr_tensor *x, double value)
{
    double elements[64];
    int64_t n = mr_tensor_numel(x);
    if (!x || n > 64 || mr_copy_out(x, MR_FLOAT64, elements, n) != MR_OK)
        return false;
    for (int64_t i = 0; i < n; i++)
        if (elements[i] != value)
            return false;
    return n > 0;
}

static mr_tensor *sum(mr_tensor *x)
{
    return mr_sum(tape, x, MR_ALL, false);
}

#define REFUSES(call, status, text)     \
    do {                                \
        CHECK_EQ_I64((call), status);   \
        CHECK_EQ_STR(mr_error(), text); \
        mr_error_clear();               \
    } while (0)

/* ---- gradients add up until they are zeroed ---- */

static void test_accumulation(void)
{
    mr_tensor *x = leaf(MR_SHAPE(3), 2);
    mr_tape *other = mr_tape_new(rng);
    for (int i = 1; i <= 3; i++) {
        CHECK(mr_backward(tape, sum(mr_mul_scalar(tape, x, 5))) == MR_OK);
        CHECK(all(mr_tensor_grad(x), 5 * i));
        mr_tape_reset(tape);
    }
    CHECK(mr_backward(other, mr_sum(other, x, MR_ALL, false)) == MR_OK); /* from another tape, too */
    CHECK(all(mr_tensor_grad(x), 16));
    const mr_tensor *same = mr_tensor_grad(x);
    mr_tensor_zero_grad(x);
    CHECK(mr_tensor_has_grad(x) && mr_tensor_grad(x) == same && all(same, 0));
    mr_tensor_zero_grad(x); /* zeroed and not looked at: the next one is stored, not added */
    CHECK(mr_backward(tape, sum(mr_mul_scalar(tape, x, 7))) == MR_OK);
    CHECK(all(mr_tensor_grad(x), 7));
    mr_tape_reset(tape);
    /* A backward that the tensor has no part in leaves it as it is, and a leaf without one stays without. */
    mr_tensor *y = leaf(MR_SHAPE(3), 1), *z = leaf(MR_SHAPE(3), 1);
    mr_tensor_zero_grad(z);
    CHECK(mr_backward(tape, sum(y)) == MR_OK);
    CHECK(all(mr_tensor_grad(x), 7) && all(mr_tensor_grad(y), 1) && !mr_tensor_has_grad(z));
    mr_tape_reset(tape);
    mr_tape_free(other);
    mr_tensor_free(z);
    mr_tensor_free(y);
    mr_tensor_free(x);
}

static void test_no_gradient_to_show(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2), 3), *plain = mr_tensor_ones(MR_INT64, MR_SHAPE(2));
    mr_tensor_set_name(x, "w");
    CHECK(!mr_tensor_grad(x));
    CHECK_EQ_STR(mr_error(), "tensor_grad: w[2] has no gradient: it has had no backward");
    CHECK(!mr_tensor_grad(plain));
    CHECK_EQ_STR(mr_error(), "tensor_grad: [2] has no gradient: it does not require one");
    CHECK(mr_error_status() == MR_ERR_STATE);
    mr_tensor *y = mr_exp(tape, x);
    CHECK(mr_backward(tape, sum(y)) == MR_OK);
    CHECK(!mr_tensor_has_grad(y) && !mr_tensor_grad(y));
    CHECK_EQ_STR(
        mr_error(),
        "tensor_grad: [2] has no gradient: it is an intermediate; ask for it by mr_tensor_retain_grad");
    CHECK(!mr_tensor_grad(NULL));
    CHECK_EQ_STR(mr_error(), "tensor_grad: tensor is NULL");
    CHECK(!mr_tensor_has_grad(NULL) && !mr_tensor_requires_grad(NULL));
    mr_tensor_zero_grad(NULL);
    mr_tape_reset(tape);
    REFUSES(mr_tensor_set_requires_grad(NULL, true), MR_ERR_ARGUMENT, "set_requires_grad: tensor is NULL");
    REFUSES(mr_tensor_set_requires_grad(plain, true), MR_ERR_DTYPE,
            "set_requires_grad: [2] is int64; only floating types have gradients");
    CHECK(mr_tensor_set_requires_grad(plain, false) == MR_OK);
    REFUSES(mr_tensor_set_requires_grad(mr_exp(tape, x), false), MR_ERR_ARGUMENT,
            "set_requires_grad: only for tensors of your own, not for results on a tape; mr_detach stops a "
            "gradient "
            "there");
    /* Switched off, and on again: the sum so far is still there. */
    mr_tape_reset(tape);
    CHECK(mr_tensor_set_requires_grad(x, false) == MR_OK && !mr_tensor_has_grad(x));
    CHECK(!mr_tensor_requires_grad(mr_exp(tape, x)));
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK && mr_tensor_has_grad(x));
    mr_tape_reset(tape);
    mr_tensor_free(plain);
    mr_tensor_free(x);
}

/* ---- gradients of results ---- */

static void test_retain_grad(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2, 3), 2);
    mr_tensor *y = mr_mul(tape, x, x), *z = mr_mul_scalar(tape, y, 3), *unused = mr_exp(tape, x);
    CHECK(mr_tensor_retain_grad(y) == MR_OK && mr_tensor_retain_grad(y) == MR_OK);
    CHECK(mr_tensor_retain_grad(unused) == MR_OK && mr_tensor_retain_grad(x) == MR_OK);
    CHECK(!mr_tensor_has_grad(y));
    CHECK(mr_backward(tape, sum(mr_add(tape, z, y))) == MR_OK);
    CHECK(mr_tensor_has_grad(y) && all(mr_tensor_grad(y), 4) && all(mr_tensor_grad(x), 16));
    CHECK(!mr_tensor_has_grad(z) && !mr_tensor_has_grad(unused));
    CHECK(!mr_tensor_grad(unused));
    CHECK_EQ_STR(mr_error(), "tensor_grad: [2,3] has no gradient: it has had no backward");
    /* It stays until the reset, whatever else is computed, and is no part of the record. */
    for (int i = 0; i < 50; i++)
        CHECK(mr_exp(tape, mr_expand(tape, x, MR_SHAPE(20, 2, 3))) != NULL);
    CHECK(all(mr_tensor_grad(y), 4) && !mr_tensor_requires_grad(mr_tensor_grad(y)));
    /* Afterwards it is too late: the gradient has gone. */
    REFUSES(mr_tensor_retain_grad(z), MR_ERR_STATE,
            "retain_grad: the backward of [2,3] has been; ask for its gradient before it");
    mr_tape_reset(tape);
    REFUSES(mr_tensor_retain_grad(NULL), MR_ERR_ARGUMENT, "retain_grad: tensor is NULL");
    CHECK(mr_tensor_set_requires_grad(x, false) == MR_OK);
    REFUSES(mr_tensor_retain_grad(mr_exp(tape, x)), MR_ERR_STATE,
            "retain_grad: [2,3] does not require a gradient");
    REFUSES(mr_tensor_retain_grad(x), MR_ERR_STATE, "retain_grad: [2,3] does not require a gradient");
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

/* Views of a whole tensor have its gradient, each in its own shape. */
static void test_retain_grad_of_views(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2, 3), 2);
    mr_tensor *y = mr_mul_scalar(tape, x, 5), *flat = mr_reshape(tape, y, MR_SHAPE(6));
    mr_tensor *row = mr_unsqueeze(tape, x, 0), *part = mr_select(tape, y, 0, 1);
    CHECK(mr_tensor_retain_grad(y) == MR_OK && mr_tensor_retain_grad(flat) == MR_OK);
    CHECK(mr_tensor_retain_grad(row) == MR_OK && mr_tensor_retain_grad(part) == MR_OK);
    mr_tensor *loss = mr_add(tape, sum(mr_mul(tape, flat, flat)), mr_add(tape, sum(row), sum(part)));
    CHECK(mr_backward(tape, loss) == MR_OK);
    CHECK(mr_tensor_ndim(mr_tensor_grad(y)) == 2 && mr_tensor_ndim(mr_tensor_grad(flat)) == 1);
    CHECK(mr_tensor_size(mr_tensor_grad(flat), 0) == 6 && mr_tensor_ndim(mr_tensor_grad(row)) == 3);
    CHECK(mr_tensor_data(mr_tensor_grad(row)) == mr_tensor_data(mr_tensor_grad(x)));
    CHECK(all(mr_tensor_grad(part), 1) && mr_tensor_numel(mr_tensor_grad(part)) == 3);
    double got[6];
    CHECK(mr_copy_out(mr_tensor_grad(flat), MR_FLOAT64, got, 6) == MR_OK && got[0] == 20 && got[5] == 21);
    CHECK(mr_copy_out(mr_tensor_grad(x), MR_FLOAT64, got, 6) == MR_OK && got[0] == 101 && got[5] == 106);
    mr_tape_reset(tape);
    /* The leaf's own gradient outlives the reset. */
    CHECK(mr_tensor_ndim(mr_tensor_grad(x)) == 2 &&
          mr_item(mr_select(tape, mr_select(tape, mr_tensor_grad(x), 0, 1), 0, 2)) == 106);
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

/* ---- regions without gradients ---- */

static void test_no_grad(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2), 3);
    bool outer = mr_tape_set_grad(tape, false);
    CHECK(outer);
    CHECK(!mr_tensor_requires_grad(mr_exp(tape, x)) && !mr_tensor_requires_grad(mr_unsqueeze(tape, x, 0)));
    bool inner = mr_tape_set_grad(tape, false); /* nested: closing the inner one does not open the outer */
    CHECK(!inner);
    mr_tape_set_grad(tape, inner);
    mr_tensor *constant = mr_mul(tape, x, x);
    CHECK(constant && !mr_tensor_requires_grad(constant));
    inner = mr_tape_set_grad(tape, true); /* torch.enable_grad inside */
    CHECK(!inner && mr_tensor_requires_grad(mr_exp(tape, x)));
    mr_tape_set_grad(tape, inner);
    CHECK(!mr_tensor_requires_grad(mr_exp(tape, x)));
    mr_tape_set_grad(tape, outer);
    /* What was computed inside is a constant outside. */
    CHECK(mr_backward(tape, sum(mr_mul(tape, x, constant))) == MR_OK);
    CHECK(all(mr_tensor_grad(x), 9));
    mr_tape_reset(tape);
    /* Backward inside a region works for what was recorded before. */
    mr_tensor *loss = sum(mr_mul(tape, x, x));
    mr_tape_set_grad(tape, false);
    mr_tensor_zero_grad(x);
    CHECK(mr_backward(tape, loss) == MR_OK && all(mr_tensor_grad(x), 6));
    mr_tape_reset(tape);
    CHECK(!mr_tape_set_grad(tape, true)); /* a reset does not end the region */
    CHECK(!mr_tape_set_grad(NULL, true));
    mr_tensor_free(x);
}

static void test_detach(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2), 3);
    mr_tensor *y = mr_mul(tape, x, x), *d = mr_detach(tape, y);
    CHECK(!mr_tensor_requires_grad(d) && mr_tensor_data(d) == mr_tensor_data(y) && all(d, 9));
    CHECK(mr_backward(tape, sum(mr_mul(tape, y, d))) == MR_OK);
    CHECK(all(mr_tensor_grad(x), 54)); /* 9 * 2x, not 4x^3 */
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_accumulation);
    RUN(test_no_gradient_to_show);
    RUN(test_retain_grad);
    RUN(test_retain_grad_of_views);
    RUN(test_no_grad);
    RUN(test_detach);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
