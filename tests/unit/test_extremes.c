/* Sizes, indices and numbers at the ends of what 64 bits hold: every call either does what it says or fails with a
 * text. Run under UndefinedBehaviorSanitizer, which sees a sum that overflows on the way. The allocator gives at
 * most a megabyte, so that no size is tried out for real. */
#include "check.h"

#include "base/alloc.h"
#include "base/error.h"

#include <millrace/functions.h>
#include <millrace/millrace.h>

#include <limits.h>
#include <stdlib.h>

static const int64_t extremes[] = {
    INT64_MIN,
    INT64_MIN + 1,
    -INT64_MAX / 2,
    INT32_MIN,
    -2,
    -1,
    0,
    1,
    2,
    3,
    INT32_MAX,
    UINT32_MAX,
    1LL << 32,
    INT64_MAX / 64,
    INT64_MAX / 8,
    INT64_MAX / 4 + 1,
    INT64_MAX / 2,
    INT64_MAX - 63,
    INT64_MAX - 1,
    INT64_MAX,
};
static const int dims[] = { INT_MIN, INT_MIN + 1, -9, -3, -2, -1, 0, 1, 2, 8, INT_MAX - 1, INT_MAX };
enum { EXTREMES = sizeof extremes / sizeof *extremes, DIMS = sizeof dims / sizeof *dims };

static void *allocate_little(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return bytes > 1 << 20 ? NULL : aligned_alloc(alignment, mr__round_up(bytes, alignment));
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static mr_rng *rng;
static mr_tape *tape;
static mr_tensor *x, *whole, *labels; /* float32 (2,3) with a gradient, int64 (2,3), int64 (2) */

/* A call has given something, or failed in words; the next one starts anew. */
static bool ends_well(bool gave)
{
    mr_status status = mr_error_status();
    bool ok = gave ? !mr__pending() : status < 0 && *mr_error();
    mr_error_clear();
    mr_tape_reset(tape);
    return ok;
}

#define ENDS_WELL(gave, ...)                 \
    do {                                     \
        if (!CHECK(ends_well(gave)))         \
            printf("    with " __VA_ARGS__); \
    } while (0)

/* ---- tensors of one's own ---- */

static void try_creation(mr_dtype dtype, mr_shape shape)
{
    static char elements[8];
    mr_tensor *made[] = {
        mr_tensor_zeros(dtype, shape),
        mr_tensor_full(dtype, shape, 1e300),
        mr_tensor_from(dtype, shape,
                       shape.ndim == 2 && (double)shape.dim[0] * (double)shape.dim[1] > 1 ? NULL : elements),
        mr_tensor_rand(rng, dtype, shape),
        mr_tensor_randn(rng, dtype, shape),
        mr_tensor_randint(rng, dtype, 0, 2, shape),
        mr_full(tape, dtype, shape, -1e300),
    };
    for (size_t i = 0; i + 1 < sizeof made / sizeof *made; i++)
        mr_tensor_free(made[i]);
    mr_error_clear();
    mr_tape_reset(tape);
    mr_tensor *zeros = mr_tensor_zeros(dtype, shape);
    ENDS_WELL(zeros != NULL, "shape [%lld,%lld] of %d\n", (long long)shape.dim[0], (long long)shape.dim[1],
              (int)dtype);
    mr_tensor *wrapped = mr_tensor_wrap(dtype, shape, elements);
    if (wrapped) {
        bool plausible = mr_tensor_numel(wrapped) >= 0 && mr_tensor_numel(wrapped) <= INT64_MAX / 2;
        CHECK(plausible);
    }
    mr_tensor_free(wrapped);
    mr_tensor_free(zeros);
    mr_error_clear();
}

static void test_shapes(void)
{
    static const mr_dtype dtypes[] = { MR_FLOAT32, MR_FLOAT64, MR_INT64,  MR_INT32,
                                       MR_UINT8,   MR_BOOL,    MR_FLOAT16 };
    for (int i = 0; i < EXTREMES; i++)
        for (int j = 0; j < EXTREMES; j++)
            for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
                try_creation(dtypes[d], MR_SHAPE(extremes[i], extremes[j]));
    for (int i = 0; i < DIMS; i++) {
        mr_shape shape = { dims[i], { 1, 1, 1, 1, 1, 1, 1, 1 } };
        mr_tensor *made = mr_tensor_ones(MR_FLOAT32, shape);
        ENDS_WELL(made != NULL, "%d dimensions\n", dims[i]);
        mr_tensor_free(made);
        made = mr_tensor_zeros((mr_dtype)(unsigned)(dims[i] & 15), MR_SHAPE(1));
        ENDS_WELL(made != NULL, "dtype %d\n", dims[i] & 15);
        mr_tensor_free(made);
    }
}

static void test_ranges(void)
{
    static const double ends[] = { -INFINITY, -1e308, -0x1p63, -1,    0,        1e-320,
                                   1,         0x1p53, 0x1p63,  1e308, INFINITY, NAN };
    enum { ENDS = sizeof ends / sizeof *ends };
    static const mr_dtype dtypes[] = { MR_FLOAT32, MR_INT64, MR_UINT8, MR_FLOAT16 };
    for (int i = 0; i < ENDS; i++)
        for (int j = 0; j < ENDS; j++) {
            for (int k = 0; k < ENDS; k++)
                for (int d = 0; d < 4; d++) {
                    mr_tensor *made = mr_tensor_arange(dtypes[d], ends[i], ends[j], ends[k]);
                    ENDS_WELL(made != NULL, "arange %g %g %g\n", ends[i], ends[j], ends[k]);
                    mr_tensor_free(made);
                }
            for (int k = 0; k < EXTREMES; k++)
                for (int d = 0; d < 4; d++) {
                    mr_tensor *made = mr_tensor_linspace(dtypes[d], ends[i], ends[j], extremes[k]);
                    ENDS_WELL(made != NULL, "linspace %g %g %lld\n", ends[i], ends[j],
                              (long long)extremes[k]);
                    mr_tensor_free(made);
                }
        }
}

static void test_draws(void)
{
    for (int i = 0; i < EXTREMES; i++) {
        for (int j = 0; j < EXTREMES; j++) {
            mr_tensor *made = mr_tensor_randint(rng, MR_INT64, extremes[i], extremes[j], MR_SHAPE(5));
            bool within = true;
            for (int64_t k = 0; k < mr_tensor_numel(made); k++) {
                int64_t v = ((const int64_t *)mr_tensor_data(made))[k];
                within = within && v >= extremes[i] && v < extremes[j];
            }
            if (!CHECK(within && ends_well(made != NULL)))
                printf("    with randint %lld %lld\n", (long long)extremes[i], (long long)extremes[j]);
            mr_tensor_free(made);
        }
        mr_tensor *made = mr_tensor_randperm(rng, extremes[i]);
        ENDS_WELL(made != NULL, "randperm %lld\n", (long long)extremes[i]);
        mr_tensor_free(made);
        if (extremes[i] <= 0) { /* nothing to fill */
            float none;
            double none_f64;
            mr_rng_fill_uniform(rng, &none, extremes[i], 0, 1);
            mr_rng_fill_normal(rng, &none, extremes[i], 0, 1);
            mr_rng_fill_uniform_f64(rng, &none_f64, extremes[i], 0, 1);
            mr_rng_fill_normal_f64(rng, &none_f64, extremes[i], 0, 1);
        }
        float elements[6];
        bool done = mr_copy_out(x, MR_FLOAT32, elements, extremes[i]) == MR_OK;
        ENDS_WELL(done, "copy_out of %lld\n", (long long)extremes[i]);
    }
}

/* ---- operations that take sizes, indices and dimensions ---- */

static void try_places(int64_t n)
{
    mr_tensor *position = mr_tensor_full(MR_INT64, MR_SHAPE(2, 3), 0);
    for (int i = 0; i < 6; i++)
        ((int64_t *)mr_tensor_data(position))[i] = n;
    ENDS_WELL(mr_select(tape, x, 0, n) != NULL, "select %lld\n", (long long)n);
    ENDS_WELL(mr_gather(tape, x, 0, position) != NULL, "gather %lld\n", (long long)n);
    ENDS_WELL(mr_index_select(tape, x, 0, mr_select(tape, position, 0, 0)) != NULL, "index_select %lld\n",
              (long long)n);
    ENDS_WELL(mr_cross_entropy(tape, x, mr_select(tape, position, 1, 0), NULL) != NULL,
              "cross_entropy %lld\n", (long long)n);
    mr_tensor_free(position);
}

static void try_pair(int64_t a, int64_t b)
{
    long long m = a, n = b;
    ENDS_WELL(mr_view(tape, x, MR_SHAPE(a, b)) != NULL, "view %lld %lld\n", m, n);
    ENDS_WELL(mr_reshape(tape, mr_transpose(tape, x, 0, 1), MR_SHAPE(a, b, 1)) != NULL, "reshape %lld %lld\n",
              m, n);
    ENDS_WELL(mr_expand(tape, mr_scalar(tape, MR_FLOAT32, 1), MR_SHAPE(a, b)) != NULL, "expand %lld %lld\n",
              m, n);
    ENDS_WELL(mr_max_pool2d(tape, mr_view(tape, x, MR_SHAPE(1, 2, 3)), 1,
                            &(mr_pool_opts){ .stride = a, .padding = b, .dilation = a, .ceil = a & 1 }) !=
                  NULL,
              "max_pool2d %lld %lld\n", m, n);
    ENDS_WELL(mr_max_pool1d(tape, x, a, &(mr_pool_opts){ .padding = b, .stride = b, .dilation = 1 }) != NULL,
              "max_pool1d %lld %lld\n", m, n);
    ENDS_WELL(mr_max_pool1d(tape, x, a, &(mr_pool_opts){ .padding = a / 2, .stride = b }) != NULL,
              "max_pool1d %lld padded %lld\n", m, n);
    ENDS_WELL(mr_avg_pool1d(tape, x, a, &(mr_pool_opts){ .padding = a / 2, .stride = b, .ceil = true }) !=
                  NULL,
              "avg_pool1d %lld padded %lld\n", m, n);
    ENDS_WELL(mr_avg_pool2d(tape, mr_view(tape, x, MR_SHAPE(1, 2, 3)), a,
                            &(mr_pool_opts){ .kernel_w = b, .padding_w = b, .divisor = a, .ceil = b & 1 }) !=
                  NULL,
              "avg_pool2d %lld %lld\n", m, n);
    ENDS_WELL(mr_adaptive_avg_pool2d(tape, mr_view(tape, x, MR_SHAPE(1, 2, 3)), a, b) != NULL,
              "adaptive_avg_pool2d %lld %lld\n", m, n);
    ENDS_WELL(mr_conv2d_no_bias(
                  tape, mr_view(tape, x, MR_SHAPE(1, 2, 3)),
                  mr_full(tape, MR_FLOAT32, MR_SHAPE(1, 1, 2, 2), 1),
                  &(mr_conv_opts){ .stride = a, .padding = b, .padding_w = b, .dilation = 1 }) != NULL,
              "conv2d stride %lld padding %lld\n", m, n);
    ENDS_WELL(mr_conv1d_no_bias(tape, x, mr_full(tape, MR_FLOAT32, MR_SHAPE(2, 2, 2), 1),
                                &(mr_conv_opts){ .dilation = a, .groups = b, .padding = b }) != NULL,
              "conv1d dilation %lld groups %lld\n", m, n);
    ENDS_WELL(mr_conv1d_no_bias(tape, x, mr_full(tape, MR_FLOAT32, MR_SHAPE(2, 2, 2), 1),
                                &(mr_conv_opts){ .dilation = a, .same = true, .stride = b }) != NULL,
              "conv1d dilation %lld same, stride %lld\n", m, n);
    ENDS_WELL(mr_conv_transpose2d_no_bias(tape, mr_view(tape, x, MR_SHAPE(1, 2, 3)),
                                          mr_full(tape, MR_FLOAT32, MR_SHAPE(1, 1, 2, 2), 1),
                                          &(mr_conv_opts){ .stride = a, .padding = b, .stride_w = 1 }) !=
                  NULL,
              "conv_transpose2d stride %lld padding %lld\n", m, n);
    ENDS_WELL(mr_conv_transpose2d_no_bias(
                  tape, mr_view(tape, x, MR_SHAPE(1, 2, 3)),
                  mr_full(tape, MR_FLOAT32, MR_SHAPE(1, 1, 2, 2), 1),
                  &(mr_conv_opts){ .dilation = a, .padding = b, .output_padding = a }) != NULL,
              "conv_transpose2d dilation %lld padding %lld\n", m, n);
    mr_module *linear = mr_linear_new(a, b, rng, NULL);
    ENDS_WELL(linear != NULL, "linear %lld %lld\n", m, n);
    mr_module_free(linear);
}

static void test_sizes(void)
{
    for (int i = 0; i < EXTREMES; i++) {
        try_places(extremes[i]);
        for (int j = 0; j < EXTREMES; j++) {
            try_pair(extremes[i], extremes[j]);
            for (int k = 0; k < EXTREMES; k++)
                ENDS_WELL(mr_slice(tape, x, 1, extremes[i], extremes[j], extremes[k]) != NULL,
                          "slice %lld %lld %lld\n", (long long)extremes[i], (long long)extremes[j],
                          (long long)extremes[k]);
        }
    }
}

static void try_dims(int a, int b)
{
    mr_tensor *indices = NULL, *pair[] = { x, x };
    const mr_dims one = { 1, { a } }, two = { 2, { a, b } }, many = { a, { b } };
    ENDS_WELL(mr_squeeze(tape, x, a) != NULL, "squeeze %d\n", a);
    ENDS_WELL(mr_unsqueeze(tape, x, a) != NULL, "unsqueeze %d\n", a);
    ENDS_WELL(mr_transpose(tape, x, a, b) != NULL, "transpose %d %d\n", a, b);
    ENDS_WELL(mr_flatten(tape, x, a, b) != NULL, "flatten %d %d\n", a, b);
    ENDS_WELL(mr_permute(tape, x, two) != NULL, "permute %d %d\n", a, b);
    ENDS_WELL(mr_permute(tape, x, many) != NULL, "permute of %d\n", a);
    ENDS_WELL(mr_sum(tape, x, two, true) != NULL, "sum %d %d\n", a, b);
    ENDS_WELL(mr_mean(tape, x, many, false) != NULL, "mean of %d\n", a);
    ENDS_WELL(mr_var(tape, x, many, false, NULL) != NULL, "var of %d\n", a);
    ENDS_WELL(mr_max(tape, x, many, false) != NULL, "max of %d\n", a);
    ENDS_WELL(mr_argmin(tape, x, one, false) != NULL, "argmin %d\n", a);
    ENDS_WELL(mr_argmax(tape, x, many, false) != NULL, "argmax of %d\n", a);
    ENDS_WELL(mr_max_dim(tape, x, a, b & 1, &indices) != NULL, "max_dim %d\n", a);
    ENDS_WELL(mr_slice(tape, x, a, 0, 1, 1) != NULL, "slice %d\n", a);
    ENDS_WELL(mr_select(tape, x, a, 0) != NULL, "select %d\n", a);
    ENDS_WELL(mr_index_select(tape, x, a, labels) != NULL, "index_select %d\n", a);
    ENDS_WELL(mr_gather(tape, x, a, whole) != NULL, "gather %d\n", a);
    ENDS_WELL(mr_stack(tape, pair, 2, a) != NULL, "stack %d\n", a);
    ENDS_WELL(mr_cat(tape, pair, a > 2 ? 0 : a, b) != NULL, "cat of %d along %d\n", a, b);
    CHECK(mr_tensor_size(x, a) >= -1 && mr_tensor_stride(x, b) >= -1);
}

static void test_dimensions(void)
{
    for (int i = 0; i < DIMS; i++)
        for (int j = 0; j < DIMS; j++)
            try_dims(dims[i], dims[j]);
}

/* A tensor that repeats itself may have more elements than memory: what would copy it says so. */
static void test_large_views(void)
{
    mr_shape shape = MR_SHAPE(1 << 20, 1 << 20, 3);
    for (int i = 0; i < 9; i++) {
        mr_tensor *large = mr_expand(tape, mr_select(tape, x, 0, 0), shape), *y = NULL, *indices = NULL;
        CHECK_EQ_I64(mr_tensor_numel(large), (int64_t)3 << 40);
        y = i == 0   ? mr_exp(tape, large)
            : i == 1 ? mr_add(tape, large, mr_scalar(tape, MR_FLOAT64, 1))
            : i == 2 ? mr_contiguous(tape, large)
            : i == 3 ? mr_reshape(tape, large, MR_SHAPE(-1))
            : i == 4 ? mr_cat(tape, (mr_tensor *[]){ large, large }, 2, 0)
            : i == 5 ? mr_stack(tape, (mr_tensor *[]){ large, large }, 2, 0)
            : i == 6 ? mr_cast(tape, large, MR_INT64)
            : i == 7 ? mr_max_dim(tape, large, 2, false, &indices)
                     : mr_matmul(tape, large, mr_full(tape, MR_FLOAT32, MR_SHAPE(3, 1000), 1));
        if (!CHECK(y == NULL && mr_tape_status(tape) == MR_ERR_MEMORY))
            printf("    operation %d\n", i);
        mr_tape_reset(tape);
        mr_error_clear();
    }
    mr_tensor *large = mr_expand(tape, x, MR_SHAPE(1LL << 40, 2, 3));
    CHECK(large && !mr_expand(tape, mr_unsqueeze(tape, large, 0), MR_SHAPE(1LL << 22, 1LL << 40, 2, 3)));
    CHECK_EQ_I64(mr_error_status(), MR_ERR_SHAPE);
    mr_error_clear();
    mr_tape_reset(tape);
    CHECK(mr_tensor_keep(mr_expand(tape, x, MR_SHAPE(1LL << 40, 2, 3))) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_MEMORY);
    mr_error_clear();
    mr_tape_reset(tape);
}

/* ---- arithmetic: integers wrap around, as torch's do ---- */

static void check_integers(mr_dtype dtype, int64_t low, int64_t high)
{
    mr_tensor *a = mr_tensor_zeros(dtype, MR_SHAPE(EXTREMES, 1)),
              *b = mr_tensor_zeros(dtype, MR_SHAPE(EXTREMES));
    mr_tensor *wide = mr_tensor_from(MR_INT64, MR_SHAPE(EXTREMES), extremes), *indices = NULL;
    mr_tensor_copy(b, wide); /* cut to the type's bits */
    mr_tensor_copy(a, mr_unsqueeze(tape, b, 1));
    mr_tensor *results[] = {
        mr_add(tape, a, b),
        mr_sub(tape, a, b),
        mr_mul(tape, a, b),
        mr_div(tape, a, b),
        mr_pow(tape, a, mr_abs(tape, labels)),
        mr_neg(tape, a),
        mr_abs(tape, a),
        mr_square(tape, a),
        mr_relu(tape, a),
        mr_clamp(tape, a, -INFINITY, 1e300),
        mr_sum(tape, a, MR_ALL, false),
        mr_sum(tape, mr_add(tape, a, b), MR_DIMS(0), false),
        mr_max(tape, a, MR_ALL, false),
        mr_max_dim(tape, a, 0, false, &indices),
        mr_minimum(tape, a, b),
        mr_maximum(tape, a, b),
        mr_lt(tape, a, b),
        mr_matmul(tape, a, mr_unsqueeze(tape, b, 0)),
        mr_add_scalar(tape, a, 1e300),
        mr_cast(tape, a, MR_FLOAT32),
        mr_cast(tape, a, MR_FLOAT16),
        mr_cast(tape, a, MR_UINT8),
        mr_cast(tape, a, MR_INT16),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (!CHECK(results[i] != NULL))
            printf("    operation %zu of type %d: %s\n", i, (int)dtype, mr_error());
    CHECK_EQ_I64(mr_item_int64(mr_neg(tape, mr_scalar(tape, dtype, (double)low))), low);
    CHECK_EQ_I64(mr_item_int64(mr_abs(tape, mr_scalar(tape, dtype, (double)low))), low);
    mr_tensor *top =
        mr_sub(tape, mr_scalar(tape, dtype, (double)low), mr_cast(tape, mr_scalar(tape, MR_INT64, 1), dtype));
    CHECK_EQ_I64(mr_item_int64(top), high);
    mr_tensor_free(a);
    mr_tensor_free(b);
    mr_tensor_free(wide);
    mr_error_clear();
    mr_tape_reset(tape);
}

static void test_integers(void)
{
    check_integers(MR_INT64, INT64_MIN, INT64_MAX);
    check_integers(MR_INT32, INT32_MIN, INT32_MAX);
}

/* Floats that fit no integer become one all the same, without undefined behaviour. */
static void test_casts(void)
{
    static const double values[] = { 0,      -1,      255.5, 256,    -32769,   65536,     0x1p31, -0x1p31 - 1,
                                     0x1p63, -0x1p63, 1e300, -1e300, INFINITY, -INFINITY, NAN,    5e-324 };
    enum { COUNT = sizeof values / sizeof *values };
    mr_tensor *from = mr_tensor_from(MR_FLOAT64, MR_SHAPE(COUNT), values);
    char out[COUNT * sizeof(double)];
    for (int a = MR_FLOAT32; a <= MR_UINT16; a++)
        for (int b = MR_FLOAT32; b <= MR_UINT16; b++) {
            mr_tensor *cast = mr_cast(tape, from, (mr_dtype)a);
            CHECK_EQ_I64(mr_copy_out(cast, (mr_dtype)b, out, COUNT), MR_OK);
            mr_tape_reset(tape);
        }
    for (int i = 0; i < COUNT; i++)
        for (int a = MR_FLOAT32; a <= MR_UINT16; a++) {
            mr_tensor *one = mr_tensor_scalar((mr_dtype)a, values[i]);
            mr_item_int64(one);
            CHECK_EQ_I64(mr_tensor_fill(one, values[i]), MR_OK);
            mr_tensor_free(one);
        }
    mr_tensor_free(from);
}

/* ---- nothing at all: no elements, and no memory behind them ---- */

static void test_nothing(void)
{
    mr_tensor *none = mr_tensor_wrap(MR_FLOAT32, MR_SHAPE(0, 3), NULL),
              *empty = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 0));
    mr_tensor *no_index = mr_tensor_wrap(MR_INT64, MR_SHAPE(0), NULL), *indices = NULL;
    mr_tensor_set_requires_grad(none, true);
    mr_tensor_set_requires_grad(empty, true);
    mr_tensor *results[] = {
        mr_exp(tape, none),
        mr_add(tape, none, mr_select(tape, x, 0, 0)),
        mr_mul(tape, none, none),
        mr_sum(tape, none, MR_ALL, false),
        mr_sum(tape, none, MR_DIMS(0), true),
        mr_matmul(tape, empty, none),
        mr_matmul(tape, none, empty),
        mr_linear_no_bias(tape, none, x),
        mr_transpose(tape, none, 0, 1),
        mr_contiguous(tape, mr_transpose(tape, none, 0, 1)),
        mr_reshape(tape, none, MR_SHAPE(3, 0, 7)),
        mr_cat(tape, (mr_tensor *[]){ none, x }, 2, 0),
        mr_stack(tape, (mr_tensor *[]){ none, none }, 2, 0),
        mr_index_select(tape, none, 0, no_index),
        mr_index_select(tape, x, 0, no_index),
        mr_clone(tape, none),
        mr_cast(tape, none, MR_FLOAT64),
        mr_max(tape, none, MR_DIMS(1), false),
        mr_max_dim(tape, none, 1, false, &indices),
        mr_argmax(tape, none, MR_DIMS(1), false),
        mr_var(tape, none, MR_ALL, false, NULL),
        mr_mean(tape, none, MR_DIMS(1), false),
        mr_slice(tape, none, 1, 1, 2, 1),
        mr_mse_loss(tape, none, none, NULL),
        mr_l1_loss(tape, none, none, NULL),
        mr_cross_entropy(tape, none, no_index, NULL),
        mr_where(tape, mr_lt(tape, none, none), none, none),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        if (!CHECK(results[i] != NULL))
            printf("    operation %zu: %s\n", i, mr_error());
    }
    mr_tensor *total = mr_scalar(tape, MR_FLOAT64, 0);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        total = mr_add(tape, total, mr_sum(tape, mr_cast(tape, results[i], MR_FLOAT64), MR_ALL, false));
    CHECK_EQ_I64(mr_backward(tape, total), MR_OK);
    CHECK_EQ_I64(mr_tensor_numel(mr_tensor_grad(none)), 0);
    CHECK_EQ_I64(mr_copy_out(none, MR_INT64, NULL, 0), MR_OK);
    mr_tensor *copy = mr_tensor_keep(none);
    CHECK_EQ_I64(mr_tensor_copy(copy, none), MR_OK);
    CHECK_EQ_I64(mr_tensor_add_scaled(copy, 2, none), MR_OK);
    CHECK_EQ_I64(mr_tensor_fill(none, 1), MR_OK);
    mr_tensor_free(copy);
    mr_tensor_free(none);
    mr_tensor_free(empty);
    mr_tensor_free(no_index);
    mr_error_clear();
    mr_tape_reset(tape);
}

/* No elements in any number of rows: nothing may count the rows. */
static void test_rows_of_nothing(void)
{
    const mr_shape shapes[] = { MR_SHAPE(1LL << 50, 0), MR_SHAPE(0, 1LL << 50),
                                MR_SHAPE(1LL << 25, 0, 1LL << 25) };
    for (int i = 0; i < 3; i++) {
        mr_tensor *none = mr_tensor_zeros(MR_FLOAT32, shapes[i]),
                  *wide = mr_tensor_zeros(MR_FLOAT64, shapes[i]);
        mr_tensor_set_requires_grad(none, true);
        mr_tensor_set_requires_grad(wide, true);
        mr_tensor *turned = mr_transpose(tape, none, 0, -1);
        CHECK(mr_softmax(tape, none, -1) && mr_log_softmax(tape, wide, 0));
        mr_tensor *results[] = {
            mr_exp(tape, turned),
            mr_add(tape, none, wide),
            mr_mul(tape, turned, mr_transpose(tape, wide, 0, -1)),
            mr_contiguous(tape, turned),
            mr_cat(tape, (mr_tensor *[]){ turned, turned }, 2, 0),
            mr_slice(tape, none, -1, 0, MR_TO_END, 2),
            mr_sum(tape, none, MR_ALL, false),
            mr_sum(tape, turned, MR_ALL, false),
            mr_where(tape, mr_lt(tape, none, wide), wide, none),
            mr_mse_loss(tape, none, wide, NULL),
            mr_reshape(tape, turned, MR_SHAPE(0)),
        };
        mr_tensor *total = mr_scalar(tape, MR_FLOAT64, 0);
        for (size_t j = 0; j < sizeof results / sizeof *results; j++) {
            if (!CHECK(results[j] != NULL))
                printf("    operation %zu of shape %d: %s\n", j, i, mr_error());
            total = mr_add(tape, total, mr_sum(tape, mr_cast(tape, results[j], MR_FLOAT64), MR_ALL, false));
        }
        CHECK_EQ_I64(mr_backward(tape, total), MR_OK);
        mr_tensor *copy = mr_tensor_keep(turned);
        char *text = mr_tensor_to_string(none);
        CHECK(copy && text);
        free(text);
        mr_tensor_free(copy);
        mr_tensor_free(none);
        mr_tensor_free(wide);
        mr_error_clear();
        mr_tape_reset(tape);
    }
}

/* The product of rows and units fits no size, though there is nothing in memory. */
static void test_linear_of_nothing(void)
{
    mr_tensor *none = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(1LL << 58, 0)),
              *weight = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(64, 0)),
              *bias = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(64));
    CHECK(mr_linear(tape, none, weight, bias) == NULL);
    CHECK_EQ_STR(mr_error(), "linear: shape [288230376151711744,64] has too many elements");
    mr_tape_reset(tape);
    mr_error_clear();
    mr_tensor_free(none);
    mr_tensor_free(weight);
    mr_tensor_free(bias);
}

int main(void)
{
    const mr_allocator little = { allocate_little, release, NULL };
    mr_set_allocator(&little);
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    x = mr_tensor_rand(rng, MR_FLOAT32, MR_SHAPE(2, 3));
    whole = mr_tensor_zeros(MR_INT64, MR_SHAPE(2, 3));
    labels = mr_tensor_ones(MR_INT64, MR_SHAPE(2));
    mr_tensor_set_requires_grad(x, true);
    RUN(test_shapes);
    RUN(test_ranges);
    RUN(test_draws);
    RUN(test_sizes);
    RUN(test_dimensions);
    RUN(test_large_views);
    RUN(test_integers);
    RUN(test_casts);
    RUN(test_nothing);
    RUN(test_rows_of_nothing);
    RUN(test_linear_of_nothing);
    mr_tensor_free(x);
    mr_tensor_free(whole);
    mr_tensor_free(labels);
    mr_tape_free(tape);
    mr_rng_free(rng);
    mr_set_allocator(NULL);
    return check_report();
}
