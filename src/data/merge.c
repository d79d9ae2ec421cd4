#include "merge.h"

#include "loader.h"

#include "base/alloc.h"

#include <string.h>

/* ---- making and freeing ---- */

static mr__mark *marks_new(mr_dataset *dataset, int count)
{
    mr__mark *mark = mr__alloc_zeroed((size_t)count * sizeof *mark);
    bool made = mark != NULL;
    for (int i = 0; made && i < count; i++)
        made = mr__mark_init(&mark[i], dataset) == MR_OK;
    if (made)
        return mark;
    for (int i = 0; mark && i < count; i++)
        mr__mark_free(&mark[i]);
    mr__free(mark);
    return NULL;
}

static void marks_free(mr__mark *mark, int count)
{
    for (int i = 0; mark && i < count; i++)
        mr__mark_free(&mark[i]);
    mr__free(mark);
}

mr_status mr__merge_init(mr__merge *m, mr_dataset *dataset, const mr__cut *cut, int64_t batch_size)
{
    *m = (mr__merge){ .cut = *cut };
    m->mark = marks_new(dataset, cut->lanes);
    m->began = m->mark ? marks_new(dataset, cut->lanes) : NULL;
    if (!m->began)
        return MR_ERR_MEMORY;
    mr__merge_begin(m);
    if (!batch_size) /* nothing is to be carried */
        return MR_OK;
    m->carry = mr__slot_new(dataset, 2 * batch_size, false);
    return m->carry ? MR_OK : MR_ERR_MEMORY;
}

void mr__merge_free(mr__merge *m)
{
    marks_free(m->mark, m->cut.lanes);
    marks_free(m->began, m->cut.lanes);
    mr__slot_free(m->carry);
    *m = (mr__merge){ 0 };
}

void mr__merge_begin(mr__merge *m)
{
    m->ended = m->pieces = 0;
    m->rest = 0;
    m->carried = m->handed = 0;
    for (int i = 0; i < m->cut.lanes; i++)
        mr__mark_clear(&m->mark[i], i);
}

void mr__merge_begin_rounds(mr__merge *m)
{
    memset(m->round, 0, sizeof m->round);
}

mr__lane *mr__merge_turn(mr__merge *m, mr__lanes *lanes, int64_t epoch)
{
    int next = -1;
    for (int i = 0; i < lanes->count; i++)
        if (!mr__lane_ended(lanes->lane[i], epoch) && (next < 0 || m->round[i] < m->round[next]))
            next = i;
    if (next < 0)
        return NULL;
    m->round[next]++;
    return lanes->lane[next];
}

/* ---- what is carried ---- */

/* What was delivered goes from the front. */
static void shift(mr__merge *m)
{
    int64_t gone = m->handed;
    if (!gone)
        return;
    (void)mr__slot_move_rows(m->carry, 0, m->carry, gone, m->carried - gone);
    m->carried -= gone;
    m->handed = 0;
    mr__slot_close_up(m->carry, m->carried);
}

/* Delivers the first rows that are carried. */
static int64_t hand_out(mr__merge *m, mr__slot_batch **slot, int64_t rows)
{
    int gone = 0;
    m->handed = rows;
    *slot = m->carry;
    m->carry->batch.number = m->rest++;
    for (int64_t left = rows; left > 0;) {
        mr__piece *p = &m->piece[gone];
        int64_t take = left < p->rows - p->gone ? left : p->rows - p->gone;
        p->gone += take;
        left -= take;
        gone += p->gone == p->rows;
    }
    m->pieces -= gone;
    memmove(m->piece, m->piece + gone, (size_t)m->pieces * sizeof *m->piece);
    return rows;
}

static void add_piece(mr__merge *m, int lane, int64_t rows)
{
    if (rows == 0)
        return;
    m->carried += rows;
    m->piece[m->pieces++] = (mr__piece){ .lane = lane, .rows = rows };
    mr__mark_copy(&m->began[lane], &m->mark[lane]);
}

/* ---- the next batch ---- */

static bool too_many(const mr_loader *loader, int64_t more)
{
    int64_t seen = loader->position + loader->merge.carried + loader->bad.in_epoch + more;
    if (loader->order.len < 0 || seen <= loader->order.len)
        return false;
    mr__raise(MR_ERR_CALLBACK, "loader: the stream promised %lld samples, and has given %lld",
              (long long)loader->order.len, (long long)seen);
    return true;
}

/* The last batch, what is carried; then the end. */
static int64_t finish(mr_loader *loader, mr__slot_batch **slot)
{
    mr__merge *m = &loader->merge;
    if (m->carried > 0 && !loader->drop_last)
        return hand_out(m, slot, m->carried);
    const int64_t seen = loader->position + m->carried + loader->bad.in_epoch, len = loader->order.len;
    const bool fewer = seen < len && !loader->bad.in_epoch; /* a bad one may stand for those behind it */
    if (len >= 0 && (fewer || seen > len)) {
        mr__raise(MR_ERR_CALLBACK, "loader: the stream promised %lld samples, and gave %lld", (long long)len,
                  (long long)seen);
        return -1;
    }
    return loader->ahead.opts.workers ? mr__ahead_pass_over(loader) : 0;
}

/* Reads the next part of some lane into a slot. -1 after a failure. */
static int64_t read_turn(mr_loader *loader, mr__slot_batch **slot)
{
    int64_t rows = loader->ahead.opts.workers ? mr__ahead_next(loader, slot) : mr__loader_fill(loader, slot);
    if (loader->bad.skip && *slot)
        rows = mr__loader_without_bad(loader, *slot, rows);
    return rows;
}

int64_t mr__merge_next(mr_loader *loader, mr__slot_batch **slot)
{
    mr__merge *m = &loader->merge;
    shift(m);
    while (m->ended < m->cut.lanes) {
        *slot = NULL;
        int64_t rows = read_turn(loader, slot);
        if (rows < 0)
            return -1;
        const int lane = (*slot)->lane;
        const int64_t turn = ((*slot)->mark.round - 1) * m->cut.lanes + lane;
        if (m->mark[lane].ended) /* it was begun before the end was known */
            continue;
        if (too_many(loader, rows))
            return -1;
        if (rows < loader->batch_size) {
            if (mr__slot_move_rows(m->carry, m->carried, *slot, 0, rows) < 0)
                return -1;
            add_piece(m, lane, rows);
        }
        mr__mark_copy(&m->mark[lane], &(*slot)->mark);
        m->ended += m->mark[lane].ended;
        (*slot)->batch.number = turn;
        if (rows == loader->batch_size)
            return rows;
        m->rest = turn;
        if (m->carried >= loader->batch_size)
            return hand_out(m, slot, loader->batch_size);
    }
    return finish(loader, slot);
}

/* ---- state ---- */

void mr__merge_write(const mr__merge *m, mr__strbuf *to)
{
    mr__write_i64(to, m->rest);
    for (int i = 0; i < m->cut.lanes; i++)
        mr__mark_write(&m->mark[i], to);
    mr__write_int(to, (uint64_t)m->pieces, 4);
    for (int i = 0; i < m->pieces; i++) {
        mr__write_int(to, (uint64_t)m->piece[i].lane, 4);
        mr__write_i64(to, m->piece[i].rows);
        mr__write_i64(to, m->piece[i].gone);
        mr__mark_write(&m->began[m->piece[i].lane], to);
    }
}

void mr__merge_read(mr__merge *m, mr__reader *from, int64_t batch_size)
{
    bool seen[MR__MOST_LANES] = { false };
    m->rest = mr__read_count(from);
    for (int i = 0; i < m->cut.lanes; i++) {
        mr__mark_read(&m->mark[i], from);
        m->ended += m->mark[i].ended;
    }
    uint64_t pieces = mr__read_int(from, 4);
    for (; (uint64_t)m->pieces < pieces && !from->failed; m->pieces++) {
        mr__piece *p = &m->piece[m->pieces];
        uint64_t lane = mr__read_int(from, 4);
        if (lane >= (uint64_t)m->cut.lanes || seen[lane] || !m->mark[lane].ended) {
            from->failed = true;
            return;
        }
        seen[lane] = true;
        *p = (mr__piece){ .lane = (int)lane };
        p->rows = mr__read_i64(from);
        p->gone = mr__read_i64(from);
        mr__mark_read(&m->began[lane], from);
        m->carried += p->rows - p->gone;
        if (p->gone < 0 || p->gone >= p->rows || p->rows >= batch_size || m->carried >= batch_size ||
            m->began[lane].ended)
            from->failed = true;
    }
}

/* Reads a piece again, whose bad samples were counted when it was read first. */
static mr_status read_piece(mr_loader *loader, const mr__piece *p)
{
    mr__merge *m = &loader->merge;
    mr__lane *lane = loader->lanes->lane[p->lane];
    mr__lane_resume(lane, loader->epoch, &m->began[p->lane]);
    int64_t rows = mr__lane_read(lane, &loader->filler, m->carry, loader->epoch,
                                 loader->order.key[loader->order.now].seed, m->carried, loader->batch_size);
    mr__faults_clear(m->carry);
    if (rows < 0)
        return mr_error_status();
    if (rows != p->rows)
        return mr__raise(MR_ERR_STATE, "loader: the end of a shard has %lld samples, and had %lld",
                         (long long)rows, (long long)p->rows);
    (void)mr__slot_move_rows(m->carry, m->carried, m->carry, m->carried + p->gone, rows - p->gone);
    m->carried += rows - p->gone;
    return MR_OK;
}

mr_status mr__merge_resume(mr_loader *loader, mr__merge *from)
{
    mr__merge *m = &loader->merge;
    m->rest = from->rest;
    m->ended = from->ended;
    m->pieces = from->pieces;
    m->carried = m->handed = 0;
    memcpy(m->piece, from->piece, sizeof m->piece);
    for (int i = 0; i < m->cut.lanes; i++) {
        mr__mark_copy(&m->mark[i], &from->mark[i]);
        mr__mark_copy(&m->began[i], &from->began[i]);
        m->round[i] = m->mark[i].round;
        mr__lane_resume(loader->lanes->lane[i], loader->epoch, &m->mark[i]);
    }
    mr_status status = MR_OK;
    for (int i = 0; i < m->pieces && status == MR_OK; i++)
        status = read_piece(loader, &m->piece[i]);
    return status;
}
