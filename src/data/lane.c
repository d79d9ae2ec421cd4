#include "lane.h"

#include "faults.h"

#include "base/alloc.h"

#include <millrace/random.h>

#include <string.h>

/* ---- making and freeing ---- */

static void close_cursor(mr__lane *lane)
{
    if (lane->cursor)
        lane->vtable->close(lane->cursor);
    lane->cursor = NULL;
}

static void lane_free(mr__lane *lane)
{
    if (!lane)
        return;
    close_cursor(lane);
    mr__slot_free(lane->block);
    mr__mark_free(&lane->from);
    mr__mark_free(&lane->block_begin);
    mr__free(lane);
}

static mr__lane *lane_new(mr_dataset *dataset, const mr__cut *cut, int number)
{
    mr__lane *lane = mr__alloc_zeroed(sizeof *lane);
    if (!lane)
        return NULL;
    lane->dataset = dataset;
    lane->copy = *dataset->stream;
    lane->vtable = &lane->copy;
    lane->cut = *cut;
    lane->number = number;
    lane->epoch = -1;
    atomic_init(&lane->ended_epoch, -1);
    if (mr__mark_init(&lane->from, dataset) || mr__mark_init(&lane->block_begin, dataset)) {
        lane_free(lane);
        return NULL;
    }
    return lane;
}

mr__lanes *mr__lanes_new(mr_dataset *dataset, const mr__cut *cut)
{
    mr__lanes *lanes = mr__alloc_zeroed(sizeof *lanes);
    for (; lanes && lanes->count < cut->lanes; lanes->count++)
        if (!(lanes->lane[lanes->count] = lane_new(dataset, cut, lanes->count))) {
            mr__lanes_free(lanes);
            return NULL;
        }
    return lanes;
}

void mr__lanes_free(mr__lanes *lanes)
{
    for (int i = 0; lanes && i < lanes->count; i++)
        lane_free(lanes->lane[i]);
    mr__free(lanes);
}

static void lane_close(mr__lane *lane)
{
    close_cursor(lane);
    lane->epoch = -1;
    lane->resumes = false;
    atomic_store_explicit(&lane->ended_epoch, -1, memory_order_relaxed);
}

void mr__lanes_close(mr__lanes *lanes)
{
    for (int i = 0; lanes && i < lanes->count; i++)
        lane_close(lanes->lane[i]);
}

bool mr__lanes_ended(const mr__lanes *lanes, int64_t epoch)
{
    for (int i = 0; i < lanes->count; i++)
        if (!mr__lane_ended(lanes->lane[i], epoch))
            return false;
    return true;
}

/* ---- one sample ---- */

/* The number of a shard that stands at a place of the order. */
static int64_t shard_at(const mr__lane *lane, int64_t place)
{
    return lane->cut.block ? mr__permutation_at(&lane->shards, place) : place;
}

static void watch(const mr__lane *lane, mr__filler *filler)
{
    if (MR__UNLIKELY(filler->watched))
        mr__filler_watch(filler, lane->cut.shards > 1 ? shard_at(lane, lane->shard) : -1, lane->read);
}

/* Puts the place before the pending failure. */
static mr_status failed(const mr__lane *lane, mr_status status, const char *what)
{
    if (!mr__has_cause(status < 0 ? status : MR_ERR_CALLBACK))
        mr__raise(status < 0 ? status : MR_ERR_CALLBACK, "the callback failed without a message");
    if (lane->cut.shards > 1)
        mr__add_context("loader: shard %lld: %ssample %lld", (long long)shard_at(lane, lane->shard), what,
                        (long long)lane->read);
    else
        mr__add_context("loader: %ssample %lld", what, (long long)lane->read);
    return status < 0 ? status : MR_ERR_CALLBACK;
}

/* Reads samples and throws them away: the cursor goes to a place that it cannot seek. */
static mr_status pass_over(mr__lane *lane, mr__filler *filler, const mr_sample *sample)
{
    for (lane->read = 0; lane->read < lane->from.read; lane->read++) {
        watch(lane, filler);
        mr__empty_rows(lane->dataset, sample->field, 1);
        mr_status status = mr__outcome(lane->vtable->next(lane->cursor, sample));
        if (status == MR_END)
            return mr__raise(MR_ERR_STATE,
                             "loader: the stream has come to its end after %lld of %lld samples",
                             (long long)lane->read, (long long)lane->from.read);
        if (status != MR_OK && !filler->skip)
            return failed(lane, status, "");
        if (status != MR_OK)
            mr_error_clear(); /* it was taken note of when it was read first */
    }
    return MR_OK;
}

static mr_status open_cursor(mr__lane *lane, mr__filler *filler, const mr_sample *sample)
{
    mr_status status = MR_OK;
    watch(lane, filler); /* opening may hang, too */
    mr__error_mark();
    lane->cursor = lane->vtable->open(lane->dataset->self, shard_at(lane, lane->shard), lane->cut.shards);
    if (!lane->cursor && !mr__has_cause(MR_OK))
        return mr__raise(MR_ERR_CALLBACK, "loader: the stream did not open, without a message");
    if (!lane->cursor) {
        if (lane->cut.shards > 1)
            mr__add_context("loader: shard %lld", (long long)shard_at(lane, lane->shard));
        else
            mr__add_context("loader");
        return mr_error_status();
    }
    if (!lane->resumes)
        return MR_OK;
    lane->resumes = false;
    if (!lane->from.told)
        return pass_over(lane, filler, sample);
    lane->read = lane->from.read;
    status = mr__outcome(lane->vtable->seek(lane->cursor, lane->from.cursor));
    return status == MR_OK ? MR_OK : failed(lane, status, "seek to ");
}

/* Writes the next sample: MR_OK, MR_END when there is none in any shard, or a failure. Bad samples that are skipped are hung
 * on `slot`, if there is one, with `row`. */
static mr_status next_sample(mr__lane *lane, mr__filler *filler, const mr_sample *sample,
                             mr__slot_batch *slot, int64_t row)
{
    for (int bad = 0; lane->shard < lane->cut.shards;) {
        mr_status status = lane->cursor ? MR_OK : open_cursor(lane, filler, sample);
        if (status != MR_OK)
            return status;
        watch(lane, filler);
        mr__empty_rows(lane->dataset, sample->field, 1);
        status = mr__outcome(lane->vtable->next(lane->cursor, sample));
        if (MR__LIKELY(status == MR_OK)) {
            lane->read++;
            return MR_OK;
        }
        if (status == MR_END) {
            close_cursor(lane);
            lane->shard += lane->cut.lanes;
            lane->read = 0;
            continue;
        }
        const bool gives_up = filler->skip && ++bad == MR__BAD_IN_A_ROW;
        status =
            failed(lane, status, gives_up ? "the stream has failed 1000 times in a row, at last in " : "");
        if (!filler->skip || gives_up ||
            (slot && !mr__fault_note(slot, row, shard_at(lane, lane->shard), lane->read)))
            return status;
        mr_error_clear();
        lane->read++;
    }
    return MR_END;
}

/* ---- places ---- */

void mr__lane_resume(mr__lane *lane, int64_t epoch, const mr__mark *from)
{
    lane_close(lane);
    lane->epoch = epoch;
    lane->shard = from->shard;
    lane->read = 0;
    lane->round = from->round;
    lane->resumes = from->read > 0 || from->told;
    lane->block_number = from->block;
    lane->block_rows = lane->given = 0;
    mr__mark_copy(&lane->from, from);
    if (from->ended)
        atomic_store_explicit(&lane->ended_epoch, epoch, memory_order_relaxed);
}

static void begin_epoch(mr__lane *lane, int64_t epoch)
{
    close_cursor(lane);
    lane->epoch = epoch;
    lane->shard = lane->number;
    lane->read = lane->round = 0;
    lane->resumes = false;
    lane->from.given = 0;
    lane->block_number = lane->block_rows = lane->given = 0;
}

/* Takes note of where the next sample is. */
static void take_note(mr__lane *lane, mr__mark *mark)
{
    mark->shard = lane->shard;
    mark->read = lane->read;
    mark->ended = false;
    mark->told = lane->cursor && mark->cursor;
    mark->block = lane->block_number;
    mark->given = 0;
    if (mark->told)
        lane->vtable->tell(lane->cursor, mark->cursor);
}

/* ---- blocks ---- */

static void point_at(mr__filler *filler, const mr__slot_batch *slot, int64_t row)
{
    for (int f = 0; f < slot->field_count; f++)
        filler->row[f] = (char *)slot->base[f] + (size_t)row * slot->row_bytes[f];
}

static void point_at_next(mr__filler *filler, const mr__slot_batch *slot)
{
    for (int f = 0; f < slot->field_count; f++)
        filler->row[f] = (char *)filler->row[f] + slot->row_bytes[f];
}

static void shuffle_block(mr__lane *lane)
{
    int64_t *order = lane->block->index;
    mr_random random = mr_random_at(lane->seed, lane->number, lane->block_number);
    for (int64_t i = 0; i < lane->block_rows; i++) {
        int64_t j = mr_random_below(&random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

/* Reads the next block, which is empty at the end. */
static mr_status read_block(mr__lane *lane, mr__filler *filler, const mr_sample *sample, mr__slot_batch *slot,
                            int64_t row)
{
    mr_status status = MR_OK;
    if (!lane->block) {
        lane->block = mr__slot_new(lane->dataset, lane->cut.block, false);
        if (!lane->block || mr__pending()) /* a name that found no memory */
            return MR_ERR_MEMORY;
    }
    if (lane->resumes)
        mr__mark_copy(&lane->block_begin, &lane->from);
    else
        take_note(lane, &lane->block_begin);
    lane->block_rows = lane->given = 0;
    point_at(filler, lane->block, 0);
    while (lane->block_rows < lane->cut.block &&
           (status = next_sample(lane, filler, sample, lane->from.given ? NULL : slot, row)) == MR_OK) {
        lane->block_rows++;
        point_at_next(filler, lane->block);
    }
    if (status >= 0 && lane->from.given > lane->block_rows)
        status = mr__raise(
            MR_ERR_STATE, "loader: block %lld of the stream has %lld samples, and %lld of it were given",
            (long long)lane->block_number, (long long)lane->block_rows, (long long)lane->from.given);
    if (status < 0) {
        lane->block_rows = lane->given = 0; /* a block of which a part is missing is none */
        return status;
    }
    shuffle_block(lane);
    lane->given = lane->from.given;
    lane->from.given = 0;
    return MR_OK;
}

/* The next sample of the block, or of the next one. */
static mr_status next_shuffled(mr__lane *lane, mr__filler *filler, const mr_sample *sample,
                               mr__slot_batch *slot, int64_t row)
{
    if (lane->given == lane->block_rows) {
        mr_status status = read_block(lane, filler, sample, slot, row);
        if (status != MR_OK)
            return status;
    }
    if (lane->given == lane->block_rows)
        return MR_END;
    int64_t from = lane->block->index[lane->given++];
    if (mr__slot_move_rows(slot, row, lane->block, from, 1) < 0)
        return mr_error_status();
    if (lane->given == lane->block_rows)
        lane->block_number++;
    return MR_OK;
}

static void set_seed(mr__lane *lane, uint64_t seed)
{
    if (lane->cut.block && (lane->seed != seed || lane->shards.length == 0))
        mr__permutation_init(&lane->shards, "loader", lane->cut.shards, seed);
    lane->seed = seed;
}

int64_t mr__lane_read(mr__lane *lane, mr__filler *filler, mr__slot_batch *slot, int64_t epoch, uint64_t seed,
                      int64_t row, int64_t count)
{
    const mr_sample sample = { .field = filler->row, .epoch = epoch, .worker = filler->worker };
    int64_t rows = 0;
    mr_status status = mr__lane_ended(lane, epoch) ? MR_END : MR_OK;
    set_seed(lane, seed);
    if (lane->epoch != epoch)
        begin_epoch(lane, epoch);
    point_at(filler, slot, row);
    for (; status == MR_OK && rows < count; rows += status == MR_OK) {
        if (lane->cut.block) {
            status = next_shuffled(lane, filler, &sample, slot, row + rows);
        } else {
            status = slot->ragged_count ? mr__slot_lend(slot, row + rows) : MR_OK;
            if (status == MR_OK)
                status = next_sample(lane, filler, &sample, slot, row + rows);
            if (status == MR_OK)
                point_at_next(filler, slot);
        }
    }
    if (status < 0) { /* which ends the epoch: nothing more is read in it, of what is posted already, too */
        close_cursor(lane);
        atomic_store_explicit(&lane->ended_epoch, epoch, memory_order_relaxed);
        return -1;
    }
    if (status == MR_END)
        atomic_store_explicit(&lane->ended_epoch, epoch, memory_order_relaxed);
    if (lane->given < lane->block_rows) {
        mr__mark_copy(&slot->mark, &lane->block_begin);
        slot->mark.given = lane->given;
    } else {
        take_note(lane, &slot->mark);
    }
    slot->mark.round = ++lane->round;
    slot->mark.ended = status == MR_END;
    slot->lane = lane->number;
    return rows;
}
