/* What the losses share. */
#ifndef MILLRACE_NN_LOSSES_H
#define MILLRACE_NN_LOSSES_H

#include "base/option.h"
#include "kernels/kernels.h"
#include "tensor/tape.h"

#include <millrace/losses.h>

/* ---- checks: false, with the tape stopped, when something is wrong ---- */

/* Mean, sum or none. */
bool mr__loss_reduction(mr_tape *tape, const char *op, mr_reduction reduction);

/* Neither input is of a type that is no number, they broadcast, and unless `whole` is set one is of a floating type. */
bool mr__loss_inputs(mr_tape *tape, const char *op, const mr_tensor *a, const mr_tensor *b, bool whole);

/* Says once in a program's life that input and target of a loss have different shapes and are broadcast, as torch
 * warns: (N) beside (N,1) gives (N,N), which is hardly ever meant. */
void mr__loss_warn(const char *op, const mr_tensor *input, const mr_tensor *target);

/* x is of a floating type; `what` names it. */
bool mr__loss_float(mr_tape *tape, const char *op, const char *what, const mr_tensor *x);

/* ---- losses that are computed element by element ---- */

typedef struct mr__pointwise {
    const char *name;
    mr__loss_kind kind;
    mr_reduction reduction; /* checked; also MR_REDUCE_BATCHMEAN */
    double parameter;
    double batch; /* what MR_REDUCE_BATCHMEAN divides by */
} mr__pointwise;

/* Of a and b, which passed mr__loss_inputs and become of one floating type and one shape first. `c` is NULL, or of their
 * type and shape and dense: c of the formula where that has one, otherwise a weight that multiplies each term. */
mr_tensor *mr__pointwise_loss(mr_tape *tape, const mr__pointwise *loss, mr_tensor *a, mr_tensor *b,
                              mr_tensor *c);

/* Brings two inputs to one floating type and one shape, dense (recorded). */
bool mr__loss_operands(mr_tape *tape, mr_tensor **a, mr_tensor **b);

/* Of what is recorded as a tensor: its mean, its sum, itself. */
mr_tensor *mr__loss_reduced(mr_tape *tape, mr_tensor *x, mr_reduction reduction);

/* float64: as the kernels of the same names. */
void mr__loss_terms_f64(mr__loss_kind kind, double *out, const double *a, const double *b, const double *c,
                        double parameter, int64_t n);
void mr__loss_slopes_f64(mr__loss_kind kind, bool of_b, double *out, const double *a, const double *b,
                         const double *c, double parameter, int64_t n);

/* ---- losses of many classes ---- */

/* (N, C, d1, …) as (outer, classes, inner). A row is what belongs to one target; its elements are `inner` apart. */
typedef struct mr__classes {
    int64_t outer, classes, inner;
    int64_t rows; /* outer * inner */
} mr__classes;

/* All rows of the sizes s: `row` counts them, and `begin` is where the first element lies. */
#define MR__EACH_ROW(s, row, begin)                                       \
    for (int64_t row = 0, begin = 0, left_ = (s)->inner;                  \
         row<(s)->rows; row++, left_ = left_> 1 ? left_ - 1 : (s)->inner, \
                 begin += left_ == (s)->inner ? 1 + ((s)->classes - 1) * (s)->inner : 1)

mr__classes mr__classes_of(const mr_tensor *input);

/* Class numbers and weights, with what the mean is divided by. */
typedef struct mr__targets {
    const int64_t *number;
    int64_t ignored;
    const void *weight; /* of the input's type; NULL: 1 for each class */
    double divisor;     /* the sum of the weights of the targets that count */
} mr__targets;

/* Whether input, target (int64) and weight (or NULL) have types and shapes that fit each other. */
bool mr__class_inputs(mr_tape *tape, const char *op, const mr_tensor *input, const mr_tensor *target,
                      const mr_tensor *weight);

/* Whether `weight` is one for the classes of the input. */
bool mr__class_weight(mr_tape *tape, const char *op, const mr_tensor *input, const mr_tensor *weight);

/* Checks each class number, and sets the divisor. */
bool mr__class_targets(mr_tape *tape, const char *op, const mr__classes *sizes, const mr_tensor *target,
                       mr_dtype dtype, mr__targets *t);

/* The loss of `rows` rows, or of them all divided by `divisor`. */
mr_tensor *mr__reduce_rows(mr_tape *tape, const mr_tensor *like, const mr_tensor *input,
                           mr_reduction reduction, const double *loss, int64_t rows, double divisor);

#endif
