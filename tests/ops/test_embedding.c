/* Dropout and embeddings, against PyTorch and against finite differences. */
#include "golden_run.h"

#include <millrace/functions.h>

static mr_tensor *dropped(mr_tape *tape, const golden_case *c, mr_tensor *x, mr_tensor **second,
                          bool channels)
{
    mr_rng *rng = mr_tape_rng(tape);
    bool training = golden_number(c, "eval", 0) == 0;
    double p = golden_number(c, "p", 0);
    mr_rng_seed(rng, (uint64_t)golden_number(c, "seed", 0));
    for (int i = 0; i < (int)golden_number(c, "before", 0); i++)
        mr_rng_u32(rng);
    mr_tensor *y = channels ? mr_dropout2d(tape, x, p, training) : mr_dropout(tape, x, p, training);
    if (y)
        *second = mr_full(tape, MR_FLOAT32, MR_SHAPE(1), (double)(mr_rng_u32(rng) & 0xffffff) * 0x1p-24);
    return y;
}

static mr_tensor *run_dropout(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second)
{
    return dropped(tape, c, in[0], second, false);
}

static mr_tensor *run_dropout2d(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second)
{
    return dropped(tape, c, in[0], second, true);
}

static mr_embedding_opts opts_of(const golden_case *c)
{
    return (mr_embedding_opts){ .has_padding_idx = golden_number(c, "padding", 1) == 0,
                                .padding_idx = (int64_t)golden_number(c, "padding", 0) };
}

static mr_embedding_bag_opts bag_opts_of(const golden_case *c)
{
    return (mr_embedding_bag_opts){ .mode = golden_number(c, "sum", 0) != 0 ? MR_BAG_SUM : MR_BAG_MEAN,
                                    .has_padding_idx = golden_number(c, "padding", 1) == 0,
                                    .padding_idx = (int64_t)golden_number(c, "padding", 0) };
}

static mr_tensor *run_embedding(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second)
{
    mr_embedding_opts opts = opts_of(c);
    (void)second;
    return mr_embedding(tape, in[0], in[1], golden_find(c, "padding") ? &opts : NULL);
}

static mr_tensor *run_embedding_bag(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second)
{
    mr_embedding_bag_opts opts = bag_opts_of(c);
    (void)second;
    return mr_embedding_bag(tape, in[0], in[1], &opts);
}

static mr_tensor *run_embedding_bag_offsets(mr_tape *tape, const golden_case *c, mr_tensor **in,
                                            mr_tensor **second)
{
    mr_embedding_bag_opts opts = bag_opts_of(c);
    (void)second;
    return mr_embedding_bag_offsets(tape, in[0], in[1], in[2], &opts);
}

#define MEAN "sums of a few rows in another order, and a product with 1/n for a division"

static golden_op ops[] = {
    GOLDEN_EXACT(dropout),
    GOLDEN_EXACT(dropout2d),
    GOLDEN_OP(embedding, 0, 2, 1, "sums of a few rows in another order"),
    GOLDEN_OP(embedding_bag, 2, 2, 1, MEAN),
    GOLDEN_OP(embedding_bag_offsets, 2, 2, 1, MEAN),
};

static void test_golden(void)
{
    GOLDEN_RUN("embedding", ops);
}

/* ---- finite differences ---- */

static mr_tensor *square_sum(mr_tape *tape, mr_tensor *x)
{
    return mr_sum(tape, mr_square(tape, x), MR_ALL, false);
}

static mr_tensor *looked_up(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)count;
    return square_sum(tape, mr_embedding(tape, user, in[0], NULL));
}

static mr_tensor *bagged(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)count;
    return square_sum(tape, mr_embedding_bag(tape, user, in[0], NULL));
}

/* The same noise each time. */
static mr_tensor *with_noise(void *user, mr_tape *tape, mr_tensor *const *in, int count)
{
    (void)user, (void)count;
    mr_rng_seed(mr_tape_rng(tape), 7);
    return square_sum(tape, mr_dropout(tape, mr_transpose(tape, in[0], 0, 1), 0.5, true));
}

static void test_gradients(void)
{
    mr_rng *rng = mr_rng_new(3);
    mr_tensor *w = mr_tensor_randn(rng, MR_FLOAT64, MR_SHAPE(4, 3));
    mr_tensor *index = mr_tensor_from(MR_INT64, MR_SHAPE(2, 3), (int64_t[]){ 1, 1, 3, 0, 3, 1 });
    CHECK_EQ_I64(mr_tensor_set_requires_grad(w, true), MR_OK);
    CHECK_EQ_I64(mr_gradcheck(looked_up, index, &w, 1, NULL), MR_OK);
    CHECK_EQ_I64(mr_gradcheck(bagged, index, &w, 1, NULL), MR_OK);
    CHECK_EQ_I64(mr_gradcheck(with_noise, NULL, &w, 1, NULL), MR_OK);
    mr_tensor_free(w);
    mr_tensor_free(index);
    mr_rng_free(rng);
}

/* ---- error texts ---- */

static mr_tape *tape;

static void check_fails(const mr_tensor *y, mr_status status, const char *text)
{
    CHECK(y == NULL);
    CHECK_EQ_I64(mr_tape_status(tape), status);
    CHECK_EQ_STR(mr_error(), text);
    mr_tape_reset(tape);
}

static void test_errors(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    mr_tensor *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3, 2)), *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(4));
    mr_tensor *index = mr_tensor_from(MR_INT64, MR_SHAPE(3), (int64_t[]){ 0, 3, 1 });
    mr_tensor *good = mr_tensor_from(MR_INT64, MR_SHAPE(3), (int64_t[]){ 0, 2, 1 });
    mr_tensor_set_name(w, "embed.weight");
    check_fails(mr_embedding(tape, index, w, NULL), MR_ERR_ARGUMENT,
                "embedding: index 3 at element 1 is out of range for dimension 0 of embed.weight[3,2]");
    check_fails(mr_embedding(tape, x, w, NULL), MR_ERR_DTYPE,
                "embedding: index [4] is float32, not int64 or int32");
    check_fails(mr_embedding(tape, good, x, NULL), MR_ERR_SHAPE,
                "embedding: weight [4] is no matrix of rows");
    check_fails(
        mr_embedding(tape, good, w, &(mr_embedding_opts){ .has_padding_idx = true, .padding_idx = -4 }),
        MR_ERR_ARGUMENT, "embedding: padding_idx -4 is no row of weight embed.weight[3,2]");
    check_fails(mr_embedding_bag(tape, good, w, NULL), MR_ERR_SHAPE,
                "embedding_bag: index [3] has not 2 dimensions: offsets say where bags of a vector begin");
    check_fails(
        mr_embedding_bag_offsets(tape, good, index, w, NULL), MR_ERR_ARGUMENT,
        "embedding_bag: offset 3 at element 1: offsets begin with 0, and none is greater than the next or "
        "the length of index [3]");
    check_fails(mr_embedding_bag_offsets(tape, good, w, w, NULL), MR_ERR_SHAPE,
                "embedding_bag: offsets embed.weight[3,2] are no vector of int64 or int32");
    check_fails(mr_embedding_bag(tape, good, w, &(mr_embedding_bag_opts){ .mode = (mr_bag_mode)7 }),
                MR_ERR_ARGUMENT, "embedding_bag: 7 is no mode");
    check_fails(mr_dropout(tape, x, -0.5, true), MR_ERR_ARGUMENT,
                "dropout: probability -0.5 is not in [0, 1]");
    check_fails(mr_dropout(tape, good, 0.5, true), MR_ERR_DTYPE,
                "dropout: input [3] is int64, not a floating type");
    check_fails(mr_dropout2d(tape, x, 0.5, true), MR_ERR_SHAPE,
                "dropout2d: input [4] has no channels, dimension 1");
    CHECK(mr_dropout(tape, x, 0.5, false) == x);
    mr_tensor *all[] = { w, x, index, good };
    for (int i = 0; i < 4; i++)
        mr_tensor_free(all[i]);
    mr_tape_free(tape);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_golden);
    RUN(test_gradients);
    RUN(test_errors);
    return check_report();
}
