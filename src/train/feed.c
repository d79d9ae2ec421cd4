#include "feed.h"

#include "base/alloc.h"

static mr_status next_alone(mr__fit *fit, const mr_batch **batch)
{
    mr__feed *f = &fit->feed;
    while (f->at < fit->train.count) {
        mr_status status = mr_loader_next(fit->train.item[f->at], batch);
        if (status != MR_END) {
            fit->step.loader_index = (int)f->at;
            f->batch[0] = *batch;
            return status;
        }
        f->at++;
    }
    f->at = 0;
    return MR_END;
}

static bool all_over(const mr__fit *fit)
{
    for (int i = 0; i < fit->train.count; i++)
        if (!fit->feed.over[i])
            return false;
    return true;
}

/* The next batch of one of them; an end of its own is the end of all, or it begins anew, or gives no more. MR_END: all. *empty:
 * the first that should have begun anew, and has no batches. */
static mr_status next_of(mr__fit *fit, int i, int *empty)
{
    mr__feed *f = &fit->feed;
    f->batch[i] = NULL;
    if (f->mode == MR_LOADERS_MAX_SIZE && f->over[i])
        return MR_OK;
    mr_status status = mr_loader_next(fit->train.item[i], &f->batch[i]);
    if (status != MR_END)
        return status;
    f->over[i] = 1;
    f->batch[i] = NULL;
    if (f->mode == MR_LOADERS_MIN_SIZE || all_over(fit))
        return MR_END;
    if (f->mode == MR_LOADERS_MAX_SIZE)
        return MR_OK;
    status = mr_loader_next(fit->train.item[i], &f->batch[i]);
    if (status != MR_END)
        return status;
    *empty = *empty < 0 ? i : *empty;
    return MR_OK;
}

static mr_status next_together(mr__fit *fit, const mr_batch **batch)
{
    mr__feed *f = &fit->feed;
    int empty = -1; /* no failure if all are, which the last one shows */
    *batch = NULL;
    for (int i = 0; i < fit->train.count; i++) {
        mr_status status = next_of(fit, i, &empty);
        if (status == MR_END)
            mr__feed_rewind(fit);
        if (status)
            return status;
        if (!*batch)
            *batch = f->batch[i];
    }
    return MR__LIKELY(empty < 0) ? MR_OK : mr__raise(MR_ERR_ARGUMENT, "fit: loader %d has no batches", empty);
}

void mr__feed_rewind(mr__fit *fit)
{
    mr__loaders_rewind(&fit->train);
    memset(fit->feed.over, 0, sizeof fit->feed.over);
    fit->feed.at = 0;
}

int64_t mr__feed_len(const mr__fit *fit)
{
    int64_t least = INT64_MAX, most = 0, sum = 0;
    for (int i = 0; i < fit->train.count; i++) {
        const int64_t len = mr_loader_len(fit->train.item[i]);
        if (len < 0)
            return -1;
        least = len < least ? len : least;
        most = len > most ? len : most;
        sum += len;
    }
    return fit->train.count == 1 || fit->feed.mode == MR_LOADERS_SEQUENTIAL ? sum
           : fit->feed.mode == MR_LOADERS_MIN_SIZE                          ? least
                                                                            : most;
}

void mr__feed_begin(mr__fit *fit)
{
    const bool alone = fit->feed.mode == MR_LOADERS_SEQUENTIAL;
    if (fit->train.count == 1)
        return;
    fit->next = alone ? next_alone : next_together;
    fit->step.batches = fit->feed.batch;
    fit->step.batch_count = alone ? 1 : fit->train.count;
}

mr_status mr__feed_saved(mr__fit *fit)
{
    mr__feed *f = &fit->feed;
    mr__state *list = &fit->saved.list;
    if (fit->train.count == 1)
        return MR_OK;
    const bool listed =
        mr__state_add(list, "trainer.loaders", "at", MR_INT64, MR_SCALAR, &f->at) &&
        mr__state_add(list, "trainer.loaders", "over", MR_UINT8, MR_SHAPE(fit->train.count), f->over);
    return listed ? MR_OK : MR_ERR_MEMORY;
}
