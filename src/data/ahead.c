#include "ahead.h"

#include "loader.h"
#include "sampler.h"

#include "base/alloc.h"
#include "base/rng.h"

#include <string.h>

enum {
    SMALL = 15 * 1000, /* nanoseconds of a batch that is not worth handing over */
    LARGE = 30 * 1000, /* and of one that is */
    PART = 100 * 1000  /* of a part that is worth claiming for itself */
};

/* ---- making and freeing ---- */

void mr__ahead_size(mr_loader *loader, int64_t capacity)
{
    mr__ahead *a = &loader->ahead;
    const int64_t row_bytes = loader->sample_bytes;
    int64_t most = a->prefetch;
    if (!most)
        most = a->opts.workers > 1 ? 2 * (int64_t)a->opts.workers : 4;
    if (a->prefetch_bytes && row_bytes > 0) {
        int64_t rows = a->prefetch_bytes / row_bytes, batches = capacity > 0 ? rows / capacity : rows;
        most = batches < 1 ? 1 : batches < most ? batches : most;
    }
    a->opts.slots = most + 1;
    a->opts.capacity = capacity;
}

mr_status mr__ahead_init(mr_loader *loader, const mr_loader_opts *opts, int64_t capacity)
{
    mr__ahead *a = &loader->ahead;
    a->prefetch = opts->prefetch;
    a->prefetch_bytes = opts->prefetch_bytes;
    a->opts.owner = loader;
    a->opts.workers = opts->workers;
    a->opts.timeout = opts->timeout;
    a->opts.skip = loader->bad.skip;
    a->opts.unordered = opts->unordered;
    mr__ahead_size(loader, capacity);
    a->epoch = -1;
    a->expected = mr_rng_new(0);
    a->after = mr_rng_new(0);
    return a->expected && a->after ? MR_OK : MR_ERR_MEMORY;
}

void mr__ahead_stop(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    mr__pipeline_close(a->pipeline, &loader->lanes);
    a->pipeline = NULL;
    a->epoch = -1;
}

void mr__ahead_free(mr_loader *loader)
{
    mr__ahead_stop(loader);
    mr_rng_free(loader->ahead.expected);
    mr_rng_free(loader->ahead.after);
}

/* ---- the beginning of an epoch ---- */

static mr_rng *generator(const mr_loader *loader)
{
    return loader->order.generator ? loader->order.generator : loader->order.shared;
}

static bool stand_alike(const mr_rng *a, const mr_rng *b)
{
    return a->next == b->next && a->fresh == b->fresh && a->seed == b->seed &&
           a->has_normal == b->has_normal && (!a->has_normal || a->normal == b->normal) &&
           memcmp(a->state, b->state, sizeof a->state) == 0;
}

/* Begins the next epoch before its time. False when its order cannot be known. */
static bool guess(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    mr__order *order = &loader->order;
    if (a->never || a->stuck || a->guessed || (order->sampler && order->sampler->vtable->state_size))
        return false;
    if (order->shuffle) {
        mr_rng *rng = generator(loader);
        const mr_rng before = *rng;
        if (!loader->order_ended)
            mr__order_end(order);
        *a->expected = *rng;
        mr__order_seed(order);
        mr__order_start(order, a->epoch + 1);
        mr__order_draw(order);
        *a->after = *rng;
        *rng = before;
    } else if (mr__order_start(order, a->epoch + 1) < 0) {
        mr_error_clear(); /* it will fail again when it is due */
        a->never = true;
        return false;
    }
    a->epoch++;
    a->ended = false;
    a->guessed = true;
    mr__merge_begin_rounds(&loader->merge);
    return true;
}

/* Whether the batches that were begun on a guess are those of the epoch that begins now. */
static bool confirm(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    if (!loader->order.shuffle)
        mr__order_seed(&loader->order);
    else if (stand_alike(generator(loader), a->expected))
        *generator(loader) = *a->after;
    else
        return false;
    return true;
}

static mr_status start(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    if (a->pipeline)
        return MR_OK;
    if (loader->streams && !loader->lanes &&
        !(loader->lanes = mr__lanes_new(loader->dataset, &loader->merge.cut)))
        return MR_ERR_MEMORY;
    a->pipeline = mr__pipeline_new(loader->dataset, &a->opts);
    return a->pipeline ? MR_OK : mr_error_status();
}

mr_status mr__ahead_begin(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    bool guessed = a->guessed && a->epoch == loader->epoch;
    a->guessed = false;
    if (guessed) {
        a->failed = false;
        if (confirm(loader))
            return MR_OK;
        a->never = true;
        mr__ahead_leave(loader);
    }
    a->epoch = loader->epoch;
    a->ended = a->stuck = a->failed = false;
    mr__merge_begin_rounds(&loader->merge);
    mr_status status = start(loader);
    if (status < 0)
        return status;
    mr__order_seed(&loader->order);
    return mr__order_start(&loader->order, loader->epoch);
}

mr_status mr__ahead_resume(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    a->epoch = loader->epoch;
    a->ended = a->stuck = a->failed = a->guessed = false;
    return start(loader);
}

/* ---- posting ---- */

/* In how many parts a batch is handed out: many while nothing is known of what it costs, so that the first one comes
 * soon. */
static int parts_of(const mr__ahead *a, int64_t rows)
{
    int64_t most = 2 * ((int64_t)a->opts.workers + 1), parts = a->cost ? a->cost / PART : most;
    parts = parts < most ? parts : most;
    parts = parts < rows ? parts : rows;
    return parts > 1 ? (int)parts : 1;
}

static void prepare_end(mr__ahead *a, mr__ticket *t)
{
    t->end = true;
    t->rows = 0;
    a->ended = true;
}

static void prepare_by_index(mr_loader *loader, mr__ticket *t)
{
    mr__ahead *a = &loader->ahead;
    int64_t rows = mr__loader_take(loader, t->slot, a->epoch);
    t->taken = loader->order.at;
    if (rows < 0) {
        t->failed_row = 0;
        mr__failure_take(&t->failure);
        mr_error_clear();
        a->stuck = true;
        prepare_end(a, t);
    } else if (rows == 0 || (rows < loader->batch_size && loader->drop_last)) {
        prepare_end(a, t);
    } else {
        t->rows = rows;
        t->parts = parts_of(a, rows);
    }
}

static void prepare_from_stream(mr_loader *loader, mr__ticket *t)
{
    mr__ahead *a = &loader->ahead;
    mr__order_draw(&loader->order);
    t->lane = mr__merge_turn(&loader->merge, loader->lanes, a->epoch);
    if (!t->lane) {
        prepare_end(a, t);
        return;
    }
    t->seed = loader->order.key[loader->order.now].seed;
    t->rows = loader->batch_size;
    t->parts = 1;
}

/* How many batches may be made ahead. What ragged fields take is known from batches that were delivered. */
static int64_t most_ahead(const mr_loader *loader)
{
    const mr__ahead *a = &loader->ahead;
    const int64_t slots = a->opts.slots - 1;
    if (!a->prefetch_bytes || !loader->dataset->ragged)
        return slots;
    if (!a->most_items)
        return 1;
    const int64_t batches = a->prefetch_bytes / (a->opts.capacity * loader->sample_bytes + a->most_items);
    return batches < 1 ? 1 : batches < slots ? batches : slots;
}

/* Whether the next ticket to post is the first of another epoch, or the end before it. */
static bool is_at_the_end(const mr_loader *loader)
{
    const mr__ahead *a = &loader->ahead;
    return a->ended || (loader->streams && mr__lanes_ended(loader->lanes, a->epoch));
}

/* Fills the free places of the ring. Small batches are posted several at a time, so that a thread is woken less often; but the
 * first of an epoch may cost more than the others. */
static void post(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    const bool end = !a->direct && is_at_the_end(loader);
    if (end && !a->ended)
        mr__pipeline_take_back_surplus(a->pipeline);
    const int64_t most = most_ahead(loader), posted = mr__pipeline_posted(a->pipeline), room = most - posted;
    int64_t count = 0;
    if (a->direct || (posted > 1 && a->cost < 2 * PART && room < (most + 1) / 2 && !end))
        return;
    while (!a->stuck && count <= room) { /* one of them is asked for at once */
        mr__ticket *t = mr__pipeline_room(a->pipeline, count);
        if (!t || (a->ended && !guess(loader)))
            break;
        t->epoch = a->epoch;
        if (loader->streams)
            prepare_from_stream(loader, t);
        else
            prepare_by_index(loader, t);
        count++;
    }
    if (count)
        mr__pipeline_post(a->pipeline, count);
}

/* ---- delivering ---- */

/* Follows the lowest cost, and lets go of it slowly: a batch takes longer by chance, but never less. */
static void learn_cost(mr__ahead *a, int64_t nanoseconds)
{
    if (!a->cost || nanoseconds < a->cost)
        a->cost = nanoseconds > 0 ? nanoseconds : 1;
    else
        a->cost += (nanoseconds - a->cost) / 8;
    if (a->cost < SMALL)
        a->direct = a->opts.timeout == 0;
    else if (a->cost > LARGE)
        a->direct = false;
}

/* What a whole batch would have cost. */
static int64_t of_whole_batch(const mr__ahead *a, int64_t nanoseconds, int64_t rows)
{
    return (int64_t)((double)nanoseconds * (double)a->opts.capacity / (double)rows);
}

static int64_t fill_directly(mr_loader *loader, mr__slot_batch **slot)
{
    mr__ahead *a = &loader->ahead;
    if (++a->direct_count % 8) {
        int64_t rows = mr__loader_fill(loader, slot);
        a->failed = rows < 0;
        return rows;
    }
    int64_t begin = mr__clock(), rows = mr__loader_fill(loader, slot);
    a->failed = rows < 0;
    if (rows > 0)
        learn_cost(a, of_whole_batch(a, mr__clock() - begin, rows));
    return rows;
}

int64_t mr__ahead_pass_over(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    mr__ticket *t;
    while ((t = mr__pipeline_head(a->pipeline)) && t->epoch == loader->epoch) {
        mr__pipeline_release(a->pipeline);
        if (mr__pipeline_next(a->pipeline, &loader->filler, &t) < 0)
            return -1;
    }
    if (a->epoch == loader->epoch)
        a->ended = true;
    return 0;
}

int64_t mr__ahead_next(mr_loader *loader, mr__slot_batch **slot)
{
    mr__ahead *a = &loader->ahead;
    mr__ticket *t;
    if (loader->stats.entered && !a->direct) {
        loader->stats.looks += loader->stats.stride;
        loader->stats.ready += loader->stats.stride * mr__pipeline_ready(a->pipeline);
    }
    mr__pipeline_release(a->pipeline);
    post(loader);
    if (!mr__pipeline_head(a->pipeline))
        return fill_directly(loader, slot);
    if (mr__pipeline_next(a->pipeline, &loader->filler, &t) < 0) {
        mr__ahead_stop(loader);
        return -1;
    }
    if (!t->lane)
        loader->taken = t->taken;
    *slot = t->slot;
    if (t->failed_row >= 0) {
        a->failed = true;
        mr__failure_raise(&t->failure);
        return -1;
    }
    if (t->end)
        return 0;
    loader->stats.filling += t->nanoseconds;
    loader->stats.filled += t->rows;
    if (t->rows > 0)
        learn_cost(a, of_whole_batch(a, t->nanoseconds, t->rows));
    return t->rows;
}

static int64_t handed_out(const mr_loader *loader)
{
    return loader->done.below + loader->done.count + loader->ahead.failed;
}

/* Goes to behind the batches that were delivered; unordered, behind as many in order, whichever they were. */
static mr_status go_behind_delivered(mr_loader *loader)
{
    mr__order *order = &loader->order;
    const mr__slot_batch *to = loader->ring[loader->next_slot]; /* nobody looks at that one */
    if (!loader->unordered)
        return mr__order_resume(order, loader->epoch, loader->taken);
    mr_status status = mr__order_resume(order, loader->epoch, loader->done.taken);
    order->batches = loader->done.below;
    while (status == MR_OK && order->batches < handed_out(loader))
        if (mr__order_take(order, to->index, to->valid, loader->batch_size) <= 0)
            break;
    return status;
}

/* Whether the order stands somewhere else. */
static bool is_elsewhere(const mr_loader *loader)
{
    const mr__order *order = &loader->order;
    return loader->unordered ? !loader->order_ended && order->batches != handed_out(loader)
                             : order->at > loader->taken;
}

/* A sampler with a state was asked for more than was delivered: what it gives in the next epoch must not hang on that.
 * What fails here fails again when the next epoch begins. */
static void go_back(mr_loader *loader)
{
    mr__failure first;
    const bool pending = mr__pending();
    if (!mr__order_state_size(&loader->order) || !is_elsewhere(loader))
        return;
    if (pending) { /* what is told to the caller in the end */
        mr__failure_take(&first);
        mr_error_clear();
    }
    if (go_behind_delivered(loader) != MR_OK || mr__pending())
        mr_error_clear();
    if (pending)
        mr__failure_raise(&first);
}

void mr__ahead_leave(mr_loader *loader)
{
    mr__ahead *a = &loader->ahead;
    const mr__ticket *t = a->pipeline ? mr__pipeline_head(a->pipeline) : NULL;
    if (t && t->epoch > loader->epoch && a->guessed)
        return; /* of the next epoch already */
    a->guessed = false;
    a->epoch = -1;
    if (a->pipeline && !mr__pipeline_clear(a->pipeline))
        mr__ahead_stop(loader);
    mr__lanes_close(
        loader->lanes); /* whatever became of the threads, the next epoch begins at its beginning */
    go_back(loader);
}

void mr__ahead_forget(mr_loader *loader)
{
    loader->ahead.guessed = false;
    mr__ahead_leave(loader);
}
