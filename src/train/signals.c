#include "signals.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>

atomic_int mr__signals_come;

static atomic_bool taken;

static const int signals[] = { SIGINT, SIGTERM, SIGUSR1 };

enum { SIGNALS = sizeof signals / sizeof *signals };

static struct sigaction before[SIGNALS];

/* The first that asks for the end gives the others their default action. */
static void handle(int number)
{
    const int code = errno;
    if (number == SIGUSR1) {
        atomic_fetch_or_explicit(&mr__signals_come, MR__SIGNAL_SAVE, memory_order_relaxed);
    } else {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        atomic_fetch_or_explicit(&mr__signals_come, number, memory_order_relaxed);
    }
    errno = code;
}

mr_status mr__signals_take(void)
{
    if (atomic_exchange(&taken, true))
        return mr__raise(MR_ERR_STATE, "fit: another fit handles signals already");
    atomic_store(&mr__signals_come, 0);
    struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++)
        sigaddset(&action.sa_mask, signals[i]); /* one after the other */
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
    return MR_OK;
}

void mr__signals_give_back(void)
{
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    atomic_store(&taken, false);
}

bool mr__signals_save(void)
{
    return atomic_fetch_and_explicit(&mr__signals_come, ~MR__SIGNAL_SAVE, memory_order_relaxed) &
           MR__SIGNAL_SAVE;
}
