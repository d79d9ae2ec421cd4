/* Large operations on several threads: the same bits whatever their number, and teams within teams. */
#include "check.h"

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#include <millrace/millrace.h>

#include <stdatomic.h>
#include <stdlib.h>

/* ---- the division of a loop ---- */

typedef struct counts {
    atomic_int seen[1000];
    atomic_int calls, wrong;
    int64_t unit;
} counts;

static void count_part(void *work, int64_t begin, int64_t end)
{
    counts *c = work;
    atomic_fetch_add(&c->calls, 1);
    if (begin % c->unit || begin >= end)
        atomic_fetch_add(&c->wrong, 1);
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&c->seen[i], 1);
}

static void test_each_once(void)
{
    static const int64_t sizes[] = { 1, 2, 63, 64, 65, 127, 128, 1000 };
    for (int threads = 1; threads <= 5; threads++) {
        CHECK_EQ_I64(mr_set_num_threads(threads), MR_OK);
        CHECK_EQ_I64(mr_num_threads(), threads);
        for (int s = 0; s < 8; s++)
            for (int64_t unit = 1; unit <= 64; unit *= 8) {
                counts c = { .unit = unit };
                mr__parallel(count_part, &c, sizes[s], 10, unit);
                CHECK_EQ_I64(c.wrong, 0);
                CHECK(c.calls >= 1 && c.calls <= threads);
                int missed = 0;
                for (int64_t i = 0; i < 1000; i++)
                    missed += c.seen[i] != (i < sizes[s]);
                CHECK_EQ_I64(missed, 0);
            }
    }
}

static void inner(void *work, int64_t begin, int64_t end)
{
    counts *c = work;
    for (int64_t i = begin; i < end; i++)
        mr__parallel(count_part, c, 100, 10, 1); /* in a team already: one call */
}

static void test_nested(void)
{
    counts c = { .unit = 1 };
    CHECK_EQ_I64(mr_set_num_threads(2), MR_OK);
    mr__parallel(inner, &c, 20, 1, 1);
    CHECK_EQ_I64(c.calls, 20);
    CHECK_EQ_I64(c.seen[99], 20);
}

static void test_wrong_number(void)
{
    CHECK_EQ_I64(mr_set_num_threads(-1), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "set_num_threads: -1 is not from 0 to 1024");
    CHECK_EQ_I64(mr_set_num_threads(0), MR_OK);
    CHECK(mr_num_threads() >= 1);
}

/* ---- the same bits ---- */

enum { KEPT = 12 };

typedef struct kept {
    int count;
    mr_tensor *tensor[KEPT];
} kept;

static void keep(kept *k, const mr_tensor *x)
{
    if (CHECK(x != NULL) && CHECK(k->count < KEPT))
        k->tensor[k->count++] = mr_tensor_keep(x);
}

/* Two layers with odd sizes, large enough to be divided by rows and by columns. */
static kept train(int64_t batch)
{
    kept k = { 0 };
    mr_rng *rng = mr_rng_new(7);
    mr_tape *tape = mr_tape_new(rng);
    mr_module *net = mr_sequential_new();
    mr_sequential_add(net, mr_linear_new(301, 333, rng, NULL));
    mr_sequential_add(net, mr_relu_new());
    mr_sequential_add(net, mr_linear_new(333, 129, rng, NULL));
    mr_sequential_add(net, mr_tanh_new());
    mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(batch, 301));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(x, true), MR_OK);
    mr_tensor *y = mr_forward(net, tape, x);
    CHECK_EQ_I64(mr_backward(tape, mr_mean(tape, mr_square(tape, y), MR_ALL, false)), MR_OK);
    keep(&k, y);
    keep(&k, mr_tensor_grad(x));
    mr_params params = mr_module_parameters(net);
    for (size_t i = 0; i < params.count; i++)
        keep(&k, mr_tensor_grad(params.item[i].tensor));
    mr_optim *adam = mr_adam_new(params, 0.1, &(mr_adam_opts){ .amsgrad = true });
    CHECK_EQ_I64(mr_optim_step(adam), MR_OK);
    keep(&k, params.item[0].tensor);
    keep(&k, params.item[2].tensor);
    mr_optim_free(adam);
    mr_tape_reset(tape);
    keep(&k, mr_matmul(tape, mr_transpose(tape, x, 0, 1), x));
    mr_tensor_free(x);
    mr_module_free(net);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return k;
}

static void test_same_bits(void)
{
    static const int64_t batches[] = { 1, 47, 512 };
    for (int b = 0; b < 3; b++) {
        CHECK_EQ_I64(mr_set_num_threads(1), MR_OK);
        kept one = train(batches[b]);
        for (int threads = 2; threads <= 3; threads++) {
            CHECK_EQ_I64(mr_set_num_threads(threads), MR_OK);
            kept many = train(batches[b]);
            CHECK_EQ_I64(many.count, one.count);
            for (int i = 0; i < many.count; i++) {
                size_t bytes = (size_t)mr_tensor_numel(one.tensor[i]) * sizeof(float);
                if (!CHECK(memcmp(mr_tensor_data(one.tensor[i]), mr_tensor_data(many.tensor[i]), bytes) == 0))
                    printf("    batch %d, %d threads, tensor %d\n", (int)batches[b], threads, i);
                mr_tensor_free(many.tensor[i]);
            }
        }
        for (int i = 0; i < one.count; i++)
            mr_tensor_free(one.tensor[i]);
    }
}

/* ---- the same bits of single operations ---- */

/* The first of a kind is kept, the others are compared with it. */
static void same_as_first(kept *first, int *at, int threads, const char *name, const mr_tensor *x)
{
    if (threads == 1) {
        keep(first, x);
        return;
    }
    const mr_tensor *want = first->tensor[(*at)++];
    size_t bytes = (size_t)mr_tensor_numel(x) * mr_dtype_size(mr_tensor_dtype(x));
    if (!CHECK(mr_tensor_numel(want) == mr_tensor_numel(x) &&
               memcmp(mr_tensor_data(want), mr_tensor_data(x), bytes) == 0))
        printf("    %s with %d threads\n", name, threads);
}

typedef mr_tensor *(*two)(mr_tape *tape, mr_tensor *a, mr_tensor *b);

static mr_tensor *softmax_of_product(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    return mr_softmax(tape, mr_mul(tape, a, b), 1);
}

static mr_tensor *log_softmax_inside(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    return mr_log_softmax(tape, mr_unsqueeze(tape, mr_add(tape, a, b), 2), 1);
}

static mr_tensor *padded(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    return mr_pad(tape, mr_maximum(tape, a, b), MR_SHAPE(3, 2), &(mr_pad_opts){ .mode = MR_PAD_REFLECT });
}

static mr_tensor *upsampled(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    mr_tensor *x = mr_unsqueeze(tape, mr_sub(tape, a, b), 0);
    return mr_upsample_scale(tape, x, 2, &(mr_upsample_opts){ .mode = MR_UPSAMPLE_LINEAR });
}

static const struct {
    const char *name;
    two run;
} operations[] = { { "add", mr_add },
                   { "sub", mr_sub },
                   { "mul", mr_mul },
                   { "div", mr_div },
                   { "softmax", softmax_of_product },
                   { "log_softmax", log_softmax_inside },
                   { "pad", padded },
                   { "upsample", upsampled } };

/* b of a's shape, as a row, as a column, and turned. */
static void test_operations(void)
{
    mr_rng *rng = mr_rng_new(3);
    mr_tape *tape = mr_tape_new(rng);
    for (int dtype = MR_FLOAT32; dtype <= MR_FLOAT64; dtype++)
        for (int layout = 0; layout < 4; layout++) {
            mr_shape shape = layout == 1   ? MR_SHAPE(257)
                             : layout == 2 ? MR_SHAPE(301, 1)
                             : layout == 3 ? MR_SHAPE(257, 301)
                                           : MR_SHAPE(301, 257);
            mr_tensor *a = mr_tensor_randn(rng, (mr_dtype)dtype, MR_SHAPE(301, 257)),
                      *b = mr_tensor_randn(rng, (mr_dtype)dtype, shape);
            mr_tensor_set_requires_grad(a, true);
            mr_tensor_set_requires_grad(b, true);
            for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
                kept first = { 0 };
                for (int threads = 1; threads <= 3; threads++) {
                    int at = 0;
                    CHECK_EQ_I64(mr_set_num_threads(threads), MR_OK);
                    mr_tensor *y = operations[i].run(tape, a, layout == 3 ? mr_transpose(tape, b, 0, 1) : b);
                    mr_tensor *loss = mr_sum(tape, mr_square(tape, y), MR_ALL, false);
                    mr_tensor_zero_grad(a);
                    mr_tensor_zero_grad(b);
                    CHECK_EQ_I64(mr_backward(tape, loss), MR_OK);
                    same_as_first(&first, &at, threads, operations[i].name, y);
                    same_as_first(&first, &at, threads, operations[i].name, mr_tensor_grad(a));
                    same_as_first(&first, &at, threads, operations[i].name, mr_tensor_grad(b));
                    mr_tape_reset(tape);
                }
                for (int k = 0; k < first.count; k++)
                    mr_tensor_free(first.tensor[k]);
            }
            mr_tensor_free(a);
            mr_tensor_free(b);
        }
    mr_tape_free(tape);
    mr_rng_free(rng);
}

static mr_optim *optimizer(int kind, mr_params params)
{
    switch (kind) {
    case 0:
        return mr_sgd_new(params, 0.1, &(mr_sgd_opts){ .momentum = 0.9, .nesterov = true });
    case 1:
        return mr_rmsprop_new(params, 0.1, &(mr_rmsprop_opts){ .momentum = 0.9, .centered = true });
    case 2:
        return mr_adagrad_new(params, 0.1, NULL);
    case 3:
        return mr_adadelta_new(params, 0.1, NULL);
    case 4:
        return mr_adamax_new(params, 0.1, NULL);
    case 5:
        return mr_nadam_new(params, 0.1, NULL);
    case 6:
        return mr_radam_new(params, 0.1, NULL);
    default:
        return mr_adamw_new(params, 0.1, NULL);
    }
}

static void test_optimizers(void)
{
    mr_rng *rng = mr_rng_new(3);
    mr_tape *tape = mr_tape_new(rng);
    for (int kind = 0; kind < 8; kind++) {
        kept first = { 0 };
        for (int threads = 1; threads <= 3; threads++) {
            int at = 0;
            CHECK_EQ_I64(mr_set_num_threads(threads), MR_OK);
            mr_rng_seed(rng, 5);
            mr_tensor *p = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(70001));
            mr_tensor_set_requires_grad(p, true);
            mr_optim *optim = optimizer(kind, (mr_params){ &(mr_param){ "p", p }, 1 });
            for (int step = 0; step < 8; step++) {
                mr_optim_zero_grad(optim);
                CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_square(tape, p), MR_ALL, false)), MR_OK);
                CHECK_EQ_I64(mr_optim_step(optim), MR_OK);
                mr_tape_reset(tape);
            }
            same_as_first(&first, &at, threads, "optimizer", p);
            mr_optim_free(optim);
            mr_tensor_free(p);
        }
        mr_tensor_free(first.tensor[0]);
    }
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_each_once);
    RUN(test_nested);
    RUN(test_wrong_number);
    RUN(test_same_bits);
    RUN(test_operations);
    RUN(test_optimizers);
    return check_report();
}
