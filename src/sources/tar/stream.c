/* Samples of tar files, one after the other. */
#include "cut.h"
#include "pattern.h"
#include "plan.h"

#include <stdatomic.h>
#include <string.h>

enum { FEW_FILES = 8 };
static const int64_t SMALLEST_PART = 4 << 20;

/* A pipe, which has one reader: what has been read of it, until somebody reads on. */
typedef struct pipe_file {
    bool is_one;
    _Atomic(mr__input *) input;
} pipe_file;

typedef struct tar_stream {
    mr__tar_plan plan;
    mr__names files;
    mr_storage *storage;       /* held */
    int64_t shards;            /* it is best read in */
    pipe_file pipe[FEW_FILES]; /* of the first files, if they are pipes */
} tar_stream;

typedef struct tar_cursor {
    tar_stream *stream;
    int64_t first, step,
        count;           /* its files: number `first`, and each `step`th from there on; `count` of them */
    int64_t part, parts; /* of the one file that it shares with others */
    int64_t which;       /* of its files is being read; `count`: it is through */

    bool open;
    mr__tar tar;
    int64_t begin, end; /* of its part: heads of samples from here on, before there */
    bool each;          /* it cannot be cut: of its samples, `part` and each `parts`th from there on */
    int64_t number;     /* of the next sample */
    bool begun;         /* the head of the next member has been read: */
    mr__member next;    /* it; and */
    mr__member now;     /* the last one before, or of the sample in hand */
    int64_t passed;     /* samples of which no field wants anything */
    bool *seen;         /* which fields have had their member */
    mr__scratch scratch;
} tar_cursor;

/* ---- files ---- */

static const char *path_of(const tar_cursor *c)
{
    return c->stream->files.name[c->first + c->which * c->step];
}

static void close_file(tar_cursor *c)
{
    mr__tar_close(&c->tar);
    c->open = c->begun = false;
}

/* Leaves the file that is being read, for the next one. */
static void leave_file(tar_cursor *c)
{
    close_file(c);
    c->which++;
    c->number = 0;
}

static mr_status open_pipe(tar_cursor *c, pipe_file *pipe, int64_t at)
{
    if (at > 0)
        return mr_fail(MR_ERR_STATE,
                       "'%s' is read once, from front to back: it cannot go from byte 0 to %lld", path_of(c),
                       (long long)at);
    mr__input *input = atomic_exchange(&pipe->input, NULL);
    if (!input)
        return mr_fail(MR_ERR_STATE, "'%s' can be read once only", path_of(c));
    return mr__tar_take(&c->tar, input, path_of(c)) == MR_OK ? mr__tar_start(&c->tar, 0) : mr_error_status();
}

/* Whether a place is one of this part, of the file as it is. */
static mr_status check_place(const tar_cursor *c, int64_t at, uint64_t stamp)
{
    const uint64_t now = mr__input_stamp(c->tar.input);
    if (now && stamp && now != stamp)
        return mr_fail(MR_ERR_STATE, "'%s' has changed since it was read up to byte %lld", path_of(c),
                       (long long)at);
    if (at < c->begin || at > c->end)
        return mr_fail(MR_ERR_STATE, "'%s' has nothing at byte %lld for this shard: it has changed",
                       path_of(c), (long long)at);
    return MR_OK;
}

/* Opens a file at its part's beginning, or at `at` if that is not negative: a place in the file that had this stamp. */
static mr_status open_file(tar_cursor *c, int64_t at, uint64_t stamp)
{
    mr_storage *storage = c->stream->storage;
    const char *path = path_of(c);
    const int64_t number = c->first + c->which * c->step;
    pipe_file *pipe = number < FEW_FILES && c->stream->pipe[number].is_one ? &c->stream->pipe[number] : NULL;
    c->begin = 0;
    c->end = INT64_MAX;
    c->passed = 0;
    c->each = false;
    c->open = true;
    if (pipe)
        return open_pipe(c, pipe, at);
    if (mr__tar_open(&c->tar, storage, path) < 0)
        return mr_error_status();
    if (c->parts > 1) {
        const int64_t size = c->tar.size;
        c->each = size < 0;
        if (!c->each && (mr__tar_cut(storage, path, size, c->part, c->parts, &c->begin) < 0 ||
                         mr__tar_cut(storage, path, size, c->part + 1, c->parts, &c->end) < 0))
            return mr_error_status();
        if (c->begin == INT64_MAX)
            c->begin = c->end = size; /* there is nothing in it */
    }
    if (at >= 0 && check_place(c, at, stamp) < 0)
        return mr_error_status();
    return mr__tar_start(&c->tar, at < 0 ? c->begin : at);
}

static mr_status cannot_cut(const tar_cursor *c)
{
    return mr_fail(MR_ERR_FORMAT,
                   "'%s': a sample is at byte %lld, and the next shard begins at %lld: the file cannot be "
                   "cut into that many "
                   "shards",
                   path_of(c), (long long)c->next.at, (long long)c->end);
}

/* Reads the head of the next member: MR_OK, MR_END behind the last one of the part, or a failure. */
static mr_status fetch(tar_cursor *c)
{
    const bool behind = c->begun; /* another member */
    const mr__member held = c->now;
    if (behind) {
        c->now = c->next;
        c->next = held;
    }
    mr_status s = mr__tar_next(&c->tar, &c->next);
    c->begun = s == MR_OK;
    if (s != MR_OK || c->next.at < c->end)
        return s;
    c->begun = false;
    if (c->next.at > c->end || (behind && mr__member_same_key(&c->now, &c->next)))
        return cannot_cut(c);
    return MR_END;
}

/* ---- samples ---- */

static bool wanted(const tar_cursor *c, const mr__member *m)
{
    for (int i = 0; i < c->stream->plan.field_count; i++)
        if (mr__tar_plan_wants(&c->stream->plan, i, m))
            return true;
    return false;
}

/* Reads the members of the sample whose first head was read, and the head behind them. *any: some field wants one of them;
 * MR_END: it is to be left out. */
static mr_status read_sample(tar_cursor *c, const mr_sample *sample, bool mine, bool *any)
{
    const mr__tar_plan *plan = &c->stream->plan;
    const int64_t at = c->next.at;
    mr_status s = MR_OK, more;
    memset(c->seen, 0, (size_t)plan->field_count * sizeof *c->seen);
    do {
        bool wants = wanted(c, &c->next);
        *any = *any || wants;
        if (wants && mine && s >= 0) {
            mr_status t = mr__tar_read_member(plan, &c->tar, &c->next, &c->scratch, c->seen, sample->field);
            s = t == MR_OK ? s : t;
        }
        more = fetch(c);
    } while (more == MR_OK && mr__member_same_key(&c->now, &c->next));
    if (mine && s >= 0 && more >= 0 && *any) {
        const char end = c->now.name[c->now.key];
        c->now.name[c->now.key] = 0;
        mr_status t = mr__tar_read_missing(plan, &c->tar, c->now.name, at, c->seen, sample->field);
        c->now.name[c->now.key] = end;
        s = t == MR_OK ? s : t;
    }
    c->number += *any;
    c->passed += !*any;
    if (more != MR_OK) {
        const bool whole = c->begin == 0 && c->end == INT64_MAX, none = whole && more == MR_END && !c->number;
        if (none && s >= 0)
            s = mr_fail(MR_ERR_FORMAT,
                        "'%s': %lld samples, and no field wants any of their members, '%s' being the last",
                        path_of(c), (long long)c->passed, c->now.name);
        leave_file(c);
    }
    return more < 0 ? more : s;
}

/* Comes to the head of the next sample: MR_OK, MR_END when there is none in any file, or a failure. */
static mr_status find_sample(tar_cursor *c)
{
    while (c->which < c->count) {
        mr_status s = c->open ? MR_OK : open_file(c, -1, 0);
        if (s == MR_OK && c->begun)
            return MR_OK;
        if (s == MR_OK)
            s = fetch(c);
        if (s == MR_OK)
            return s;
        leave_file(c);
        if (s < 0)
            return s;
    }
    return MR_END;
}

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    tar_cursor *c = self;
    for (;;) {
        bool any = false;
        mr_status s = find_sample(c);
        if (s != MR_OK)
            return s;
        const bool mine = !c->each || c->number % c->parts == c->part;
        s = read_sample(c, sample, mine, &any);
        if (s < 0 || (s == MR_OK && any && mine))
            return s;
    }
}

/* ---- the cursor ---- */

static void cursor_close(void *self)
{
    tar_cursor *c = self;
    close_file(c);
    mr__member_free(&c->next);
    mr__member_free(&c->now);
    mr_free(c->seen);
    mr_free(c->scratch.bytes);
    mr_free(c);
}

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    tar_stream *s = *(tar_stream **)self;
    const int64_t files = s->files.count;
    tar_cursor *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->stream = s;
    c->first = shard % files;
    c->step = shards;
    c->count = shards < files ? (files - shard - 1) / shards + 1 : 1;
    c->part = shard / files;
    c->parts = shards < files ? 1 : (shards - c->first - 1) / files + 1;
    if (c->part && c->first < FEW_FILES && s->pipe[c->first].is_one)
        c->count = 0; /* the first shard has all of it */
    c->seen = mr_calloc((size_t)s->plan.field_count, sizeof *c->seen);
    if (c->seen)
        return c;
    cursor_close(c);
    return NULL;
}

typedef struct place {
    int64_t which, at; /* -1: the beginning of the file, or of the part */
    int64_t number;
    uint64_t stamp; /* of the file */
} place;

static void cursor_tell(void *self, void *state)
{
    const tar_cursor *c = self;
    place here = { .which = c->which, .at = -1 };
    if (c->begun) {
        here.at = c->next.at;
        here.number = c->number;
        here.stamp = mr__input_stamp(c->tar.input);
    }
    memcpy(state, &here, sizeof here);
}

static mr_status cursor_seek(void *self, const void *state)
{
    tar_cursor *c = self;
    place to;
    memcpy(&to, state, sizeof to);
    close_file(c);
    c->which = to.which;
    c->number = to.number;
    if (c->which < 0 || c->which > c->count || (c->which == c->count && to.at >= 0))
        return mr_fail(MR_ERR_FORMAT, "tar_stream: file %lld of %lld in the state", (long long)to.which,
                       (long long)c->count);
    return to.at < 0 ? MR_OK : open_file(c, to.at, to.stamp);
}

/* ---- making ---- */

static int64_t shards(void *self)
{
    return (*(tar_stream **)self)->shards;
}

static void stream_free(tar_stream *s)
{
    mr__tar_plan_free(&s->plan);
    for (int i = 0; i < FEW_FILES; i++)
        mr__input_close(atomic_load(&s->pipe[i].input));
    mr__names_free(&s->files);
    mr_storage_free(s->storage);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(tar_stream **)self);
}

/* As many as files, or if they are few some of each, as far as they are plain and large enough. */
static mr_status count_shards(tar_stream *s)
{
    const int64_t files = s->files.count, most = (FEW_FILES + files - 1) / files;
    int64_t parts = most;
    for (int64_t i = 0; i < files && most > 1; i++) {
        mr__input *input = mr__input_open(s->storage, s->files.name[i]);
        if (!input)
            return mr_error_status();
        const int64_t size = mr__input_can_seek(input) ? mr__input_size(input) : -1,
                      fit = size / SMALLEST_PART;
        parts = fit < parts ? fit : parts;
        s->pipe[i].is_one = !mr__input_can_seek(input);
        if (s->pipe[i].is_one)
            atomic_store(&s->pipe[i].input, input);
        else
            mr__input_close(input);
    }
    s->shards = files * (parts > 1 ? parts : 1);
    return MR_OK;
}

mr_dataset *mr_tar_stream_new(const char *files, const mr_tar_field *fields, int field_count,
                              const mr_tar_opts *opts)
{
    static const mr_stream_vtable vtable = { .open = cursor_open,
                                             .next = cursor_next,
                                             .close = cursor_close,
                                             .destroy = destroy,
                                             .cursor_state_size = sizeof(place),
                                             .tell = cursor_tell,
                                             .seek = cursor_seek,
                                             .shards = shards };
    if (!files) {
        mr_fail(MR_ERR_ARGUMENT, "tar_stream_new: files is NULL");
        return NULL;
    }
    tar_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    s->storage = mr_storage_hold(opts ? opts->storage : NULL);
    if (mr__tar_plan_make(&s->plan, fields, field_count, opts) == MR_OK &&
        mr__names_of(&s->files, files, !s->storage) == MR_OK && count_shards(s) == MR_OK)
        dataset = mr_stream_new(&vtable, &s, sizeof s, s->plan.field, s->plan.field_count);
    if (!dataset)
        stream_free(s);
    return dataset;
}
