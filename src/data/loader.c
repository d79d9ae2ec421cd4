#include "loader.h"

#include "tensor/tensor.h"

/* ---- making and freeing ---- */

static bool acceptable(mr_dataset *dataset, mr_rng *rng, const mr_loader_opts *opts)
{
    if (!dataset || !rng) {
        mr__null("loader_new", dataset ? "rng" : "dataset");
        return false;
    }
    if (opts->batch_size < 0)
        mr__raise(MR_ERR_ARGUMENT, "loader_new: batch size %lld is negative", (long long)opts->batch_size);
    else if (dataset->stream && opts->shuffle)
        mr__raise(MR_ERR_ARGUMENT, "loader_new: a stream cannot be shuffled by index");
    else
        return true;
    return false;
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
    loader->epoch = -1;
    bool made = mr__order_init(&loader->order, dataset, rng, opts->shuffle) == MR_OK;
    int64_t capacity = loader->batch_size; /* a batch is never larger than the dataset */
    if (dataset->map && capacity > loader->order.len)
        capacity = loader->order.len;
    for (int i = 0; made && i < MR__RING_SLOTS; i++)
        made = (loader->ring[i] = mr__slot_new(dataset, capacity, false)) != NULL;
    if (!made) {
        mr_loader_free(loader);
        return NULL;
    }
    return loader;
}

static void close_cursor(mr_loader *loader)
{
    if (loader->cursor)
        loader->cursor_vtable->close(loader->cursor);
    loader->cursor = NULL;
}

void mr_loader_free(mr_loader *loader)
{
    if (!loader)
        return;
    close_cursor(loader);
    for (int i = 0; i < MR__RING_SLOTS; i++)
        mr__slot_free(loader->ring[i]);
    mr__collated_free(&loader->collated);
    mr__order_free(&loader->order);
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
    loader->order.generator = generator;
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
    if (!status) {
        /* A sampler may repeat samples, and so fill batches that the dataset could not. */
        mr__slot_batch *ring[MR__RING_SLOTS] = { NULL };
        for (int i = 0; !status && i < MR__RING_SLOTS; i++)
            if (!(ring[i] = mr__slot_new(loader->dataset, loader->batch_size, false)))
                status = MR_ERR_MEMORY;
        for (int i = 0; i < MR__RING_SLOTS; i++) {
            mr__slot_free(status ? ring[i] : loader->ring[i]);
            if (!status)
                loader->ring[i] = ring[i];
        }
    }
    if (status) {
        mr_sampler_free(sampler);
        return status;
    }
    mr_sampler_free(loader->order.sampler);
    loader->order.sampler = sampler;
    return MR_OK;
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

/* ---- filling a slot: the number of rows, or -1 after a failure ---- */

/* Says which sample get_many failed at: the first that get fails at, too. */
static void blame(const mr_loader *loader, mr__slot_batch *slot, int64_t rows, mr_status status)
{
    const mr_dataset *dataset = loader->dataset;
    mr__failure failure;
    const mr_sample sample = { .field = slot->row, .epoch = loader->epoch };
    if (!mr__pending())
        mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "the callback failed without a message");
    mr__failure_take(&failure);
    mr_error_clear();
    for (int f = 0; f < dataset->field_count; f++)
        slot->row[f] = slot->base[f];
    for (int64_t i = 0; i < rows; i++) {
        status = dataset->map->get(dataset->self, slot->index[i], &sample);
        if (status != MR_OK) {
            mr__sample_failed("loader", status, slot->index[i]);
            return;
        }
    }
    mr__failure_raise(&failure);
    mr__add_context("loader: one of %lld samples, the first of them %lld", (long long)rows,
                    (long long)slot->index[0]);
}

static int64_t fill_by_index(mr_loader *loader, mr__slot_batch *slot)
{
    const mr_dataset *dataset = loader->dataset;
    int64_t rows = mr__order_take(&loader->order, slot->index, loader->batch_size);
    if (rows <= 0 || (rows < loader->batch_size && loader->drop_last))
        return rows < 0 ? -1 : 0;
    mr_status status = MR_OK;
    if (dataset->map->get_many) {
        const mr_sample all = { .field = slot->base, .epoch = loader->epoch };
        status = dataset->map->get_many(dataset->self, slot->index, rows, &all);
        if (MR__LIKELY(status == MR_OK))
            return rows;
        blame(loader, slot, rows, status);
        return -1;
    }
    const mr_sample sample = { .field = slot->row, .epoch = loader->epoch };
    for (int f = 0; f < dataset->field_count; f++)
        slot->row[f] = slot->base[f];
    for (int64_t i = 0; i < rows; i++) {
        status = dataset->map->get(dataset->self, slot->index[i], &sample);
        if (MR__UNLIKELY(status != MR_OK)) {
            mr__sample_failed("loader", status, slot->index[i]);
            return -1;
        }
        for (int f = 0; f < dataset->field_count; f++)
            slot->row[f] = (char *)slot->row[f] + dataset->row_bytes[f];
    }
    return rows;
}

static int64_t fill_from_stream(mr_loader *loader, mr__slot_batch *slot)
{
    const mr_dataset *dataset = loader->dataset;
    const mr_sample sample = { .field = slot->row, .epoch = loader->epoch };
    int64_t rows = 0;
    for (int f = 0; f < dataset->field_count; f++)
        slot->row[f] = slot->base[f];
    while (rows < loader->batch_size && !loader->stream_ended) {
        mr_status status = dataset->stream->next(loader->cursor, &sample);
        if (status == MR_END) {
            loader->stream_ended = true;
            break;
        }
        if (status != MR_OK) {
            mr__sample_failed("loader", status, loader->position + rows);
            return -1;
        }
        for (int f = 0; f < dataset->field_count; f++)
            slot->row[f] = (char *)slot->row[f] + dataset->row_bytes[f];
        slot->index[rows] = loader->position + rows;
        rows++;
    }
    return rows < loader->batch_size && loader->drop_last ? 0 : rows;
}

/* ---- epochs ---- */

static void leave_epoch(mr_loader *loader)
{
    loader->in_epoch = false;
    close_cursor(loader);
}

static mr_status begin_epoch(mr_loader *loader)
{
    loader->started = true;
    loader->epoch++;
    loader->position = 0;
    loader->stream_ended = false;
    mr_status status = mr__order_begin(&loader->order, loader->epoch);
    if (status < 0)
        return status;
    if (loader->dataset->stream) {
        loader->cursor_vtable = loader->dataset->stream;
        loader->cursor = loader->cursor_vtable->open(loader->dataset->self, 0, 1);
        if (!loader->cursor) {
            if (!mr__pending())
                mr__raise(MR_ERR_CALLBACK, "loader: the stream did not open, without a message");
            return mr_error_status();
        }
    }
    loader->in_epoch = true;
    return MR_OK;
}

mr_status mr_loader_next(mr_loader *loader, const mr_batch **batch)
{
    if (!loader || !batch)
        return mr__settle(mr__null("loader_next", loader ? "batch" : "loader"));
    if (mr__pending()) /* something failed since the last status: that is what the caller must hear of */
        return mr__settle(mr_error_status());
    if (!loader->in_epoch) {
        mr_status status = begin_epoch(loader);
        if (status < 0)
            return mr__settle(status);
    }
    mr__slot_batch *slot = loader->ring[loader->next_slot];
    int64_t rows = loader->dataset->map ? fill_by_index(loader, slot) : fill_from_stream(loader, slot);
    if (rows <= 0) {
        leave_epoch(loader);
        return rows < 0 ? mr__settle(mr_error_status()) : MR_END;
    }
    loader->next_slot = (loader->next_slot + 1) % MR__RING_SLOTS;
    mr__slot_finish(slot, rows);
    slot->batch.epoch = loader->epoch;
    slot->batch.position = loader->position;
    loader->position += rows;
    *batch = &slot->batch;
    if (loader->collated.function) {
        mr_status status = mr__collate(&loader->collated, &slot->batch);
        if (status != MR_OK) {
            leave_epoch(loader);
            return mr__settle(status);
        }
        *batch = &loader->collated.batch;
    }
    return MR_OK;
}

void mr_loader_rewind(mr_loader *loader)
{
    if (loader && loader->in_epoch)
        leave_epoch(loader);
}

int64_t mr_loader_len(mr_loader *loader)
{
    if (!loader)
        return 0;
    int64_t samples = mr__order_len(&loader->order);
    if (samples < 0)
        return -1;
    return samples / loader->batch_size + (!loader->drop_last && samples % loader->batch_size != 0);
}

int64_t mr_loader_batch_size(const mr_loader *loader)
{
    return loader ? loader->batch_size : 0;
}
