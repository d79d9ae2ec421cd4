/*
 * Large convolutions and pooling in float32, which have kernels of their own, at every level and with several threads,
 * against the plain loops in float64.
 */
#include "check.h"

#include "kernels/conv.h"
#include "kernels/kernels.h"
#include "kernels/winograd.h"
#include "tensor/conv.h"

#include <millrace/millrace.h>

#include <math.h>
#include <string.h>

static mr_rng *rng;
static mr_tape *tape;

static const mr__kernels *const levels[] = {
#ifdef MR_HAVE_X86_LEVELS
    &mr__kernels_avx512,
    &mr__kernels_avx2,
#endif
    &mr__kernels_plain,
};

/* mr__k is the best level of this machine when the program begins; the table above is in falling order. */
static int first_level(void)
{
    int i = 0;
    while (levels[i] != mr__k)
        i++;
    return i;
}

static bool frozen; /* the second input, a weight, has no gradient */

enum { INPUTS = 3, RESULTS = 1 + INPUTS };

typedef mr_tensor *(*network)(mr_tape *t, mr_tensor *const *in, const void *options);

/* A result and the gradients of the inputs, twice over, so that the second is added to the first; the result's own gradient
 * is as various as the result. */
static void run(network net, mr_tensor *const *in, const void *options, mr_tensor **out)
{
    for (int i = 0; i < INPUTS && in[i]; i++)
        mr_tensor_zero_grad(in[i]);
    for (int pass = 0; pass < 2; pass++) {
        mr_tensor *y = net(tape, in, options);
        if (pass == 0)
            out[0] = mr_tensor_keep(y);
        mr_tensor *numbers = mr_tensor_arange(MR_FLOAT64, 0, (double)mr_tensor_numel(y), 1);
        mr_tensor *weight = mr_sin(tape, mr_mul_scalar(tape, numbers, 0.7 + pass));
        weight = mr_cast(tape, weight, (mr_dtype)mr_tensor_dtype(y));
        mr_tensor *loss = mr_sum(tape, mr_mul(tape, mr_flatten(tape, y, 0, -1), weight), MR_ALL, false);
        CHECK_EQ_I64(mr_backward(tape, loss), MR_OK);
        mr_tape_reset(tape);
        mr_tensor_free(numbers);
    }
    for (int i = 0; i < INPUTS; i++)
        out[1 + i] = in[i] && mr_tensor_requires_grad(in[i]) ? mr_tensor_keep(mr_tensor_grad(in[i])) : NULL;
}

static double at(const mr_tensor *x, int64_t i)
{
    return mr_tensor_dtype(x) == MR_FLOAT32 ? (double)((float *)mr_tensor_data(x))[i]
                                            : ((double *)mr_tensor_data(x))[i];
}

/* The greatest difference, as a share of the greatest value. */
static double difference(const mr_tensor *got, const mr_tensor *want)
{
    double worst = 0, greatest = 1e-30;
    for (int64_t i = 0; i < mr_tensor_numel(want); i++) {
        const double a = at(got, i), b = at(want, i);
        worst = fmax(worst, isnan(a) != isnan(b) ? INFINITY : isnan(b) ? 0 : fabs(a - b));
        greatest = fmax(greatest, isnan(b) ? 0 : fabs(b));
    }
    return worst / greatest;
}

static void drop(mr_tensor **all, int count)
{
    for (int i = 0; i < count; i++)
        mr_tensor_free(all[i]);
}

/* `in` are float32, made with gradients. */
static void compare(const char *name, network net, mr_tensor **in, const void *options, double tolerance)
{
    static const char *const what[RESULTS] = { "y", "dx", "dw", "db" };
    mr_tensor *wide[INPUTS] = { NULL }, *want[RESULTS], *first[RESULTS], *got[RESULTS];
    for (int i = 0; i < INPUTS && in[i]; i++) {
        mr_tensor_set_requires_grad(in[i], !(frozen && i == 1));
        wide[i] = mr_tensor_keep(mr_cast(tape, in[i], MR_FLOAT64));
        mr_tensor_set_requires_grad(wide[i], !(frozen && i == 1));
    }
    run(net, wide, options, want);
    const mr__kernels *best = mr__k;
    for (int level = first_level(); level < (int)(sizeof levels / sizeof *levels); level++) {
        mr__k = levels[level];
        for (int threads = 1; threads <= 3; threads++) {
            CHECK_EQ_I64(mr_set_num_threads(threads), MR_OK);
            run(net, in, options, threads == 1 ? first : got);
            for (int i = 0; i < RESULTS; i++) {
                if (!want[i])
                    continue;
                const double d = difference(threads == 1 ? first[i] : got[i], want[i]);
                if (!CHECK(d <= tolerance))
                    printf("    %s, %s, %d threads: %s off by %.3g\n", name, mr__k->level, threads, what[i],
                           d);
                if (threads > 1 && !CHECK(memcmp(mr_tensor_data(first[i]), mr_tensor_data(got[i]),
                                                 (size_t)mr_tensor_numel(got[i]) * sizeof(float)) == 0))
                    printf("    %s, %s: %s has other bits with %d threads\n", name, mr__k->level, what[i],
                           threads);
            }
            if (threads > 1)
                drop(got, RESULTS);
        }
        drop(first, RESULTS);
    }
    mr__k = best;
    drop(want, RESULTS);
    drop(wide, INPUTS);
}

/* ---- convolutions ---- */

static mr_tensor *conv(mr_tape *t, mr_tensor *const *in, const void *options)
{
    return in[2] ? mr_conv2d(t, in[0], in[1], in[2], options) : mr_conv2d_no_bias(t, in[0], in[1], options);
}

static const struct {
    int64_t images, channels, filters, height, width, pad, pad_w;
    bool bias;
} convs[] = {
    { 5, 32, 64, 14, 14, 1, 1, true }, { 3, 8, 8, 4, 4, 1, 1, true },    { 2, 9, 11, 7, 5, 1, 1, false },
    { 1, 16, 8, 28, 28, 0, 0, true },  { 2, 8, 17, 9, 41, 1, 2, false }, { 4, 13, 8, 6, 70, 2, 0, true },
    { 17, 8, 8, 33, 13, 2, 2, true },  { 2, 40, 9, 65, 6, 1, 1, true },  { 1, 8, 8, 6, 6, 0, 0, false },
    { 33, 16, 16, 8, 8, 1, 1, true },
};

static void test_winograd(void)
{
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
        mr_tensor *in[INPUTS] = {
            mr_tensor_randn(rng, MR_FLOAT32,
                            MR_SHAPE(convs[i].images, convs[i].channels, convs[i].height, convs[i].width)),
            mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(convs[i].filters, convs[i].channels, 3, 3)),
            convs[i].bias ? mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(convs[i].filters)) : NULL
        };
        const mr_conv_opts options = { .padding = convs[i].pad ? convs[i].pad : MR_ZERO_INT,
                                       .padding_w = convs[i].pad_w ? convs[i].pad_w : MR_ZERO_INT };
        char name[40];
        snprintf(name, sizeof name, "convolution %d", (int)i);
        compare(name, conv, in, &options, 4e-6);
        drop(in, INPUTS);
    }
}

/* ---- a ReLU, and pooling, computed with the convolution ---- */

static mr_tensor *conv_relu(mr_tape *t, mr_tensor *const *in, const void *options)
{
    bool pool = false;
    if (mr_tensor_dtype(in[0]) == MR_FLOAT64)
        return mr_relu(t, conv(t, in, options));
    return mr__conv2d_tail(t, in[0], in[1], in[2], options, &pool);
}

static mr_tensor *conv_relu_pool(mr_tape *t, mr_tensor *const *in, const void *options)
{
    bool pool = true;
    if (mr_tensor_dtype(in[0]) == MR_FLOAT64)
        return mr_max_pool2d(t, conv_relu(t, in, options), 2, NULL);
    mr_tensor *y = mr__conv2d_tail(t, in[0], in[1], in[2], options, &pool);
    CHECK(pool);
    return y;
}

/* By Winograd and by columns, in groups too. */
static void test_tails(void)
{
    static const struct {
        int64_t images, channels, filters, height, width, kernel;
        mr_conv_opts options;
        bool bias;
    } cases[] = {
        { 5, 32, 16, 14, 14, 3, { .padding = 1 }, true }, { 3, 8, 9, 7, 5, 3, { .padding = 1 }, false },
        { 4, 1, 6, 28, 28, 3, { .padding = 1 }, true },   { 2, 3, 4, 9, 12, 5, { .stride = 2 }, true },
        { 3, 4, 6, 8, 35, 3, { .groups = 2 }, false },    { 2, 5, 7, 6, 6, 1, { 0 }, true },
        { 40, 16, 16, 8, 8, 3, { .padding = 1 }, true },  { 40, 2, 64, 16, 16, 3, { .padding = 1 }, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t groups = cases[i].options.groups ? cases[i].options.groups : 1;
        mr_tensor *in[INPUTS] = {
            mr_tensor_randn(rng, MR_FLOAT32,
                            MR_SHAPE(cases[i].images, cases[i].channels, cases[i].height, cases[i].width)),
            mr_tensor_randn(
                rng, MR_FLOAT32,
                MR_SHAPE(cases[i].filters, cases[i].channels / groups, cases[i].kernel, cases[i].kernel)),
            cases[i].bias ? mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(cases[i].filters)) : NULL
        };
        char name[40];
        snprintf(name, sizeof name, "convolution and ReLU %d", (int)i);
        compare(name, conv_relu, in, &cases[i].options, 4e-6);
        snprintf(name, sizeof name, "convolution, ReLU, pooling %d", (int)i);
        compare(name, conv_relu_pool, in, &cases[i].options, 4e-6);
        frozen = true;
        compare("frozen", conv_relu, in, &cases[i].options, 4e-6);
        compare("frozen", conv_relu_pool, in, &cases[i].options, 4e-6);
        frozen = false;
        drop(in, INPUTS);
    }
}

/* A Sequential gives the bits that its children give one by one. */
static void test_sequential(void)
{
    static const int64_t sizes[] = { 14, 5, 1 }; /* the last is too small to be pooled */
    for (int behind = 1; behind <= 3; behind++)
        for (int s = 0; s < 3; s++) {
            mr_module *children[3] = { mr_conv2d_new(8, 12, 3, rng, &(mr_conv_opts){ .padding = 1 }),
                                       mr_relu_new(), mr_max_pool2d_new(behind == 3 ? 3 : 2, NULL) };
            mr_module *all = mr_sequential_new();
            for (int i = 0; i < (behind > 1 ? 3 : 2); i++)
                mr_sequential_add(all, children[i]);
            mr_tensor *x = mr_tensor_randn(rng, MR_FLOAT32, MR_SHAPE(3, 8, sizes[s], sizes[s]));
            mr_tensor_set_requires_grad(x, true);
            mr_params params = mr_module_parameters(all);
            mr_tensor *kept[2][4];
            for (int pass = 0; pass < 2; pass++) {
                mr_tensor_zero_grad(x);
                mr_tensor_zero_grad(params.item[0].tensor);
                mr_tensor_zero_grad(params.item[1].tensor);
                mr_tensor *y = pass ? x : mr_forward(all, tape, x);
                for (int i = 0; pass && i < (behind > 1 ? 3 : 2); i++)
                    y = mr_forward(children[i], tape, y);
                if (behind > 1 && (sizes[s] == 1)) {
                    CHECK(y == NULL);
                    char text[80];
                    snprintf(text, sizeof text, "2: max_pool2d: a window of %d does not fit input [3,12,1,1]",
                             behind);
                    CHECK_EQ_I64(mr_tape_status(tape), MR_ERR_SHAPE);
                    CHECK_EQ_STR(mr_error(), text);
                    kept[pass][0] = NULL;
                } else {
                    kept[pass][0] = mr_tensor_keep(y);
                    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_square(tape, y), MR_ALL, false)), MR_OK);
                    kept[pass][1] = mr_tensor_keep(mr_tensor_grad(x));
                    kept[pass][2] = mr_tensor_keep(mr_tensor_grad(params.item[0].tensor));
                    kept[pass][3] = mr_tensor_keep(mr_tensor_grad(params.item[1].tensor));
                }
                mr_tape_reset(tape);
            }
            for (int i = 0; i < 4 && kept[0][0]; i++)
                CHECK(memcmp(mr_tensor_data(kept[0][i]), mr_tensor_data(kept[1][i]),
                             (size_t)mr_tensor_numel(kept[0][i]) * sizeof(float)) == 0);
            for (int pass = 0; pass < 2 && kept[0][0]; pass++)
                drop(kept[pass], 4);
            mr_tensor_free(x);
            mr_module_free(all);
            if (behind == 1)
                mr_module_free(children[2]);
        }
}

/* What has another kernel, stride, dilation or groups, or is small, is not for Winograd. */
static void test_what_winograd_serves(void)
{
    const mr__conv good = { .images = 2,
                            .channels = 8,
                            .height = 6,
                            .width = 6,
                            .filters = 8,
                            .kernel_h = 3,
                            .kernel_w = 3,
                            .out_h = 6,
                            .out_w = 6,
                            .stride_h = 1,
                            .stride_w = 1,
                            .pad_top = 1,
                            .pad_left = 1,
                            .dilation_h = 1,
                            .dilation_w = 1,
                            .groups = 1 };
    CHECK(mr__winograd_serves(&good));
#define NOT_WITH(field, value)           \
    do {                                 \
        mr__conv c = good;               \
        c.field = (value);               \
        CHECK(!mr__winograd_serves(&c)); \
    } while (0)
    NOT_WITH(kernel_h, 1);
    NOT_WITH(kernel_w, 5);
    NOT_WITH(stride_h, 2);
    NOT_WITH(stride_w, 2);
    NOT_WITH(dilation_h, 2);
    NOT_WITH(dilation_w, 2);
    NOT_WITH(groups, 2);
    NOT_WITH(channels, 7);
    NOT_WITH(filters, 7);
    NOT_WITH(pad_top, 3);
    NOT_WITH(pad_left, 3);
    NOT_WITH(out_h, 3);
    NOT_WITH(out_w, 3);
    NOT_WITH(images, 0);
}

/* ---- max pooling of 2 x 2 ---- */

static mr_tensor *pool(mr_tape *t, mr_tensor *const *in, const void *options)
{
    (void)options;
    return mr_max_pool2d(t, in[0], 2, NULL);
}

static void test_pairs(void)
{
    static const int64_t more[] = { 63, 64, 65, 70, 129 };
    for (int i = 2; i < 45; i++) {
        const int64_t width = i < 40 ? i : more[i - 40], height = 2 + i % 5;
        mr_tensor *in[INPUTS] = { mr_tensor_randint(rng, MR_FLOAT32, -3, 3, MR_SHAPE(2, 3, height, width)) };
        float *x = mr_tensor_data(in[0]);
        for (int64_t j = 0; j < mr_tensor_numel(in[0]); j += 7)
            x[j] = j % 3 == 0 ? NAN : j % 3 == 1 ? -INFINITY : 0.0f;
        char name[40];
        snprintf(name, sizeof name, "pooling %d x %d", (int)height, (int)width);
        compare(name, pool, in, NULL, 1e-6);
        drop(in, INPUTS);
    }
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_winograd);
    RUN(test_what_winograd_serves);
    RUN(test_tails);
    RUN(test_sequential);
    RUN(test_pairs);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
