/* Losses, against PyTorch: those that test_losses.c has not. */
#include "golden_run.h"

#include <millrace/losses.h>

static mr_reduction reduction(const golden_case *c)
{
    return (mr_reduction)(int)golden_number(c, "reduction", MR_REDUCE_MEAN);
}

/* An option: 0 when the case has none, and MR_ZERO when it is zero itself. */
static double option(const golden_case *c, const char *key)
{
    double value = golden_number(c, key, 0);
    return value == 0 && golden_find(c, key) ? MR_ZERO : value;
}

static bool flag(const golden_case *c, const char *key)
{
    return golden_number(c, key, 0) != 0;
}

#define REDUCTION .reduction = reduction(c)
#define INDEX                                                   \
    .has_ignore_index = golden_find(c, "ignore_index") != NULL, \
    .ignore_index = (int64_t)golden_number(c, "ignore_index", 0)

#define PLAIN       \
    &(mr_loss_opts) \
    {               \
        REDUCTION   \
    }
#define NLL              \
    &(mr_nll_opts)       \
    {                    \
        REDUCTION, INDEX \
    }
#define ENTROPY                                                           \
    &(mr_cross_entropy_opts)                                              \
    {                                                                     \
        REDUCTION, INDEX, .label_smoothing = option(c, "label_smoothing") \
    }
#define KL                                             \
    &(mr_kl_div_opts)                                  \
    {                                                  \
        REDUCTION, .log_target = flag(c, "log_target") \
    }
#define POISSON                                                                                              \
    &(mr_poisson_nll_opts)                                                                                   \
    {                                                                                                        \
        REDUCTION, .no_log_input = flag(c, "no_log_input"), .full = flag(c, "full"), .eps = option(c, "eps") \
    }
#define GAUSSIAN                                                    \
    &(mr_gaussian_nll_opts)                                         \
    {                                                               \
        REDUCTION, .full = flag(c, "full"), .eps = option(c, "eps") \
    }
#define MARGIN                                   \
    &(mr_margin_opts)                            \
    {                                            \
        REDUCTION, .margin = option(c, "margin") \
    }
#define TRIPLET                                                                                 \
    &(mr_triplet_margin_opts)                                                                   \
    {                                                                                           \
        REDUCTION, .margin = option(c, "margin"), .p = option(c, "p"), .eps = option(c, "eps"), \
                   .swap = flag(c, "swap")                                                      \
    }

GOLDEN_CALL(smooth_l1_loss, in[0], in[1], &(mr_smooth_l1_opts){ REDUCTION, .beta = option(c, "beta") })
GOLDEN_CALL(huber_loss, in[0], in[1], &(mr_huber_opts){ REDUCTION, .delta = option(c, "delta") })
GOLDEN_CALL(binary_cross_entropy, in[0], in[1], PLAIN)
GOLDEN_CALL(binary_cross_entropy_weighted, in[0], in[1], in[2], PLAIN)
GOLDEN_CALL(binary_cross_entropy_with_logits, in[0], in[1], PLAIN)
GOLDEN_CALL(binary_cross_entropy_with_logits_weighted, in[0], in[1], in[2], in[3], PLAIN)
GOLDEN_CALL(nll_loss, in[0], in[1], NLL)
GOLDEN_CALL(nll_loss_weighted, in[0], in[1], in[2], NLL)
GOLDEN_CALL(cross_entropy, in[0], in[1], ENTROPY)
GOLDEN_CALL(cross_entropy_weighted, in[0], in[1], in[2], ENTROPY)
GOLDEN_CALL(kl_div, in[0], in[1], KL)
GOLDEN_CALL(poisson_nll_loss, in[0], in[1], POISSON)
GOLDEN_CALL(gaussian_nll_loss, in[0], in[1], in[2], GAUSSIAN)
GOLDEN_CALL(margin_ranking_loss, in[0], in[1], in[2], MARGIN)
GOLDEN_CALL(cosine_embedding_loss, in[0], in[1], in[2], MARGIN)
GOLDEN_CALL(triplet_margin_loss, in[0], in[1], in[2], TRIPLET)

#define SUMS "sums in another order"
#define LOGS "exp and log of another library; sums in another order"

static golden_op ops[] = {
    GOLDEN_OP(smooth_l1_loss, 4, 4, 1, SUMS),
    GOLDEN_OP(huber_loss, 4, 4, 1, SUMS),
    GOLDEN_OP(binary_cross_entropy, 4, 4, 1, LOGS),
    GOLDEN_OP(binary_cross_entropy_weighted, 4, 4, 1, LOGS),
    GOLDEN_OP(binary_cross_entropy_with_logits, 4, 4, 1, LOGS),
    GOLDEN_OP(binary_cross_entropy_with_logits_weighted, 4, 12, 1,
              LOGS "; products of three factors up to 3"),
    GOLDEN_OP(nll_loss, 4, 4, 1, SUMS),
    GOLDEN_OP(nll_loss_weighted, 4, 4, 1, SUMS),
    GOLDEN_OP(cross_entropy, 4, 8, 1, LOGS),
    GOLDEN_OP(cross_entropy_weighted, 4, 8, 1, LOGS),
    GOLDEN_OP(kl_div, 4, 4, 1, LOGS),
    GOLDEN_OP(poisson_nll_loss, 8, 8, 1, LOGS ", which cancel"),
    GOLDEN_OP(gaussian_nll_loss, 4, 4, 1, LOGS),
    GOLDEN_OP(margin_ranking_loss, 4, 4, 1, SUMS),
    GOLDEN_OP(cosine_embedding_loss, 4, 4, 1, SUMS),
    GOLDEN_OP(triplet_margin_loss, 24, 16, 1, "powers in double, torch's in the type"),
};

static void test_more_losses(void)
{
    GOLDEN_RUN("more_losses", ops);
}

static void test_class_losses(void)
{
    GOLDEN_RUN("class_losses", ops);
}

static void test_distribution_losses(void)
{
    GOLDEN_RUN("distribution_losses", ops);
}

static void test_pair_losses(void)
{
    GOLDEN_RUN("pair_losses", ops);
}

int main(void)
{
    RUN(test_more_losses);
    RUN(test_class_losses);
    RUN(test_distribution_losses);
    RUN(test_pair_losses);
    return check_report();
}
