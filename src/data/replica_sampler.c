/* Every so many-th index of any sampler, for one of several replicas. */
#include "sampler.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

typedef struct replica {
    mr_sampler_vtable vtable; /* whose state is the inner sampler's */
    mr_sampler *inner;
    int64_t rank, replicas;
    mr_remainder remainder;
    int64_t *group,
        *first; /* as many indices as there are replicas: those in hand, and the first ones of the epoch */
    bool *valid, *first_valid;
    int64_t rounds, total; /* groups and indices in this epoch so far */
    bool over;
} replica;

static const char call[] = "replica_sampler";

static mr_status begin(void *self, int64_t epoch)
{
    replica *r = self;
    r->rounds = r->total = 0;
    r->over = false;
    return mr__sampler_begin(r->inner, call, epoch);
}

/* One index of each replica; of those for whom none is left, one of the first ones. */
static mr_status next_round(replica *r, int64_t *index, bool *valid)
{
    if (r->over)
        return MR_END;
    int64_t count = mr__sampler_take(r->inner, call, r->group, r->valid, r->replicas), mine = r->rank;
    if (count < 0)
        return mr_error_status();
    if (r->rounds == 0 && count > 0) {
        memcpy(r->first, r->group, (size_t)count * sizeof *r->first);
        memcpy(r->first_valid, r->valid, (size_t)count * sizeof *r->first_valid);
    }
    r->rounds++;
    r->total += count;
    r->over = count < r->replicas;
    if (count == 0 || (r->over && r->remainder == MR_REMAINDER_DROP))
        return MR_END;
    if (mine < count) {
        *index = r->group[mine];
        *valid = r->valid[mine];
    } else {
        mine = (mine - count) % r->total;
        *index = r->first[mine];
        *valid = r->remainder == MR_REMAINDER_PAD && r->first_valid[mine];
    }
    return MR_OK;
}

static mr_status next_many(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    for (*count = 0; *count < most; ++*count) {
        mr_status status = next_round(self, &index[*count], &valid[*count]);
        if (status == MR_END)
            break;
        if (status != MR_OK)
            return status;
    }
    return *count ? MR_OK : MR_END;
}

static mr_status next(void *self, int64_t *index)
{
    bool valid;
    return next_round(self, index, &valid);
}

/* Behind the first round, of which the first indices are kept, whole rounds are passed over. */
static mr_status skip(void *self, int64_t count)
{
    replica *r = self;
    int64_t index, all = mr_sampler_len(r->inner);
    mr_status status = MR_OK;
    if (r->rounds == 0 && count > 0) {
        status = next(self, &index);
        count--;
    }
    if (status == MR_OK && count > 0 && all >= 0) {
        int64_t rounds = (all - r->total) / r->replicas;
        rounds = count < rounds ? count : rounds;
        status = mr__sampler_skip(r->inner, call, rounds * r->replicas);
        r->rounds += rounds;
        r->total += rounds * r->replicas;
        count -= rounds;
    }
    for (; status == MR_OK && count > 0; count--)
        status = next(self, &index);
    return status;
}

static int64_t len(void *self)
{
    const replica *r = self;
    int64_t all = mr_sampler_len(r->inner);
    if (all < 0)
        return -1;
    return all / r->replicas + (r->remainder != MR_REMAINDER_DROP && all % r->replicas != 0);
}

static void save(void *self, void *state)
{
    const mr_sampler *inner = ((replica *)self)->inner;
    inner->vtable->save(inner->self, state);
}

static mr_status restore(void *self, const void *state)
{
    const mr_sampler *inner = ((replica *)self)->inner;
    return inner->vtable->restore(inner->self, state);
}

static mr_rng *generator(void *self)
{
    return mr__sampler_generator(((const replica *)self)->inner);
}

static int describe(void *self, char *text, size_t room)
{
    const replica *r = self;
    return mr__describe_inner(text, room, r->inner, "rank %lld of %lld, %s, of ", (long long)r->rank,
                              (long long)r->replicas, mr__remainder_name(r->remainder));
}

static void destroy(void *self)
{
    replica *r = self;
    mr_sampler_free(r->inner);
    mr__free(r->group);
    mr__free(r->first);
    mr__free(r->valid);
    mr__free(r->first_valid);
}

static bool make_room(replica *r)
{
    size_t n = (size_t)r->replicas;
    r->group = mr__alloc_array(n, sizeof *r->group);
    r->first = mr__alloc_array(n, sizeof *r->first);
    r->valid = mr__alloc_array(n, sizeof *r->valid);
    r->first_valid = mr__alloc_array(n, sizeof *r->first_valid);
    if (!r->group || !r->first || !r->valid || !r->first_valid)
        return false;
    memset(r->valid, true, n); /* as it stays with samplers that tell nothing of it */
    return true;
}

mr_sampler *mr_replica_sampler_new(mr_sampler *sampler, int rank, int replicas, mr_remainder remainder)
{
    replica r = { .inner = sampler, .rank = rank, .replicas = replicas, .remainder = remainder };
    if (!sampler)
        mr__null("replica_sampler_new", "sampler");
    else if (sampler->vtable->batches)
        mr__raise(MR_ERR_ARGUMENT, "replica_sampler_new: the sampler gives batches");
    else if (replicas < 1 || rank < 0 || rank >= replicas)
        mr__raise(MR_ERR_ARGUMENT, "replica_sampler_new: rank %d of %d replicas, not 0 to one below them",
                  rank, replicas);
    else if (remainder < MR_REMAINDER_PAD || remainder > MR_REMAINDER_UNEVEN)
        mr__raise(MR_ERR_ARGUMENT, "replica_sampler_new: %d is no mr_remainder", (int)remainder);
    else if (make_room(&r)) {
        r.vtable = (mr_sampler_vtable){ .begin = begin,
                                        .next = next,
                                        .len = len,
                                        .destroy = destroy,
                                        .state_size = mr__sampler_state_size(sampler),
                                        .skip = skip,
                                        .next_many = next_many,
                                        .describe = describe,
                                        .generator = generator };
        if (r.vtable.state_size) {
            r.vtable.save = save;
            r.vtable.restore = restore;
        }
        return mr__sampler_with_vtable(&r, sizeof r);
    }
    destroy(&r);
    return NULL;
}
