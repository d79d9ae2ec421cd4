/* What the losses that test_losses.c has not refuse, and how they say it; and softmax. */
#include "check.h"

#include <millrace/millrace.h>

static mr_tape *tape;

static mr_tensor *f32(mr_shape shape, double value)
{
    return mr_full(tape, MR_FLOAT32, shape, value);
}

static mr_tensor *whole(mr_shape shape, double value)
{
    return mr_full(tape, MR_INT64, shape, value);
}

static void check_failure(const mr_tensor *y, mr_status status, const char *text)
{
    CHECK(y == NULL);
    CHECK_EQ_I64(mr_tape_status(tape), status);
    CHECK_EQ_STR(mr_error(), text);
    mr_tape_reset(tape);
}

#define FAILS(call, status, text) check_failure((call), MR_ERR_##status, (text))

static void test_softmax(void)
{
    FAILS(mr_softmax(tape, NULL, 0), ARGUMENT, "softmax: input is NULL");
    FAILS(mr_log_softmax(tape, NULL, 0), ARGUMENT, "log_softmax: input is NULL");
    FAILS(mr_softmax(tape, whole(MR_SHAPE(3), 1), 0), DTYPE, "softmax: not defined for int64 [3]");
    FAILS(mr_log_softmax(tape, f32(MR_SHAPE(3, 4), 1), 2), ARGUMENT,
          "log_softmax: dimension 2 of [3,4] is out of range (-2 to 1)");
    CHECK(mr_softmax(NULL, NULL, 0) == NULL);
    CHECK_EQ_STR(mr_error(), "softmax: tape is NULL");
}

static void test_difference(void)
{
    FAILS(mr_smooth_l1_loss(tape, f32(MR_SHAPE(3), 1), NULL, NULL), ARGUMENT,
          "smooth_l1_loss: second input is NULL");
    FAILS(mr_smooth_l1_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(4), 1), NULL), SHAPE,
          "smooth_l1_loss: shapes do not broadcast: [3] and [4]");
    FAILS(
        mr_smooth_l1_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), &(mr_smooth_l1_opts){ .beta = -1 }),
        ARGUMENT, "smooth_l1_loss: beta -1 is not 0 or more");
    FAILS(mr_smooth_l1_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1),
                            &(mr_smooth_l1_opts){ .reduction = MR_REDUCE_BATCHMEAN }),
          ARGUMENT, "smooth_l1_loss: 3 is no reduction");
    FAILS(mr_smooth_l1_loss(tape, whole(MR_SHAPE(3), 1), whole(MR_SHAPE(2), 1), NULL), DTYPE,
          "smooth_l1_loss: not defined for int64 [3] and int64 [2]");
    FAILS(mr_huber_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(2, 1, 2), 1), NULL), SHAPE,
          "huber_loss: shapes do not broadcast: [3] and [2,1,2]");
    FAILS(mr_huber_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), &(mr_huber_opts){ .delta = MR_ZERO }),
          ARGUMENT, "huber_loss: delta 0 is not more than 0");
}

static void test_two_classes(void)
{
    FAILS(mr_binary_cross_entropy(tape, f32(MR_SHAPE(2, 3), 0.5), f32(MR_SHAPE(3), 1), NULL), SHAPE,
          "binary_cross_entropy: input [2,3] and target [3] are not of one shape");
    FAILS(mr_binary_cross_entropy(tape, f32(MR_SHAPE(2, 3), 1.5), f32(MR_SHAPE(2, 3), 1), NULL), ARGUMENT,
          "binary_cross_entropy: 1.5 at element 0 of [2,3] is not from 0 to 1");
    FAILS(mr_binary_cross_entropy(tape, f32(MR_SHAPE(3), 0.5), whole(MR_SHAPE(3), 1), NULL), DTYPE,
          "binary_cross_entropy: target [3] is int64, not of a floating type");
    FAILS(mr_binary_cross_entropy_weighted(tape, f32(MR_SHAPE(2, 3), 0.5), f32(MR_SHAPE(2, 3), 1),
                                           f32(MR_SHAPE(2), 1), NULL),
          SHAPE, "binary_cross_entropy: weight [2] does not broadcast to input [2,3]");
    FAILS(mr_binary_cross_entropy_weighted(tape, f32(MR_SHAPE(3), 0.5), f32(MR_SHAPE(3), 1), NULL, NULL),
          ARGUMENT, "binary_cross_entropy: weight is NULL");
    FAILS(mr_binary_cross_entropy_with_logits(tape, whole(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), NULL), DTYPE,
          "binary_cross_entropy_with_logits: input [3] is int64, not of a floating type");
    FAILS(mr_binary_cross_entropy_with_logits(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3, 1), 1), NULL), SHAPE,
          "binary_cross_entropy_with_logits: input [3] and target [3,1] are not of one shape");
    FAILS(mr_binary_cross_entropy_with_logits_weighted(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1),
                                                       f32(MR_SCALAR, 1), f32(MR_SHAPE(2), 1), NULL),
          SHAPE, "binary_cross_entropy_with_logits: pos_weight [2] does not broadcast to input [3]");
    FAILS(mr_binary_cross_entropy_with_logits_weighted(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1),
                                                       f32(MR_SCALAR, 1), NULL, NULL),
          ARGUMENT, "binary_cross_entropy_with_logits: pos_weight is NULL");
    FAILS(mr_binary_cross_entropy_with_logits_weighted(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1),
                                                       whole(MR_SCALAR, 1), f32(MR_SCALAR, 1), NULL),
          DTYPE, "binary_cross_entropy_with_logits: weight [] is int64, not of a floating type");
    /* The place in a long input, of either type. */
    float x[600] = { 0 };
    x[599] = -0.25f;
    mr_tensor *t = mr_tensor_from(MR_FLOAT32, MR_SHAPE(600), x);
    FAILS(mr_binary_cross_entropy(tape, t, f32(MR_SHAPE(600), 1), NULL), ARGUMENT,
          "binary_cross_entropy: -0.25 at element 599 of [600] is not from 0 to 1");
    FAILS(mr_binary_cross_entropy(tape, mr_cast(tape, t, MR_FLOAT64), f32(MR_SHAPE(600), 1), NULL), ARGUMENT,
          "binary_cross_entropy: -0.25 at element 599 of [600] is not from 0 to 1");
    mr_tensor_free(t);
}

static void test_many_classes(void)
{
    const int64_t number[] = { 0, 1, 2, 0, 1, 4 };
    mr_tensor *t = mr_tensor_from(MR_INT64, MR_SHAPE(2, 3), number),
              *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 4, 3));
    mr_tensor_set_name(t, "batch.class");
    FAILS(mr_nll_loss(tape, x, t, NULL), ARGUMENT, "nll_loss: target 4 of [1,2] is no class of 4");
    FAILS(mr_cross_entropy(tape, x, t, NULL), ARGUMENT, "cross_entropy: target 4 of [1,2] is no class of 4");
    FAILS(mr_cross_entropy(tape, x, t, &(mr_cross_entropy_opts){ .label_smoothing = 0.1 }), ARGUMENT,
          "cross_entropy: target 4 of [1,2] is no class of 4");
    FAILS(mr_nll_loss(tape, f32(MR_SHAPE(3, 4), 1), whole(MR_SHAPE(3), -1), NULL), ARGUMENT,
          "nll_loss: target -1 of row 0 is no class of 4");
    FAILS(mr_nll_loss(tape, f32(MR_SHAPE(4), 1), whole(MR_SCALAR, 9), NULL), ARGUMENT,
          "nll_loss: target 9 of row 0 is no class of 4");
    FAILS(mr_nll_loss(tape, f32(MR_SHAPE(3, 4), 1), t, NULL), SHAPE,
          "nll_loss: input [3,4] and target batch.class[2,3], not (N,C) and (N)");
    FAILS(mr_nll_loss(tape, f32(MR_SHAPE(2, 4, 2), 1), t, NULL), SHAPE,
          "nll_loss: input [2,4,2] and target batch.class[2,3], not (N,C,d1,...) and (N,d1,...)");
    FAILS(mr_nll_loss(tape, x, f32(MR_SHAPE(2, 3), 1), NULL), DTYPE,
          "nll_loss: input is float32 and target float32, not a floating type and int64");
    FAILS(mr_nll_loss_weighted(tape, x, t, f32(MR_SHAPE(3), 1), NULL), SHAPE,
          "nll_loss: weight [3] is not one for each of the 4 classes of input [2,4,3]");
    FAILS(mr_nll_loss_weighted(tape, x, t, mr_full(tape, MR_FLOAT64, MR_SHAPE(4), 1), NULL), DTYPE,
          "nll_loss: weight [4] is float64, the input float32");
    FAILS(mr_nll_loss_weighted(tape, x, t, NULL, NULL), ARGUMENT, "nll_loss: weight is NULL");
    FAILS(mr_cross_entropy_weighted(tape, x, t, NULL, NULL), ARGUMENT, "cross_entropy: weight is NULL");
    FAILS(mr_cross_entropy_weighted(tape, x, t, f32(MR_SHAPE(3), 1), NULL), SHAPE,
          "cross_entropy: weight [3] is not one for each of the 4 classes of input [2,4,3]");
    FAILS(mr_cross_entropy(tape, x, x, &(mr_cross_entropy_opts){ .has_ignore_index = true }), ARGUMENT,
          "cross_entropy: with probabilities as target [2,4,3] there is no index to ignore");
    FAILS(mr_cross_entropy(tape, x, f32(MR_SHAPE(2, 3, 4), 1), NULL), DTYPE,
          "cross_entropy: input is float32 and target float32, not a floating type and int64");
    mr_tensor_free(t);
    mr_tensor_free(x);
}

static void test_distributions(void)
{
    FAILS(mr_kl_div(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(2), 1), NULL), SHAPE,
          "kl_div: shapes do not broadcast: [2,3] and [2]");
    FAILS(mr_kl_div(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1),
                    &(mr_kl_div_opts){ .reduction = (mr_reduction)4 }),
          ARGUMENT, "kl_div: 4 is no reduction");
    FAILS(mr_poisson_nll_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(2), 1), NULL), SHAPE,
          "poisson_nll_loss: shapes do not broadcast: [2,3] and [2]");
    FAILS(mr_poisson_nll_loss(tape, mr_full(tape, MR_BOOL, MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), NULL), DTYPE,
          "poisson_nll_loss: not defined for bool [3] and float32 [3]");
    FAILS(
        mr_gaussian_nll_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(3), 1), NULL),
        SHAPE, "gaussian_nll_loss: variance [3] does not fit input [2,3]");
    FAILS(mr_gaussian_nll_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(4), 1), f32(MR_SHAPE(2), 1), NULL),
          SHAPE, "gaussian_nll_loss: shapes do not broadcast: [2,3] and [4]");
    FAILS(
        mr_gaussian_nll_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(3), 1), f32(MR_SHAPE(2), -0.5), NULL),
        ARGUMENT, "gaussian_nll_loss: variance -0.5 at element 0 of [2,1] is negative");
    FAILS(mr_gaussian_nll_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), whole(MR_SHAPE(3), 1), NULL),
          DTYPE, "gaussian_nll_loss: variance [3] is int64, not of a floating type");
    FAILS(mr_gaussian_nll_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), NULL, NULL), ARGUMENT,
          "gaussian_nll_loss: variance is NULL");
}

static void test_pairs(void)
{
    mr_margin_opts wrong = { .reduction = (mr_reduction)-1 };
    FAILS(
        mr_margin_ranking_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), NULL),
        SHAPE, "margin_ranking_loss: [2,3], [3] and target [3] have different numbers of dimensions");
    FAILS(mr_margin_ranking_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), f32(MR_SHAPE(4), 1), NULL),
          SHAPE, "margin_ranking_loss: shapes do not broadcast: [3] and [4]");
    FAILS(mr_margin_ranking_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), NULL, NULL), ARGUMENT,
          "margin_ranking_loss: target is NULL");
    FAILS(mr_margin_ranking_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), &wrong),
          ARGUMENT, "margin_ranking_loss: -1 is no reduction");
    FAILS(mr_cosine_embedding_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(3), 1),
                                   NULL),
          SHAPE, "cosine_embedding_loss: inputs [2,3] and [2,3] with target [3], not (N,D), (N,D) and (N)");
    FAILS(mr_cosine_embedding_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(2, 4), 1), f32(MR_SHAPE(2), 1),
                                   NULL),
          SHAPE, "cosine_embedding_loss: shapes do not broadcast: [2,3] and [2,4]");
    FAILS(mr_cosine_embedding_loss(tape, f32(MR_SHAPE(3), 1), whole(MR_SHAPE(3), 1), f32(MR_SCALAR, 1), NULL),
          DTYPE, "cosine_embedding_loss: second input [3] is int64, not of a floating type");
    FAILS(mr_cosine_embedding_loss(tape, f32(MR_SHAPE(3), 1), NULL, f32(MR_SCALAR, 1), NULL), ARGUMENT,
          "cosine_embedding_loss: second input is NULL");
    FAILS(mr_triplet_margin_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(3), 1),
                                 NULL),
          SHAPE, "triplet_margin_loss: [2,3], [2,3] and [3] have not one number of dimensions, 1 or more");
    FAILS(mr_triplet_margin_loss(tape, f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(2, 3), 1), f32(MR_SHAPE(2, 4), 1),
                                 NULL),
          SHAPE, "triplet_margin_loss: shapes do not broadcast: [2,3] and [2,4]");
    FAILS(mr_triplet_margin_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1),
                                 &(mr_triplet_margin_opts){ .p = -2 }),
          ARGUMENT, "triplet_margin_loss: there is no norm with p = -2");
    FAILS(mr_triplet_margin_loss(tape, f32(MR_SHAPE(3), 1), f32(MR_SHAPE(3), 1), NULL, NULL), ARGUMENT,
          "triplet_margin_loss: third input is NULL");
}

/* An input, target or weight that is filled anew before backward is named. */
static void test_changed_weight(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3, 4)), *t = mr_tensor_zeros(MR_INT64, MR_SHAPE(3)),
              *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(4)),
              *z = mr_tensor_full(MR_FLOAT32, MR_SHAPE(3, 4), 0.5);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    mr_tensor_set_name(w, "weight");
    mr_tensor_set_name(z, "z");
    for (int which = 0; which < 5; which++) {
        mr_tensor *loss = which == 0   ? mr_nll_loss_weighted(tape, x, t, w, NULL)
                          : which == 1 ? mr_cross_entropy_weighted(tape, x, t, w, NULL)
                          : which == 2 ? mr_cross_entropy(tape, x, z, NULL)
                          : which == 3
                              ? mr_binary_cross_entropy_weighted(tape, x, f32(MR_SHAPE(3, 4), 1), z, NULL)
                              : mr_huber_loss(tape, x, z, NULL);
        CHECK(mr_tensor_fill(which < 2 ? w : z, 2) == MR_OK);
        CHECK_EQ_I64(mr_backward(tape, loss), MR_ERR_STATE);
        CHECK(strstr(mr_error(), which < 2 ? "weight[4]" : "z[3,4]") != NULL);
        mr_error_clear();
        mr_tape_reset(tape);
    }
    mr_tensor_free(x);
    mr_tensor_free(t);
    mr_tensor_free(w);
    mr_tensor_free(z);
}

int main(void)
{
    mr_rng *rng = mr_rng_new(5);
    tape = mr_tape_new(rng);
    RUN(test_softmax);
    RUN(test_difference);
    RUN(test_two_classes);
    RUN(test_many_classes);
    RUN(test_distributions);
    RUN(test_pairs);
    RUN(test_changed_weight);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
