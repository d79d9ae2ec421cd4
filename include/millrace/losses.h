/*
 * Millrace, nn layer: losses, as torch.nn.functional has them.
 *
 * A loss is a scalar on the tape, or with MR_REDUCE_NONE a tensor of what would be summed. Inputs of two floating
 * types are computed in the one that both promote to. Gradients flow to inputs and targets of a floating type,
 * but never to weights. A name that ends in _weighted takes a weight as well.
 *
 * Threads: as for all operations.
 */
#ifndef MILLRACE_LOSSES_H
#define MILLRACE_LOSSES_H

#include <millrace/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

/* MR_REDUCE_BATCHMEAN is mr_kl_div's alone: the sum divided by the size of the first dimension. */
typedef enum mr_reduction {
    MR_REDUCE_MEAN = 0,
    MR_REDUCE_SUM,
    MR_REDUCE_NONE,
    MR_REDUCE_BATCHMEAN
} mr_reduction;

typedef struct mr_loss_opts {
    mr_reduction reduction; /* default: the mean over all elements */
} mr_loss_opts;

/* ---- of a difference: shapes broadcast ---------------------------------------------------------------- */

/* With d = input - target: d^2, and |d|. */
MR_API mr_tensor *mr_mse_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_loss_opts *opts);
MR_API mr_tensor *mr_l1_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_loss_opts *opts);

typedef struct mr_smooth_l1_opts {
    mr_reduction reduction;
    double beta; /* >= 0; default 1; MR_ZERO makes it mr_l1_loss */
} mr_smooth_l1_opts;

/* d^2 / (2 beta) where |d| < beta, else |d| - beta / 2. */
MR_API mr_tensor *mr_smooth_l1_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                    const mr_smooth_l1_opts *opts);

typedef struct mr_huber_opts {
    mr_reduction reduction;
    double delta; /* > 0; default 1 */
} mr_huber_opts;

/* d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2). */
MR_API mr_tensor *mr_huber_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                const mr_huber_opts *opts);

/* ---- of two classes --------------------------------------------------------------------------------------
 * Input and target have one shape; targets are of a floating type, 0 to 1. `weight` broadcasts to that shape and
 * multiplies each term; the mean is still over all elements. */

/* -(target ln(input) + (1 - target) ln(1 - input)), either logarithm at least -100. input: probabilities; one that is
 * not from 0 to 1 fails with its place and value. */
MR_API mr_tensor *mr_binary_cross_entropy(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                          const mr_loss_opts *opts);
MR_API mr_tensor *mr_binary_cross_entropy_weighted(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                                   mr_tensor *weight, const mr_loss_opts *opts);

/* The same of sigmoid(input), without loss of digits far from 0. `pos_weight` broadcasts to the input and
 * multiplies the terms of target, so that above 1 it raises recall. For one weight alone of the last call's
 * two, the other is mr_scalar(tape, MR_FLOAT32, 1). */
MR_API mr_tensor *mr_binary_cross_entropy_with_logits(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                                      const mr_loss_opts *opts);
MR_API mr_tensor *mr_binary_cross_entropy_with_logits_weighted(mr_tape *tape, mr_tensor *input,
                                                               mr_tensor *target, mr_tensor *weight,
                                                               mr_tensor *pos_weight,
                                                               const mr_loss_opts *opts);

/* ---- of many classes -------------------------------------------------------------------------------------
 * input: (N, C), (N, C, d1, d2, …), or (C) for one sample. Class numbers are int64 and have the input's shape without
 * C: (N), (N, d1, d2, …), or a scalar. One that is out of range fails with its place and value. `weight` has
 * a value for each class: (C), of the input's type. The mean is over the targets that are not ignored, each counted
 * with its weight; when there are none it is NaN, as in torch. */

typedef struct mr_nll_opts {
    mr_reduction reduction;
    bool has_ignore_index; /* needed for class 0 only */
    int64_t ignore_index;  /* the class number that is passed over; default -100 */
} mr_nll_opts;

/* -weight[target] input[target]. input: logarithms of probabilities, as mr_log_softmax(tape, x, 1) gives. */
MR_API mr_tensor *mr_nll_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_nll_opts *opts);
MR_API mr_tensor *mr_nll_loss_weighted(mr_tape *tape, mr_tensor *input, mr_tensor *target, mr_tensor *weight,
                                       const mr_nll_opts *opts);

typedef struct mr_cross_entropy_opts {
    mr_reduction reduction;
    bool has_ignore_index;  /* needed for class 0 only */
    int64_t ignore_index;   /* the class number that is passed over; default -100 */
    double label_smoothing; /* in [0, 1]; default 0: the share that goes to all classes evenly */
} mr_cross_entropy_opts;

/* mr_nll_loss of log_softmax(input), in one pass. A target of a floating type and of the input's shape gives the
 * probability of each class; then no index is ignored, the mean is over all samples, and the target is
 * differentiable, too. */
MR_API mr_tensor *mr_cross_entropy(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                   const mr_cross_entropy_opts *opts);
MR_API mr_tensor *mr_cross_entropy_weighted(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                            mr_tensor *weight, const mr_cross_entropy_opts *opts);

/* ---- of distributions: shapes broadcast ----------------------------------------------------------------- */

typedef struct mr_kl_div_opts {
    /* default, as torch's: the mean over all elements; MR_REDUCE_BATCHMEAN is the divergence */
    mr_reduction reduction;
    bool log_target; /* the target, too, is given by its logarithm */
} mr_kl_div_opts;

/* target (ln(target) - input), 0 for a target of 0. input: logarithms of probabilities. */
MR_API mr_tensor *mr_kl_div(mr_tape *tape, mr_tensor *input, mr_tensor *target, const mr_kl_div_opts *opts);

typedef struct mr_poisson_nll_opts {
    mr_reduction reduction;
    bool no_log_input; /* the input is the rate itself, not its logarithm */
    bool full;         /* with Stirling's approximation of ln(target!) for targets above 1 */
    double eps;        /* added to a rate before its logarithm; default 1e-8 */
} mr_poisson_nll_opts;

/* exp(input) - target input; of a rate: input - target ln(input + eps). */
MR_API mr_tensor *mr_poisson_nll_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                      const mr_poisson_nll_opts *opts);

typedef struct mr_gaussian_nll_opts {
    mr_reduction reduction;
    bool full;  /* with the constant ln(2 pi) / 2 */
    double eps; /* variances are at least this; default 1e-6 */
} mr_gaussian_nll_opts;

/* (ln(variance) + (input - target)^2 / variance) / 2. variance: of the input's shape, or without its last dimension, or
 * with that of size 1; one below 0 fails with its place and value. Its gradient is taken as if there were no `eps`. */
MR_API mr_tensor *mr_gaussian_nll_loss(mr_tape *tape, mr_tensor *input, mr_tensor *target,
                                       mr_tensor *variance, const mr_gaussian_nll_opts *opts);

/* ---- of pairs and triples ---------------------------------------------------------------------------------- */

typedef struct mr_margin_opts {
    mr_reduction reduction;
    double margin; /* default 0 */
} mr_margin_opts;

/* max(0, margin - target (a - b)): target is 1 where a should rank above b, -1 where below. All three have the same
 * number of dimensions, and broadcast. */
MR_API mr_tensor *mr_margin_ranking_loss(mr_tape *tape, mr_tensor *a, mr_tensor *b, mr_tensor *target,
                                         const mr_margin_opts *opts);

/* 1 - cos(a, b) where target is 1, max(0, cos(a, b) - margin) where it is -1, and 0 elsewhere. a, b: (N, D), target:
 * (N); or (D) and a scalar. */
MR_API mr_tensor *mr_cosine_embedding_loss(mr_tape *tape, mr_tensor *a, mr_tensor *b, mr_tensor *target,
                                           const mr_margin_opts *opts);

typedef struct mr_triplet_margin_opts {
    mr_reduction reduction;
    double margin; /* default 1 */
    double p;      /* of the norm, >= 0, INFINITY too; default 2 */
    double eps;    /* added to each difference; default 1e-6 */
    bool swap; /* the negative's distance from the positive counts where it is less than from the anchor */
} mr_triplet_margin_opts;

/* max(0, |anchor - positive| - |anchor - negative| + margin), distances along the last dimension. All three
 * have the same number of dimensions, at least one, and broadcast. */
MR_API mr_tensor *mr_triplet_margin_loss(mr_tape *tape, mr_tensor *anchor, mr_tensor *positive,
                                         mr_tensor *negative, const mr_triplet_margin_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
