#include "last_saves.h"

/* Until nothing is written, and nothing waits for that. With the mutex held. */
static void wait_for_all(mr__reporter *r)
{
    while (r->waiting >= 0 || r->writing >= 0) {
        pthread_cond_signal(&r->wake);
        pthread_cond_wait(&r->free, &r->mutex);
    }
}

void mr__take_last_saves(mr__fit *fit)
{
    mr__reporter *r = fit->reporter;
    if (!fit->saves)
        return;
    pthread_mutex_lock(&r->mutex);
    wait_for_all(r);
    mr__snapshot_finish(r->snapshot, r->last);
    mr__targets *to = &r->to[r->last];
    memcpy(to->save, fit->save, sizeof to->save);
    to->saves = fit->saves;
    r->through[r->last] = mr__row_queue_written(&r->rows);
    r->waiting = r->last;
    wait_for_all(r);
    pthread_mutex_unlock(&r->mutex);
    fit->saves = 0;
}
