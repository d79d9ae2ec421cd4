/* Orders that can be entered anywhere: 0, 1, 2 …, and Millrace's own. */
#include "permutation.h"
#include "sampler.h"

#include "base/error.h"

#include <stdio.h>

typedef struct plain {
    mr_permutation order; /* not used in sequence */
    int64_t length, at;
} plain;

static mr_status begin_in_sequence(void *self, int64_t epoch)
{
    (void)epoch;
    ((plain *)self)->at = 0;
    return MR_OK;
}

static mr_status begin_permuted(void *self, int64_t epoch)
{
    plain *p = self;
    p->at = 0;
    mr_permutation_set_epoch(&p->order, epoch);
    return MR_OK;
}

static int64_t some(plain *p, int64_t most)
{
    int64_t left = p->length - p->at;
    return most < left ? most : left;
}

static mr_status many_in_sequence(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    plain *p = self;
    (void)valid;
    *count = some(p, most);
    for (int64_t i = 0; i < *count; i++)
        index[i] = p->at + i;
    p->at += *count;
    return *count ? MR_OK : MR_END;
}

static mr_status many_permuted(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    plain *p = self;
    (void)valid;
    *count = some(p, most);
    mr__permutation_take(&p->order, p->at, index, *count);
    p->at += *count;
    return *count ? MR_OK : MR_END;
}

static mr_status next_in_sequence(void *self, int64_t *index)
{
    int64_t count;
    return many_in_sequence(self, index, NULL, 1, &count);
}

static mr_status next_permuted(void *self, int64_t *index)
{
    int64_t count;
    return many_permuted(self, index, NULL, 1, &count);
}

static int64_t plain_len(void *self)
{
    return ((const plain *)self)->length;
}

static mr_status plain_skip(void *self, int64_t count)
{
    plain *p = self;
    if (count > p->length - p->at)
        return MR_END;
    p->at += count;
    return MR_OK;
}

static int describe_in_sequence(void *self, char *text, size_t room)
{
    return snprintf(text, room, "sequential of %lld", (long long)((const plain *)self)->length);
}

static int describe_permuted(void *self, char *text, size_t room)
{
    const plain *p = self;
    return snprintf(text, room, "permutation of %lld, seed %llu", (long long)p->length,
                    (unsigned long long)p->order.seed);
}

static const mr_sampler_vtable in_sequence = { .begin = begin_in_sequence,
                                               .next = next_in_sequence,
                                               .len = plain_len,
                                               .skip = plain_skip,
                                               .next_many = many_in_sequence,
                                               .describe = describe_in_sequence };
static const mr_sampler_vtable permuted = { .begin = begin_permuted,
                                            .next = next_permuted,
                                            .len = plain_len,
                                            .skip = plain_skip,
                                            .next_many = many_permuted,
                                            .describe = describe_permuted };

mr_sampler *mr_sequential_sampler_new(int64_t length)
{
    plain p = { .length = length };
    if (length < 0) {
        mr__raise(MR_ERR_ARGUMENT, "sequential_sampler_new: length %lld is negative", (long long)length);
        return NULL;
    }
    return mr_sampler_new(&in_sequence, &p, sizeof p);
}

mr_sampler *mr_permutation_sampler_new(int64_t length, uint64_t seed)
{
    plain p = { .length = length };
    if (mr__permutation_init(&p.order, "permutation_sampler_new", length, seed))
        return NULL;
    return mr_sampler_new(&permuted, &p, sizeof p);
}
