/* A linear layer and the ReLU behind it, which Sequential computes as one: the bits of one after the other. */
#include "check.h"

#include <millrace/millrace.h>

static mr_rng *rng;
static mr_tape *tape;

enum { KEPT = 5 }; /* the result, its gradient, those of input, weight and bias */

static void forget(mr_tensor **kept)
{
    for (int i = 0; i < KEPT; i++)
        mr_tensor_free(kept[i]);
}

static void run(mr_module *first, mr_module *all, mr_tensor *x, bool together, bool retain, mr_tensor **kept)
{
    mr_params p = mr_module_parameters(first);
    mr_tensor_zero_grad(x);
    for (size_t i = 0; i < p.count; i++)
        mr_tensor_zero_grad(p.item[i].tensor);
    mr_tensor *y = together ? mr_forward(all, tape, x) : mr_relu(tape, mr_forward(first, tape, x));
    if (retain && mr_tensor_requires_grad(y))
        mr_tensor_retain_grad(y);
    mr_tensor *loss = mr_sum(tape, mr_square(tape, y), MR_ALL, false);
    bool any = mr_tensor_requires_grad(loss);
    if (!CHECK_EQ_I64(any ? mr_backward(tape, loss) : MR_OK, MR_OK))
        printf("    %s\n", mr_error());
    kept[0] = mr_tensor_keep(y);
    kept[1] = retain && any ? mr_tensor_keep(mr_tensor_grad(y)) : NULL;
    kept[2] = mr_tensor_requires_grad(x) ? mr_tensor_keep(mr_tensor_grad(x)) : NULL;
    for (int i = 0; i < 2; i++)
        kept[3 + i] = (size_t)i < p.count && mr_tensor_requires_grad(p.item[i].tensor)
                          ? mr_tensor_keep(mr_tensor_grad(p.item[i].tensor))
                          : NULL;
    mr_tape_reset(tape);
}

static void compare(int64_t rows, int64_t in, int64_t out, bool no_bias, int frozen, mr_dtype dtype)
{
    mr_module *first = mr_linear_new(in, out, rng, &(mr_linear_opts){ .no_bias = no_bias, .dtype = dtype });
    mr_module *all = mr_sequential_add(mr_sequential_add(mr_sequential_new(), first), mr_relu_new());
    mr_tensor *x = mr_tensor_randn(rng, dtype, MR_SHAPE(rows, in));
    mr_params p = mr_module_parameters(first);
    mr_tensor_set_requires_grad(x, !(frozen & 1));
    for (size_t i = 0; i < p.count; i++)
        mr_tensor_set_requires_grad(p.item[i].tensor, !(frozen & 2 << i));
    for (int retain = 0; retain < 2; retain++) {
        mr_tensor *one[KEPT], *two[KEPT];
        if (retain && frozen == 7)
            continue;
        run(first, all, x, false, retain, one);
        run(first, all, x, true, retain, two);
        for (int i = 0; i < KEPT; i++)
            if (one[i] && CHECK(two[i] != NULL))
                CHECK(memcmp(mr_tensor_data(one[i]), mr_tensor_data(two[i]),
                             (size_t)mr_tensor_numel(one[i]) * mr_dtype_size(dtype)) == 0);
        forget(one);
        forget(two);
    }
    mr_tensor_free(x);
    mr_module_free(all);
}

static void test_same_bits(void)
{
    static const int64_t sizes[][3] = { { 1, 1, 1 },      { 3, 5, 17 },      { 128, 301, 257 },
                                        { 257, 65, 128 }, { 40, 700, 1000 }, { 0, 3, 4 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int no_bias = 0; no_bias < 2; no_bias++) {
            for (int frozen = 0; frozen < 8; frozen++)
                compare(sizes[i][0], sizes[i][1], sizes[i][2], no_bias, frozen, MR_FLOAT32);
            if (i < 2)
                compare(sizes[i][0], sizes[i][1], sizes[i][2], no_bias, 0, MR_FLOAT64);
        }
}

/* One operation, not two. */
static void test_one_result(void)
{
    mr_module *first = mr_linear_new(64, 1000, rng, NULL);
    mr_module *all = mr_sequential_add(mr_sequential_add(mr_sequential_new(), first), mr_relu_new());
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(64, 64));
    mr_tape *own = mr_tape_new(rng);
    CHECK(mr_forward(all, own, x) != NULL);
    CHECK(mr_tape_peak_bytes(own) < 64 * 1000 * 4 + 4096);
    mr_tape_free(own);
    mr_tensor_free(x);
    mr_module_free(all);
}

static void test_failures(void)
{
    mr_module *all = mr_sequential_new();
    mr_sequential_add(all, mr_linear_new(3, 4, rng, NULL));
    mr_sequential_add(all, mr_relu_new());
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(2, 5));
    CHECK(mr_forward(all, tape, x) == NULL);
    CHECK_EQ_STR(mr_error(), "linear: the last size of input [2,5] is not the last of weight 0.weight[4,3]");
    mr_tape_reset(tape);
    mr_error_clear();
    mr_tensor_free(x);
    mr_module_free(all);
}

int main(void)
{
    rng = mr_rng_new(4);
    tape = mr_tape_new(rng);
    RUN(test_same_bits);
    RUN(test_one_result);
    RUN(test_failures);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
