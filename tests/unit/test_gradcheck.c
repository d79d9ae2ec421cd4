/* mr_gradcheck accepts right gradients and says what is wrong with others. */
#include "check.h"

#include "tensor/tape.h"

/* y = x^2, whose backward can be made wrong. */
typedef enum fault { NO_FAULT, WRONG_ELEMENT, STORES, FORGETS_INPUT, GIVES_NAN } fault;

static fault fault_now;

static void square_backward(mr_tape *tape, mr__node *node)
{
    mr_tensor *x = node->in[0];
    bool add = false;
    if (fault_now == FORGETS_INPUT)
        return;
    double *dx = mr__grad_target(tape, x, &add);
    const double *dy = mr__grad_of(node->out), *at = (const double *)x->data;
    for (int64_t i = 0; dx && i < x->numel; i++) {
        double value = 2 * at[i] * dy[i];
        if (fault_now == WRONG_ELEMENT && i == 3)
            value *= 1.001;
        if (fault_now == GIVES_NAN && i == 1)
            value = NAN;
        dx[i] = add && fault_now != STORES ? dx[i] + value : value;
    }
}

static mr_tensor *square(mr_tape *tape, mr_tensor *x)
{
    if (!mr__ready1(tape, "square", x))
        return NULL;
    mr_tensor *y = mr__result_like(tape, MR_FLOAT64, x);
    for (int64_t i = 0; y && i < x->numel; i++)
        ((double *)y->data)[i] = ((const double *)x->data)[i] * ((const double *)x->data)[i];
    if (y && mr__tracks(tape, x))
        mr__record1(tape, "square", y, square_backward, x, MR__SAVES_FIRST);
    return y;
}

/* The square of the last input. */
static mr_tensor *squares(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    int *calls = user;
    if (calls)
        ++*calls;
    return square(tape, inputs[count - 1]);
}

static mr_tensor *leaf(mr_shape shape)
{
    mr_rng *rng = mr_rng_new(3);
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT64, shape);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    mr_rng_free(rng);
    return x;
}

static void test_accepts(void)
{
    mr_tensor *x = leaf(MR_SHAPE(2, 3));
    double before[6], first[6], second[6];
    int calls = 0;
    fault_now = NO_FAULT;
    CHECK(mr_copy_out(x, MR_FLOAT64, before, 6) == MR_OK);
    CHECK_EQ_I64(mr_gradcheck(squares, &calls, &x, 1, NULL), MR_OK);
    CHECK_EQ_I64(calls, 1 + 2 * 6 + 1);
    CHECK(mr_copy_out(mr_tensor_grad(x), MR_FLOAT64, first, 6) == MR_OK);
    for (int i = 0; i < 6; i++) {
        CHECK(((const double *)mr_tensor_data(x))[i] == before[i]);
        double weight = first[i] / (2 * before[i]);
        CHECK(fabs(weight) >= 0.5 && fabs(weight) <= 1.5);
        CHECK(i == 0 || weight != first[i - 1] / (2 * before[i - 1]));
    }

    /* The gradient left behind is that of one backward, each time. */
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, &x, 1, NULL), MR_OK);
    CHECK(mr_copy_out(mr_tensor_grad(x), MR_FLOAT64, second, 6) == MR_OK);
    CHECK(memcmp(first, second, sizeof first) == 0);
    mr_tensor_free(x);
}

static void test_inputs(void)
{
    mr_tensor *x = leaf(MR_SHAPE(4)), *unused = leaf(MR_SHAPE(2)), *empty = leaf(MR_SHAPE(0, 3));
    mr_tensor *constant = mr_tensor_zeros(MR_INT64, MR_SHAPE(2)),
              *single = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2));
    mr_tensor *list[] = { constant, unused, empty, x };
    fault_now = NO_FAULT;
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, list, 4, NULL), MR_OK);
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, &empty, 1, NULL), MR_OK);

    CHECK_EQ_I64(mr_gradcheck(squares, NULL, &constant, 1, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "gradcheck: no input requires a gradient");
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, list, 0, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "gradcheck: no input requires a gradient");
    CHECK_EQ_I64(mr_gradcheck(NULL, NULL, &x, 1, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "gradcheck: function is NULL");
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, NULL, 1, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "gradcheck: inputs is NULL");
    CHECK(mr_tensor_set_requires_grad(single, true) == MR_OK);
    mr_tensor *two[] = { x, single, NULL };
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, two, 2, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "gradcheck: input 1 [2] is float32, not a float64 leaf");
    two[1] = NULL;
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, two, 2, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "gradcheck: input 1 is NULL");

    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    two[1] = mr_unsqueeze(tape, x, 0);
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, two, 2, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "gradcheck: input 1 [1,4] is a result on a tape, float64, not a float64 leaf");
    mr_tape_free(tape);
    mr_rng_free(rng);
    mr_tensor_free(single);
    mr_tensor_free(constant);
    mr_tensor_free(empty);
    mr_tensor_free(unused);
    mr_tensor_free(x);
}

/* Runs a check that must fail with a text that starts and ends as given. */
static void fails(fault f, const char *start, const char *end)
{
    mr_tensor *pair[] = { leaf(MR_SHAPE(1)), leaf(MR_SHAPE(2, 2)) };
    mr_tensor_set_name(pair[1], "w");
    fault_now = f;
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, pair, 2, NULL), MR_ERR_STATE);
    const char *text = mr_error();
    size_t n = strlen(text), m = strlen(end);
    if (!CHECK(strncmp(text, start, strlen(start)) == 0 && n > m && strcmp(text + n - m, end) == 0))
        printf("    %s\n", text);
    mr_tensor_free(pair[0]);
    mr_tensor_free(pair[1]);
}

static void test_finds_faults(void)
{
    fails(WRONG_ELEMENT, "gradcheck: input 1 w[2,2], element 3: backward gives ", "");
    fails(FORGETS_INPUT, "gradcheck: input 1 w[2,2], element 0: backward gives 0, differences give ", "");
    fails(GIVES_NAN, "gradcheck: input 1 w[2,2], element 1: backward gives nan, differences give ", "");
    fails(STORES, "gradcheck: input 1 w[2,2], element 0: backward gives ", ", not twice as much");
}

static void test_options(void)
{
    mr_tensor *x = leaf(MR_SHAPE(4));
    fault_now = WRONG_ELEMENT; /* off by a thousandth */
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, &x, 1, &(mr_gradcheck_opts){ .tolerance = 0.01 }), MR_OK);
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, &x, 1, &(mr_gradcheck_opts){ .step = 1e-4 }), MR_ERR_STATE);
    mr_tensor_free(x);
}

/* ---- functions that fail ---- */

static mr_tensor *gives_null(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    (void)user, (void)tape, (void)inputs, (void)count;
    return NULL;
}

static mr_tensor *fails_later(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    int *calls = user;
    return ++*calls < 3 ? square(tape, inputs[count - 1]) : mr_select(tape, inputs[0], 0, 9);
}

static mr_tensor *changes_shape(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    int *calls = user;
    mr_tensor *y = square(tape, inputs[count - 1]);
    return ++*calls < 3 ? y : mr_unsqueeze(tape, y, 0);
}

static mr_tensor *gives_int64(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    (void)count, (void)inputs;
    return mr_unsqueeze(tape, user, 0);
}

static mr_tensor *detaches(void *user, mr_tape *tape, mr_tensor *const *inputs, int count)
{
    (void)user, (void)count;
    return mr_detach(tape, inputs[0]);
}

static void test_failing_functions(void)
{
    mr_tensor *x = leaf(MR_SHAPE(4)), *integers = mr_tensor_zeros(MR_INT64, MR_SHAPE(2));
    int calls = 0;
    fault_now = NO_FAULT;
    CHECK_EQ_I64(mr_gradcheck(gives_null, NULL, &x, 1, NULL), MR_ERR_CALLBACK);
    CHECK_EQ_STR(mr_error(), "gradcheck: the function returned NULL without a failure");
    CHECK_EQ_I64(mr_gradcheck(fails_later, &calls, &x, 1, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "select: index 9 is out of range for dimension 0 of [4]");
    calls = 0;
    CHECK_EQ_I64(mr_gradcheck(changes_shape, &calls, &x, 1, NULL), MR_ERR_SHAPE);
    CHECK_EQ_STR(mr_error(), "gradcheck: the function's result was [4] first and is [1,4] now");
    CHECK_EQ_I64(mr_gradcheck(gives_int64, integers, &x, 1, NULL), MR_ERR_DTYPE);
    CHECK_EQ_STR(mr_error(), "gradcheck: the function's result [1,2] is int64, not float64");
    CHECK_EQ_I64(mr_gradcheck(detaches, NULL, &x, 1, NULL), MR_ERR_STATE);
    CHECK_EQ_STR(mr_error(),
                 "backward_from: the output does not depend on any tensor that requires a gradient");

    /* What failed has left the values as they were. */
    CHECK_EQ_I64(mr_gradcheck(squares, NULL, &x, 1, NULL), MR_OK);
    mr_tensor *again = leaf(MR_SHAPE(4));
    CHECK(memcmp(mr_tensor_data(x), mr_tensor_data(again), 4 * sizeof(double)) == 0);
    mr_tensor_free(again);
    mr_tensor_free(integers);
    mr_tensor_free(x);
}

int main(void)
{
    RUN(test_accepts);
    RUN(test_inputs);
    RUN(test_finds_faults);
    RUN(test_options);
    RUN(test_failing_functions);
    return check_report();
}
