/* Streams of streams: one after the other, some of the samples, and several in proportion. */
#include "inner.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what they have in common: several streams, and a cursor on each ---- */

typedef struct streams {
    mr_dataset **inner; /* held */
    int count;
    double *share; /* of each in an interleaved stream */
    mr_interleave_end end;
} streams;

typedef struct cursors {
    const streams *streams; /* gone when there is nothing left to do but to close */
    int64_t shard, shards;
    int64_t given; /* samples */
    int at;        /* the stream that is being read, in a chain */
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

/* The next sample of stream i, which is opened when it is first read. */
static mr_status read_from(cursors *c, const char *what, int i, const mr_sample *sample)
{
    mr_status status = MR_OK;
    if (!c->cursor[i].at)
        status = mr__inner_open(&c->cursor[i], c->streams->inner[i], c->shard, c->shards);
    if (status == MR_OK)
        status = mr__inner_next(&c->cursor[i], sample);
    if (status < 0)
        return named(what, i, status);
    if (status == MR_END)
        mr__inner_close(&c->cursor[i]);
    return status;
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

static const mr_stream_vtable chain_vtable = { .open = cursors_open,
                                               .next = chain_next,
                                               .close = cursors_close,
                                               .len = chain_len,
                                               .destroy = streams_destroy };

mr_dataset *mr_chain_new(mr_dataset *const *all, int count)
{
    if (!mr__inners_alike("chain_new", all, count, MR__STREAM))
        return NULL;
    streams s = { .inner = mr__inners_hold(all, count), .count = count };
    mr_dataset *chain =
        s.inner ? mr_stream_new(&chain_vtable, &s, sizeof s, all[0]->fields, all[0]->field_count) : NULL;
    if (!chain)
        streams_destroy(&s);
    return chain;
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

static const mr_stream_vtable interleave_vtable = { .open = cursors_open,
                                                    .next = interleave_next,
                                                    .close = cursors_close,
                                                    .len = interleave_len,
                                                    .destroy = streams_destroy };

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
    mr_dataset *mixed = NULL;
    if (s.share) {
        memcpy(s.share, weights, (size_t)count * sizeof *weights);
        mixed = mr_stream_new(&interleave_vtable, &s, sizeof s, all[0]->fields, all[0]->field_count);
    }
    if (!mixed)
        streams_destroy(&s);
    return mixed;
}

/* ---- some of the samples ---- */

typedef struct filter {
    mr_dataset *inner; /* held */
    mr_filter_function keep;
    void *user;
} filter;

typedef struct filter_cursor {
    mr__inner_cursor inner;
    mr_filter_function keep;
    void *user;
    int64_t read; /* samples of the inner stream */
} filter_cursor;

static void *filter_open(void *self, int64_t shard, int64_t shards)
{
    const filter *f = self;
    filter_cursor *c = mr__alloc_zeroed(sizeof *c);
    if (!c)
        return NULL;
    c->keep = f->keep;
    c->user = f->user;
    if (mr__inner_open(&c->inner, f->inner, shard, shards) == MR_OK)
        return c;
    mr__add_context("filter");
    mr__free(c);
    return NULL;
}

static mr_status filter_next(void *cursor, const mr_sample *sample)
{
    filter_cursor *c = cursor;
    for (;;) {
        mr_status status = mr__inner_next(&c->inner, sample);
        if (status == MR_END)
            return MR_END;
        bool kept = status == MR_OK && c->keep(c->user, sample->field);
        if (status != MR_OK || mr__pending())
            return mr__sample_failed("filter", mr_error_status(), c->read);
        c->read++;
        if (kept)
            return MR_OK;
    }
}

static void filter_close(void *cursor)
{
    mr__inner_close(&((filter_cursor *)cursor)->inner);
    mr__free(cursor);
}

static void filter_destroy(void *self)
{
    mr__dataset_release(((filter *)self)->inner);
}

static const mr_stream_vtable filter_vtable = {
    .open = filter_open, .next = filter_next, .close = filter_close, .destroy = filter_destroy
};

mr_dataset *mr_filter_new(mr_dataset *stream, mr_filter_function keep, void *user)
{
    static const char call[] = "filter_new";
    if (!mr__inner_acceptable(call, stream, MR__STREAM))
        return NULL;
    if (!keep) {
        mr__null(call, "keep");
        return NULL;
    }
    const filter f = { stream, keep, user };
    mr_dataset *made = mr_stream_new(&filter_vtable, &f, sizeof f, stream->fields, stream->field_count);
    if (made)
        mr__dataset_hold(stream);
    return made;
}
