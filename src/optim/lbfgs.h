/* What L-BFGS keeps, and its line search. Vectors lie as the values of the group's one range do, padding included. */
#ifndef MILLRACE_OPTIM_LBFGS_H
#define MILLRACE_OPTIM_LBFGS_H

#include "optim.h"

/* A vector with the dtype of the parameters. */
typedef void mr__vector;

typedef struct mr__lbfgs {
    int64_t max_iter, max_eval, history_size;
    double tolerance_grad, tolerance_change;
    bool strong_wolfe;

    mr_dtype dtype;
    int64_t n; /* elements of a vector */

    /* torch's names */
    int64_t func_evals, n_iter;
    bool started; /* there has been an iteration, and what follows means something */
    double t, H_diag, prev_loss;
    mr__vector *d, *prev_flat_grad;
    int64_t count, room; /* of the history: those that are meant, those that are allocated */
    mr__vector **old_dirs, **old_stps;
    double *ro;

    /* within a step */
    double *al;
    mr__vector *flat_grad, *x_init, *spare[3];
    mr_closure closure;
    void *user;
    mr_status status; /* of the first closure that did not return MR_OK */

    int64_t count_before; /* while state is loaded: what to go back to */
    bool started_before;
} mr__lbfgs;

/* Arithmetic of vectors. */
double mr__vector_dot(const mr__lbfgs *l, const mr__vector *a, const mr__vector *b);
double mr__vector_largest(const mr__lbfgs *l, const mr__vector *a); /* magnitude; NaN if there is one */
double mr__vector_sum(const mr__lbfgs *l, const mr__vector *a);     /* of magnitudes */
void mr__vector_add(const mr__lbfgs *l, mr__vector *y, double alpha, const mr__vector *x);
void mr__vector_scale(const mr__lbfgs *l, mr__vector *out, const mr__vector *x, double alpha);
void mr__vector_copy(const mr__lbfgs *l, mr__vector *to, const mr__vector *from);

/* Moves the parameters by t * d; puts them back to x_init. */
void mr__lbfgs_move(mr_optim *optim, double t);
void mr__lbfgs_put_back(mr_optim *optim);

/* Calls the closure: the loss, and all gradients in `gradient`. False when it did not return MR_OK. */
bool mr__lbfgs_evaluate(mr_optim *optim, double *loss, mr__vector *gradient);

/* Finds a step along d that meets the strong Wolfe conditions, from the loss and flat_grad here, whose product with d is
 * gtd; l->t is the first guess. Leaves the step in l->t and loss and flat_grad there; the parameters stay where they
 * are. False when the closure ended it. */
bool mr__lbfgs_search(mr_optim *optim, double *loss, double gtd, int64_t *evaluations);

#endif
