/* Several streams as one: one after the other, or in proportion. */
#include "inner.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what they have in common: several streams, and a cursor on each ---- */

typedef struct streams {
    mr_stream_vtable vtable;
    mr_dataset **inner; /* held */
    int count;
    double *share; /* of each in an interleaved stream */
    mr_interleave_end end;
} streams;

typedef struct cursors {
    const streams *streams; /* gone when there is nothing left to do but to close */
    int64_t shard, shards;
    int at; /* the stream that is being read, in a chain */
    mr__inner_cursor *cursor;
    int64_t *taken; /* samples of each since the last one ended, in an interleaved stream, and all together */
    int64_t all;
    bool *ended;
    int count, left; /* streams, and those that have not ended */
} cursors;

static void streams_destroy(void *self)
{
    streams *s = self;
    mr__inners_release(s->inner, s->count);
    mr__free(s->share);
}

static void cursors_close(void *cursor)
{
    cursors *c = cursor;
    for (int i = 0; c->cursor && i < c->count; i++)
        mr__inner_close(&c->cursor[i]);
    mr__free(c->cursor);
    mr__free(c->taken);
    mr__free(c->ended);
    mr__free(c);
}

static void *cursors_open(void *self, int64_t shard, int64_t shards)
{
    const streams *s = self;
    size_t n = (size_t)s->count;
    cursors *c = mr__alloc_zeroed(sizeof *c);
    if (!c)
        return NULL;
    *c = (cursors){ .streams = s, .shard = shard, .shards = shards, .count = s->count, .left = s->count };
    c->cursor = mr__alloc_zeroed(n * sizeof *c->cursor);
    c->taken = c->cursor ? mr__alloc_zeroed(n * sizeof *c->taken) : NULL;
    c->ended = c->taken ? mr__alloc_zeroed(n * sizeof *c->ended) : NULL;
    if (c->ended)
        return c;
    cursors_close(c);
    return NULL;
}

static mr_status named(const char *what, int number, mr_status status)
{
    char call[48];
    snprintf(call, sizeof call, "%s: stream %d", what, number);
    mr__add_context("%s", call);
    return status;
}

/* Opens stream i if it is not. */
static mr_status open_stream(cursors *c, int i)
{
    return c->cursor[i].at ? MR_OK : mr__inner_open(&c->cursor[i], c->streams->inner[i], c->shard, c->shards);
}

/* The next sample of stream i, which is opened when it is first read. */
static mr_status read_from(cursors *c, const char *what, int i, const mr_sample *sample)
{
    mr_status status = open_stream(c, i);
    if (status == MR_OK)
        status = mr__inner_next(&c->cursor[i], sample);
    if (status < 0)
        return named(what, i, status);
    if (status == MR_END)
        mr__inner_close(&c->cursor[i]);
    return status;
}

/* Whether all can tell; the most bytes that one of them takes, and those of all together. */
static bool all_tell(const streams *s, size_t *most, size_t *total)
{
    *most = *total = 0;
    for (int i = 0; i < s->count; i++) {
        if (!mr__inner_tells(s->inner[i]))
            return false;
        size_t bytes = s->inner[i]->stream->cursor_state_size;
        *most = bytes > *most ? bytes : *most;
        *total += bytes;
    }
    return true;
}

/* ---- one after the other ---- */

static mr_status chain_next(void *cursor, const mr_sample *sample)
{
    cursors *c = cursor;
    for (; c->at < c->count; c->at++) {
        mr_status status = read_from(c, "chain", c->at, sample);
        if (status != MR_END)
            return status;
    }
    return MR_END;
}

static int64_t chain_len(void *self)
{
    const streams *s = self;
    int64_t sum = 0;
    for (int i = 0; i < s->count; i++) {
        int64_t len = mr_dataset_len(s->inner[i]);
        if (len < 0 || __builtin_add_overflow(sum, len, &sum))
            return -1;
    }
    return sum;
}

/* Which stream is being read, and where its cursor stands if it is open. */
static void chain_tell(void *cursor, void *state)
{
    const cursors *c = cursor;
    unsigned char *at = state;
    bool open = c->at < c->count && c->cursor[c->at].at;
    mr__put_number(&at, c->at);
    mr__put_number(&at, open);
    if (open)
        mr__inner_tell(&c->cursor[c->at], &at);
}

static mr_status chain_seek(void *cursor, const void *state)
{
    cursors *c = cursor;
    const unsigned char *at = state;
    int64_t which = mr__get_number(&at), open = mr__get_number(&at);
    if (which < 0 || which > c->count || (open && which == c->count))
        return mr__raise(MR_ERR_FORMAT, "chain: stream %lld of %d in the state", (long long)which, c->count);
    c->at = (int)which;
    mr_status status = open ? open_stream(c, c->at) : MR_OK;
    if (status == MR_OK && open)
        status = mr__inner_seek(&c->cursor[c->at], &at);
    return status == MR_OK ? MR_OK : named("chain", c->at, status);
}

mr_dataset *mr_chain_new(mr_dataset *const *all, int count)
{
    size_t most, total;
    if (!mr__inners_alike("chain_new", all, count, MR__STREAM))
        return NULL;
    streams s = { .inner = mr__inners_hold(all, count), .count = count };
    s.vtable = (mr_stream_vtable){ .open = cursors_open,
                                   .next = chain_next,
                                   .close = cursors_close,
                                   .len = chain_len,
                                   .destroy = streams_destroy };
    if (!s.inner)
        return NULL;
    if (all_tell(&s, &most, &total)) {
        s.vtable.cursor_state_size = 2 * MR__STATE_NUMBER + most;
        s.vtable.tell = chain_tell;
        s.vtable.seek = chain_seek;
    }
    return mr__stream_with_vtable(&s, sizeof s, all[0]->fields, all[0]->field_count);
}

/* ---- in proportion ---- */

/*
 * Whose turn it is: Tijdeman's solution of the chairman assignment problem. With k streams, of which stream i has had
 * `taken` samples out of `all` and is to have the share w: those may come that are behind their part of `all` + 1 by at
 * least 1 / (2k - 2); of these the one that has the least time left until it would be behind by more than
 * 1 - 1 / (2k - 2), which is also the most that any is ever off.
 */
static int whose_turn(const cursors *c)
{
    const double *share = c->streams->share;
    double sum = 0, least = INFINITY, slack = c->left > 1 ? 1.0 / (2.0 * c->left - 2) : 0;
    int turn = -1, most_behind = -1;
    double most = -INFINITY;
    for (int i = 0; i < c->count; i++)
        sum += c->ended[i] ? 0 : share[i];
    for (int i = 0; i < c->count; i++) {
        if (c->ended[i])
            continue;
        double w = share[i] / sum, behind = w * (double)(c->all + 1) - (double)c->taken[i];
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

static mr_status interleave_next(void *cursor, const mr_sample *sample)
{
    cursors *c = cursor;
    while (c->left > 0) {
        int i = whose_turn(c);
        mr_status status = read_from(c, "interleave", i, sample);
        if (status == MR_OK) {
            c->taken[i]++;
            c->all++;
        }
        if (status != MR_END)
            return status;
        c->ended[i] = true;
        c->left = c->streams->end == MR_INTERLEAVE_FIRST ? 0 : c->left - 1;
        memset(c->taken, 0, (size_t)c->count * sizeof *c->taken); /* the others begin anew among themselves */
        c->all = 0;
    }
    return MR_END;
}

static int64_t interleave_len(void *self)
{
    return ((const streams *)self)->end == MR_INTERLEAVE_FIRST ? -1 : chain_len(self);
}

/* How many have been taken of all; of each how many, whether it has ended, or is open and where its cursor stands. */
static void interleave_tell(void *cursor, void *state)
{
    const cursors *c = cursor;
    unsigned char *at = state;
    mr__put_number(&at, c->all);
    mr__put_number(&at, c->left);
    for (int i = 0; i < c->count; i++) {
        unsigned char *next = at + 2 * MR__STATE_NUMBER + c->streams->inner[i]->stream->cursor_state_size;
        mr__put_number(&at, c->taken[i]);
        mr__put_number(&at, c->ended[i] ? 2 : c->cursor[i].at != NULL);
        if (c->cursor[i].at)
            mr__inner_tell(&c->cursor[i], &at);
        at = next;
    }
}

static mr_status interleave_seek(void *cursor, const void *state)
{
    cursors *c = cursor;
    const unsigned char *at = state;
    c->all = mr__get_number(&at);
    mr__get_number(&at); /* how many are left, which follows */
    c->left = c->count;
    for (int i = 0; i < c->count; i++) {
        const unsigned char *next =
            at + 2 * MR__STATE_NUMBER + c->streams->inner[i]->stream->cursor_state_size;
        c->taken[i] = mr__get_number(&at);
        int64_t how = mr__get_number(&at);
        if (c->all < 0 || c->taken[i] < 0 || how < 0 || how > 2)
            return mr__raise(MR_ERR_FORMAT, "interleave: stream %d: a place that is none", i);
        c->ended[i] = how == 2;
        c->left -= c->ended[i];
        mr_status status = how == 1 ? open_stream(c, i) : MR_OK;
        if (status == MR_OK && how == 1)
            status = mr__inner_seek(&c->cursor[i], &at);
        if (status != MR_OK)
            return named("interleave", i, status);
        at = next;
    }
    return MR_OK;
}

static mr_dataset *make_interleaved(streams *s)
{
    size_t most, total;
    s->vtable = (mr_stream_vtable){ .open = cursors_open,
                                    .next = interleave_next,
                                    .close = cursors_close,
                                    .len = interleave_len,
                                    .destroy = streams_destroy };
    if (all_tell(s, &most, &total)) {
        s->vtable.cursor_state_size = (size_t)(2 + 2 * s->count) * MR__STATE_NUMBER + total;
        s->vtable.tell = interleave_tell;
        s->vtable.seek = interleave_seek;
    }
    return mr__stream_with_vtable(s, sizeof *s, s->inner[0]->fields, s->inner[0]->field_count);
}

mr_dataset *mr_interleave_new(mr_dataset *const *all, const double *weights, int count,
                              const mr_interleave_opts *opts)
{
    static const char call[] = "interleave_new";
    double sum = 0;
    if (!mr__inners_alike(call, all, count, MR__STREAM))
        return NULL;
    if (!weights) {
        mr__null(call, "weights");
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        sum += weights[i];
        if (!(weights[i] > 0) || isinf(weights[i])) {
            mr__raise(MR_ERR_ARGUMENT, "%s: weight %d is %g, not finite and above 0", call, i, weights[i]);
            return NULL;
        }
    }
    mr_interleave_end end = opts ? opts->end : MR_INTERLEAVE_ALL;
    if (isinf(sum) || end < MR_INTERLEAVE_ALL || end > MR_INTERLEAVE_FIRST) {
        mr__raise(MR_ERR_ARGUMENT, "%s: weights that add up to %g, end %d", call, sum, (int)end);
        return NULL;
    }
    streams s = { .inner = mr__inners_hold(all, count), .count = count, .end = end };
    s.share = s.inner ? mr__alloc_array((size_t)count, sizeof *s.share) : NULL;
    if (!s.share) {
        streams_destroy(&s);
        return NULL;
    }
    memcpy(s.share, weights, (size_t)count * sizeof *weights);
    return make_interleaved(&s);
}
