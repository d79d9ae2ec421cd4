/*
 * What a checkpoint holds besides the model's tensors, and under which names:
 *
 *     optimizer.*             mr_optim_state
 *     trainer.schedule.*      mr_schedule_state
 *     trainer.optimizers.N.*, trainer.schedules.N.*   those of a task that optimizes by hand
 *     trainer.epoch, …        counters, and where in the loop they stand
 *     trainer.task.*          the task's own
 *     trainer.callback.*      those of callbacks: the number among those that keep something, the name, and their own
 *     trainer.rollback.*      the state that is gone back to (rollback.h)
 *     trainer.rng.N           the N-th generator, as torch.get_rng_state() gives it; metadata say who has it
 *     trainer.loader          mr_loader_save; trainer.val_loader the same; of several, trainer.loader.1, …
 *     trainer.loaders.*       where the training stands among several
 *     trainer.gradients       of each parameter, whether it has had a gradient (1), and requires one (2)
 *     trainer.gradient.*      the gradients, of a task that zeroes them when it likes
 *     trainer.window.*        what a failure in a batch, or in a window of accumulated ones, has left (window.h)
 *     trainer.logged          of each name that was logged: its value over the epoch so far, and that one's weight;
 *                               and the value of the last step
 *     trainer.logged_flags      whether there is the first (1), all of it were float32 (2), there is the last (4)
 *     trainer.val_batches       how many batches of each loader validations have had
 *     trainer.metrics         what mr_trainer_metric gives
 *     trainer.log.*           how far the log of that logger is, as it tells it
 *     trainer.log_end.*       … and how far it was when all was done, of a training that has ended within an epoch: a longer one
 *                             goes on from here, and an evaluation behind it from there
 */
#ifndef MILLRACE_TRAIN_SAVED_H
#define MILLRACE_TRAIN_SAVED_H

#include "optim/optim.h"

#include <millrace/train.h>

typedef struct mr__fit mr__fit;

enum { MR__CHECKPOINT_VERSION = 3, MR__MAX_RNGS = 32, MR__MAX_USERS = 140 };

#define MR__SAVED_PREFIX "trainer."
#define MR__SAVED_LOG MR__SAVED_PREFIX "log."
#define MR__SAVED_LOG_END MR__SAVED_PREFIX "log_end."
#define MR__SAVED_OPTIMIZER "optimizer"
#define MR__SAVED_OPTIMIZERS "trainer.optimizers"

/* Where in the loop of a fit its counters stand. */
typedef enum mr__phase {
    MR__IN_BATCHES = 0,  /* before the next batch of an epoch, or the first */
    MR__AT_EPOCH_END,    /* behind the last one: what ends an epoch is to come */
    MR__AT_VALIDATION,   /* a part of that is done; its validation is to come */
    MR__MID_VALIDATION,  /* between two batches, with a validation to come */
    MR__LAST_VALIDATION, /* the same behind the last batch */
    MR__AT_EARLY_END,    /* MR__AT_EPOCH_END of one that a hook has left */
    MR__IN_BATCH         /* in one that has failed; what comes behind it is to come */
} mr__phase;

/* A loader under the name that its state and its generators have: "loader", "loader.1", "val_loader", … */
typedef struct mr__saved_loader {
    char name[24];
    mr_loader *loader;
} mr__saved_loader;

enum { MR__MAX_SAVED_LOADERS = 32 };

typedef struct mr__saved {
    mr__state list;            /* views of what lies where it lies as long as the fit runs */
    mr_rng *rng[MR__MAX_RNGS]; /* each once */
    size_t rngs;
    mr__saved_loader loader[MR__MAX_SAVED_LOADERS];
    size_t loaders;
    char *rng_users;           /* as JSON: [["loader","val_loader"],["mine"]] */
    char *parts;               /* the kinds of what is saved, as JSON (parts.h) */
    char *gradients;           /* copies of them, in the list; NULL: each window begins with none */
    struct mr__window *window; /* what is saved besides, within a window; NULL */
} mr__saved;

/* What the names of an optimizer's state begin with. */
enum { MR__PREFIX_BYTES = 32 };
void mr__optimizer_prefix(const mr__fit *fit, int index, char prefix[MR__PREFIX_BYTES]);

/* Lists what this fit has, which is set up. */
mr_status mr__saved_init(mr__fit *fit);
void mr__saved_free(mr__saved *saved);

/* Copies what the list's tensors hold to *memory, which is made if it is NULL; and puts it back. */
bool mr__saved_keep(const mr__saved *saved, char **memory);
void mr__saved_put_back(const mr__saved *saved, const char *memory);

/* A generator under a name, for a trainer. */
typedef struct mr__named_rng {
    char *name;
    mr_rng *rng; /* borrowed */
} mr__named_rng;

/* Writes what is known of the parameters' gradients, and puts it back. */
void mr__saved_gradients(mr_params params, uint8_t *flags);
void mr__restore_gradients(mr_params params, const uint8_t *flags);

/* Copies the gradients to a block of mr__copies_bytes, and those there were back, behind mr__restore_gradients. */
void mr__gradients_take(mr_params params, void *block);
void mr__gradients_put_back(mr_params params, const void *block);

#endif
