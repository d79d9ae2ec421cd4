/* Operations that a program defines: forward, backward, several outputs, what is checked and what is refused. */
#include "check.h"

#include <millrace/ops.h>

static mr_rng *rng;
static mr_tape *tape;

static mr_tensor *leaf(mr_shape shape)
{
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT64, shape);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    return x;
}

static double at(const mr_tensor *x, int64_t i)
{
    return ((const double *)mr_tensor_data(x))[i];
}

/* ---- a power of x by hand: an attribute, and loops over elements ---- */

typedef struct power {
    double exponent;
} power;

static mr_status power_forward(mr_op_call *call)
{
    const power *p = call->attributes;
    mr_tensor *x = call->input[0], *y = mr_tape_empty(call->tape, MR_FLOAT64, mr_tensor_shape(x));
    CHECK(call->grad == NULL && call->inputs == 1 && call->outputs == 1);
    double *out = mr_tensor_data(y);
    for (int64_t i = 0; out && i < mr_tensor_numel(x); i++)
        out[i] = pow(at(x, i), p->exponent);
    call->output[0] = y;
    return MR_OK;
}

static mr_status power_backward(mr_op_call *call)
{
    const power *p = call->attributes;
    mr_tensor *x = call->input[0], *dx = mr_tape_empty(call->tape, MR_FLOAT64, mr_tensor_shape(x));
    double *out = mr_tensor_data(dx);
    for (int64_t i = 0; out && i < mr_tensor_numel(x); i++)
        out[i] = at(call->grad[0], i) * p->exponent * pow(at(x, i), p->exponent - 1);
    mr_op_add_grad(call, 0, dx);
    return MR_OK;
}

static const mr_op power_op = { .name = "power", .forward = power_forward, .backward = power_backward };

static mr_tensor *power_of(mr_tape *t, mr_tensor *x, double exponent)
{
    return mr_apply(t, &power_op, &x, 1, &(power){ exponent }, sizeof(power));
}

/* ---- sums and differences of x and tanh(y): library operations, saved values, three outputs ---- */

static mr_status sums_forward(mr_op_call *call)
{
    mr_tape *t = call->tape;
    mr_tensor *y = mr_tanh(t, call->input[1]);
    call->saved = y;
    call->output[0] = mr_add(t, call->input[0], y);
    call->output[1] = mr_sub(t, call->input[0], y);
    call->output[2] = mr_gt(t, call->input[0], y);
    CHECK(!mr_tensor_requires_grad(call->output[0]));
    return MR_OK;
}

static mr_status sums_backward(mr_op_call *call)
{
    mr_tape *t = call->tape;
    mr_tensor *y = call->saved;
    CHECK(call->grad[2] == NULL);
    mr_op_add_grad(call, 0, mr_add(t, call->grad[0], call->grad[1]));
    mr_op_add_grad(call, 1,
                   mr_mul(t, mr_sub(t, call->grad[0], call->grad[1]), mr_rsub_scalar(t, mr_square(t, y), 1)));
    return MR_OK;
}

static const mr_op sums_op = {
    .name = "sums", .forward = sums_forward, .backward = sums_backward, .unread = 3
};

/* ---- right ones ---- */

static mr_tensor *powers(void *user, mr_tape *t, mr_tensor *const *inputs, int count)
{
    (void)user, (void)count;
    return mr_add(t, power_of(t, inputs[0], 3), power_of(t, inputs[0], 2)); /* x takes part twice */
}

/* user: which outputs count, as bits. */
static mr_tensor *some_sums(void *user, mr_tape *t, mr_tensor *const *inputs, int count)
{
    mr_tensor *y[3], *all = mr_mul_scalar(t, inputs[0], 2);
    mr_apply_many(t, &sums_op, inputs, count, NULL, 0, y, 3);
    for (int i = 0; i < 2; i++)
        if (*(int *)user >> i & 1)
            all = mr_add(t, all, mr_mul_scalar(t, mr_square(t, y[i]), i + 1));
    return all;
}

static void test_gradients(void)
{
    mr_tensor *x[] = { leaf(MR_SHAPE(2, 3)), leaf(MR_SHAPE(3)) };
    CHECK_EQ_I64(mr_gradcheck(powers, NULL, x, 1, NULL), MR_OK);
    for (int outputs = 0; outputs < 4; outputs++)
        CHECK_EQ_I64(mr_gradcheck(some_sums, &outputs, x, 2, NULL), MR_OK);
    mr_tensor_free(x[0]);
    mr_tensor_free(x[1]);
}

static void test_values(void)
{
    mr_tensor *x = leaf(MR_SHAPE(4)), *y = power_of(tape, x, 2);
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(at(y, i), at(x, i) * at(x, i), 1e-15);
    CHECK(mr_tensor_requires_grad(y));
    bool was = mr_tape_set_grad(tape, false);
    CHECK(!mr_tensor_requires_grad(power_of(tape, x, 2)));
    mr_tape_set_grad(tape, was);
    CHECK(!mr_tensor_requires_grad(power_of(tape, mr_detach(tape, x), 2)));
    CHECK(mr_tensor_retain_grad(y) == MR_OK && mr_backward(tape, mr_sum(tape, y, MR_ALL, false)) == MR_OK);
    CHECK_NEAR(at(mr_tensor_grad(x), 3), 2 * at(x, 3), 1e-15);
    CHECK_NEAR(at(mr_tensor_grad(y), 3), 1, 0);
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

/* A tape that has grown once allocates nothing for the same again. */
static void test_memory(void)
{
    mr_tensor *x = leaf(MR_SHAPE(100));
    size_t bytes = 0;
    for (int i = 0; i < 6; i++) {
        CHECK(mr_backward(tape, mr_sum(tape, power_of(tape, x, 3), MR_ALL, false)) == MR_OK);
        mr_tape_reset(tape);
        CHECK(i < 4 || mr_tape_bytes(tape) == bytes);
        bytes = mr_tape_bytes(tape);
    }
    mr_tensor_free(x);
}

/* ---- a gradient of another type, and of a shape to be summed; an output that is an input ---- */

static mr_status pass_forward(mr_op_call *call)
{
    call->output[0] = call->input[0];
    return MR_OK;
}

static mr_status wide_backward(mr_op_call *call)
{
    static const double ones[6] = { 1, 1, 1, 1, 1, 1 };
    mr_op_add_grad(call, 0, mr_tape_wrap(call->tape, MR_FLOAT64, MR_SHAPE(2, 3), ones));
    return MR_OK;
}

static void test_gradient_is_made_to_fit(void)
{
    static const mr_op op = { .name = "pass", .forward = pass_forward, .backward = wide_backward };
    mr_tensor *x = mr_tensor_from(MR_FLOAT32, MR_SHAPE(3), (float[]){ 1, 2, 3 });
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    mr_tensor *y = mr_apply(tape, &op, &x, 1, NULL, 0);
    CHECK(y && y != x && mr_tensor_data(y) == mr_tensor_data(x));
    CHECK(mr_backward(tape, mr_sum(tape, y, MR_ALL, false)) == MR_OK);
    CHECK_NEAR(((const float *)mr_tensor_data(mr_tensor_grad(x)))[1], 2, 0);
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

/* ---- what is refused ---- */

static void refused(mr_status status, const char *text)
{
    CHECK_EQ_I64(mr_tape_status(tape), status);
    CHECK_EQ_STR(mr_error(), text);
    mr_tape_reset(tape);
    mr_error_clear();
}

static mr_status nothing(mr_op_call *call)
{
    (void)call;
    return MR_OK;
}

static mr_status says_no(mr_op_call *call)
{
    return mr_fail(MR_ERR_ARGUMENT, "%d inputs will not do", call->inputs);
}

static mr_status silent_no(mr_op_call *call)
{
    (void)call;
    return MR_ERR_FORMAT;
}

static mr_status gives(mr_op_call *call, int input, mr_shape shape)
{
    mr_tensor *g = mr_tape_empty(call->tape, MR_FLOAT64, shape);
    memset(mr_tensor_data(g), 0, 8 * (size_t)mr_tensor_numel(g));
    mr_op_add_grad(call, input, g);
    return MR_OK;
}

static mr_status gives_other_shape(mr_op_call *call)
{
    return gives(call, 0, MR_SHAPE(4));
}

static mr_status gives_other_input(mr_op_call *call)
{
    return gives(call, 1, MR_SHAPE(3));
}

static mr_status gives_null(mr_op_call *call)
{
    mr_op_add_grad(call, 0, NULL);
    return MR_OK;
}

static mr_status gives_in_forward(mr_op_call *call)
{
    mr_op_add_grad(call, 0, call->input[0]);
    return MR_OK;
}

static mr_status goes_back(mr_op_call *call)
{
    return mr_backward(call->tape, call->output[0]);
}

static mr_status looks_wrong(mr_op_call *call)
{
    (void)mr_item(call->grad[0]); /* of three elements; what it says is not passed on */
    return MR_OK;
}

static void test_forward_fails(void)
{
    mr_tensor *x = leaf(MR_SHAPE(3)), *none = NULL, *two[2] = { x, NULL };
    static const struct {
        mr_op op;
        const char *text;
    } all[] = {
        { { .name = "op", .forward = nothing }, "op: forward has not set output 0" },
        { { .name = "op", .forward = says_no }, "op: 1 inputs will not do" },
        { { .name = "op", .forward = silent_no }, "op: failed without a message" },
        { { .name = "op", .forward = gives_in_forward },
          "op: op_add_grad: in forward there are no gradients" },
        { { .name = "op" }, "apply: the operation needs a name and a forward" },
        { { .forward = nothing }, "apply: the operation needs a name and a forward" },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(mr_apply(tape, &all[i].op, &x, 1, NULL, 0) == NULL);
        mr_status status = mr_error_status();
        refused(status, all[i].text);
        CHECK(status < 0);
    }
    CHECK(mr_apply(tape, &power_op, &none, 1, NULL, 0) == NULL);
    refused(MR_ERR_ARGUMENT, "power: input is NULL");
    CHECK(mr_apply(tape, &power_op, two, 2, NULL, 0) == NULL);
    refused(MR_ERR_ARGUMENT, "power: input 1 is NULL");
    CHECK(mr_apply(tape, &power_op, NULL, 1, NULL, 0) == NULL);
    refused(MR_ERR_ARGUMENT, "power: there are no 1 inputs");
    CHECK(mr_apply(NULL, &power_op, &x, 1, NULL, 0) == NULL);
    CHECK_EQ_STR(mr_error(), "power: tape is NULL");
    CHECK(mr_apply(tape, &power_op, &x, 1, NULL, 8) == NULL);
    refused(MR_ERR_ARGUMENT, "apply: attributes are NULL, and 8 bytes of them are to be copied");
    mr_apply_many(tape, &power_op, &x, 1, NULL, 0, NULL, 1);
    refused(MR_ERR_ARGUMENT, "apply_many: outputs is NULL");

    /* The first cause stays, and NULL is silent beside it. */
    mr_apply(tape, &all[1].op, &x, 1, NULL, 0);
    mr_tensor *y[2] = { x, x };
    mr_apply_many(tape, &sums_op, two, 2, NULL, 0, y, 2);
    CHECK(!y[0] && !y[1]);
    refused(MR_ERR_ARGUMENT, "op: 1 inputs will not do");
    mr_tensor_free(x);
}

static void test_backward_fails(void)
{
    static const struct {
        mr_op op;
        const char *text;
    } all[] = {
        { { "op", pass_forward, gives_other_shape, 0 }, "op: op_add_grad: input 0 is [3], its gradient [4]" },
        { { "op", pass_forward, gives_other_input, 0 }, "op: op_add_grad: input 1 is none of 1" },
        { { "op", pass_forward, gives_null, 0 }, "op: op_add_grad: grad is NULL" },
        { { "op", pass_forward, says_no, 0 }, "op: 1 inputs will not do" },
        { { "op", pass_forward, silent_no, 0 }, "op: failed without a message" },
        { { "op", pass_forward, looks_wrong, 0 }, "op: item: [3] has 3 elements, not one" },
        { { "op", pass_forward, goes_back, 0 },
          "backward: the tape's record was used up by an earlier backward; reset the tape and run the "
          "forward "
          "again" },
        { { "op", pass_forward, NULL, 0 },
          "backward: the loss does not depend on any tensor that requires a gradient" },
    };
    mr_tensor *x = leaf(MR_SHAPE(3));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        mr_tensor *y = mr_apply(tape, &all[i].op, &x, 1, NULL, 0);
        CHECK(mr_backward(tape, mr_sum(tape, y, MR_ALL, false)) < 0);
        CHECK_EQ_STR(mr_error(), all[i].text);
        CHECK(!mr_tensor_has_grad(x) || i == 7);
        mr_tape_reset(tape);
        mr_error_clear();
    }
    mr_tensor_free(x);
}

static void test_changed_inputs(void)
{
    mr_tensor *x = leaf(MR_SHAPE(3)), *pair[2] = { x, x }, *y[3];
    mr_tensor_set_name(x, "x");
    mr_tensor *z = power_of(tape, x, 2);
    CHECK(mr_tensor_fill(x, 1) == MR_OK);
    CHECK(mr_backward(tape, mr_sum(tape, z, MR_ALL, false)) == MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "backward: power needs the elements of x[3] as they were, but they have been changed since");
    mr_tape_reset(tape);
    mr_apply_many(tape, &sums_op, pair, 2, NULL, 0, y, 3);
    CHECK(mr_tensor_fill(x, 1) == MR_OK);
    CHECK(mr_backward(tape, mr_sum(tape, y[0], MR_ALL, false)) == MR_OK);
    mr_tape_reset(tape);

    mr_tape *other = mr_tape_new(rng);
    mr_tensor *there = mr_square(other, x);
    mr_apply(tape, &power_op, &there, 1, &(power){ 2 }, sizeof(power));
    refused(MR_ERR_STATE,
            "power: [3] is recorded on another tape, where no gradient gets to from here; mr_detach or "
            "mr_tensor_keep gives its values alone");
    mr_tape_free(other);
    mr_tensor_free(x);
}

int main(void)
{
    rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_gradients);
    RUN(test_values);
    RUN(test_memory);
    RUN(test_gradient_is_made_to_fit);
    RUN(test_forward_fails);
    RUN(test_backward_fails);
    RUN(test_changed_inputs);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
