/*
 * The state of a loader as bytes, little end first:
 *
 *     8 bytes  "mrloader"
 *     u32      version
 *     i64 …    what both loaders must have in common, in the order of `facts`
 *     i64, …   how long what the sampler, or the stream, says of itself is, and that
 *     u8       whether the loader is inside an epoch; then what begin_epoch and the batches since made of it
 *     …        the bad samples that were left out
 *     …        the generator of the loader's own, the sampler's state, the stream's marks: what there is of them
 *     u64      a hash of all before
 *
 * It says where the caller stands, not how far batches were made ahead. Nothing of a loader is touched before all that the
 * bytes say of themselves was looked at.
 */
#include "bytes.h"
#include "loader.h"
#include "sampler.h"

#include "base/error.h"

#include <string.h>

enum { VERSION = 2, MAGIC_BYTES = 8, HASH_BYTES = 8 };

static const char magic[] = "mrloader";

static mr_status damaged(void)
{
    return mr__raise(MR_ERR_FORMAT, "loader_restore: the state is damaged");
}

/* ---- what a state and a loader must have in common ---- */

enum { BATCH_SIZE, DROP_LAST, ORDER, GENERATOR, SAMPLES, SHARDS, BLOCK, SAMPLER_STATE, CURSOR_STATE, FACTS };

static const char *const fact_names[FACTS] = {
    [BATCH_SIZE] = "batch size",
    [DROP_LAST] = "drop_last",
    [ORDER] = "the order",
    [GENERATOR] = "generators of its own:",
    [SAMPLES] = "samples:",
    [SHARDS] = "shards:",
    [BLOCK] = "samples of a shard shuffled together:",
    [SAMPLER_STATE] = "bytes of a sampler's state:",
    [CURSOR_STATE] = "bytes of a cursor's state:",
};

enum { IN_ORDER, SHUFFLED, SAMPLED, STREAMED };

static const char *const order_names[] = { "of the dataset", "of a shuffle", "of a sampler", "of a stream" };

static void collect_facts(const mr_loader *loader, int64_t fact[FACTS])
{
    const mr__order *order = &loader->order;
    fact[BATCH_SIZE] = loader->batch_size;
    fact[DROP_LAST] = loader->drop_last;
    fact[ORDER] = loader->streams  ? STREAMED
                  : order->sampler ? SAMPLED
                  : order->shuffle ? SHUFFLED
                                   : IN_ORDER;
    fact[GENERATOR] = order->generator != NULL;
    fact[SAMPLES] = order->len;
    fact[SAMPLER_STATE] = (int64_t)mr__order_state_size(order);
    fact[SHARDS] = loader->merge.cut.shards;
    fact[BLOCK] = loader->merge.cut.block;
    fact[CURSOR_STATE] =
        loader->streams && loader->merge.mark->cursor ? (int64_t)loader->merge.mark->bytes : -1;
}

/* An order of a sampler is one of the same sampler, a place in a stream one of the same part of it. */
static void write_about(const mr__order *order, mr__strbuf *to)
{
    const char *text = order->about ? order->about : "";
    mr__write_i64(to, (int64_t)strlen(text));
    mr__strbuf_append(to, text);
}

static mr_status check_about(const mr_loader *loader, const char *there, int64_t length)
{
    const char *here = loader->order.about ? loader->order.about : "";
    if ((size_t)length == strlen(here) && memcmp(here, there, (size_t)length) == 0)
        return MR_OK;
    const int shown = length < MR__ERROR_BYTES ? (int)length : MR__ERROR_BYTES;
    if (loader->streams)
        return mr__raise(MR_ERR_ARGUMENT,
                         "loader_restore: the state is of %.*s of the stream, the loader has %s",
                         length ? shown : 3, length ? there : "all", *here ? here : "all");
    return mr__raise(MR_ERR_ARGUMENT,
                     "loader_restore: the state is of the sampler '%.*s', the loader has '%s'", shown, there,
                     here);
}

static mr_status check_facts(const mr_loader *loader, mr__reader *from)
{
    int64_t here[FACTS], there[FACTS];
    collect_facts(loader, here);
    for (int i = 0; i < FACTS; i++)
        there[i] = mr__read_i64(from);
    const int64_t length = mr__read_i64(from);
    const unsigned char *text = length >= 0 ? mr__read_bytes(from, (size_t)length) : NULL;
    if (!text)
        return damaged();
    for (int i = 0; i < FACTS; i++) {
        if (i == SAMPLER_STATE && check_about(loader, (const char *)text, length))
            return mr_error_status();
        if (here[i] == there[i])
            continue;
        if (i == ORDER && there[i] >= IN_ORDER && there[i] <= STREAMED)
            return mr__raise(MR_ERR_ARGUMENT,
                             "loader_restore: the state has the order %s, the loader that %s",
                             order_names[there[i]], order_names[here[i]]);
        return mr__raise(MR_ERR_ARGUMENT, "loader_restore: the state has %s %lld, the loader %lld",
                         fact_names[i], (long long)there[i], (long long)here[i]);
    }
    return MR_OK;
}

/* ---- saving ---- */

static void write_generator(mr__strbuf *to, const mr_rng *rng)
{
    unsigned char bytes[MR_RNG_STATE_BYTES];
    mr_rng_get_state(rng, bytes);
    mr__strbuf_append_bytes(to, bytes, sizeof bytes);
}

/* Between epochs it is the sampler itself that knows its state. */
static void write_sampler(mr_loader *loader, mr__strbuf *to)
{
    const mr__order *order = &loader->order;
    const mr__order_key *key = &order->key[mr__loader_key(loader)];
    if (!key->sampler)
        return;
    if (!loader->in_epoch)
        order->sampler->vtable->save(order->sampler->self, key->sampler);
    mr__strbuf_append_bytes(to, (const char *)key->sampler, mr__order_state_size(order));
}

static void write_state(mr_loader *loader, mr__strbuf *to)
{
    const mr__order *order = &loader->order;
    const mr__order_key *key = &order->key[mr__loader_key(loader)];
    int64_t fact[FACTS];
    mr__strbuf_append_bytes(to, magic, MAGIC_BYTES);
    mr__write_int(to, VERSION, 4);
    collect_facts(loader, fact);
    for (int i = 0; i < FACTS; i++)
        mr__write_i64(to, fact[i]);
    write_about(order, to);
    mr__write_bool(to, loader->in_epoch);
    mr__write_i64(to, loader->epoch);
    mr__write_i64(to, loader->in_epoch ? loader->position : 0);
    mr__write_bool(to, loader->in_epoch && loader->order_ended);
    mr__write_int(to, loader->in_epoch ? key->seed : 0, 8);
    mr__bad_write(&loader->bad, to);
    if (loader->in_epoch)
        mr__done_write(&loader->done, to);
    if (order->generator)
        write_generator(to, order->generator);
    if (loader->in_epoch && key->before)
        write_generator(to, key->before);
    write_sampler(loader, to);
    if (loader->in_epoch && loader->streams)
        mr__merge_write(&loader->merge, to);
    mr__write_int(to, mr__hash_bytes(mr__strbuf_text(to), to->length), HASH_BYTES);
}

mr_status mr_loader_save(mr_loader *loader, const void **bytes, size_t *size)
{
    if (!loader || !bytes || !size)
        return mr__settle(mr__null("loader_save", !loader ? "loader" : !bytes ? "bytes" : "size"));
    if (mr__pending())
        return mr__settle(mr__pending_status());
    if (!mr__loader_enter(loader, "loader_save"))
        return mr__settle(MR_ERR_STATE);
    mr__strbuf_clear(&loader->state);
    write_state(loader, &loader->state);
    loader->busy = false;
    if (loader->state.failed) {
        mr__strbuf_free(&loader->state);
        return mr__settle(mr_error_status());
    }
    *bytes = mr__strbuf_text(&loader->state);
    *size = loader->state.length;
    return MR_OK;
}

/* ---- restoring ---- */

/* What the bytes say, besides the facts. */
typedef struct state {
    bool in_epoch, order_ended;
    int64_t epoch, position;
    uint64_t seed;
    const unsigned char *generator, *before, *sampler; /* NULL: none */
    mr__merge merge;                                   /* of a stream */
    mr__bad bad;
    mr__done done; /* inside an epoch */
} state;

/* Whether the batches that were delivered took what they can have taken. */
static bool sensible_batches(const mr_loader *loader, const state *s)
{
    const mr__order *order = &loader->order;
    const mr__done *done = &s->done;
    const int64_t last = done->count ? done->early[done->count - 1].taken : done->taken;
    if (loader->streams)
        return done->below == 0 && done->taken == 0 && done->count == 0;
    return s->position <= last && (order->sampler || last <= order->len) &&
           done->taken / loader->batch_size <= done->below;
}

static bool sensible(const mr_loader *loader, const state *s)
{
    if (s->epoch < -1 || s->epoch > INT64_MAX / 64)
        return false;
    if (!s->in_epoch)
        return !s->position && !s->order_ended;
    return s->epoch >= 0 && sensible_batches(loader, s);
}

static mr_status read_state(const mr_loader *loader, mr__reader *from, state *s)
{
    const mr__order *order = &loader->order;
    const size_t bytes = (size_t)(from->end - from->at);
    const unsigned char *begin = from->at;
    const unsigned char *name = mr__read_bytes(from, MAGIC_BYTES);
    if (!name || memcmp(name, magic, MAGIC_BYTES) != 0 || bytes < MAGIC_BYTES + 4 + HASH_BYTES)
        return mr__raise(MR_ERR_FORMAT, "loader_restore: these %zu bytes are no state of a loader", bytes);
    uint64_t version = mr__read_int(from, 4);
    if (version != VERSION)
        return mr__raise(MR_ERR_FORMAT, "loader_restore: the state is of version %llu, and %d is known here",
                         (unsigned long long)version, VERSION);
    from->end -= HASH_BYTES;
    mr__reader hash = { .at = from->end, .end = from->end + HASH_BYTES };
    if (mr__read_int(&hash, HASH_BYTES) != mr__hash_bytes(begin, (size_t)(from->end - begin)))
        return damaged();
    mr_status status = check_facts(loader, from);
    if (status)
        return status;
    s->in_epoch = mr__read_bool(from);
    s->epoch = mr__read_i64(from);
    s->position = mr__read_count(from);
    s->order_ended = mr__read_bool(from);
    s->seed = mr__read_int(from, 8);
    if (!mr__bad_read(&s->bad, from) && !from->failed)
        return mr_error_status();
    if (s->in_epoch)
        mr__done_read(&s->done, from);
    if (mr__pending())
        return mr_error_status();
    if (order->generator)
        s->generator = mr__read_bytes(from, MR_RNG_STATE_BYTES);
    if (s->in_epoch && order->key[0].before)
        s->before = mr__read_bytes(from, MR_RNG_STATE_BYTES);
    if (mr__order_state_size(order))
        s->sampler = mr__read_bytes(from, mr__order_state_size(order));
    if (s->in_epoch && loader->streams)
        mr__merge_read(&s->merge, from, loader->batch_size);
    return from->failed || from->at != from->end || !sensible(loader, s) ? damaged() : MR_OK;
}

/* The generators and the sampler, which are outside of the loader. */
static mr_status restore_sources(mr__order *order, const state *s)
{
    mr__order_key *key = &order->key[order->now];
    mr_status status = MR_OK;
    key->seed = s->seed;
    if (s->before)
        status = mr_rng_set_state(key->before, s->before, MR_RNG_STATE_BYTES);
    if (status == MR_OK && s->generator)
        status = mr_rng_set_state(order->generator, s->generator, MR_RNG_STATE_BYTES);
    if (status != MR_OK || !s->sampler)
        return status;
    memcpy(key->sampler, s->sampler, mr__order_state_size(order));
    return s->in_epoch ? MR_OK : order->sampler->vtable->restore(order->sampler->self, key->sampler);
}

static mr_status resume(mr_loader *loader, state *s)
{
    mr_status status = mr__order_resume(&loader->order, s->epoch, loader->done.taken);
    loader->order.batches = loader->done.below;
    if (status == MR_OK && loader->ahead.opts.workers)
        status = mr__ahead_resume(loader);
    if (status == MR_OK)
        status = mr__filler_open(&loader->filler);
    if (status != MR_OK)
        return status;
    if (loader->streams)
        status = mr__merge_resume(loader, &s->merge);
    loader->in_epoch = status == MR_OK;
    return status;
}

static mr_status restore(mr_loader *loader, state *s)
{
    if (loader->in_epoch)
        mr__loader_leave(loader);
    if (loader->ahead.opts.workers)
        mr__ahead_forget(loader);
    mr__bad_swap(&loader->bad, &s->bad);
    mr_status status = restore_sources(&loader->order, s);
    if (status != MR_OK)
        return status;
    loader->started = loader->started || s->epoch >= 0;
    loader->epoch = s->epoch;
    loader->position = s->position;
    mr__done_free(&loader->done);
    loader->done = s->done;
    s->done = (mr__done){ 0 };
    loader->taken = loader->done.taken;
    loader->order_ended = s->order_ended;
    return s->in_epoch ? resume(loader, s) : MR_OK;
}

mr_status mr_loader_restore(mr_loader *loader, const void *bytes, size_t size)
{
    if (!loader || !bytes)
        return mr__settle(mr__null("loader_restore", loader ? "bytes" : "loader"));
    if (mr__pending())
        return mr__settle(mr__pending_status());
    if (!loader->dataset)
        return mr__settle(mr__raise(MR_ERR_STATE, "loader_restore: the dataset has been freed"));
    if (!mr__loader_enter(loader, "loader_restore"))
        return mr__settle(MR_ERR_STATE);
    mr__reader from = { .at = bytes, .end = (const unsigned char *)bytes + size };
    state s = { 0 };
    mr_status status = MR_OK;
    if (loader->streams)
        status = mr__merge_init(&s.merge, loader->dataset, &loader->merge.cut, 0);
    if (status == MR_OK)
        status = read_state(loader, &from, &s);
    if (status == MR_OK)
        status = restore(loader, &s);
    loader->busy = false;
    mr__bad_free(&s.bad);
    mr__done_free(&s.done);
    mr__merge_free(&s.merge);
    if (status != MR_OK && !mr__has_cause(status))
        mr__raise(status < 0 ? status : MR_ERR_CALLBACK,
                  "loader_restore: the sampler failed without a message");
    return status == MR_OK ? MR_OK : mr__settle(mr_error_status());
}
