/* Datasets in proportion to weights, and streams. */
#include "cursors.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- whose turn it is ---- */

typedef struct turns {
    const double *share; /* of each; borrowed */
    int count, left;     /* all, and those that have not ended */
    bool *ended;
    int64_t *taken, all; /* samples of each since the last one ended, and all together */
} turns;

static void turns_free(turns *t)
{
    mr__free(t->ended);
    mr__free(t->taken);
}

static mr_status turns_init(turns *t, const double *share, int count)
{
    *t = (turns){ .share = share, .count = count, .left = count };
    t->ended = mr__alloc_zeroed((size_t)count * sizeof *t->ended);
    t->taken = mr__alloc_zeroed((size_t)count * sizeof *t->taken);
    return t->ended && t->taken ? MR_OK : MR_ERR_MEMORY;
}

/*
 * Tijdeman's solution of the chairman assignment problem. With k datasets, of which number i has had `taken` samples out
 * of `all` and is to have the share w: those may come that are behind their part of `all` + 1 by at least 1 / (2k - 2); of
 * these the one that has the least time left until it would be behind by more than 1 - 1 / (2k - 2), which is also the
 * most that any is ever off.
 */
static int whose_turn(const turns *t)
{
    double sum = 0, least = INFINITY, slack = t->left > 1 ? 1.0 / (2.0 * t->left - 2) : 0;
    int turn = -1, most_behind = -1;
    double most = -INFINITY;
    for (int i = 0; i < t->count; i++)
        sum += t->ended[i] ? 0 : t->share[i];
    for (int i = 0; i < t->count; i++) {
        if (t->ended[i])
            continue;
        double w = t->share[i] / sum, behind = w * (double)(t->all + 1) - (double)t->taken[i];
        double time = (1 - slack - behind) / w;
        if (behind > most) {
            most = behind;
            most_behind = i;
        }
        if (behind >= slack && time < least) {
            least = time;
            turn = i;
        }
    }
    return turn >= 0 ? turn : most_behind;
}

static void took(turns *t, int i)
{
    t->taken[i]++;
    t->all++;
}

/* One has ended: the others begin anew among themselves. */
static void has_ended(turns *t, int i, mr_interleave_end end)
{
    t->ended[i] = true;
    t->left = end == MR_INTERLEAVE_FIRST ? 0 : t->left - 1;
    memset(t->taken, 0, (size_t)t->count * sizeof *t->taken);
    t->all = 0;
}

/* ---- streams ---- */

typedef struct mixed_streams {
    mr__streams all;
    double *share;
    mr_interleave_end end;
} mixed_streams;

typedef struct mixed_cursors {
    mr__cursors all;
    turns turns;
    int last; /* that gave a sample */
} mixed_cursors;

static void streams_destroy(void *self)
{
    mr__free(((mixed_streams *)self)->share);
    mr__streams_destroy(self);
}

static void cursors_close(void *cursor)
{
    turns_free(&((mixed_cursors *)cursor)->turns);
    mr__cursors_close(cursor);
}

static void *cursors_open(void *self, int64_t shard, int64_t shards)
{
    const mixed_streams *s = self;
    mixed_cursors *c = mr__cursors_new(self, sizeof *c, shard, shards);
    if (!c || turns_init(&c->turns, s->share, s->all.count) == MR_OK)
        return c;
    cursors_close(c);
    return NULL;
}

static mr_status streams_next(void *cursor, const mr_sample *sample)
{
    mixed_cursors *c = cursor;
    const mixed_streams *s = (const void *)c->all.streams;
    while (c->turns.left > 0) {
        int i = whose_turn(&c->turns);
        mr_status status = mr__cursors_next(&c->all, i, sample);
        if (status == MR_OK)
            took(&c->turns, i);
        c->last = i;
        if (status != MR_END)
            return status;
        has_ended(&c->turns, i, s->end);
    }
    return MR_END;
}

static int streams_origin(void *cursor, int field, char *text, size_t room)
{
    const mixed_cursors *c = cursor;
    return mr__origin_of_last(&c->all.cursor[c->last], field, text, room);
}

static int64_t streams_len(void *self)
{
    const mixed_streams *s = self;
    return s->end == MR_INTERLEAVE_FIRST ? -1 : mr__inners_len(s->all.inner, s->all.count);
}

/* How many have been taken of all; of each how many, and where it stands. */
static void streams_tell(void *cursor, void *state)
{
    const mixed_cursors *c = cursor;
    unsigned char *at = state;
    mr__put_number(&at, c->turns.all);
    for (int i = 0; i < c->all.count; i++) {
        mr__put_number(&at, c->turns.taken[i]);
        mr__cursors_tell(&c->all, i, &at);
    }
}

static mr_status streams_seek(void *cursor, const void *state)
{
    mixed_cursors *c = cursor;
    turns *t = &c->turns;
    const unsigned char *at = state;
    t->all = mr__get_number(&at);
    t->left = t->count;
    for (int i = 0; i < t->count; i++) {
        t->taken[i] = mr__get_number(&at);
        if (t->all < 0 || t->taken[i] < 0)
            return mr__raise(MR_ERR_FORMAT, "interleave: stream %d: a place that is none", i);
        mr_status status = mr__cursors_seek(&c->all, i, &at);
        if (status != MR_OK)
            return status;
        t->ended[i] = c->all.ended[i];
        t->left -= t->ended[i];
    }
    return MR_OK;
}

static mr_dataset *make_of_streams(mr_dataset *const *streams, double *share, int count,
                                   mr_interleave_end end)
{
    size_t most, total;
    mixed_streams s = { .all = { .inner = mr__inners_hold(streams, count), .count = count } };
    s.all.what = "interleave";
    s.share = share;
    s.end = end;
    s.all.vtable = (mr_stream_vtable){ .open = cursors_open,
                                       .next = streams_next,
                                       .close = cursors_close,
                                       .len = streams_len,
                                       .destroy = streams_destroy,
                                       .origin = streams_origin };
    if (!s.all.inner) {
        streams_destroy(&s);
        return NULL;
    }
    if (mr__streams_tell(&s.all, &most, &total)) {
        s.all.vtable.cursor_state_size = (size_t)(1 + 2 * count) * MR__STATE_NUMBER + total;
        s.all.vtable.tell = streams_tell;
        s.all.vtable.seek = streams_seek;
    }
    return mr__stream_with_vtable(&s, sizeof s, streams[0]->fields, streams[0]->field_count, streams, count);
}

/* ---- by index ---- */

/*
 * The turns are gone through once, and which dataset each sample is of is kept: a byte. How many samples of each come before
 * is kept for every so many-th, and counted from there.
 */
enum { MOST_DATASETS = 256, SAMPLES_PER_COUNT = 64 /* for each dataset */ };

typedef struct mixed {
    mr__several all;
    int64_t length, block; /* samples, and those for which counts are kept once */
    uint8_t *which;
    int64_t *before; /* for each block, of each dataset */
} mixed;

static void mixed_destroy(void *self)
{
    mixed *m = self;
    mr__several_end(&m->all);
    mr__free(m->which);
    mr__free(m->before);
}

static int64_t mixed_len(void *self)
{
    return ((const mixed *)self)->length;
}

/* The index of a sample in the dataset that it is of, number `which`. */
static int64_t inner_index(const mixed *m, int64_t index, uint8_t which)
{
    const int64_t block = index / m->block;
    int64_t inner = m->before[block * m->all.count + which];
    for (int64_t i = block * m->block; i < index; i++)
        inner += m->which[i] == which;
    return inner;
}

static mr_status mixed_get(void *self, int64_t index, const mr_sample *sample)
{
    const mixed *m = self;
    const uint8_t which = m->which[index];
    const int64_t inner = inner_index(m, index, which);
    mr_sample one = *sample;
    one.worker = mr__several_worker(sample, which);
    mr_status status = mr__inner_get(m->all.inner[which], inner, &one);
    if (MR__LIKELY(status == MR_OK))
        return MR_OK;
    char call[48];
    snprintf(call, sizeof call, "interleave: dataset %d", which);
    return mr__sample_failed(call, status, inner);
}

static int mixed_origin(void *self, int64_t index, int field, char *text, size_t room)
{
    const mixed *m = self;
    const uint8_t which = m->which[index];
    return mr__origin_of(m->all.inner[which], inner_index(m, index, which), field, text, room);
}

/* Goes through the turns; `given` is room for a number for each dataset. */
static mr_status find_turns(mixed *m, turns *t, int64_t *given, mr_interleave_end end)
{
    int64_t room = 0;
    while (t->left > 0) {
        const int i = whose_turn(t);
        if (given[i] == mr_dataset_len(m->all.inner[i])) {
            has_ended(t, i, end);
            continue;
        }
        if (m->length == room) {
            room = room ? 2 * room : m->block;
            uint8_t *which = mr__grow(m->which, (size_t)m->length, (size_t)room);
            m->which = which ? which : m->which;
            int64_t *before =
                which ? mr__grow(m->before, (size_t)(m->length / m->block) * sizeof *given * (size_t)t->count,
                                 (size_t)(room / m->block) * sizeof *given * (size_t)t->count)
                      : NULL;
            m->before = before ? before : m->before;
            if (!before)
                return MR_ERR_MEMORY;
        }
        if (m->length % m->block == 0)
            memcpy(m->before + m->length / m->block * t->count, given, (size_t)t->count * sizeof *given);
        m->which[m->length++] = (uint8_t)i;
        given[i]++;
        took(t, i);
    }
    return MR_OK;
}

static mr_dataset *make_by_index(mr_dataset *const *datasets, const double *share, int count,
                                 mr_interleave_end end)
{
    mixed m = { .all.vtable = {
                    .len = mixed_len, .get = mixed_get, .destroy = mixed_destroy, .origin = mixed_origin } };
    turns t = { 0 };
    if (count > MOST_DATASETS) {
        mr__raise(MR_ERR_ARGUMENT, "interleave_new: %d datasets by index, and %d are the most", count,
                  MOST_DATASETS);
        return NULL;
    }
    m.block = SAMPLES_PER_COUNT * count;
    int64_t *given = mr__alloc_zeroed((size_t)count * sizeof *given);
    const bool made = given && mr__several_begin(&m.all, datasets, count) &&
                      turns_init(&t, share, count) == MR_OK && find_turns(&m, &t, given, end) == MR_OK;
    turns_free(&t);
    mr__free(given);
    if (made)
        return mr__dataset_with_vtable(&m, sizeof m, datasets[0]->fields, datasets[0]->field_count);
    mixed_destroy(&m);
    return NULL;
}

/* ---- either ---- */

static const char call[] = "interleave_new";

static bool acceptable(const double *weights, int count, mr_interleave_end end)
{
    double sum = 0;
    if (!weights) {
        mr__null(call, "weights");
        return false;
    }
    for (int i = 0; i < count; i++) {
        sum += weights[i];
        if (!(weights[i] > 0) || isinf(weights[i])) {
            mr__raise(MR_ERR_ARGUMENT, "%s: weight %d is %g, not finite and above 0", call, i, weights[i]);
            return false;
        }
    }
    if (isinf(sum) || end < MR_INTERLEAVE_ALL || end > MR_INTERLEAVE_FIRST) {
        mr__raise(MR_ERR_ARGUMENT, "%s: weights that add up to %g, end %d", call, sum, (int)end);
        return false;
    }
    return true;
}

mr_dataset *mr_interleave_new(mr_dataset *const *datasets, const double *weights, int count,
                              const mr_interleave_opts *opts)
{
    const mr_interleave_end end = opts ? opts->end : MR_INTERLEAVE_ALL;
    if (!mr__inners_alike(call, datasets, count, datasets ? mr__kind_of(datasets[0]) : MR__EITHER) ||
        !acceptable(weights, count, end))
        return NULL;
    if (datasets[0]->map)
        return make_by_index(datasets, weights, count, end);
    double *share = mr__alloc_array((size_t)count, sizeof *share);
    if (!share)
        return NULL;
    memcpy(share, weights, (size_t)count * sizeof *share);
    return make_of_streams(datasets, share, count, end);
}
