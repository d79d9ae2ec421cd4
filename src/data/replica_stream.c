/* The part of a stream that one of several replicas reads: some of its shards. */
#include "inner.h"

#include "base/alloc.h"
#include "base/strbuf.h"

typedef struct replica {
    mr_stream_vtable vtable;
    mr_dataset *inner; /* held */
    int64_t rank, replicas;
} replica;

/* Of k shards a replica has those with its number among k times as many. */
static void *replica_open(void *self, int64_t shard, int64_t shards)
{
    const replica *r = self;
    int64_t all;
    if (__builtin_mul_overflow(shards, r->replicas, &all)) {
        mr__raise(MR_ERR_ARGUMENT, "replica_stream: %lld shards of %lld replicas", (long long)shards,
                  (long long)r->replicas);
        return NULL;
    }
    mr__inner_cursor *c = mr__alloc(sizeof *c);
    if (!c || mr__inner_open(c, r->inner, shard * r->replicas + r->rank, all) == MR_OK)
        return c;
    mr__free(c);
    return NULL;
}

static mr_status replica_next(void *cursor, const mr_sample *sample)
{
    return mr__inner_next(cursor, sample);
}

static int replica_origin(void *cursor, int field, char *text, size_t room)
{
    return mr__origin_of_last(cursor, field, text, room);
}

static void replica_close(void *cursor)
{
    mr__inner_close(cursor);
    mr__free(cursor);
}

static int64_t replica_shards(void *self)
{
    const replica *r = self;
    return (mr__inner_shards(r->inner) + r->replicas - 1) / r->replicas;
}

static void replica_destroy(void *self)
{
    mr__dataset_release(((replica *)self)->inner);
}

static void replica_tell(void *cursor, void *state)
{
    unsigned char *at = state;
    mr__inner_tell(cursor, &at);
}

static mr_status replica_seek(void *cursor, const void *state)
{
    const unsigned char *at = state;
    return mr__inner_seek(cursor, &at);
}

/* "rank 1 of 2", perhaps of a part that says what it is. */
static bool say_which(mr_dataset *part, int rank, int replicas)
{
    mr__strbuf text = { 0 };
    mr__strbuf_appendf(&text, "rank %d of %d", rank, replicas);
    if (part->about)
        mr__strbuf_appendf(&text, " of %s", part->about);
    mr__free(part->about);
    part->about = mr__strbuf_take(&text);
    return part->about != NULL;
}

mr_dataset *mr_replica_stream_new(mr_dataset *stream, int rank, int replicas)
{
    static const char call[] = "replica_stream_new";
    if (!mr__inner_acceptable(call, stream, MR__STREAM))
        return NULL;
    if (replicas < 1 || rank < 0 || rank >= replicas) {
        mr__raise(MR_ERR_ARGUMENT, "%s: rank %d of %d replicas, not 0 to one below them", call, rank,
                  replicas);
        return NULL;
    }
    replica r = { .inner = stream, .rank = rank, .replicas = replicas };
    r.vtable = (mr_stream_vtable){ .open = replica_open,
                                   .next = replica_next,
                                   .close = replica_close,
                                   .destroy = replica_destroy,
                                   .shards = replica_shards,
                                   .origin = replica_origin };
    if (mr__inner_tells(stream)) {
        r.vtable.cursor_state_size = stream->stream->cursor_state_size;
        r.vtable.tell = replica_tell;
        r.vtable.seek = replica_seek;
    }
    mr__dataset_hold(stream);
    mr_dataset *part = mr__stream_with_vtable(&r, sizeof r, stream->fields, stream->field_count, &stream, 1);
    if (!part || say_which(part, rank, replicas))
        return part;
    mr_dataset_free(part);
    return NULL;
}
