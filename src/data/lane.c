#include "lane.h"

#include "faults.h"

#include "base/alloc.h"

mr__lane *mr__lane_new(mr_dataset *dataset)
{
    mr__lane *lane = mr__alloc_zeroed(sizeof *lane);
    if (!lane)
        return NULL;
    lane->dataset = dataset;
    lane->copy = *dataset->stream;
    lane->vtable = &lane->copy;
    lane->epoch = -1;
    atomic_init(&lane->ended_epoch, -1);
    if (mr__mark_init(&lane->from, dataset)) {
        mr__free(lane);
        return NULL;
    }
    return lane;
}

void mr__lane_free(mr__lane *lane)
{
    if (!lane)
        return;
    mr__lane_close(lane);
    mr__mark_free(&lane->from);
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
    lane->resumes = false;
    atomic_store_explicit(&lane->ended_epoch, -1, memory_order_relaxed);
}

void mr__lane_resume(mr__lane *lane, int64_t epoch, const mr__mark *from)
{
    mr__lane_close(lane);
    lane->epoch = epoch;
    lane->read = from->read;
    lane->resumes = true;
    mr__mark_copy(&lane->from, from);
    if (from->ended)
        atomic_store_explicit(&lane->ended_epoch, epoch, memory_order_relaxed);
}

/* Reads samples and throws them away: the cursor goes to a place that it cannot seek. */
static mr_status pass_over(mr__lane *lane, const mr_sample *sample, bool skip)
{
    for (int64_t i = 0; i < lane->from.read; i++) {
        mr_status status = lane->vtable->next(lane->cursor, sample);
        if (status == MR_END)
            return mr__raise(MR_ERR_STATE,
                             "loader: the stream has come to its end after %lld of %lld samples",
                             (long long)i, (long long)lane->from.read);
        if (status != MR_OK && !skip)
            return mr__sample_failed("loader", status, i);
        if (status != MR_OK)
            mr_error_clear(); /* it was taken note of when it was read first */
    }
    return MR_OK;
}

static bool open_cursor(mr__lane *lane, const mr_sample *sample, bool skip)
{
    mr_status status = MR_OK;
    lane->cursor = lane->vtable->open(lane->dataset->self, 0, 1);
    if (!lane->cursor && !mr__pending())
        mr__raise(MR_ERR_CALLBACK, "loader: the stream did not open, without a message");
    if (!lane->cursor || !lane->resumes)
        return lane->cursor != NULL;
    lane->resumes = false;
    if (!lane->from.told) {
        status = pass_over(lane, sample, skip);
    } else if ((status = lane->vtable->seek(lane->cursor, lane->from.cursor)) != MR_OK) {
        if (!mr__pending())
            mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "the callback failed without a message");
        mr__add_context("loader: seek to sample %lld", (long long)lane->from.read);
    }
    return status == MR_OK;
}

static void take_note(mr__lane *lane, mr__mark *mark, bool ended)
{
    mark->read = lane->read;
    mark->ended = ended;
    mark->told = lane->cursor && mark->cursor;
    if (mark->told)
        lane->vtable->tell(lane->cursor, mark->cursor);
}

static void begin_epoch(mr__lane *lane, int64_t epoch)
{
    close_cursor(lane);
    lane->epoch = epoch;
    lane->read = 0;
    lane->resumes = false;
}

int64_t mr__lane_read(mr__lane *lane, mr__filler *filler, mr__slot_batch *slot, int64_t epoch, int64_t row,
                      int64_t count)
{
    const mr_dataset *dataset = lane->dataset;
    const mr_sample sample = { .field = filler->row, .epoch = epoch, .worker = filler->worker };
    int64_t rows = 0, bad = 0;
    bool ended = atomic_load_explicit(&lane->ended_epoch, memory_order_relaxed) == epoch;
    if (lane->epoch != epoch)
        begin_epoch(lane, epoch);
    for (int f = 0; f < dataset->field_count; f++)
        filler->row[f] = (char *)slot->base[f] + (size_t)row * dataset->row_bytes[f];
    if (!ended && !lane->cursor && !open_cursor(lane, &sample, filler->skip))
        return -1;
    while (rows < count && !ended) {
        if (MR__UNLIKELY(filler->watched))
            mr__filler_watch(filler, lane->read);
        mr_status status = lane->vtable->next(lane->cursor, &sample);
        if (status == MR_END) {
            close_cursor(lane);
            atomic_store_explicit(&lane->ended_epoch, epoch, memory_order_relaxed);
            ended = true;
        } else if (status != MR_OK) {
            if (!mr__fill_goes_on(filler, slot, status, row + rows, lane->read))
                return -1;
            lane->read++;
            if (++bad == MR__BAD_IN_A_ROW) {
                mr__raise(MR_ERR_CALLBACK, "loader: the stream has failed %d times in a row",
                          MR__BAD_IN_A_ROW);
                return -1;
            }
        } else {
            for (int f = 0; f < dataset->field_count; f++)
                filler->row[f] = (char *)filler->row[f] + dataset->row_bytes[f];
            lane->read++;
            rows++;
            bad = 0;
        }
    }
    take_note(lane, &slot->mark, ended);
    return rows;
}
