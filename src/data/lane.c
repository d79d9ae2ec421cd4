#include "lane.h"

#include "base/alloc.h"

mr__lane *mr__lane_new(mr_dataset *dataset)
{
    mr__lane *lane = mr__alloc_zeroed(sizeof *lane);
    if (!lane)
        return NULL;
    lane->dataset = dataset;
    lane->vtable = dataset->stream;
    lane->epoch = -1;
    atomic_init(&lane->ended_epoch, -1);
    return lane;
}

void mr__lane_free(mr__lane *lane)
{
    if (lane)
        mr__lane_close(lane);
    mr__free(lane);
}

static void close_cursor(mr__lane *lane)
{
    if (lane->cursor)
        lane->vtable->close(lane->cursor);
    lane->cursor = NULL;
}

void mr__lane_close(mr__lane *lane)
{
    close_cursor(lane);
    lane->epoch = -1;
    atomic_store_explicit(&lane->ended_epoch, -1, memory_order_relaxed);
}

static bool open_cursor(mr__lane *lane)
{
    lane->cursor = lane->vtable->open(lane->dataset->self, 0, 1);
    if (!lane->cursor && !mr__pending())
        mr__raise(MR_ERR_CALLBACK, "loader: the stream did not open, without a message");
    return lane->cursor != NULL;
}

int64_t mr__lane_read(mr__lane *lane, mr__filler *filler, mr__slot_batch *slot, int64_t epoch, int64_t row,
                      int64_t count)
{
    const mr_dataset *dataset = lane->dataset;
    const mr_sample sample = { .field = filler->row, .epoch = epoch, .worker = filler->worker };
    int64_t rows = 0;
    bool ended = atomic_load_explicit(&lane->ended_epoch, memory_order_relaxed) == epoch;
    if (lane->epoch != epoch) {
        close_cursor(lane);
        lane->epoch = epoch;
        lane->read = 0;
    }
    if (!ended && !lane->cursor && !open_cursor(lane))
        return -1;
    for (int f = 0; f < dataset->field_count; f++)
        filler->row[f] = (char *)slot->base[f] + (size_t)row * dataset->row_bytes[f];
    while (rows < count && !ended) {
        if (MR__UNLIKELY(filler->watched))
            mr__filler_watch(filler, lane->read);
        mr_status status = lane->vtable->next(lane->cursor, &sample);
        if (status == MR_END) {
            close_cursor(lane);
            atomic_store_explicit(&lane->ended_epoch, epoch, memory_order_relaxed);
            break;
        }
        if (status != MR_OK) {
            mr__sample_failed("loader", status, lane->read);
            return -1;
        }
        for (int f = 0; f < dataset->field_count; f++)
            filler->row[f] = (char *)filler->row[f] + dataset->row_bytes[f];
        lane->read++;
        rows++;
    }
    return rows;
}
