/* Some samples of a dataset, and a dataset divided at random. */
#include "inner.h"

#include "base/alloc.h"
#include "base/float_text.h"
#include "base/log.h"

#include <math.h>
#include <string.h>

typedef struct subset {
    mr_dataset_vtable vtable;
    mr_dataset *inner; /* held */
    int64_t *indices, count;
} subset;

static int64_t len(void *self)
{
    return ((const subset *)self)->count;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    const subset *s = self;
    mr_status status = mr__inner_get(s->inner, s->indices[index], sample);
    return MR__LIKELY(status == MR_OK) ? MR_OK : mr__sample_failed("subset", status, s->indices[index]);
}

/* Some at a time, as far as there is room for their indices. */
static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    enum { SOME = 256 };
    const subset *s = self;
    int64_t inner[SOME];
    void *row[MR__MOST_FIELDS];
    mr_sample sample = *first;
    sample.field = row;
    for (int64_t i = 0; i < count; i += SOME) {
        int64_t n = count - i < SOME ? count - i : SOME;
        for (int64_t j = 0; j < n; j++)
            inner[j] = s->indices[indices[i + j]];
        for (int f = 0; f < s->inner->field_count; f++)
            row[f] = mr__row(s->inner, first, f, i);
        mr_status status = s->inner->map->get_many(s->inner->self, inner, n, &sample);
        if (status != MR_OK)
            return status;
    }
    return MR_OK;
}

static int origin(void *self, int64_t index, int field, char *text, size_t room)
{
    const subset *s = self;
    return mr__origin_of(s->inner, s->indices[index], field, text, room);
}

static void *worker_open(void *self)
{
    const mr_dataset *inner = ((const subset *)self)->inner;
    return inner->map->worker_open(inner->self);
}

static void worker_close(void *self, void *worker)
{
    const mr_dataset *inner = ((const subset *)self)->inner;
    if (inner->map->worker_close)
        inner->map->worker_close(inner->self, worker);
}

static void destroy(void *self)
{
    subset *s = self;
    mr__dataset_release(s->inner);
    mr__free(s->indices);
}

/* The subset of indices that are known to be inside. */
static mr_dataset *make(mr_dataset *inner, const int64_t *indices, int64_t count)
{
    subset s = { .vtable = { .len = len, .get = get, .destroy = destroy, .origin = origin },
                 .inner = inner,
                 .count = count };
    if (inner->map->get_many)
        s.vtable.get_many = get_many;
    if (inner->map->worker_open) {
        s.vtable.worker_open = worker_open;
        s.vtable.worker_close = worker_close;
    }
    s.indices = mr__alloc_array((size_t)count, sizeof *s.indices);
    if (!s.indices)
        return NULL;
    memcpy(s.indices, indices, (size_t)count * sizeof *indices);
    mr__dataset_hold(inner);
    return mr__dataset_with_vtable(&s, sizeof s, inner->fields, inner->field_count);
}

mr_dataset *mr_subset_new(mr_dataset *dataset, const int64_t *indices, int64_t count)
{
    static const char call[] = "subset_new";
    if (!mr__inner_acceptable(call, dataset, MR__BY_INDEX))
        return NULL;
    if (!indices || count < 0) {
        mr__raise(MR_ERR_ARGUMENT, "%s: %lld indices%s", call, (long long)count, indices ? "" : " at NULL");
        return NULL;
    }
    int64_t samples = mr_dataset_len(dataset);
    for (int64_t i = 0; i < count; i++)
        if (indices[i] < 0 || indices[i] >= samples) {
            mr__raise(MR_ERR_ARGUMENT, "%s: index %lld is out of range for %lld samples", call,
                      (long long)indices[i], (long long)samples);
            return NULL;
        }
    return make(dataset, indices, count);
}

/* ---- random parts ---- */

static const char split[] = "random_split";

static mr_status split_by(mr_dataset *dataset, const int64_t *lengths, int count, mr_rng *rng,
                          mr_dataset **parts)
{
    int64_t samples = mr_dataset_len(dataset), from = 0;
    int64_t *order = mr__alloc_array((size_t)samples, sizeof *order);
    if (!order)
        return MR_ERR_MEMORY;
    mr_rng_permutation(rng, order, samples);
    for (int i = 0; i < count; from += lengths[i++])
        if (!(parts[i] = make(dataset, order + from, lengths[i]))) {
            for (; i > 0; parts[i] = NULL)
                mr_dataset_free(parts[--i]);
            mr__free(order);
            return mr_error_status();
        }
    mr__free(order);
    return MR_OK;
}

static mr_status splittable(mr_dataset *dataset, const void *sizes, int count, const mr_rng *rng,
                            mr_dataset **parts)
{
    if (!parts || !sizes || count < 1)
        return mr__raise(MR_ERR_ARGUMENT, "%s: no parts", split);
    memset(parts, 0, (size_t)count * sizeof *parts);
    if (!mr__inner_acceptable(split, dataset, MR__BY_INDEX))
        return mr_error_status();
    if (!rng)
        return mr__null(split, "rng");
    if (mr_dataset_len(dataset) > UINT32_MAX)
        return mr__raise(MR_ERR_ARGUMENT, "%s: torch's permutation takes at most 2^32-1 samples, not %lld",
                         split, (long long)mr_dataset_len(dataset));
    return MR_OK;
}

mr_status mr_random_split(mr_dataset *dataset, const int64_t *lengths, int count, mr_rng *rng,
                          mr_dataset **parts)
{
    int64_t sum = 0;
    mr_status status = splittable(dataset, lengths, count, rng, parts);
    if (status)
        return status;
    for (int i = 0; i < count; i++)
        if (lengths[i] < 0 || __builtin_add_overflow(sum, lengths[i], &sum))
            return mr__raise(MR_ERR_ARGUMENT, "%s: length %lld of part %d", split, (long long)lengths[i], i);
    if (sum != mr_dataset_len(dataset))
        return mr__raise(MR_ERR_ARGUMENT, "%s: the lengths add up to %lld, and there are %lld samples", split,
                         (long long)sum, (long long)mr_dataset_len(dataset));
    return split_by(dataset, lengths, count, rng, parts);
}

mr_status mr_random_split_fractions(mr_dataset *dataset, const double *fractions, int count, mr_rng *rng,
                                    mr_dataset **parts)
{
    double sum = 0;
    char text[MR__FLOAT_TEXT_BYTES];
    mr_status status = splittable(dataset, fractions, count, rng, parts);
    if (status)
        return status;
    for (int i = 0; i < count; i++) {
        if (!(fractions[i] >= 0 && fractions[i] <= 1))
            return mr__raise(MR_ERR_ARGUMENT, "%s: fraction %s of part %d is not 0 to 1", split,
                             mr__format_double(text, fractions[i]), i);
        sum += fractions[i];
    }
    if (fabs(sum - 1) > 1e-9)
        return mr__raise(MR_ERR_ARGUMENT, "%s: the fractions add up to %s, not 1", split,
                         mr__format_double(text, sum));
    int64_t samples = mr_dataset_len(dataset), left = samples;
    int64_t *lengths = mr__alloc_array((size_t)count, sizeof *lengths);
    if (!lengths)
        return MR_ERR_MEMORY;
    for (int i = 0; i < count; i++)
        left -= lengths[i] = (int64_t)floor((double)samples * fractions[i]);
    if (left < 0) { /* a sum that is hardly more than 1, of many samples */
        mr__free(lengths);
        return mr__raise(MR_ERR_ARGUMENT, "%s: the fractions add up to %s, which is %lld samples too many",
                         split, mr__format_double(text, sum), (long long)-left);
    }
    for (int i = 0; i < left; i++)
        lengths[i % count]++;
    for (int i = 0; i < count; i++)
        if (lengths[i] == 0)
            mr__log(MR_LOG_WARNING, "%s: part %d has no samples", split, i);
    status = split_by(dataset, lengths, count, rng, parts);
    mr__free(lengths);
    return status;
}
