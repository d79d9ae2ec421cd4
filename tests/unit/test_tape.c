/* The tape: backward, what it refuses, tensors that have changed, memory, and failures. */
#include "check.h"

#include "tensor/tape.h"

#include <pthread.h>
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

/* ---- backward ---- */

static void test_backward(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2, 3), 3), *w = leaf(MR_SHAPE(3), 5);
    mr_tensor *y = sum(mr_mul(tape, x, w));
    CHECK(mr_tensor_requires_grad(y) && !mr_tensor_has_grad(x));
    CHECK(mr_backward(tape, y) == MR_OK);
    CHECK(all(mr_tensor_grad(x), 5) && all(mr_tensor_grad(w), 6));
    CHECK(mr_tensor_size(mr_tensor_grad(x), 0) == 2 && mr_tensor_ndim(mr_tensor_grad(w)) == 1);
    CHECK(mr_tensor_dtype(mr_tensor_grad(x)) == MR_FLOAT64 && !mr_tensor_requires_grad(mr_tensor_grad(x)));
    /* A loss of one element may have dimensions, and a leaf may be the loss. */
    mr_tape_reset(tape);
    CHECK(mr_backward(tape, mr_sum(tape, x, MR_ALL, true)) == MR_OK);
    CHECK(all(mr_tensor_grad(x), 6));
    mr_tape_reset(tape);
    mr_tensor *one = leaf(MR_SCALAR, 7);
    CHECK(mr_backward(tape, one) == MR_OK);
    CHECK(all(mr_tensor_grad(one), 1));
    mr_tape_reset(tape);
    mr_tensor_free(one);
    mr_tensor_free(w);
    mr_tensor_free(x);
}

static void test_one_tensor_on_many_ways(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2), 3);
    mr_tensor *a = mr_mul_scalar(tape, x, 2), *b = mr_mul(tape, a, a),
              *c = mr_add(tape, b, mr_mul(tape, a, x));
    CHECK(mr_backward(tape, sum(mr_add(tape, c, mr_unsqueeze(tape, a, 0)))) == MR_OK);
    CHECK(all(mr_tensor_grad(x), 2 * 2 * 2 * 3 + 4 * 3 + 2 + 0)); /* of 4x^2 + 2x^2 + 2x */
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

static void test_given_gradient(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2, 3), 3),
              *given = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2, 3), (double[]){ 1, 2, 3, 4, 5, 6 });
    mr_tensor *turned = mr_transpose(tape, mr_reshape(tape, given, MR_SHAPE(3, 2)), 0, 1);
    CHECK(mr_backward_from(tape, mr_mul_scalar(tape, x, 10), turned) == MR_OK); /* not contiguous */
    double got[6];
    CHECK(mr_copy_out(mr_tensor_grad(x), MR_FLOAT64, got, 6) == MR_OK);
    CHECK(got[0] == 10 && got[1] == 30 && got[2] == 50 && got[3] == 20 && got[4] == 40 && got[5] == 60);
    mr_tape_reset(tape);
    mr_tensor_zero_grad(x);
    CHECK(mr_backward_from(tape, x, given) == MR_OK); /* of a leaf itself */
    CHECK(mr_copy_out(mr_tensor_grad(x), MR_FLOAT64, got, 6) == MR_OK && got[0] == 1 && got[5] == 6);
    mr_tape_reset(tape);
    /* Without elements there is nothing to give, but the gradient is there. */
    mr_tensor *none = leaf(MR_SHAPE(0, 3), 0), *nothing = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(0, 3));
    CHECK(mr_backward_from(tape, mr_exp(tape, none), nothing) == MR_OK);
    CHECK(mr_tensor_has_grad(none) && mr_tensor_numel(mr_tensor_grad(none)) == 0);
    mr_tape_reset(tape);
    mr_tensor *all_of_them[] = { x, given, none, nothing };
    for (int i = 0; i < 4; i++)
        mr_tensor_free(all_of_them[i]);
}

static void test_backward_refuses(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2, 3), 3), *plain = mr_tensor_ones(MR_FLOAT64, MR_SCALAR),
              *single = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 3)),
              *flat = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(6));
    mr_tensor_set_name(x, "w");
    REFUSES(mr_backward(NULL, x), MR_ERR_ARGUMENT, "backward: tape is NULL");
    REFUSES(mr_backward_from(NULL, x, x), MR_ERR_ARGUMENT, "backward_from: tape is NULL");
    REFUSES(mr_backward(tape, NULL), MR_ERR_ARGUMENT, "backward: loss is NULL");
    mr_tape_reset(tape);
    REFUSES(mr_backward_from(tape, NULL, x), MR_ERR_ARGUMENT, "backward_from: output is NULL");
    mr_tape_reset(tape);
    REFUSES(mr_backward_from(tape, x, NULL), MR_ERR_ARGUMENT, "backward_from: gradient is NULL");
    mr_tape_reset(tape);
    REFUSES(mr_backward(tape, plain), MR_ERR_STATE,
            "backward: the loss does not depend on any tensor that requires a gradient");
    mr_tape_reset(tape);
    REFUSES(mr_backward_from(tape, flat, flat), MR_ERR_STATE,
            "backward_from: the output does not depend on any tensor that requires a gradient");
    mr_tape_reset(tape);
    REFUSES(mr_backward(tape, mr_exp(tape, x)), MR_ERR_SHAPE,
            "backward: the loss has shape [2,3], not one element; reduce it, or use mr_backward_from");
    mr_tape_reset(tape);
    REFUSES(mr_backward(tape, x), MR_ERR_SHAPE,
            "backward: the loss has shape w[2,3], not one element; reduce it, or use mr_backward_from");
    mr_tape_reset(tape);
    REFUSES(mr_backward_from(tape, x, flat), MR_ERR_SHAPE,
            "backward_from: the gradient is float64[6], the output float64w[2,3]");
    mr_tape_reset(tape);
    REFUSES(mr_backward_from(tape, mr_exp(tape, x), single), MR_ERR_SHAPE,
            "backward_from: the gradient is float32[2,3], the output float64[2,3]");
    mr_tape_reset(tape);
    CHECK(!mr_tensor_has_grad(x));
    mr_tensor *all_of_them[] = { x, plain, single, flat };
    for (int i = 0; i < 4; i++)
        mr_tensor_free(all_of_them[i]);
}

static void test_backward_twice(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2), 3), *y = sum(mr_mul(tape, x, x)),
              *ones = mr_tensor_ones(MR_FLOAT64, MR_SCALAR);
    CHECK(mr_backward(tape, y) == MR_OK);
    REFUSES(mr_backward(tape, y), MR_ERR_STATE,
            "backward: the tape's record was used up by an earlier backward; reset the tape and run the "
            "forward again");
    CHECK(!mr_exp(tape, x)); /* that was a failure: the tape has stopped */
    mr_tape_reset(tape);
    /* Also when more was recorded in between. */
    y = sum(mr_mul(tape, x, x));
    CHECK(mr_backward(tape, y) == MR_OK);
    y = sum(mr_exp(tape, x));
    CHECK(y && mr_tape_status(tape) == MR_OK);
    REFUSES(mr_backward_from(tape, y, ones), MR_ERR_STATE,
            "backward_from: the tape's record was used up by an earlier backward; reset the tape and run the "
            "forward "
            "again");
    mr_tape_reset(tape);
    CHECK(all(mr_tensor_grad(x), 12)); /* neither of those has added anything */
    mr_tensor_free(ones);
    mr_tensor_free(x);
}

/* ---- tensors that have changed ---- */

typedef mr_status (*change)(mr_tensor *x);

static mr_status touch(mr_tensor *x)
{
    *(double *)mr_tensor_data(x) = 77;
    mr_tensor_touch(x);
    return MR_OK;
}

static mr_status fill(mr_tensor *x)
{
    return mr_tensor_fill(x, 77);
}

static mr_status copy(mr_tensor *x)
{
    mr_tensor *one = mr_tensor_scalar(MR_INT32, 77);
    mr_status status = mr_tensor_copy(x, one);
    mr_tensor_free(one);
    return status;
}

static mr_status add_scaled(mr_tensor *x)
{
    mr_tensor *ones = mr_tensor_ones(MR_FLOAT64, mr_tensor_shape(x));
    mr_status status = mr_tensor_add_scaled(x, 0, ones);
    mr_tensor_free(ones);
    return status;
}

static void test_changed_tensors(void)
{
    static const change changes[] = { touch, fill, copy, add_scaled };
    mr_tensor *x = leaf(MR_SHAPE(2), 3), *c = mr_tensor_full(MR_FLOAT64, MR_SHAPE(2), 5);
    mr_tensor_set_name(x, "layer1.weight");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        /* Of the leaf itself, of a view, and of an operand without a gradient (a batch whose slot was refilled). */
        mr_tensor *y = sum(mr_mul(tape, x, x));
        CHECK(changes[i](x) == MR_OK);
        REFUSES(mr_backward(tape, y), MR_ERR_STATE,
                "backward: mul needs the elements of layer1.weight[2] as they were, but they have been "
                "changed since");
        mr_tape_reset(tape);
        y = sum(mr_exp(tape, mr_mul(tape, mr_unsqueeze(tape, c, 0), x)));
        CHECK(changes[i](c) == MR_OK);
        REFUSES(mr_backward(tape, y), MR_ERR_STATE,
                "backward: mul needs the elements of [1,2] as they were, but they have been changed since");
        mr_tape_reset(tape);
        CHECK(!mr_tensor_has_grad(x));
        /* Whose elements nobody needs may change, and so may those of a tensor after backward. */
        y = sum(mr_add(tape, mr_mul(tape, x, c), x));
        CHECK(changes[i](x) == MR_OK);
        CHECK(mr_backward(tape, y) == MR_OK);
        CHECK(changes[i](x) == MR_OK && changes[i](c) == MR_OK);
        mr_tape_reset(tape);
        CHECK(mr_tensor_set_requires_grad(x, false) == MR_OK);
        mr_tensor_free(x);
        x = leaf(MR_SHAPE(2), 3);
        mr_tensor_set_name(x, "layer1.weight");
        CHECK(mr_tensor_fill(c, 5) == MR_OK);
    }
    mr_tensor_touch(NULL);
    mr_tensor_free(c);
    mr_tensor_free(x);
}

/* ---- memory ---- */

static void test_bytes(void)
{
    mr_tape *t = mr_tape_new(rng);
    mr_tensor *x = leaf(MR_SHAPE(10000), 1);
    CHECK(mr_tape_bytes(t) == 0 && mr_tape_bytes(NULL) == 0);
    CHECK(mr_exp(t, x) != NULL);
    size_t one = mr_tape_bytes(t);
    CHECK(one >= 80000 && one < 400000);
    for (int i = 0; i < 9; i++)
        CHECK(mr_exp(t, x) != NULL);
    size_t ten = mr_tape_bytes(t);
    CHECK(ten >= 800000 && ten < 3000000);
    CHECK(mr_backward(t, mr_sum(t, mr_exp(t, x), MR_ALL, false)) == MR_OK);
    CHECK(mr_tape_bytes(t) > ten); /* the gradient of the sum's operand as well */
    mr_tape_free(t);
    mr_tensor_free(x);
}

static void test_steps_of_one_size(void)
{
    mr_tape *t = mr_tape_new(rng);
    mr_tensor *x = leaf(MR_SHAPE(1000), 1);
    size_t held = 0;
    for (int step = 0; step < 20; step++) {
        mr_tensor *y = x;
        for (int i = 0; i < 30; i++)
            y = mr_tanh(t, y);
        CHECK(mr_backward(t, mr_sum(t, y, MR_ALL, false)) == MR_OK);
        mr_tape_reset(t);
        if (step == 8) /* Debug keeps the last rounds, each with a block of its own */
            held = mr_tape_bytes(t);
        CHECK(step < 8 || mr_tape_bytes(t) == held);
    }
    mr_tape_free(t);
    mr_tensor_free(x);
}

/* Whether the message is the one of a limit of `limit` bytes. */
static bool is_over_limit(size_t limit)
{
    unsigned long long max = 0, held = 0, wanted = 0;
    char end = 0;
    const char *text = mr_error();
    int read = sscanf(
        text, "tape: over its limit of %llu bytes (%llu held, %llu wanted): is a mr_tape_reset missing%c",
        &max, &held, &wanted, &end);
    return CHECK(read == 4 && end == '?' && text[strlen(text) - 1] == '?' && max == limit && held <= max &&
                 held + wanted > max - 4096);
}

static void test_max_bytes(void)
{
    enum { LIMIT = 1000000 };
    mr_tape *t = mr_tape_new(rng);
    mr_tensor *x = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(1000));
    size_t standard = t->max_bytes;
    CHECK(standard > LIMIT);
    mr_tape_set_max_bytes(t, LIMIT);
    int made = 0;
    while (made < 1000 && mr_exp(t, x)) /* the forgotten reset */
        made++;
    CHECK(made > 50 && made < 125);
    CHECK(mr_tape_status(t) == MR_ERR_MEMORY);
    CHECK(is_over_limit(LIMIT));
    CHECK(mr_tape_bytes(t) <= LIMIT);
    mr_tape_reset(t);
    CHECK(mr_exp(t, x) != NULL && mr_tape_status(t) == MR_OK);
    mr_tape_reset(t);
    CHECK(!mr_full(t, MR_FLOAT64, MR_SHAPE(LIMIT), 0)); /* too much at once */
    CHECK(is_over_limit(LIMIT));
    mr_tape_reset(t);
    mr_tape_set_max_bytes(t, 0); /* the default again */
    CHECK(t->max_bytes == standard);
    CHECK(mr_full(t, MR_FLOAT64, MR_SHAPE(LIMIT), 0) != NULL);
    mr_tape_set_max_bytes(NULL, 5);
    mr_tensor_free(x);
    mr_tape_free(t);
}

/* Gradients of intermediates count as well: results and they together stay below the limit. */
static void test_max_bytes_in_backward(void)
{
    enum { LIMIT = 2000000 };
    mr_tape *t = mr_tape_new(rng);
    mr_tensor *x = leaf(MR_SHAPE(1000), 1), *y = x;
    mr_tape_set_max_bytes(t, LIMIT);
    for (int i = 0; i < 120; i++)
        y = mr_tanh(t, y);
    y = mr_sum(t, y, MR_ALL, false);
    CHECK(mr_tape_status(t) == MR_OK && mr_tape_bytes(t) <= LIMIT);
    CHECK(mr_backward(t, y) == MR_ERR_MEMORY);
    CHECK(is_over_limit(LIMIT));
    CHECK(mr_tape_bytes(t) <= LIMIT);
    CHECK(!mr_tensor_has_grad(x));
    mr_tape_reset(t);
    mr_tape_set_max_bytes(t, 2 * LIMIT);
    for (int i = 0; i < 120; i++)
        y = mr_tanh(t, i ? y : x);
    CHECK(mr_backward(t, mr_sum(t, y, MR_ALL, false)) == MR_OK);
    mr_tensor_free(x);
    mr_tape_free(t);
}

/* ---- failures ---- */

static void test_first_failure_comes_out(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2), 3), *odd = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(3));
    mr_tensor *y = mr_add(tape, x, odd);
    CHECK(!y && !mr_exp(tape, y) && !mr_matmul(tape, x, NULL));
    REFUSES(mr_backward(tape, sum(y)), MR_ERR_SHAPE, "add: shapes do not broadcast: [2] and [3]");
    /* The tape keeps it, also when the message has been read, until the reset. */
    REFUSES(mr_backward_from(tape, x, x), MR_ERR_SHAPE, "add: shapes do not broadcast: [2] and [3]");
    REFUSES(mr_tape_status(tape), MR_ERR_SHAPE, "add: shapes do not broadcast: [2] and [3]");
    mr_tape_reset(tape);
    CHECK(mr_tape_status(tape) == MR_OK);
    CHECK(mr_backward(tape, sum(x)) == MR_OK && all(mr_tensor_grad(x), 1));
    REFUSES(mr_tape_status(NULL), MR_ERR_ARGUMENT, "tape status: tape is NULL");
    mr_tape_reset(tape);
    mr_tape_reset(NULL);
    mr_tape_free(NULL);
    mr_tensor_free(odd);
    mr_tensor_free(x);
}

static void *fail_there(void *own)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(2)), *odd = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(3));
    mr_tensor *y = mr_add(own, x, odd); /* NULL; checks are for the main thread */
    mr_tensor_free(odd);
    mr_tensor_free(x);
    return y;
}

static void test_failure_crosses_threads(void)
{
    pthread_t thread;
    void *result = tape;
    if (!CHECK(pthread_create(&thread, NULL, fail_there, tape) == 0))
        return;
    pthread_join(thread, &result);
    CHECK(result == NULL);
    REFUSES(mr_tape_status(tape), MR_ERR_SHAPE, "add: shapes do not broadcast: [2] and [3]");
    mr_tape_reset(tape);
}

/* A tensor over the caller's array: a step can begin with it, and it is seen as it is when it is read. */
static void test_wrap(void)
{
    float data[] = { 1, 2, 3, 4, 5, 6 };
    mr_tensor *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3));
    CHECK(mr_tensor_set_requires_grad(w, true) == MR_OK);
    size_t before = mr_tape_bytes(tape);
    mr_tensor *x = mr_tape_wrap(tape, MR_FLOAT32, MR_SHAPE(2, 3), data);
    CHECK(mr_tensor_data(x) == data && mr_tensor_size(x, 0) == 2 && mr_tensor_is_contiguous(x));
    CHECK(!mr_tensor_requires_grad(x) && mr_tape_bytes(tape) == before);
    CHECK(mr_backward(tape, sum(mr_mul(tape, x, w))) == MR_OK);
    float got[3];
    CHECK(mr_copy_out(mr_tensor_grad(w), MR_FLOAT32, got, 3) == MR_OK && got[0] == 5 && got[1] == 7 &&
          got[2] == 9);
    mr_tape_reset(tape);
    CHECK(mr_tensor_numel(mr_tape_wrap(tape, MR_INT64, MR_SHAPE(2, 0), NULL)) == 0);
    CHECK(!mr_tape_wrap(NULL, MR_FLOAT32, MR_SHAPE(6), data));
    CHECK_EQ_STR(mr_error(), "tape_wrap: tape is NULL");
    CHECK(!mr_tape_wrap(tape, MR_FLOAT32, MR_SHAPE(6), NULL));
    REFUSES(mr_tape_status(tape), MR_ERR_ARGUMENT, "tape_wrap: data is NULL");
    CHECK(!mr_tape_wrap(tape, MR_FLOAT32, MR_SHAPE(6), data)); /* the tape has stopped */
    mr_tape_reset(tape);
    CHECK(!mr_tape_wrap(tape, MR_FLOAT32, MR_SHAPE(-1), data));
    REFUSES(mr_tape_status(tape), MR_ERR_SHAPE, "tape_wrap: negative size in shape [-1]");
    mr_tape_reset(tape);
    mr_tensor_free(w);
}

static void test_rng(void)
{
    CHECK(mr_tape_rng(tape) == rng && mr_tape_rng(NULL) == NULL);
    CHECK(!mr_tape_new(NULL));
    CHECK_EQ_STR(mr_error(), "tape: rng is NULL");
}

/* ---- tensors from before a reset: only Debug sees them ---- */

static void test_stale(void)
{
#ifndef NDEBUG
    mr_tensor *x = leaf(MR_SHAPE(2), 3), *loss = sum(mr_mul(tape, x, x));
    double out[2];
    mr_tape_reset(tape);
    mr_tensor *next = sum(mr_mul(tape, x, x)); /* the next step does not bring it back */
    REFUSES(mr_backward(tape, loss), MR_ERR_STATE, "backward: loss is a tensor from before its tape's reset");
    mr_tape_reset(tape);
    REFUSES(mr_backward_from(tape, x, next), MR_ERR_STATE,
            "backward_from: gradient is a tensor from before its tape's reset");
    mr_tape_reset(tape);
    CHECK(isnan(mr_item(next)));
    CHECK_EQ_STR(mr_error(), "item: tensor is a tensor from before its tape's reset");
    CHECK(mr_item_int64(next) == 0);
    CHECK_EQ_STR(mr_error(), "item: tensor is a tensor from before its tape's reset");
    REFUSES(mr_copy_out(next, MR_FLOAT64, out, 1), MR_ERR_STATE,
            "copy_out: tensor is a tensor from before its tape's reset");
    CHECK(!mr_tensor_keep(next));
    CHECK_EQ_STR(mr_error(), "tensor_keep: tensor is a tensor from before its tape's reset");
    REFUSES(mr_tensor_copy(x, next), MR_ERR_STATE,
            "tensor_copy: src is a tensor from before its tape's reset");
    REFUSES(mr_tensor_add_scaled(x, 1, next), MR_ERR_STATE,
            "tensor_add_scaled: src is a tensor from before its tape's reset");
    CHECK(!mr_tensor_grad(next));
    CHECK_EQ_STR(mr_error(), "tensor_grad: tensor is a tensor from before its tape's reset");
    REFUSES(mr_tensor_retain_grad(next), MR_ERR_STATE,
            "retain_grad: tensor is a tensor from before its tape's reset");
    CHECK(!mr_tensor_to_string(next));
    CHECK_EQ_STR(mr_error(), "tensor_to_string: tensor is a tensor from before its tape's reset");
    REFUSES(mr_tensor_print(stdout, next), MR_ERR_STATE,
            "tensor_print: tensor is a tensor from before its tape's reset");
    CHECK(!mr_tensor_has_grad(x)); /* nothing of this has differentiated anything */
    mr_tensor_free(x);
#endif
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_backward);
    RUN(test_one_tensor_on_many_ways);
    RUN(test_given_gradient);
    RUN(test_backward_refuses);
    RUN(test_backward_twice);
    RUN(test_changed_tensors);
    RUN(test_bytes);
    RUN(test_steps_of_one_size);
    RUN(test_max_bytes);
    RUN(test_max_bytes_in_backward);
    RUN(test_first_failure_comes_out);
    RUN(test_failure_crosses_threads);
    RUN(test_wrap);
    RUN(test_rng);
    RUN(test_stale);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
