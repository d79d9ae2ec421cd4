/*
 * Batches of samples of similar length.
 *
 * A pool of samples is taken in Millrace's own order, sorted by length, cut into batches from the shortest on, and
 * these are put into random order. Samples of one length keep the order in which they were taken, so that all of it
 * hangs on (seed, epoch) alone.
 */
#include "permutation.h"
#include "sampler.h"

#include "base/alloc.h"
#include "base/error.h"

#include <millrace/random.h>
#include <stdio.h>

typedef struct entry {
    int64_t index, length, number; /* `number`: in the pool, as it was taken */
} entry;

typedef struct buckets {
    mr_bucket_sampler_opts opts;
    mr_permutation order;
    int64_t length, batch_size, epoch;
    mr_length_function length_of;
    void *user;
    int64_t pool_size, from; /* most samples of a pool; samples in the pools before this one */
    entry *pool;
    int64_t pooled;
    int64_t *start,
        *turn; /* where each batch of the pool starts, and the last ends; the order of the batches */
    int64_t batches, at;
    mr__handful handful;
} buckets;

static const char call[] = "bucket_sampler";

/* ---- a pool ---- */

static bool before(const entry *a, const entry *b)
{
    return a->length < b->length || (a->length == b->length && a->number < b->number);
}

static void sink(entry *heap, int64_t at, int64_t count)
{
    entry held = heap[at];
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(&heap[child], &heap[child + 1]))
            child++;
        if (!before(&held, &heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = held;
}

/* By a heap, the longest first: the C library's qsort allocates. */
static void sort(entry *e, int64_t count)
{
    for (int64_t i = count / 2 - 1; i >= 0; i--)
        sink(e, i, count);
    for (int64_t end = count - 1; end > 0; end--) {
        entry longest = e[0];
        e[0] = e[end];
        e[end] = longest;
        sink(e, 0, end);
    }
}

static mr_status take_samples(buckets *b)
{
    int64_t left = b->length - b->from;
    b->pooled = left < b->pool_size ? left : b->pool_size;
    for (int64_t i = 0; i < b->pooled; i++) {
        entry *e = &b->pool[i];
        e->number = i;
        e->index = b->opts.no_shuffle ? b->from + i : mr__permutation_at(&b->order, b->from + i);
        e->length = b->length_of(b->user, e->index);
        if (mr__pending()) {
            mr__add_context("%s: sample %lld", call, (long long)e->index);
            return mr_error_status();
        }
        if (e->length < 0 || (b->opts.max_length && e->length > b->opts.max_length))
            return mr__raise(MR_ERR_ARGUMENT, "%s: sample %lld has length %lld, not 0 to %lld", call,
                             (long long)e->index, (long long)e->length,
                             (long long)(b->opts.max_length ? b->opts.max_length : INT64_MAX));
    }
    sort(b->pool, b->pooled);
    return MR_OK;
}

/* Whether a batch of `rows` samples, of which the next one is the longest, is one too many. */
static bool full(const buckets *b, int64_t rows, int64_t longest)
{
    return rows == b->batch_size ||
           (b->opts.max_length && longest > 0 && rows + 1 > b->opts.max_length / longest);
}

static void cut(buckets *b)
{
    b->batches = 0;
    b->start[0] = 0;
    for (int64_t i = 1; i <= b->pooled; i++)
        if (i == b->pooled || full(b, i - b->start[b->batches], b->pool[i].length))
            b->start[++b->batches] = i;
    if (b->opts.drop_last && !b->opts.max_length && b->pooled % b->batch_size)
        b->batches--;
}

static mr_status next_pool(buckets *b)
{
    mr_random random = mr_random_at(b->order.seed, b->epoch, b->from);
    mr_status status = take_samples(b);
    if (status)
        return status;
    cut(b);
    b->at = 0;
    for (int64_t i = 0; i < b->batches; i++) {
        int64_t j = b->opts.no_shuffle ? i : mr_random_below(&random, i + 1);
        b->turn[i] = b->turn[j];
        b->turn[j] = i;
    }
    return MR_OK;
}

/* ---- the sampler ---- */

static mr_status begin(void *self, int64_t epoch)
{
    buckets *b = self;
    b->epoch = epoch;
    b->from = b->pooled = b->batches = b->at = 0;
    b->handful.at = b->handful.count = 0;
    mr_permutation_set_epoch(&b->order, epoch);
    return MR_OK;
}

static mr_status one_batch(void *self, int64_t *index, bool *valid, int64_t *count)
{
    buckets *b = self;
    (void)valid;
    while (b->at == b->batches) {
        b->from += b->pooled;
        b->pooled = 0;
        if (b->from == b->length)
            return MR_END;
        mr_status status = next_pool(b);
        if (status)
            return status;
    }
    int64_t turn = b->turn[b->at++], start = b->start[turn];
    *count = b->start[turn + 1] - start;
    for (int64_t i = 0; i < *count; i++)
        index[i] = b->pool[start + i].index;
    return MR_OK;
}

static mr_status next(void *self, int64_t *index)
{
    return mr__handful_next(&((buckets *)self)->handful, one_batch, self, index);
}

static mr_status next_many(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    return mr__handful_next_many(&((buckets *)self)->handful, one_batch, self, index, valid, most, count);
}

/* Full pools are passed over without a look at their samples; none is left out of those. */
static mr_status skip(void *self, int64_t count)
{
    buckets *b = self;
    mr_status status = MR_OK;
    bool at_a_pool = b->at == b->batches && b->handful.at == b->handful.count;
    if (at_a_pool && count >= b->pool_size) {
        b->from += b->pooled;
        b->pooled = b->batches = b->at = 0;
        int64_t pools = count / b->pool_size, left = (b->length - b->from) / b->pool_size;
        pools = pools < left ? pools : left;
        b->from += pools * b->pool_size;
        count -= pools * b->pool_size;
    }
    for (int64_t index; status == MR_OK && count > 0; count--)
        status = next(self, &index);
    return status;
}

static int64_t len(void *self)
{
    const buckets *b = self;
    if (b->opts.max_length)
        return -1;
    return b->length / b->batch_size + (!b->opts.drop_last && b->length % b->batch_size != 0);
}

static int64_t most(void *self)
{
    return ((const buckets *)self)->handful.capacity;
}

static int describe(void *self, char *text, size_t room)
{
    const buckets *b = self;
    char order[40] = "in order";
    if (!b->opts.no_shuffle)
        snprintf(order, sizeof order, "seed %llu", (unsigned long long)b->order.seed);
    return snprintf(text, room, "buckets of %lld, batches of %lld, pools of %lld, max_length %lld, %s%s",
                    (long long)b->length, (long long)b->batch_size, (long long)b->pool_size,
                    (long long)b->opts.max_length, order, b->opts.drop_last ? ", short ones left out" : "");
}

static void destroy(void *self)
{
    buckets *b = self;
    mr__free(b->pool);
    mr__free(b->start);
    mr__free(b->turn);
    mr__handful_free(&b->handful);
}

static const mr_sampler_vtable vtable = { .begin = begin,
                                          .next = next,
                                          .len = len,
                                          .destroy = destroy,
                                          .skip = skip,
                                          .next_many = next_many,
                                          .batches = true,
                                          .describe = describe,
                                          .most = most };

static bool make_room(buckets *b)
{
    size_t most = (size_t)b->pool_size;
    b->pool = mr__alloc_array(most, sizeof *b->pool);
    b->start = mr__alloc_array(most + 1, sizeof *b->start);
    b->turn = mr__alloc_array(most, sizeof *b->turn);
    return b->pool && b->start && b->turn && mr__handful_init(&b->handful, b->batch_size) == MR_OK;
}

mr_sampler *mr_bucket_sampler_new(int64_t length, int64_t batch_size, uint64_t seed,
                                  mr_length_function length_of, void *user,
                                  const mr_bucket_sampler_opts *opts)
{
    buckets b = { .length = length, .batch_size = batch_size, .length_of = length_of, .user = user };
    b.opts = opts ? *opts : b.opts;
    int64_t pool = b.opts.pool ? b.opts.pool : 100;
    if (!length_of) {
        mr__null("bucket_sampler_new", "length_of");
        return NULL;
    }
    if (batch_size < 1 || pool < 1 || b.opts.max_length < 0 ||
        __builtin_mul_overflow(pool, batch_size, &b.pool_size)) {
        mr__raise(MR_ERR_ARGUMENT, "bucket_sampler_new: batch size %lld, pool %lld, max_length %lld",
                  (long long)batch_size, (long long)pool, (long long)b.opts.max_length);
        return NULL;
    }
    if (mr__permutation_init(&b.order, "bucket_sampler_new", length, seed))
        return NULL;
    if (b.pool_size > length) /* but a multiple of the batch size */
        b.pool_size = (length / batch_size + (length % batch_size != 0)) * batch_size;
    mr_sampler *sampler = make_room(&b) ? mr_sampler_new(&vtable, &b, sizeof b) : NULL;
    if (!sampler)
        destroy(&b);
    return sampler;
}
