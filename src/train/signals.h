/*
 * Signals, for a fit that asks for them: SIGINT and SIGTERM ask for an orderly end, and have their default action from then
 * on; SIGUSR1 asks for a checkpoint. A handler belongs to the process, so that one fit at a time can have them.
 */
#ifndef MILLRACE_TRAIN_SIGNALS_H
#define MILLRACE_TRAIN_SIGNALS_H

#include <millrace/base.h>

#include <stdatomic.h>

/* What has come: written by the handler. */
extern atomic_int mr__signals_come;

enum { MR__SIGNAL_SAVE = 1 << 8, MR__SIGNAL_NUMBER = MR__SIGNAL_SAVE - 1 };

/* Takes the signals over; a failure if another fit has them. And gives them back. */
mr_status mr__signals_take(void);
void mr__signals_give_back(void);

/* The number of the signal that asks for the end; 0: none. */
static inline int mr__signals_end(void)
{
    return atomic_load_explicit(&mr__signals_come, memory_order_relaxed) & MR__SIGNAL_NUMBER;
}

/* Whether any has come. */
static inline bool mr__signals_any(void)
{
    return atomic_load_explicit(&mr__signals_come, memory_order_relaxed) != 0;
}

/* Whether a checkpoint is asked for, which it then is not any more. */
bool mr__signals_save(void);

#endif
