/* Attention: gradients by finite differences, what is refused, word for word, the same bits on any number of threads, and
 * how much memory it takes. Values are tests/ops/test_attention.c's and test_transformer.c's. */
#include "check.h"

#include <millrace/layers.h>

#include <math.h>
#include <stdlib.h>

static mr_rng *rng;
static mr_tape *tape;

static mr_tensor *leaf(mr_dtype dtype, mr_shape shape)
{
    mr_tensor *x = mr_tensor_randn(rng, dtype, shape);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    return x;
}

/* ---- finite differences ---- */

static mr_tensor *weighted_sum(mr_tape *t, mr_tensor *y)
{
    return mr_sum(t, mr_mul(t, y, mr_sin(t, mr_add_scalar(t, y, 1))), MR_ALL, false);
}

static mr_tensor *by_options(void *user, mr_tape *t, mr_tensor *const *in, int count)
{
    const mr_attention_opts *o = user;
    return weighted_sum(t, count == 4 ? mr_attention_masked(t, in[0], in[1], in[2], in[3], o)
                                      : mr_attention(t, in[0], in[1], in[2], o));
}

/* All three from one, by parts that are views. */
static mr_tensor *of_itself(void *user, mr_tape *t, mr_tensor *const *in, int count)
{
    (void)count;
    mr_tensor *k = mr_reshape(t, in[0], MR_SHAPE(2, 5, 4));
    return weighted_sum(t, mr_attention(t, in[0], k, mr_unflatten(t, in[0], 0, MR_SHAPE(2)), user));
}

static void test_function_gradients(void)
{
    mr_attention_opts options[] = { { .causal = false }, { .causal = true, .scale = 0.4 } };
    const mr_shape masks[] = { MR_SHAPE(5, 6), MR_SHAPE(2, 1, 6), MR_SHAPE(5, 1) };
    mr_tensor *in[4] = { leaf(MR_FLOAT64, MR_SHAPE(2, 5, 4)), leaf(MR_FLOAT64, MR_SHAPE(2, 6, 4)),
                         leaf(MR_FLOAT64, MR_SHAPE(2, 6, 3)), NULL };
    for (int o = 0; o < 2; o++) {
        CHECK_EQ_I64(mr_gradcheck(by_options, &options[o], in, 3, NULL), MR_OK);
        CHECK_EQ_I64(mr_gradcheck(of_itself, &options[o], in, 1, NULL), MR_OK);
        for (int m = 0; m < 3; m++) {
            in[3] = leaf(MR_FLOAT64, masks[m]);
            if (!CHECK_EQ_I64(mr_gradcheck(by_options, &options[o], in, 4, NULL), MR_OK))
                printf("    %s\n", mr_error());
            mr_tensor_free(in[3]);
        }
    }
    for (int i = 0; i < 3; i++)
        mr_tensor_free(in[i]);
}

static mr_tensor *by_module(void *user, mr_tape *t, mr_tensor *const *in, int count)
{
    mr_tensor *w = NULL;
    if (count == 2) {
        mr_tensor *y = mr_multihead_attention_weights(user, t, in[0], in[1], in[1], NULL, true, &w);
        return mr_add(t, weighted_sum(t, y), weighted_sum(t, w));
    }
    return weighted_sum(
        t, mr_transformer_encoder_forward(user, t, in[0], &(mr_attention_masks){ .causal = true }));
}

static void test_module_gradients(void)
{
    mr_module *attention =
        mr_multihead_attention_new(4, 2, rng, &(mr_multihead_attention_opts){ .dtype = MR_FLOAT64 });
    mr_transformer_opts o = { .feedforward = 5, .dropout = MR_ZERO, .gelu = true, .dtype = MR_FLOAT64 };
    mr_module *encoder = mr_transformer_encoder_new(4, 2, 2, rng, &o);
    mr_tensor *in[2] = { leaf(MR_FLOAT64, MR_SHAPE(3, 2, 4)), leaf(MR_FLOAT64, MR_SHAPE(5, 2, 4)) };
    if (!CHECK_EQ_I64(mr_gradcheck(by_module, attention, in, 2, NULL), MR_OK))
        printf("    %s\n", mr_error());
    if (!CHECK_EQ_I64(mr_gradcheck(by_module, encoder, in, 1, NULL), MR_OK))
        printf("    %s\n", mr_error());
    mr_tensor_free(in[0]);
    mr_tensor_free(in[1]);
    mr_module_free(attention);
    mr_module_free(encoder);
}

/* ---- frozen parts, dropout ---- */

static void test_some_gradients(void)
{
    mr_tensor *x[4], *all[4];
    const mr_shape shape = MR_SHAPE(2, 50, 3);
    for (int i = 0; i < 4; i++)
        x[i] = leaf(MR_FLOAT32, i < 3 ? shape : MR_SHAPE(50, 50));
    for (int only = -1; only < 4; only++) { /* first all of them */
        for (int i = 0; i < 4; i++) {
            CHECK(mr_tensor_set_requires_grad(x[i], only < 0 || only == i) == MR_OK);
            mr_tensor_zero_grad(x[i]);
        }
        mr_tensor *y = mr_attention_masked(tape, x[0], x[1], x[2], x[3], NULL);
        CHECK_EQ_I64(mr_backward(tape, weighted_sum(tape, y)), MR_OK);
        for (int i = 0; i < 4; i++) {
            if (only < 0)
                all[i] = mr_tensor_keep(mr_tensor_grad(x[i]));
            else if (only == i)
                CHECK(memcmp(mr_tensor_data(all[i]), mr_tensor_data(mr_tensor_grad(x[i])),
                             (size_t)mr_tensor_numel(x[i]) * sizeof(float)) == 0);
        }
        mr_tape_reset(tape);
    }
    for (int i = 0; i < 4; i++) {
        mr_tensor_free(x[i]);
        mr_tensor_free(all[i]);
    }
}

static void test_dropout(void)
{
    mr_tensor *x = leaf(MR_FLOAT32, MR_SHAPE(1, 60, 2)),
              *one = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(1, 60, 1));
    mr_tensor *y = mr_attention(tape, x, x, one, &(mr_attention_opts){ .dropout = 1 });
    for (int i = 0; i < 60; i++)
        CHECK(((const float *)mr_tensor_data(y))[i] == 0);
    y = mr_attention(tape, x, x, one, &(mr_attention_opts){ .dropout = 0.25, .scale = MR_ZERO });
    double mean = mr_item(mr_mean(tape, y, MR_ALL, false));
    CHECK_CLOSE(mean, 1, 0, 0.05); /* 3600 draws: 5 standard deviations */
    CHECK(mean != 1);
    mr_tape_reset(tape);
    mr_tensor_free(x);
    mr_tensor_free(one);
}

/* ---- threads ---- */

static void run_large(mr_tensor **x, int count, mr_tensor **result)
{
    mr_attention_opts o = { .causal = count == 3 };
    mr_tensor *y = count == 3 ? mr_attention(tape, x[0], x[1], x[2], &o)
                              : mr_attention_masked(tape, x[0], x[1], x[2], x[3], &o);
    for (int i = 0; i < count; i++)
        mr_tensor_zero_grad(x[i]);
    CHECK_EQ_I64(mr_backward(tape, weighted_sum(tape, y)), MR_OK);
    for (int i = 0; i < count; i++)
        result[i] = mr_tensor_keep(mr_tensor_grad(x[i]));
    result[4] = mr_tensor_keep(y);
    mr_tape_reset(tape);
}

static void test_threads(void)
{
    for (int kind = 0; kind < 4; kind++) {
        int count = kind & 1 ? 4 : 3, before = mr_num_threads();
        mr_dtype dtype = kind & 2 ? MR_FLOAT64 : MR_FLOAT32;
        mr_tensor *x[4] = { leaf(dtype, MR_SHAPE(5, 107, 19)), leaf(dtype, MR_SHAPE(5, 131, 19)),
                            leaf(dtype, MR_SHAPE(5, 131, 21)), leaf(dtype, MR_SHAPE(107, 131)) };
        mr_tensor *first[5] = { NULL }, *other[5] = { NULL };
        for (int threads = 1; threads <= 4; threads++) {
            CHECK_EQ_I64(mr_set_num_threads(threads), MR_OK);
            run_large(x, count, threads == 1 ? first : other);
            for (int i = 0; i < 5 && threads > 1; i++)
                if (first[i])
                    CHECK(memcmp(mr_tensor_data(first[i]), mr_tensor_data(other[i]),
                                 (size_t)mr_tensor_numel(first[i]) * mr_dtype_size(dtype)) == 0);
            for (int i = 0; i < 5; i++) {
                mr_tensor_free(other[i]);
                other[i] = NULL;
            }
        }
        for (int i = 0; i < 5; i++)
            mr_tensor_free(first[i]);
        for (int i = 0; i < 4; i++)
            mr_tensor_free(x[i]);
        CHECK_EQ_I64(mr_set_num_threads(before), MR_OK);
    }
}

/* ---- memory ---- */

static void test_memory(void)
{
    enum { LENGTH = 2048, SIZE = 4 };
    size_t before = mr_tape_bytes(tape);
    mr_tensor *x = leaf(MR_FLOAT32, MR_SHAPE(8, LENGTH, SIZE));
    mr_tensor *y = mr_attention(tape, x, x, x, &(mr_attention_opts){ .causal = true });
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, y, MR_ALL, false)), MR_OK);
    CHECK(mr_tape_bytes(tape) - before < (size_t)8 * LENGTH * LENGTH * sizeof(float) / 8);
    mr_tape_reset(tape);
    mr_tensor_free(x);
}

/* ---- copies ---- */

static void test_equal_layers(void)
{
    mr_module *m = mr_transformer_encoder_new(4, 2, 3, rng, &(mr_transformer_opts){ .feedforward = 5 });
    mr_params p = mr_module_parameters(m);
    size_t each = p.count / 3;
    CHECK_EQ_I64(p.count, 36);
    CHECK_EQ_STR(p.item[0].name, "layers.0.self_attn.in_proj_weight");
    CHECK_EQ_STR(p.item[each].name, "layers.1.self_attn.in_proj_weight");
    for (size_t i = each; i < p.count; i++)
        CHECK(p.item[i].tensor != p.item[i - each].tensor &&
              memcmp(mr_tensor_data(p.item[i].tensor), mr_tensor_data(p.item[i - each].tensor),
                     (size_t)mr_tensor_numel(p.item[i].tensor) * sizeof(float)) == 0);
    mr_module_free(m);
}

/* ---- what is refused ---- */

#define FAILS(call, status, text)                   \
    do {                                            \
        CHECK(!(call));                             \
        CHECK_EQ_I64(mr_error_status(), status);    \
        CHECK_EQ_STR(mr_error(), text);             \
        CHECK_EQ_I64(mr_tape_status(tape), status); \
        mr_tape_reset(tape);                        \
        mr_error_clear();                           \
    } while (0)

static void test_function_failures(void)
{
    mr_tensor *q = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 3, 4)),
              *k = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 5, 4));
    mr_tensor *d = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(2, 5, 4)),
              *i = mr_tensor_zeros(MR_INT64, MR_SHAPE(3, 5));
    mr_tensor *wide = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(2, 5, 6)),
              *v = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(5));
    FAILS(mr_attention(tape, q, NULL, k, NULL), MR_ERR_ARGUMENT, "attention: k is NULL");
    FAILS(mr_attention_masked(tape, q, k, k, NULL, NULL), MR_ERR_ARGUMENT, "attention_masked: mask is NULL");
    FAILS(mr_attention(tape, q, k, d, NULL), MR_ERR_DTYPE,
          "attention: q [2,3,4] is float32, k [2,5,4] float32, v [2,5,4] float64, and all must be of one "
          "floating "
          "type");
    FAILS(mr_attention(tape, q, wide, k, NULL), MR_ERR_SHAPE,
          "attention: k [2,5,6] does not go with q [2,3,4]");
    FAILS(mr_attention(tape, v, v, v, NULL), MR_ERR_SHAPE, "attention: k [5] does not go with q [5]");
    FAILS(mr_attention(tape, q, k, q, NULL), MR_ERR_SHAPE, "attention: v [2,3,4] does not go with k [2,5,4]");
    FAILS(mr_attention_masked(tape, q, k, k, q, NULL), MR_ERR_SHAPE,
          "attention_masked: mask [2,3,4] does not broadcast to the weights [2,3,5]");
    FAILS(mr_attention_masked(tape, q, k, k, i, NULL), MR_ERR_DTYPE,
          "attention_masked: mask [3,5] is int64, neither bool nor float32");
    FAILS(mr_attention(tape, q, k, k, &(mr_attention_opts){ .dropout = 1.5 }), MR_ERR_ARGUMENT,
          "attention: dropout 1.5 is not in [0, 1]");
    FAILS(mr_attention(tape, q, k, k, &(mr_attention_opts){ .dropout = NAN }), MR_ERR_ARGUMENT,
          "attention: dropout nan is not in [0, 1]");
    CHECK(!mr_attention(NULL, q, k, k, NULL));
    CHECK_EQ_STR(mr_error(), "attention: tape is NULL");
    mr_tensor *all[] = { q, k, d, i, wide, v };
    for (int n = 0; n < 6; n++)
        mr_tensor_free(all[n]);
}

#define NOT_MADE(call, text)            \
    do {                                \
        CHECK(!(call));                 \
        CHECK_EQ_STR(mr_error(), text); \
        mr_error_clear();               \
    } while (0)

static void test_constructors(void)
{
    NOT_MADE(
        mr_multihead_attention_new(4, 3, rng, NULL),
        "multihead_attention_new: embed_dim 4, 3 heads, kdim 4, vdim 4: all are at least 1, and embed_dim is "
        "a multiple of the heads");
    NOT_MADE(mr_multihead_attention_new(4, 2, rng, &(mr_multihead_attention_opts){ .dropout = -1 }),
             "multihead_attention_new: dropout -1 is not in [0, 1]");
    NOT_MADE(mr_multihead_attention_new(4, 2, NULL, NULL), "multihead_attention_new: rng is NULL");
    NOT_MADE(mr_transformer_encoder_layer_new(4, 2, NULL, NULL),
             "transformer_encoder_layer_new: rng is NULL");
    NOT_MADE(mr_transformer_encoder_layer_new(4, 2, rng, &(mr_transformer_opts){ .dtype = MR_INT64 }),
             "transformer_encoder_layer_new: int64 is not a floating type that can be trained");
    NOT_MADE(mr_transformer_encoder_layer_new(4, 2, rng, &(mr_transformer_opts){ .feedforward = -1 }),
             "linear1: linear_new: 4 in and -1 out features");
    NOT_MADE(mr_transformer_encoder_new(4, 2, 0, rng, NULL),
             "transformer_encoder_new: 0 layers: there is at least one");
    NOT_MADE(mr_transformer_encoder_new(4, 3, 1, rng, NULL),
             "0: self_attn: multihead_attention_new: embed_dim 4, 3 heads, kdim 4, vdim 4: all are at least "
             "1, and "
             "embed_dim is a multiple of the heads");
}

static mr_tensor *through_child(mr_module *m, mr_tape *t, mr_tensor *x)
{
    return mr_forward(mr_module_child(m, 0, NULL), t, x);
}

static void test_module_failures(void)
{
    static const mr_module_vtable vtable = { .type = "Model", .forward = through_child };
    mr_module *a = mr_multihead_attention_new(4, 2, rng, &(mr_multihead_attention_opts){ .kdim = 3 });
    mr_module *m = mr_module_new(&vtable, NULL, 0), *linear = mr_linear_new(4, 4, rng, NULL);
    mr_module *encoder = mr_transformer_encoder_new(4, 2, 2, rng, &(mr_transformer_opts){ .feedforward = 5 });
    mr_module_add(m, "encoder", encoder);
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 2, 4)),
              *k = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(5, 2, 3));
    mr_tensor *v = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(5, 2, 4)),
              *wide = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 2, 7));
    mr_tensor *d = mr_tensor_zeros(MR_FLOAT64, MR_SHAPE(3, 2, 4)),
              *mask = mr_tensor_zeros(MR_BOOL, MR_SHAPE(3, 3));
    FAILS(mr_multihead_attention_forward(a, tape, x, NULL, v, NULL), MR_ERR_ARGUMENT,
          "multihead_attention_forward: key is NULL");
    FAILS(mr_multihead_attention_forward(a, tape, x, x, v, NULL), MR_ERR_SHAPE,
          "MultiheadAttention: multihead_attention: key [3,2,4]: it has 3 features at the end of 2 or 3 "
          "dimensions");
    FAILS(mr_multihead_attention_forward(a, tape, x, k, x, NULL), MR_ERR_SHAPE,
          "MultiheadAttention: multihead_attention: value [3,2,4] does not go with key [5,2,3]");
    FAILS(mr_multihead_attention_forward(a, tape, d, k, v, NULL), MR_ERR_DTYPE,
          "MultiheadAttention: multihead_attention: query [3,2,4] is float64, the weights are float32");
    FAILS(mr_multihead_attention_forward(a, tape, x, k, v, &(mr_attention_masks){ .mask = mask }),
          MR_ERR_SHAPE, "MultiheadAttention: multihead_attention: mask [3,3] is neither [3,5] nor [4,3,5]");
    FAILS(mr_multihead_attention_forward(a, tape, x, k, v, &(mr_attention_masks){ .key_padding = mask }),
          MR_ERR_SHAPE, "MultiheadAttention: multihead_attention: key padding [3,3] is not [2,5]");
    FAILS(mr_multihead_attention_forward(linear, tape, x, x, x, NULL), MR_ERR_ARGUMENT,
          "multihead_attention_forward: Linear is no multihead attention");
    FAILS(mr_transformer_encoder_forward(linear, tape, x, NULL), MR_ERR_ARGUMENT,
          "transformer_encoder_forward: Linear is no transformer's encoder");
    FAILS(mr_transformer_encoder_forward(NULL, tape, x, NULL), MR_ERR_ARGUMENT,
          "transformer_encoder_forward: module is NULL");
    FAILS(mr_forward(m, tape, wide), MR_ERR_SHAPE,
          "encoder.layers.0.self_attn: multihead_attention: query [3,2,7]: it has 4 features at the end of 2 "
          "or 3 "
          "dimensions");
    FAILS(mr_transformer_encoder_forward(encoder, tape, x, &(mr_attention_masks){ .mask = v }), MR_ERR_SHAPE,
          "encoder.layers.0.self_attn: multihead_attention: mask [5,2,4] is neither [3,3] nor [4,3,3]");
    /* a mask that could not be made is not none */
    mr_tensor *none = mr_tensor_zeros(MR_BOOL, MR_SHAPE(-1));
    CHECK(!mr_transformer_encoder_forward(encoder, tape, x, &(mr_attention_masks){ .mask = none }));
    CHECK(strstr(mr_error(), "-1") != NULL);
    mr_tape_reset(tape);
    mr_error_clear();
    mr_tensor *all[] = { x, k, v, wide, d, mask };
    for (int n = 0; n < 6; n++)
        mr_tensor_free(all[n]);
    mr_module_free(a);
    mr_module_free(m);
    mr_module_free(linear);
}

/* A layer of a stack whose weights were replaced by others, named by its path. */
static void test_path_of_a_layer(void)
{
    mr_module *encoder = mr_transformer_encoder_new(4, 2, 2, rng, &(mr_transformer_opts){ .feedforward = 5 });
    static const mr_module_vtable vtable = { .type = "Model", .forward = through_child };
    mr_module *m = mr_module_new(&vtable, NULL, 0);
    mr_module_add(m, "encoder", encoder);
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 2, 4)), *y;
    mr_module *list = mr_module_child(encoder, 0, NULL), *second = mr_module_child(list, 1, NULL);
    mr_module *linear1 = mr_module_child(second, 1, NULL);
    y = mr_forward(linear1, tape, mr_slice(tape, x, 2, 0, 3, 1));
    CHECK(!y);
    CHECK_EQ_STR(mr_error(), "linear: the last size of input [3,2,3] is not the last of weight "
                             "encoder.layers.1.linear1.weight[5,4]");
    mr_tape_reset(tape);
    mr_error_clear();
    mr_tensor_free(x);
    mr_module_free(m);
}

int main(void)
{
    rng = mr_rng_new(3);
    tape = mr_tape_new(rng);
    RUN(test_function_gradients);
    RUN(test_module_gradients);
    RUN(test_some_gradients);
    RUN(test_dropout);
    RUN(test_threads);
    RUN(test_memory);
    RUN(test_equal_layers);
    RUN(test_function_failures);
    RUN(test_constructors);
    RUN(test_module_failures);
    RUN(test_path_of_a_layer);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
