/*
 * Going back to a state of the training that is known to be good, for a trainer with MR_NONFINITE_ROLLBACK. It is kept when
 * loss and gradients of a batch are known to be finite, before the update that they lead to. A task that optimizes by hand has
 * moved some weights by then: so there a state is taken before a batch, and kept if that turns out well.
 *
 * Saved are, under trainer.rollback: kept, count, rate, and kept_state.NAME, what is put back.
 */
#ifndef MILLRACE_TRAIN_ROLLBACK_H
#define MILLRACE_TRAIN_ROLLBACK_H

#include "trainer.h"

typedef struct mr__rollback {
    mr__state list; /* what is put back: model, optimizers but for their rates, the task's state, averages */
    char *block;    /* the state that is kept */
    char *taken;    /* of a task that optimizes by hand, before this batch */
    int64_t kept, at;     /* whether one is; after how many updates */
    int64_t count;        /* rollbacks so far */
    double rate;          /* what learning rates are multiplied by */
    bool candidate;       /* there is one in `taken`, … */
    int64_t candidate_at; /* … of that many updates */
} mr__rollback;

/* Lists what is to be kept, and has it saved with what else is listed in fit->saved, which is complete but for this. */
mr_status mr__rollback_begin(mr__fit *fit);
void mr__rollback_free(mr__fit *fit);

/* Keeps the state as it is, if it is time for it. */
void mr__rollback_keep(mr__fit *fit);

/* Before and behind a batch of a task that optimizes by hand. */
void mr__rollback_take(mr__fit *fit);
void mr__rollback_took(mr__fit *fit, bool good);

/* Goes back, and drops all gradients: MR_OK; or raises that `what` is not finite, and why that is the end. */
mr_status mr__roll_back(mr__fit *fit, const char *what, const char *where);

/* Whether the fit is to go on when a number is not finite, without saying more of it than that. */
bool mr__goes_on(const mr__fit *fit);

/* What learning rates are multiplied by when an optimizer steps. */
static inline double mr__rate_factor(const mr__fit *fit)
{
    return MR__LIKELY(!fit->rollback) ? 1 : fit->rollback->rate;
}

#endif
