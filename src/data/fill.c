#include "fill.h"

#include "faults.h"

#include "base/alloc.h"

#include <time.h>

int64_t mr__clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

mr_status mr__filler_init(mr__filler *filler, mr_dataset *dataset)
{
    filler->dataset = dataset;
    filler->row = mr__alloc_array((size_t)dataset->field_count, sizeof *filler->row);
    return filler->row ? MR_OK : MR_ERR_MEMORY;
}

void mr__filler_free(mr__filler *filler)
{
    mr__free(filler->row);
    filler->row = NULL;
}

mr_status mr__filler_open(mr__filler *filler)
{
    const mr_dataset_vtable *map = filler->dataset->map;
    if (filler->opened || !map || !map->worker_open)
        return MR_OK;
    mr__error_mark();
    filler->worker = map->worker_open(filler->dataset->self);
    if (!filler->worker) {
        if (!mr__has_cause(MR_OK))
            mr__raise(MR_ERR_CALLBACK, "worker_open failed without a message");
        mr__add_context("loader: worker_open");
        return mr_error_status();
    }
    filler->opened = true;
    return MR_OK;
}

void mr__filler_close(mr__filler *filler)
{
    if (filler->opened && filler->dataset->map->worker_close)
        filler->dataset->map->worker_close(filler->dataset->self, filler->worker);
    filler->opened = false;
    filler->worker = NULL;
}

bool mr__fill_goes_on(mr__filler *filler, mr__slot_batch *slot, mr_status status, int64_t row, int64_t sample)
{
    mr__sample_failed("loader", status, sample);
    return filler->skip && mr__fault_note(slot, row, -1, sample);
}

void mr__filler_watch(mr__filler *filler, int64_t shard, int64_t sample)
{
    atomic_store_explicit(&filler->shard, shard, memory_order_relaxed);
    atomic_store_explicit(&filler->sample, sample, memory_order_relaxed);
    atomic_store_explicit(&filler->since, mr__clock(), memory_order_relaxed);
}

static mr_status fill_one_by_one(mr__filler *filler, mr__slot_batch *slot, int64_t epoch, int64_t begin,
                                 int64_t end, int64_t *failed)
{
    const mr_dataset *dataset = filler->dataset;
    const mr_sample sample = { .field = filler->row, .epoch = epoch, .worker = filler->worker };
    for (int f = 0; f < dataset->field_count; f++)
        filler->row[f] = (char *)slot->base[f] + (size_t)begin * dataset->row_bytes[f];
    for (int64_t i = begin; i < end; i++) {
        if (MR__UNLIKELY(filler->watched))
            mr__filler_watch(filler, -1, slot->index[i]);
        mr__empty_rows(dataset, filler->row, 1);
        mr_status status = mr__outcome(dataset->map->get(dataset->self, slot->index[i], &sample));
        if (MR__UNLIKELY(status != MR_OK) && !mr__fill_goes_on(filler, slot, status, i, slot->index[i])) {
            *failed = i;
            return status;
        }
        for (int f = 0; f < dataset->field_count; f++)
            filler->row[f] = (char *)filler->row[f] + dataset->row_bytes[f];
    }
    return MR_OK;
}

/* get_many failed: asks for the samples in turn, so that each failure has its sample's name. When all can be had in
 * turn, get_many is to blame. */
static mr_status fill_again(mr__filler *filler, mr__slot_batch *slot, int64_t epoch, int64_t begin,
                            int64_t end, mr_status status, int64_t *failed)
{
    mr__failure failure;
    if (!mr__has_cause(status))
        mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "the callback failed without a message");
    mr__failure_take(&failure);
    mr_error_clear();
    status = fill_one_by_one(filler, slot, epoch, begin, end, failed);
    if (status != MR_OK || filler->skip) /* with a policy it is the samples that count */
        return status;
    mr__failure_raise(&failure);
    mr__add_context("loader: one of %lld samples, the first of them %lld", (long long)(end - begin),
                    (long long)slot->index[begin]);
    *failed = begin;
    return mr_error_status();
}

mr_status mr__fill(mr__filler *filler, mr__slot_batch *slot, int64_t epoch, int64_t begin, int64_t end,
                   int64_t *failed)
{
    const mr_dataset *dataset = filler->dataset;
    if (!dataset->map->get_many || filler->watched) /* the time limit is for a sample */
        return fill_one_by_one(filler, slot, epoch, begin, end, failed);
    mr_sample all = { .field = slot->base, .epoch = epoch, .worker = filler->worker };
    if (begin > 0) {
        for (int f = 0; f < dataset->field_count; f++)
            filler->row[f] = (char *)slot->base[f] + (size_t)begin * dataset->row_bytes[f];
        all.field = filler->row;
    }
    mr__empty_rows(dataset, all.field, end - begin);
    mr_status status =
        mr__outcome(dataset->map->get_many(dataset->self, slot->index + begin, end - begin, &all));
    if (MR__LIKELY(status == MR_OK))
        return MR_OK;
    return fill_again(filler, slot, epoch, begin, end, status, failed);
}
