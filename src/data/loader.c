#include "loader.h"

#include "base/alloc.h"
#include "sampler.h"
#include "tensor/tensor.h"

#include <assert.h>
#include <stddef.h>

/* ---- making and freeing ---- */

static bool wrong(const char *what, int64_t value)
{
    mr__raise(MR_ERR_ARGUMENT, "loader_new: %s %lld is negative", what, (long long)value);
    return false;
}

static bool acceptable(mr_dataset *dataset, mr_rng *rng, const mr_loader_opts *opts)
{
    if (!dataset || !rng) {
        mr__null("loader_new", dataset ? "rng" : "dataset");
        return false;
    }
    if (opts->batch_size < 0)
        return wrong("batch size", opts->batch_size);
    if (opts->prefetch < 0)
        return wrong("prefetch", opts->prefetch);
    if (opts->shards < 0)
        return wrong("shards", opts->shards);
    if (opts->shuffle_block < 0)
        return wrong("shuffle_block", opts->shuffle_block);
    if (opts->max_bad_samples < 0)
        return wrong("max_bad_samples", opts->max_bad_samples);
    if (opts->prefetch_bytes < 0)
        return wrong("prefetch_bytes", opts->prefetch_bytes);
    if (opts->workers < 0 || opts->workers > MR__MAX_WORKERS)
        mr__raise(MR_ERR_ARGUMENT, "loader_new: %d workers, not 0 to %d", opts->workers, MR__MAX_WORKERS);
    else if (opts->workers == 0 && (opts->prefetch || opts->prefetch_bytes || opts->timeout != 0))
        mr__raise(MR_ERR_ARGUMENT, "loader_new: %s is for loaders with workers",
                  opts->prefetch         ? "prefetch"
                  : opts->prefetch_bytes ? "prefetch_bytes"
                                         : "timeout");
    else if (opts->prefetch > MR__MOST_PREFETCH)
        mr__raise(MR_ERR_ARGUMENT, "loader_new: prefetch %lld is more than %d", (long long)opts->prefetch,
                  MR__MOST_PREFETCH);
    else if (!(opts->timeout >= 0 && opts->timeout <= 1e9))
        mr__raise(MR_ERR_ARGUMENT, "loader_new: timeout %g is no time in seconds", opts->timeout);
    else if (opts->on_bad_sample != MR_BAD_STOP && opts->on_bad_sample != MR_BAD_SKIP)
        mr__raise(MR_ERR_ARGUMENT, "loader_new: %d is no mr_bad_policy", (int)opts->on_bad_sample);
    else if (opts->max_bad_samples && opts->on_bad_sample == MR_BAD_STOP)
        mr__raise(MR_ERR_ARGUMENT, "loader_new: max_bad_samples is for loaders that skip bad samples");
    else if (!dataset->stream && (opts->shards || opts->shuffle_block))
        mr__raise(MR_ERR_ARGUMENT, "loader_new: %s is for streams",
                  opts->shards ? "shards" : "shuffle_block");
    else if (opts->shuffle_block && !opts->shuffle)
        mr__raise(MR_ERR_ARGUMENT, "loader_new: shuffle_block is for loaders that shuffle");
    else
        return true;
    return false;
}

/* How the stream is cut, and what merges it. */
static bool make_merge(mr_loader *loader, const mr_loader_opts *opts)
{
    enum { BLOCK = 1024 };
    mr_dataset *dataset = loader->dataset;
    mr__cut cut = { .shards = opts->shards ? opts->shards : 1 };
    if (!opts->shards && dataset->stream->shards)
        cut.shards = dataset->stream->shards(dataset->self);
    if (cut.shards < 1 || cut.shards > INT32_MAX) {
        mr__raise(MR_ERR_ARGUMENT, "loader_new: a stream has 1 to %d shards, not %lld", INT32_MAX,
                  (long long)cut.shards);
        return false;
    }
    cut.lanes = cut.shards < MR__MOST_LANES ? (int)cut.shards : MR__MOST_LANES;
    if (opts->shuffle)
        cut.block = ((opts->shuffle_block ? opts->shuffle_block : BLOCK) - 1) / cut.lanes + 1;
    loader->lanes = mr__lanes_new(dataset, &cut);
    return loader->lanes && mr__merge_init(&loader->merge, dataset, &cut, loader->batch_size) == MR_OK;
}

static void dataset_gone(mr__user *user);

/* The dataset is not to be freed while threads, or what worker_open gave, may need it. */
static void attach(mr_loader *loader)
{
    loader->user.gone = dataset_gone;
    loader->attached = true;
    mr__dataset_attach(loader->dataset, &loader->user);
}

mr_loader *mr_loader_new(mr_dataset *dataset, mr_rng *rng, const mr_loader_opts *opts)
{
    static const mr_loader_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    if (!acceptable(dataset, rng, opts))
        return NULL;
    mr_loader *loader = mr__alloc_zeroed(sizeof *loader);
    if (!loader)
        return NULL;
    loader->dataset = dataset;
    loader->batch_size = opts->batch_size ? opts->batch_size : 1;
    loader->drop_last = opts->drop_last;
    loader->streams = dataset->stream != NULL;
    for (int f = 0; f < dataset->field_count; f++)
        loader->sample_bytes += dataset->item_bytes[f] ? 0 : (int64_t)dataset->row_bytes[f];
    loader->bad.skip = loader->filler.skip = opts->on_bad_sample == MR_BAD_SKIP;
    loader->bad.most = opts->max_bad_samples;
    loader->unordered = opts->unordered;
    loader->epoch = -1;
    bool made = mr__order_init(&loader->order, dataset, rng, opts->shuffle) == MR_OK;
    int64_t capacity = loader->batch_size; /* a batch is never larger than the dataset */
    if (dataset->map && capacity > loader->order.len)
        capacity = loader->order.len;
    for (int i = 0; made && i < MR__RING_SLOTS; i++)
        made = (loader->ring[i] = mr__slot_new(dataset, capacity, false)) != NULL;
    made = made && mr__filler_init(&loader->filler, dataset) == MR_OK;
    if (made && dataset->stream)
        made = make_merge(loader, opts);
    if (made && opts->workers)
        made = mr__ahead_init(loader, opts, capacity) == MR_OK &&
               (!opts->unordered || mr__done_reserve(&loader->done, loader->ahead.opts.slots) == MR_OK);
    if (!made) {
        mr_loader_free(loader);
        return NULL;
    }
    if (opts->workers || (dataset->map && dataset->map->worker_open))
        attach(loader);
    return loader;
}

mr_loader *mr__loader_in_order(const mr_loader *loader)
{
    const mr_loader_opts opts = { .batch_size = loader->batch_size,
                                  .drop_last = loader->drop_last,
                                  .on_bad_sample = loader->bad.skip ? MR_BAD_SKIP : MR_BAD_STOP,
                                  .max_bad_samples = loader->bad.most };
    mr_loader *made = mr_loader_new(loader->dataset, loader->order.shared, &opts);
    if (made && loader->collated.function)
        (void)mr_loader_set_collate(made, loader->collated.function, loader->collated.user);
    return made;
}

/* Lets go of the dataset: no thread and nothing of this one's uses it from now on. */
static void let_go(mr_loader *loader)
{
    mr__ahead_stop(loader);
    mr__filler_close(&loader->filler);
    mr__lanes_close(loader->lanes);
    loader->in_epoch = false;
}

static void dataset_gone(mr__user *user)
{
    mr_loader *loader = (mr_loader *)((char *)user - offsetof(mr_loader, user));
    let_go(loader);
    loader->attached = false;
    loader->dataset = NULL;
}

bool mr__loader_enter(mr_loader *loader, const char *call)
{
    if (MR__UNLIKELY(mr__pipeline_is_worker(loader) || loader->busy)) {
        mr__raise(MR_ERR_STATE, "%s: called from a callback of this loader", call);
        return false;
    }
    loader->busy = true;
    return true;
}

void mr_loader_free(mr_loader *loader)
{
    if (!loader || !mr__loader_enter(loader, "loader_free"))
        return;
    if (loader->attached) {
        let_go(loader);
        mr__dataset_detach(loader->dataset, &loader->user);
    }
    mr__ahead_free(loader);
    mr__lanes_free(loader->lanes);
    mr__merge_free(&loader->merge);
    for (int i = 0; i < MR__RING_SLOTS; i++)
        mr__slot_free(loader->ring[i]);
    mr__filler_free(&loader->filler);
    mr__collated_free(&loader->collated);
    mr__order_free(&loader->order);
    mr__strbuf_free(&loader->state);
    mr__bad_free(&loader->bad);
    mr__done_free(&loader->done);
    mr__free(loader);
}

/* ---- settings ---- */

static mr_status settable(const mr_loader *loader, const char *call)
{
    if (!loader)
        return mr__null(call, "loader");
    if (loader->started)
        return mr__raise(MR_ERR_STATE, "%s: the loader has begun an epoch already", call);
    return MR_OK;
}

mr_status mr_loader_set_generator(mr_loader *loader, mr_rng *generator)
{
    mr_status status = settable(loader, "loader_set_generator");
    if (status)
        return status;
    if (!generator)
        return mr__null("loader_set_generator", "generator");
    return mr__order_set_generator(&loader->order, generator);
}

/* A sampler may repeat samples, and so fill batches that the dataset could not. */
static mr_status enlarge_ring(mr_loader *loader)
{
    for (int i = 0; i < MR__RING_SLOTS; i++) {
        mr__slot_batch *slot = mr__slot_new(loader->dataset, loader->batch_size, false);
        if (!slot)
            return MR_ERR_MEMORY;
        mr__slot_free(loader->ring[i]);
        loader->ring[i] = slot;
    }
    if (loader->ahead.opts.workers)
        mr__ahead_size(loader, loader->batch_size);
    return MR_OK;
}

static mr_status check_batches(const mr_loader *loader, const mr_sampler *sampler)
{
    const mr_sampler_vtable *v = sampler->vtable;
    if (!v->batches)
        return MR_OK;
    if (loader->drop_last)
        return mr__raise(MR_ERR_ARGUMENT,
                         "loader_set_sampler: drop_last is not for a sampler that gives batches");
    const int64_t most = v->most ? v->most(sampler->self) : 0;
    if (most > loader->batch_size)
        return mr__raise(
            MR_ERR_ARGUMENT,
            "loader_set_sampler: the sampler's batches have up to %lld samples, and the loader's "
            "batch size is %lld",
            (long long)most, (long long)loader->batch_size);
    return MR_OK;
}

mr_status mr_loader_set_sampler(mr_loader *loader, mr_sampler *sampler)
{
    mr_status status = settable(loader, "loader_set_sampler");
    if (!status && !sampler)
        status = mr__null("loader_set_sampler", "sampler");
    if (!status && loader->order.shuffle)
        status = mr__raise(MR_ERR_ARGUMENT, "loader_set_sampler: shuffle and a sampler exclude each other");
    if (!status && loader->dataset->stream)
        status = mr__raise(MR_ERR_ARGUMENT, "loader_set_sampler: a stream takes no sampler");
    if (!status)
        status = check_batches(loader, sampler);
    if (!status)
        status = enlarge_ring(loader);
    if (!status)
        status = mr__order_set_sampler(&loader->order, sampler);
    if (status)
        mr_sampler_free(sampler);
    return status;
}

mr_status mr_loader_set_collate(mr_loader *loader, mr_collate_function collate, void *user)
{
    mr_status status = settable(loader, "loader_set_collate");
    if (status)
        return status;
    if (!collate)
        return mr__null("loader_set_collate", "collate");
    loader->collated.function = collate;
    loader->collated.user = user;
    return MR_OK;
}

/* ---- filling a slot on this thread ---- */

int64_t mr__loader_take(mr_loader *loader, mr__slot_batch *slot, int64_t epoch)
{
    int64_t rows;
    do {
        rows = mr__order_take(&loader->order, slot->index, slot->valid, loader->batch_size);
        slot->batch.number = loader->order.batches - 1;
    } while (rows > 0 && epoch == loader->epoch && mr__done_has(&loader->done, slot->batch.number));
    return rows;
}

static int64_t fill_by_index(mr_loader *loader, mr__slot_batch *slot)
{
    int64_t rows = mr__loader_take(loader, slot, loader->epoch), failed;
    loader->taken = loader->order.at;
    if (rows <= 0 || (rows < loader->batch_size && loader->drop_last))
        return rows < 0 ? -1 : 0;
    mr_status status = mr__fill(&loader->filler, slot, loader->epoch, 0, rows, &failed);
    return MR__LIKELY(status == MR_OK) ? rows : -1;
}

static int64_t fill_from_stream(mr_loader *loader, mr__slot_batch *slot)
{
    mr__order_draw(&loader->order);
    mr__lane *lane = mr__merge_turn(&loader->merge, loader->lanes, loader->epoch);
    assert(lane); /* or the merge would not have asked */
    return mr__lane_read(lane, &loader->filler, slot, loader->epoch,
                         loader->order.key[loader->order.now].seed, 0, loader->batch_size);
}

int64_t mr__loader_fill(mr_loader *loader, mr__slot_batch **slot)
{
    *slot = loader->ring[loader->next_slot];
    loader->stats.own = true;
    mr__faults_clear(*slot);
    int64_t rows = loader->streams ? fill_from_stream(loader, *slot) : fill_by_index(loader, *slot);
    if (rows > 0)
        loader->next_slot = (loader->next_slot + 1) % MR__RING_SLOTS;
    return rows;
}

/* ---- epochs ---- */

int mr__loader_key(const mr_loader *loader)
{
    const mr__ahead *a = &loader->ahead;
    return a->guessed && a->epoch > loader->epoch ? !loader->order.now : loader->order.now;
}

void mr__loader_leave(mr_loader *loader)
{
    loader->in_epoch = false;
    if (loader->ahead.opts.workers)
        mr__ahead_leave(loader);
    else
        mr__lanes_close(loader->lanes);
}

static mr_status begin_epoch(mr_loader *loader)
{
    if (!loader->dataset)
        return mr__raise(MR_ERR_STATE, "loader_next: the dataset has been freed");
    mr__error_mark();
    loader->started = true;
    loader->epoch++;
    loader->position = loader->taken = 0;
    loader->bad.in_epoch = 0;
    mr__done_clear(&loader->done);
    if (loader->streams)
        mr__merge_begin(&loader->merge);
    mr_status status;
    if (loader->ahead.opts.workers) {
        status = mr__ahead_begin(loader);
    } else {
        mr__merge_begin_rounds(&loader->merge);
        mr__order_seed(&loader->order);
        status = mr__order_start(&loader->order, loader->epoch);
    }
    loader->order_ended = false;
    if (status >= 0)
        status = mr__filler_open(&loader->filler);
    loader->in_epoch = status >= 0;
    return status;
}

int64_t mr__loader_without_bad(mr_loader *loader, mr__slot_batch *slot, int64_t rows)
{
    mr__failure failure;
    if (rows < 0) {
        mr__failure_take(&failure);
        mr_error_clear();
    }
    int64_t left = mr__faults_take(&loader->bad, slot, rows, loader->epoch, !loader->streams);
    if (rows < 0 && left == rows)
        mr__failure_raise(&failure);
    return left;
}

/* The number of rows of the next batch: 0 at the end of the epoch, -1 after a failure. */
static int64_t next_slot(mr_loader *loader, mr__slot_batch **slot)
{
    int64_t rows, left;
    do {
        *slot = NULL;
        rows = left = loader->streams              ? mr__merge_next(loader, slot)
                      : loader->ahead.opts.workers ? mr__ahead_next(loader, slot)
                                                   : mr__loader_fill(loader, slot);
        if (MR__UNLIKELY(rows >= 0 && rows < loader->batch_size && !loader->order_ended) &&
            (rows == 0 || !loader->unordered)) {
            mr__order_end(&loader->order);
            loader->order_ended = true;
        }
        if (rows > 0 && !loader->streams && mr__done_add(&loader->done, (*slot)->batch.number, loader->taken))
            rows = left = -1;
        else if (loader->bad.skip && !loader->streams && *slot)
            left = mr__loader_without_bad(loader, *slot, rows);
    } while (rows > 0 && left == 0);
    if (left == 0)
        loader->taken = loader->order.at;
    if (left <= 0)
        mr__loader_leave(loader);
    return left;
}

static mr_status collate(mr_loader *loader, const mr_batch *samples)
{
    const int64_t begin = loader->stats.entered ? mr__clock() : 0;
    mr_status status = mr__collate(&loader->collated, samples);
    if (begin) {
        const int64_t spent = mr__clock() - begin, all = spent * loader->stats.stride;
        loader->stats.collating += all;
        if (loader->stats.own)
            loader->stats.filling -= all; /* of which all of this call will be part */
    }
    return status;
}

static void take_note_of_items(mr_loader *loader, int64_t bytes)
{
    loader->stats.item_bytes += bytes;
    if (bytes > loader->ahead.most_items)
        loader->ahead.most_items = bytes;
}

static mr_status next_batch(mr_loader *loader, const mr_batch **batch)
{
    if (!loader->in_epoch) {
        mr_status status = begin_epoch(loader);
        if (status < 0)
            return status;
    }
    mr__slot_batch *slot;
    int64_t rows = next_slot(loader, &slot);
    if (rows <= 0)
        return rows < 0 ? mr_error_status() : MR_END;
    if (MR__UNLIKELY(mr__slot_finish(slot, rows) < 0)) {
        mr__loader_leave(loader);
        return mr_error_status();
    }
    if (MR__UNLIKELY(slot->ragged_count))
        take_note_of_items(loader, mr__slot_item_bytes(slot));
    for (int64_t i = 0; loader->streams && i < rows; i++)
        slot->index[i] = loader->position + i;
    slot->batch.epoch = loader->epoch;
    slot->batch.position = loader->position;
    loader->position += rows;
    *batch = &slot->batch;
    if (loader->collated.function) {
        mr_status status = collate(loader, &slot->batch);
        if (status != MR_OK) {
            mr__loader_leave(loader);
            return status;
        }
        *batch = &loader->collated.batch;
    }
    return MR_OK;
}

mr_status mr_loader_next(mr_loader *loader, const mr_batch **batch)
{
    if (!loader || !batch)
        return mr__settle(mr__null("loader_next", loader ? "batch" : "loader"));
    if (mr__pending()) /* something failed since the last status: that is what the caller must hear of */
        return mr__settle(mr_error_status());
    if (!mr__loader_enter(loader, "loader_next"))
        return mr__settle(MR_ERR_STATE);
    mr__stats_enter(&loader->stats);
    mr_status status = next_batch(loader, batch);
    loader->busy = false;
    mr__stats_leave(&loader->stats, status == MR_OK ? (*batch)->rows : status == MR_END ? 0 : -1);
    return status < 0 ? mr__settle(status) : status;
}

void mr_loader_rewind(mr_loader *loader)
{
    if (!loader || !mr__loader_enter(loader, "loader_rewind"))
        return;
    if (loader->in_epoch)
        mr__loader_leave(loader);
    loader->busy = false;
}

int64_t mr_loader_len(mr_loader *loader)
{
    if (!loader) {
        mr__null("loader_len", "loader");
        return 0;
    }
    int64_t samples = mr__order_len(&loader->order);
    if (samples < 0)
        return -1;
    if (mr__order_of_batches(&loader->order))
        return samples;
    return samples / loader->batch_size + (!loader->drop_last && samples % loader->batch_size != 0);
}

int64_t mr_loader_batch_size(const mr_loader *loader)
{
    if (!loader)
        mr__null("loader_batch_size", "loader");
    return loader ? loader->batch_size : 0;
}

int64_t mr_loader_bad_samples(const mr_loader *loader, const mr_bad_sample **list, int64_t *listed)
{
    if (list)
        *list = loader ? loader->bad.list : NULL;
    if (listed)
        *listed = loader ? loader->bad.listed : 0;
    return loader ? loader->bad.count : 0;
}
