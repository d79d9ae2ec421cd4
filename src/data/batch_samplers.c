/* Batches of another sampler's indices (torch's BatchSampler), and batches from a list. */
#include "sampler.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/mix.h"

#include <stdio.h>
#include <string.h>

/* ---- of a sampler ---- */

typedef struct batched {
    mr_sampler_vtable vtable; /* whose state is the inner sampler's */
    mr_sampler *inner;
    mr__handful handful; /* whose capacity is the batch size */
    bool drop_last, over;
} batched;

static const char call[] = "batch_sampler";

static mr_status batches_begin(void *self, int64_t epoch)
{
    batched *b = self;
    b->handful.at = b->handful.count = 0;
    b->over = false;
    return mr__sampler_begin(b->inner, call, epoch);
}

static mr_status one_batch(void *self, int64_t *index, bool *valid, int64_t *count)
{
    batched *b = self;
    *count = b->over ? 0 : mr__sampler_take(b->inner, call, index, valid, b->handful.capacity);
    if (*count < 0)
        return mr_error_status();
    b->over = *count < b->handful.capacity;
    return *count == 0 || (b->over && b->drop_last) ? MR_END : MR_OK;
}

static mr_status batches_next(void *self, int64_t *index)
{
    return mr__handful_next(&((batched *)self)->handful, one_batch, self, index);
}

static mr_status batches_next_many(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    return mr__handful_next_many(&((batched *)self)->handful, one_batch, self, index, valid, most, count);
}

static int64_t batches_len(void *self)
{
    const batched *b = self;
    int64_t samples = mr_sampler_len(b->inner), size = b->handful.capacity;
    return samples < 0 ? -1 : samples / size + (!b->drop_last && samples % size != 0);
}

static mr_status batches_skip(void *self, int64_t count)
{
    return mr__sampler_skip(((batched *)self)->inner, call, count);
}

static void batches_save(void *self, void *state)
{
    const mr_sampler *inner = ((batched *)self)->inner;
    inner->vtable->save(inner->self, state);
}

static mr_status batches_restore(void *self, const void *state)
{
    const mr_sampler *inner = ((batched *)self)->inner;
    return inner->vtable->restore(inner->self, state);
}

static int64_t batches_most(void *self)
{
    return ((const batched *)self)->handful.capacity;
}

static mr_rng *batches_generator(void *self)
{
    return mr__sampler_generator(((const batched *)self)->inner);
}

static int batches_describe(void *self, char *text, size_t room)
{
    const batched *b = self;
    return mr__describe_inner(text, room, b->inner, "batches of %lld%s, of ", (long long)b->handful.capacity,
                              b->drop_last ? ", a short one left out" : "");
}

static void batches_destroy(void *self)
{
    batched *b = self;
    mr_sampler_free(b->inner);
    mr__handful_free(&b->handful);
}

mr_sampler *mr_batch_sampler_new(mr_sampler *sampler, int64_t batch_size, bool drop_last)
{
    batched b = { .inner = sampler, .drop_last = drop_last };
    if (!sampler)
        mr__null("batch_sampler_new", "sampler");
    else if (sampler->vtable->batches)
        mr__raise(MR_ERR_ARGUMENT, "batch_sampler_new: the sampler gives batches already");
    else if (batch_size < 1)
        mr__raise(MR_ERR_ARGUMENT, "batch_sampler_new: batch size %lld is not at least 1",
                  (long long)batch_size);
    else if (mr__handful_init(&b.handful, batch_size) == MR_OK) {
        b.vtable = (mr_sampler_vtable){ .begin = batches_begin,
                                        .next = batches_next,
                                        .len = batches_len,
                                        .destroy = batches_destroy,
                                        .state_size = mr__sampler_state_size(sampler),
                                        .skip = batches_skip,
                                        .next_many = batches_next_many,
                                        .batches = true,
                                        .describe = batches_describe,
                                        .most = batches_most,
                                        .generator = batches_generator };
        if (b.vtable.state_size) {
            b.vtable.save = batches_save;
            b.vtable.restore = batches_restore;
        }
        return mr__sampler_with_vtable(&b, sizeof b);
    }
    batches_destroy(&b);
    return NULL;
}

/* ---- from a list ---- */

typedef struct list {
    int64_t *index, *end; /* all indices; where each batch ends among them */
    int64_t batches, at, given;
    mr__handful handful;
} list;

static mr_status list_begin(void *self, int64_t epoch)
{
    list *l = self;
    (void)epoch;
    l->at = l->given = l->handful.at = l->handful.count = 0;
    return MR_OK;
}

static mr_status list_batch(void *self, int64_t *index, bool *valid, int64_t *count)
{
    list *l = self;
    (void)valid;
    if (l->at == l->batches)
        return MR_END;
    *count = l->end[l->at] - l->given;
    memcpy(index, l->index + l->given, (size_t)*count * sizeof *index);
    l->given = l->end[l->at++];
    return MR_OK;
}

static mr_status list_next(void *self, int64_t *index)
{
    return mr__handful_next(&((list *)self)->handful, list_batch, self, index);
}

static mr_status list_next_many(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    return mr__handful_next_many(&((list *)self)->handful, list_batch, self, index, valid, most, count);
}

static int64_t list_len(void *self)
{
    return ((const list *)self)->batches;
}

static int64_t list_most(void *self)
{
    return ((const list *)self)->handful.capacity;
}

static int list_describe(void *self, char *text, size_t room)
{
    const list *l = self;
    const int64_t indices = l->batches ? l->end[l->batches - 1] : 0;
    uint64_t hash = mr__mix_bytes(0, l->end, (size_t)l->batches * sizeof *l->end);
    hash = mr__mix_bytes(hash, l->index, (size_t)indices * sizeof *l->index);
    return snprintf(text, room, "%lld batches of %lld indices (%016llx)", (long long)l->batches,
                    (long long)indices, (unsigned long long)hash);
}

static void list_destroy(void *self)
{
    list *l = self;
    mr__free(l->index);
    mr__free(l->end);
    mr__handful_free(&l->handful);
}

static const mr_sampler_vtable list_vtable = { .begin = list_begin,
                                               .next = list_next,
                                               .len = list_len,
                                               .destroy = list_destroy,
                                               .next_many = list_next_many,
                                               .batches = true,
                                               .describe = list_describe,
                                               .most = list_most };

/* How many indices there are, and in the largest batch; false with a failure. */
static bool measure(const int64_t *sizes, int64_t batches, int64_t *total, int64_t *largest)
{
    *total = 0;
    *largest = 1;
    for (int64_t i = 0; i < batches; i++) {
        if (sizes[i] < 1 || __builtin_add_overflow(*total, sizes[i], total)) {
            mr__raise(MR_ERR_ARGUMENT, "batch_list_sampler_new: batch %lld of %lld indices", (long long)i,
                      (long long)sizes[i]);
            return false;
        }
        *largest = sizes[i] > *largest ? sizes[i] : *largest;
    }
    return true;
}

mr_sampler *mr_batch_list_sampler_new(const int64_t *indices, const int64_t *sizes, int64_t batches)
{
    int64_t total, largest, end = 0;
    list l = { .batches = batches };
    if (!indices || !sizes) {
        mr__null("batch_list_sampler_new", indices ? "sizes" : "indices");
        return NULL;
    }
    if (batches < 0) {
        mr__raise(MR_ERR_ARGUMENT, "batch_list_sampler_new: %lld batches", (long long)batches);
        return NULL;
    }
    if (!measure(sizes, batches, &total, &largest))
        return NULL;
    l.index = mr__alloc_array((size_t)total, sizeof *l.index);
    l.end = mr__alloc_array((size_t)batches, sizeof *l.end);
    mr_sampler *sampler = NULL;
    if (l.index && l.end && mr__handful_init(&l.handful, largest) == MR_OK) {
        memcpy(l.index, indices, (size_t)total * sizeof *indices);
        for (int64_t i = 0; i < batches; i++)
            l.end[i] = end += sizes[i];
        sampler = mr_sampler_new(&list_vtable, &l, sizeof l);
    }
    if (!sampler)
        list_destroy(&l);
    return sampler;
}
