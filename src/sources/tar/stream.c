/* Samples of tar files, one after the other. */
#include "cut.h"
#include "pattern.h"
#include "share.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { FEW_FILES = 8, FEW_PACKED = 4 };
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
    mr__shared *shared;        /* of those that cannot be cut: */
    atomic_bool *uncut;        /* which of all these are known to be */
} tar_stream;

typedef struct tar_cursor {
    tar_stream *stream;
    int64_t first, step,
        count;           /* its files: number `first`, and each `step`th from there on; `count` of them */
    int64_t part, parts; /* of the one file that it shares with others */
    int64_t which;       /* of its files is being read; `count`: it is through */

    bool open;
    bool whole; /* all of the file is its own */
    mr__samples samples;
    mr__share share; /* of a file that cannot be cut; its path is NULL otherwise */
    mr__seen *seen;
    mr__given given;
    mr__scratch scratch;
} tar_cursor;

/* ---- files ---- */

static const char *path_of(const tar_cursor *c)
{
    return c->stream->files.name[c->first + c->which * c->step];
}

static void close_file(tar_cursor *c)
{
    mr__samples_close(&c->samples);
    if (c->share.path) {
        mr__share_leave(&c->share);
        mr__shared_free(c->share.shared);
    }
    c->share.path = NULL;
    c->open = false;
}

/* Leaves the file that is being read, for the next one. */
static void leave_file(tar_cursor *c)
{
    close_file(c);
    c->which++;
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
    mr__tar *tar = &c->samples.tar;
    return mr__tar_take(tar, input, path_of(c)) == MR_OK ? mr__tar_start(tar, 0) : mr_error_status();
}

/* What it needs to have its part of a file that is cut. */
static mr_status cut(tar_cursor *c, int64_t size, int64_t *begin)
{
    mr_storage *storage = c->stream->storage;
    if (mr__tar_cut(storage, path_of(c), size, c->part, c->parts, begin) < 0 ||
        mr__tar_cut(storage, path_of(c), size, c->part + 1, c->parts, &c->samples.end) < 0)
        return mr_error_status();
    if (*begin == INT64_MAX)
        *begin = c->samples.end = size; /* there is nothing in it */
    return MR_OK;
}

/* A place in a file. */
typedef struct place {
    int64_t which, at; /* -1: the beginning of the file, or of the part */
    int64_t number;
    uint64_t stamp; /* of the file */
} place;

static mr_status changed(const char *path, const place *to)
{
    return mr_fail(MR_ERR_STATE, "'%s' has changed since it was read up to byte %lld", path,
                   (long long)to->at);
}

/* Whether a place is one of this part, which begins at `begin`, of the file as it is. */
static mr_status check_place(const tar_cursor *c, const place *to, int64_t begin)
{
    const uint64_t now = mr__input_stamp(c->samples.tar.input);
    if (now && to->stamp && now != to->stamp)
        return changed(path_of(c), to);
    if (to->at < begin || to->at > c->samples.end)
        return mr_fail(MR_ERR_STATE, "'%s' has nothing at byte %lld for this shard: it has changed",
                       path_of(c), (long long)to->at);
    return MR_OK;
}

/* One that cannot be cut is shared. */
static mr_status open_shared(tar_cursor *c, const place *to)
{
    mr__samples_close(&c->samples);
    c->share = (mr__share){ .shared = mr__shared_hold(c->stream->shared),
                            .path = path_of(c),
                            .part = c->part,
                            .parts = c->parts,
                            .at = -1 };
    return to->at < 0 ? MR_OK : mr__share_seek(&c->share, to->at, to->number, to->stamp);
}

/* Opens a file at a place, or at its part's beginning. */
static mr_status open_file(tar_cursor *c, const place *to)
{
    const char *path = path_of(c);
    const int64_t number = c->first + c->which * c->step;
    pipe_file *pipe = number < FEW_FILES && c->stream->pipe[number].is_one ? &c->stream->pipe[number] : NULL;
    int64_t begin = 0;
    mr__samples *s = &c->samples;
    *s = (mr__samples){ .plan = &c->stream->plan, .end = INT64_MAX, .number = to->number };
    c->open = c->whole = true;
    if (pipe)
        return open_pipe(c, pipe, to->at);
    if (c->parts > 1 && atomic_load(&c->stream->uncut[number]))
        return open_shared(c, to);
    if (mr__tar_open(&s->tar, c->stream->storage, path) < 0)
        return mr_error_status();
    if (c->parts > 1 && s->tar.size < 0) {
        atomic_store(&c->stream->uncut[number], true);
        return open_shared(c, to);
    }
    if (c->parts > 1 && cut(c, s->tar.size, &begin) < 0)
        return mr_error_status();
    c->whole = begin == 0 && s->end == INT64_MAX;
    mr__input_expect_end(s->tar.input, (uint64_t)s->end);
    if (to->at >= 0 && check_place(c, to, begin) < 0)
        return mr_error_status();
    return mr__tar_start(&s->tar, to->at < 0 ? begin : to->at);
}

/* ---- samples ---- */

/* Reads the sample whose first head was read. MR_END: it is left out, or nobody wants it. */
static mr_status read_sample(tar_cursor *c, mr__target *target)
{
    mr__samples *s = &c->samples;
    mr__sample_read read;
    memset(c->seen, 0, (size_t)c->stream->plan.field_count * sizeof *c->seen);
    mr__samples_read(s, mr__target_take, target, &read);
    mr_status status = read.any        ? mr__target_finish(target, &s->tar, &s->now, &read)
                       : read.more < 0 ? read.more
                                       : MR_END;
    if (read.more == MR_OK)
        return status;
    if (read.more == MR_END && c->whole && status >= 0 && mr__samples_check_any(s) < 0)
        status = mr_error_status();
    leave_file(c);
    return status;
}

/* The same of what comes next in the file. MR_END: there is none in it, too. */
static mr_status read_next(tar_cursor *c, mr__target *target)
{
    const place beginning = { .at = -1 };
    mr_status status = c->open ? MR_OK : open_file(c, &beginning);
    if (status == MR_OK && c->share.path) {
        status = mr__share_next(&c->share, target);
        if (c->share.through)
            leave_file(c);
        return status;
    }
    if (status == MR_OK && !c->samples.begun)
        status = mr__samples_fetch(&c->samples);
    if (status == MR_OK)
        return read_sample(c, target);
    leave_file(c);
    return status;
}

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    tar_cursor *c = self;
    mr__target target = { .plan = &c->stream->plan,
                          .scratch = &c->scratch,
                          .seen = c->seen,
                          .given = &c->given,
                          .field = sample->field };
    mr_status status = MR_END;
    while (status == MR_END && c->which < c->count)
        status = read_next(c, &target);
    return status;
}

/* As failures of reading name a member, or a sample. */
static int cursor_origin(void *self, int field, char *text, size_t room)
{
    const tar_cursor *c = self;
    const mr__given *given = &c->given;
    const mr__seen *seen = field >= 0 && c->seen[field].any ? &c->seen[field] : NULL;
    if (seen)
        return snprintf(text, room, "'%s': member '%s.%s' at byte %lld", given->path, given->key,
                        seen->extension, (long long)seen->at);
    return snprintf(text, room, "'%s': sample '%s' at byte %lld", given->path, given->key,
                    (long long)given->at);
}

/* ---- the cursor ---- */

static void cursor_close(void *self)
{
    tar_cursor *c = self;
    close_file(c);
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

static void cursor_tell(void *self, void *state)
{
    const tar_cursor *c = self;
    place here = { .which = c->which, .at = -1 };
    if (c->share.path && c->share.at >= 0) {
        here.at = c->share.at;
        here.number = c->share.number;
        here.stamp = c->share.stamp;
    } else if (c->samples.begun) {
        here.at = c->samples.next.at;
        here.number = c->samples.number;
        here.stamp = mr__input_stamp(c->samples.tar.input);
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
    if (c->which < 0 || c->which > c->count || (c->which == c->count && to.at >= 0))
        return mr_fail(MR_ERR_FORMAT, "tar_stream: file %lld of %lld in the state", (long long)to.which,
                       (long long)c->count);
    return to.at < 0 ? MR_OK : open_file(c, &to);
}

/* ---- making ---- */

static int64_t shards(void *self)
{
    return (*(tar_stream **)self)->shards;
}

static void stream_free(tar_stream *s)
{
    mr__shared_free(s->shared);
    mr__tar_plan_free(&s->plan);
    for (int i = 0; i < FEW_FILES; i++)
        mr__input_close(atomic_load(&s->pipe[i].input));
    mr__names_free(&s->files);
    mr_free(s->uncut);
    mr_storage_free(s->storage);
    mr_free(s);
}

static void destroy(void *self)
{
    stream_free(*(tar_stream **)self);
}

/* As many as files, or if they are few some of each, as far as they are large enough. */
static mr_status count_shards(tar_stream *s)
{
    const int64_t files = s->files.count, most = (FEW_FILES + files - 1) / files,
                  most_packed = (FEW_PACKED + files - 1) / files;
    int64_t parts = most;
    s->uncut = mr_calloc((size_t)files, sizeof *s->uncut);
    if (!s->uncut)
        return mr_error_status();
    for (int64_t i = 0; i < files && most > 1; i++) {
        mr__input *input = mr__input_open(s->storage, s->files.name[i]);
        if (!input)
            return mr_error_status();
        const int64_t fit = mr__input_file_size(input) / SMALLEST_PART;
        parts = fit < parts ? fit : parts;
        if (mr__input_size(input) < 0 && most_packed < parts)
            parts = most_packed;
        atomic_init(&s->uncut[i], mr__input_size(input) < 0);
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
                                             .shards = shards,
                                             .origin = cursor_origin };
    if (!files) {
        mr_fail(MR_ERR_ARGUMENT, "tar_stream_new: files is NULL");
        return NULL;
    }
    tar_stream *s = mr_calloc(1, sizeof *s);
    if (!s)
        return NULL;
    mr_dataset *dataset = NULL;
    s->storage = mr_storage_hold(opts ? opts->storage : NULL);
    s->shared = mr__shared_new(&s->plan, s->storage);
    if (s->shared && mr__tar_plan_make(&s->plan, fields, field_count, opts) == MR_OK &&
        mr__names_of(&s->files, files, !s->storage) == MR_OK && count_shards(s) == MR_OK)
        dataset = mr_stream_new(&vtable, &s, sizeof s, s->plan.field, s->plan.field_count);
    if (!dataset)
        stream_free(s);
    return dataset;
}
