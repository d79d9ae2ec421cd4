/* Memory runs out in tensors, operations and their gradients. The allocator refuses; and since an arena asks it for
 * large blocks only, a limit on the tape besides, which rises by what the smallest allocation takes. */
#include "refuse.h"

#include <millrace/functions.h>
#include <millrace/nn.h>

/* ---- what the operations work on ---- */

typedef struct things {
    mr_tensor *a, *b, *c, *d;  /* float32 (3,4) and (3,4), (4); float64 (3,4): leaves */
    mr_tensor *m, *batch;      /* float32 (4,5), (2,3,4): leaves */
    mr_tensor *image, *filter; /* float32 (1,2,5,4), (2,2,3,3): leaves */
    mr_tensor *index, *class;  /* int64 (3,4) from 0 to 2, (3) from 0 to 3 */
    mr_tensor *mask;           /* bool (3,4) */
} things;

static mr_tensor *leaf(mr_rng *rng, mr_dtype dtype, mr_shape shape)
{
    mr_tensor *x = mr_tensor_rand(rng, dtype, shape);
    mr_tensor_set_requires_grad(x, true);
    return x;
}

static things make_things(mr_rng *rng)
{
    static const uint8_t mask[12] = { 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1 };
    things h;
    h.a = leaf(rng, MR_FLOAT32, MR_SHAPE(3, 4));
    h.b = leaf(rng, MR_FLOAT32, MR_SHAPE(3, 4));
    h.c = leaf(rng, MR_FLOAT32, MR_SHAPE(4));
    h.d = leaf(rng, MR_FLOAT64, MR_SHAPE(3, 4));
    h.m = leaf(rng, MR_FLOAT32, MR_SHAPE(4, 5));
    h.batch = leaf(rng, MR_FLOAT32, MR_SHAPE(2, 3, 4));
    h.image = leaf(rng, MR_FLOAT32, MR_SHAPE(1, 2, 5, 4));
    h.filter = leaf(rng, MR_FLOAT32, MR_SHAPE(2, 2, 3, 3));
    h.index = mr_tensor_randint(rng, MR_INT64, 0, 3, MR_SHAPE(3, 4));
    h.class = mr_tensor_randint(rng, MR_INT64, 0, 4, MR_SHAPE(3));
    h.mask = mr_tensor_from(MR_BOOL, MR_SHAPE(3, 4), mask);
    return h;
}

static void free_things(things *h)
{
    mr_tensor *all[] = { h->a,     h->b,      h->c,     h->d,     h->m,   h->batch,
                         h->image, h->filter, h->index, h->class, h->mask };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mr_tensor_free(all[i]);
}

/* ---- the operations ---- */

typedef mr_tensor *(*operation)(mr_tape *t, const things *h);

#define OP(name, ...)                                        \
    static mr_tensor *name##_op(mr_tape *t, const things *h) \
    {                                                        \
        return __VA_ARGS__;                                  \
    }
#define TURNED(x) mr_transpose(t, (x), 0, 1)

OP(constants,
   mr_mul(t, h->a, mr_add(t, mr_scalar(t, MR_FLOAT32, 2), mr_full(t, MR_FLOAT32, MR_SHAPE(3, 4), 3))))
OP(arithmetic, mr_div(t, mr_sub(t, mr_mul(t, h->a, h->c), mr_add(t, h->b, h->c)), mr_add_scalar(t, h->b, 1)))
OP(promoted, mr_mul(t, mr_add(t, h->a, h->d), mr_div(t, h->index, h->a)))
OP(strided, mr_mul(t, mr_add(t, TURNED(h->a), mr_unsqueeze(t, h->c, 1)), TURNED(h->d)))
OP(powers, mr_pow(t, mr_pow_scalar(t, h->a, 2.5), mr_pow(t, h->b, h->d)))
OP(extremes, mr_minimum(t, mr_maximum(t, h->a, h->b), mr_maximum(t, h->c, TURNED(TURNED(h->b)))))
OP(scalars, mr_rsub_scalar(t, mr_div_scalar(t, mr_sub_scalar(t, mr_mul_scalar(t, h->a, 2), 1), 3), 1))
OP(integers, mr_neg(t, mr_abs(t, mr_square(t, mr_mul(t, h->index, mr_scalar(t, MR_INT64, 3))))))
OP(functions,
   mr_sqrt(t, mr_exp(t, mr_sin(t, mr_cos(t, mr_neg(t, mr_reciprocal(t, mr_add_scalar(t, h->a, 1))))))))
OP(more_functions, mr_ln(t, mr_sigmoid(t, mr_tanh(t, mr_relu(t, mr_abs(t, mr_square(t, TURNED(h->b))))))))
OP(functions_f64, mr_ln(t, mr_sigmoid(t, mr_tanh(t, mr_exp(t, TURNED(h->d))))))
OP(clamps, mr_clamp(t, h->a, 0.25, 0.75))
OP(comparisons, mr_where(t, mr_lt(t, h->a, h->b), mr_eq(t, h->a, h->c), mr_ge(t, h->index, h->a)))
OP(more_comparisons,
   mr_where(t, mr_gt(t, h->a, h->d), mr_ne(t, h->a, h->c), mr_le(t, TURNED(TURNED(h->a)), h->b)))
OP(choices, mr_where(t, h->mask, TURNED(TURNED(h->a)), mr_where(t, h->mask, h->c, h->d)))
OP(sums, mr_sum(t, mr_sum(t, h->batch, MR_DIMS(0, -1), true), MR_DIMS(1), false))
OP(means, mr_mean(t, mr_mean(t, mr_permute(t, h->batch, MR_DIMS(2, 0, 1)), MR_DIMS(0), false), MR_ALL, false))
OP(variances,
   mr_add(t, mr_var(t, h->a, MR_DIMS(0), false, NULL), mr_var(t, TURNED(h->d), MR_ALL, false, NULL)))
OP(largest, mr_add(t, mr_max(t, h->a, MR_DIMS(1), true), mr_min(t, TURNED(h->b), MR_ALL, false)))
OP(positions, mr_add(t, mr_argmax(t, h->a, MR_DIMS(0), false), mr_argmin(t, TURNED(h->b), MR_ALL, false)))
OP(products, mr_matmul(t, mr_matmul(t, h->a, h->m), mr_matmul(t, TURNED(h->m), h->c)))
OP(batched, mr_matmul(t, h->batch, mr_expand(t, h->m, MR_SHAPE(2, 4, 5))))
OP(awkward_products, mr_matmul(t, mr_permute(t, h->batch, MR_DIMS(1, 0, 2)), mr_slice(t, h->m, 1, 0, 5, 2)))
OP(product_f64, mr_matmul(t, h->d, TURNED(h->d)))
OP(linears, mr_linear(t, h->batch, h->a, mr_select(t, h->b, 1, 0)))
OP(linears_without_bias, mr_linear_no_bias(t, TURNED(h->m), mr_slice(t, h->a, 1, 0, 4, 1)))
OP(views, mr_view(t, mr_squeeze_all(t, mr_squeeze(t, mr_unsqueeze(t, h->a, 0), 0)), MR_SHAPE(2, 6)))
OP(copies_of_views, mr_flatten(t, mr_reshape(t, TURNED(h->a), MR_SHAPE(2, -1)), 0, -1))
OP(parts, mr_select(t, mr_slice(t, mr_expand(t, h->a, MR_SHAPE(2, 3, 4)), 2, 1, 4, 2), 0, -1))
OP(joined, mr_cat(t, (mr_tensor *[]){ h->a, TURNED(TURNED(h->d)), h->index }, 3, 0))
OP(stacked, mr_stack(t, (mr_tensor *[]){ h->a, h->b, TURNED(TURNED(h->a)) }, 3, 1))
OP(picked, mr_index_select(t, TURNED(h->a), 1, mr_cast(t, mr_select(t, h->index, 1, 0), MR_INT32)))
OP(gathered, mr_gather(t, TURNED(h->d), 1, TURNED(h->index)))
OP(casts, mr_cast(t, mr_cast(t, TURNED(h->a), MR_FLOAT64), MR_FLOAT32))
OP(copied, mr_contiguous(t, TURNED(mr_clone(t, mr_add(t, h->a, mr_detach(t, h->b))))))
OP(squared_errors, mr_mse_loss(t, h->a, h->b, NULL))
OP(broadcast_errors, mr_mse_loss(t, h->d, h->c, NULL))
OP(each_error, mr_l1_loss(t, TURNED(h->a), TURNED(h->b), &(mr_loss_opts){ .reduction = MR_REDUCE_NONE }))
OP(entropy, mr_cross_entropy(t, h->a, h->class, &(mr_cross_entropy_opts){ .label_smoothing = 0.1 }))
OP(each_entropy, mr_cross_entropy(t, mr_slice(t, h->d, 1, 0, 4, 1), h->class,
                                  &(mr_cross_entropy_opts){ .reduction = MR_REDUCE_NONE }))
OP(softmaxes, mr_log_softmax(t, mr_softmax(t, TURNED(h->a), 0), 1))
OP(weighted_entropy, mr_cross_entropy_weighted(t, h->a, h->class, mr_slice(t, h->c, 0, 0, 4, 1), NULL))
OP(soft_entropy, mr_cross_entropy(t, h->d, h->b, NULL))
OP(likelihoods, mr_nll_loss_weighted(t, TURNED(TURNED(h->a)), h->class, h->c, NULL))
OP(smooth_errors, mr_add(t, mr_smooth_l1_loss(t, h->a, h->d, NULL), mr_huber_loss(t, h->b, h->c, NULL)))
OP(binary_entropy, mr_binary_cross_entropy_weighted(t, h->a, h->b, h->c, NULL))
OP(logit_entropy, mr_binary_cross_entropy_with_logits_weighted(t, h->a, h->b, h->c, h->d, NULL))
OP(divergences, mr_add(t, mr_kl_div(t, h->a, h->c, NULL),
                       mr_poisson_nll_loss(t, h->a, h->b, &(mr_poisson_nll_opts){ .full = true })))
OP(gaussian,
   mr_gaussian_nll_loss(t, h->a, h->c, mr_select(t, h->b, 1, 0), &(mr_gaussian_nll_opts){ .full = true }))
OP(rankings,
   mr_margin_ranking_loss(t, h->a, h->b, mr_unsqueeze(t, h->c, 0), &(mr_margin_opts){ .margin = 2 }))
OP(angles, mr_cosine_embedding_loss(t, h->a, h->d, h->class, NULL))
OP(triplets, mr_triplet_margin_loss(t, h->a, h->b, h->d, &(mr_triplet_margin_opts){ .swap = true }))

OP(conv2d, mr_conv2d(t, h->image, h->filter, mr_slice(t, h->c, 0, 0, 2, 1),
                     &(mr_conv_opts){ .padding = 1, .stride = 2 }))
OP(grouped_conv2d, mr_conv2d_no_bias(t, mr_transpose(t, h->image, 2, 3), mr_slice(t, h->filter, 1, 0, 1, 1),
                                     &(mr_conv_opts){ .groups = 2 }))
OP(conv1d, mr_conv1d(t, h->batch, mr_reshape(t, h->a, MR_SHAPE(2, 3, 2)),
                     mr_select(t, mr_slice(t, h->m, 0, 0, 2, 1), 1, 0), NULL))
OP(max_pools,
   mr_max_pool2d(t, mr_max_pool1d(t, TURNED(TURNED(h->batch)), 2, &(mr_pool_opts){ .stride = 1 }), 2, NULL))
OP(mean_pools,
   mr_adaptive_avg_pool2d(t, mr_avg_pool2d(t, h->image, 2, &(mr_pool_opts){ .stride = 1 }), 2, -1))

OP(attention, mr_attention_masked(t, h->a, TURNED(TURNED(h->b)), h->a, mr_matmul(t, h->a, TURNED(h->b)),
                                  &(mr_attention_opts){ .dropout = 1 }))
OP(attention_f64,
   mr_attention_masked(t, TURNED(h->d), TURNED(h->d), TURNED(h->d), TURNED(mr_slice(t, h->mask, 0, 0, 1, 1)),
                       &(mr_attention_opts){ .causal = true }))

static mr_tensor *wrapped_op(mr_tape *t, const things *h)
{
    static const float values[4] = { 1, 2, 3, 4 };
    return mr_mul(t, h->a, mr_avg_pool1d(t, mr_tape_wrap(t, MR_FLOAT32, MR_SHAPE(1, 4), values), 1, NULL));
}

static mr_tensor *along_op(mr_tape *t, const things *h)
{
    mr_tensor *where = NULL, *nowhere = NULL;
    mr_tensor *y = mr_max_dim(t, TURNED(h->a), 1, false, &where);
    mr_tensor *z = mr_min_dim(t, h->d, 0, false, &nowhere);
    return mr_mul(t, mr_add(t, y, where), mr_mul(t, z, nowhere));
}

static mr_tensor *retained_op(mr_tape *t, const things *h)
{
    mr_tensor *y = mr_mul(t, h->a, h->b);
    mr_tensor_retain_grad(y);
    return mr_view(t, mr_exp(t, y), MR_SHAPE(12));
}

static mr_tensor *without_grad_op(mr_tape *t, const things *h)
{
    bool was = mr_tape_set_grad(t, false);
    mr_tensor *y = mr_exp(t, mr_mul(t, h->a, h->d));
    mr_tape_set_grad(t, was);
    return y;
}

static const struct {
    const char *name;
    operation run;
} operations[] = {
#define NAMED(name)      \
    {                    \
#name, name##_op \
    }
    NAMED(constants),
    NAMED(arithmetic),
    NAMED(promoted),
    NAMED(strided),
    NAMED(powers),
    NAMED(extremes),
    NAMED(scalars),
    NAMED(integers),
    NAMED(functions),
    NAMED(more_functions),
    NAMED(functions_f64),
    NAMED(clamps),
    NAMED(more_comparisons),
    NAMED(conv2d),
    NAMED(grouped_conv2d),
    NAMED(conv1d),
    NAMED(max_pools),
    NAMED(mean_pools),
    NAMED(attention),
    NAMED(attention_f64),
    NAMED(wrapped),
    NAMED(comparisons),
    NAMED(choices),
    NAMED(sums),
    NAMED(means),
    NAMED(variances),
    NAMED(largest),
    NAMED(positions),
    NAMED(products),
    NAMED(batched),
    NAMED(awkward_products),
    NAMED(product_f64),
    NAMED(linears),
    NAMED(linears_without_bias),
    NAMED(views),
    NAMED(copies_of_views),
    NAMED(parts),
    NAMED(joined),
    NAMED(stacked),
    NAMED(picked),
    NAMED(gathered),
    NAMED(casts),
    NAMED(copied),
    NAMED(squared_errors),
    NAMED(broadcast_errors),
    NAMED(each_error),
    NAMED(entropy),
    NAMED(each_entropy),
    NAMED(softmaxes),
    NAMED(weighted_entropy),
    NAMED(soft_entropy),
    NAMED(likelihoods),
    NAMED(smooth_errors),
    NAMED(binary_entropy),
    NAMED(logit_entropy),
    NAMED(divergences),
    NAMED(gaussian),
    NAMED(rankings),
    NAMED(angles),
    NAMED(triplets),
    NAMED(along),
    NAMED(retained),
    NAMED(without_grad),
};

/* ---- a program for each of them ---- */

static operation now;
static size_t limit; /* on the tape; 0: none */

/* Forward and backward twice, so that gradients are added to, and the tape's memory is joined. */
static mr_status run_twice(mr_tape *tape, const things *h)
{
    mr_status s = MR_OK;
    for (int round = 0; round < 2 && s == MR_OK; round++) {
        mr_tensor *y = mr_cast(tape, now(tape, h), MR_FLOAT32);
        mr_tensor *loss = mr_sum(tape, mr_mul(tape, y, y), MR_ALL, false);
        s = mr_backward(tape, mr_add(tape, loss, mr_sum(tape, h->a, MR_ALL, false)));
        mr_tape_reset(tape);
    }
    return s;
}

static double sum_of_gradients(const things *h, mr_status *status)
{
    double elements[40], sum = 0;
    mr_tensor *leaves[] = { h->a, h->b, h->c, h->d, h->m, h->batch, h->image, h->filter };
    for (int i = 0; i < 8 && *status == MR_OK; i++) {
        int64_t n = mr_tensor_numel(leaves[i]);
        if (!mr_tensor_has_grad(leaves[i]))
            continue;
        *status = mr_copy_out(mr_tensor_grad(leaves[i]), MR_FLOAT64, elements, n);
        for (int64_t j = 0; *status == MR_OK && j < n; j++)
            sum += elements[j] * (double)(i + j + 1);
    }
    return sum;
}

static void zero_gradients(const things *h)
{
    mr_tensor *leaves[] = { h->a, h->b, h->c, h->d, h->m, h->batch, h->image, h->filter };
    for (int i = 0; i < 8; i++)
        mr_tensor_zero_grad(leaves[i]);
}

static double recovered; /* what the same objects gave once the limit was gone */

static double operation_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(3);
    things h = make_things(rng);
    mr_tape *tape = mr_tape_new(rng);
    mr_tape_set_max_bytes(tape, limit);
    *status = run_twice(tape, &h);
    double sum = sum_of_gradients(&h, status);
    if (limit && *status) {
        mr_status again;
        mr__failure first;
        mr__failure_take(&first);
        mr_tape_set_max_bytes(tape, 0);
        zero_gradients(&h);
        again = run_twice(tape, &h);
        recovered = sum_of_gradients(&h, &again);
        CHECK_EQ_I64(again, MR_OK);
        mr__failure_raise(&first);
        mr__settle(first.status);
    }
    mr_tape_free(tape);
    free_things(&h);
    mr_rng_free(rng);
    return sum;
}

static void test_operations(void)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        now = operations[i].run;
        refuse_each(operations[i].name, operation_program, 20);
    }
}

/* ---- the same with a limit on the tape ---- */

static void rising_limit(const char *name, int least)
{
    enum { STEP = 64 };
    double expected = refuse_nothing(name, operation_program);
    mr_status status = MR_ERR_MEMORY;
    int failures = 0, wrong = 0;
    for (limit = STEP; status && wrong < 5; limit += STEP) {
        double result = refuse_run(operation_program, 0, false, &status);
        bool usable_again = !status || refuse_same(recovered, expected);
        bool ended = refuse_check(name, result, expected, status);
        if (!CHECK(usable_again) || !ended) {
            wrong++;
            printf("    %s with a limit of %zu bytes\n", name, limit);
        }
        failures += status != MR_OK;
    }
    limit = 0;
    if (!CHECK(failures >= least))
        printf("    %s failed only %d times\n", name, failures);
}

static void test_limits(void)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        now = operations[i].run;
        rising_limit(operations[i].name, 10);
    }
}

/* ---- tensors of one's own ---- */

static double creation_program(mr_status *status)
{
    static const float values[] = { 1, 2, 3, 4, 5, 6 };
    double sum = 0, elements[12];
    mr_rng *rng = mr_rng_new(5);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x[] = {
        mr_tensor_zeros(MR_INT32, MR_SHAPE(2, 3)),
        mr_tensor_ones(MR_FLOAT64, MR_SHAPE(4)),
        mr_tensor_full(MR_UINT8, MR_SHAPE(3), 7),
        mr_tensor_scalar(MR_FLOAT32, 2.5),
        mr_tensor_from(MR_FLOAT32, MR_SHAPE(2, 3), values),
        mr_tensor_wrap(MR_FLOAT32, MR_SHAPE(6), (void *)(uintptr_t)values),
        mr_tensor_arange(MR_INT64, 0, 10, 1),
        mr_tensor_linspace(MR_FLOAT32, 0, 1, 5),
        mr_tensor_rand(rng, MR_FLOAT64, MR_SHAPE(12)),
        mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(3, 1)),
        mr_tensor_randint(rng, MR_INT64, 0, 9, MR_SHAPE(5)),
        mr_tensor_randperm(rng, 8),
        NULL,
    };
    enum { COUNT = sizeof x / sizeof *x };
    mr_tensor_set_name(x[1], "ones");
    x[COUNT - 1] = mr_tensor_keep(mr_transpose(tape, x[4], 0, 1));
    mr_tensor_copy(x[0], x[2]);
    mr_tensor_fill(x[3], 4);
    mr_tensor_add_scaled(x[1], 2, x[1]);
    for (int i = 0; i < COUNT && *status == MR_OK; i++) {
        int64_t n = mr_tensor_numel(x[i]);
        *status = mr_copy_out(x[i], MR_FLOAT64, elements, n);
        for (int64_t j = 0; *status == MR_OK && j < n; j++)
            sum += elements[j] * (double)(i + j + 1);
    }
    sum += (double)strlen(mr_tensor_name(x[1]));
    for (int i = 0; i < COUNT; i++)
        mr_tensor_free(x[i]);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return sum;
}

/* ---- backward from a gradient, and gradients of results ---- */

static double retained_program(mr_status *status)
{
    double elements[12] = { 0 }, sum = 0;
    mr_rng *rng = mr_rng_new(6);
    mr_tape *tape = mr_tape_new(rng);
    mr_tensor *x = leaf(rng, MR_FLOAT64, MR_SHAPE(4, 3)), *g = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(3, 4));
    mr_tensor *y = mr_mul_scalar(tape, x, 2), *z = mr_exp(tape, mr_transpose(tape, y, 0, 1));
    mr_tensor_retain_grad(y);
    *status = mr_backward_from(tape, z, g);
    if (*status == MR_OK)
        *status = mr_copy_out(mr_tensor_grad(y), MR_FLOAT64, elements, 12);
    for (int i = 0; i < 12; i++)
        sum += elements[i] * i;
    mr_tape_free(tape);
    mr_tensor_free(x);
    mr_tensor_free(g);
    mr_rng_free(rng);
    return sum;
}

static mr_tensor *checked(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)user;
    (void)count;
    return mr_matmul(tape, mr_tanh(tape, in[0]), mr_transpose(tape, in[1], 0, 1));
}

static double gradcheck_program(mr_status *status)
{
    mr_rng *rng = mr_rng_new(6);
    mr_tensor *in[] = { leaf(rng, MR_FLOAT64, MR_SHAPE(2, 3)), leaf(rng, MR_FLOAT64, MR_SHAPE(4, 3)) };
    *status = mr_gradcheck(checked, NULL, in, 2, NULL);
    mr_tensor_free(in[0]);
    mr_tensor_free(in[1]);
    mr_rng_free(rng);
    return 0;
}

/* ---- printing ---- */

static double printing_program(mr_status *status)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    mr_rng *rng = mr_rng_new(6);
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(40, 30));
    double length = 0;
    *status = mr__settle(mr_tensor_print(file, x));
    if (*status == MR_OK) {
        char *string = mr_tensor_to_string(x);
        if (string)
            length = (double)strlen(string);
        else
            *status = mr__settle(mr_error_status());
        free(string);
    }
    fclose(file);
    length += (double)size;
    free(text);
    mr_tensor_free(x);
    mr_rng_free(rng);
    return length;
}

static void test_programs(void)
{
    refuse_each("creation", creation_program, 25);
    refuse_each("retained", retained_program, 7);
    refuse_each("gradcheck", gradcheck_program, 12);
    refuse_each("printing", printing_program, 6);
}

int main(void)
{
    refuse_begin();
    RUN(test_operations);
    RUN(test_limits);
    RUN(test_programs);
    refuse_end();
    return check_report();
}
