#include "order.h"

#include "dataset.h"
#include "draws.h"

#include "base/alloc.h"
#include "sampler.h"

mr_status mr__order_init(mr__order *order, mr_dataset *dataset, mr_rng *shared, bool shuffle)
{
    order->len = mr_dataset_len(dataset);
    order->shared = shared;
    order->shuffle = shuffle;
    order->stream = dataset->stream != NULL;
    if (dataset->about && !(order->about = mr__strdup(dataset->about)))
        return MR_ERR_MEMORY;
    if (dataset->map && order->len < 0)
        return mr__raise(MR_ERR_CALLBACK, "loader: the dataset's len gave %lld", (long long)order->len);
    if (!shuffle || order->stream)
        return MR_OK;
    if (order->len == 0)
        return mr__raise(MR_ERR_ARGUMENT, "loader: cannot shuffle a dataset without samples");
    if (order->len > UINT32_MAX)
        return mr__raise(MR_ERR_ARGUMENT,
                         "loader: torch's shuffle takes at most 2^32-1 samples, not %lld; "
                         "mr_permutation_sampler_new gives an order of any length",
                         (long long)order->len);
    order->seeded = mr_rng_new(0);
    return order->seeded ? mr__shuffle_init(&order->shuffled, order->len) : MR_ERR_MEMORY;
}

void mr__order_free(mr__order *order)
{
    mr_rng_free(order->seeded);
    mr_sampler_free(order->sampler);
    mr__free(order->about);
    mr__shuffle_free(&order->shuffled);
    for (int i = 0; i < 2; i++) {
        mr_rng_free(order->key[i].before);
        mr__free(order->key[i].sampler);
    }
}

mr_status mr__order_set_generator(mr__order *order, mr_rng *generator)
{
    for (int i = 0; i < 2 && order->shuffle && !order->stream; i++)
        if (!order->key[i].before && !(order->key[i].before = mr_rng_new(0)))
            return MR_ERR_MEMORY;
    order->generator = generator;
    return MR_OK;
}

mr_status mr__order_set_sampler(mr__order *order, mr_sampler *sampler)
{
    const mr_sampler_vtable *v = sampler->vtable;
    unsigned char *state[2] = { NULL, NULL };
    char *about = mr__sampler_text(sampler);
    if (!about)
        return mr_error_status();
    if (v->save && v->restore && v->state_size) {
        state[0] = mr__alloc_zeroed(v->state_size);
        state[1] = mr__alloc_zeroed(v->state_size);
        if (!state[0] || !state[1]) {
            mr__free(state[0]);
            mr__free(state[1]);
            mr__free(about);
            return MR_ERR_MEMORY;
        }
    }
    for (int i = 0; i < 2; i++) {
        mr__free(order->key[i].sampler);
        order->key[i].sampler = state[i];
    }
    mr__free(order->about);
    mr_sampler_free(order->sampler);
    order->about = about;
    order->sampler = sampler;
    return MR_OK;
}

size_t mr__order_state_size(const mr__order *order)
{
    return order->key[0].sampler ? order->sampler->vtable->state_size : 0;
}

void mr__order_seed(mr__order *order)
{
    mr_rng_u64(order->generator ? order->generator : order->shared);
}

mr_status mr__order_start(mr__order *order, int64_t epoch)
{
    order->at = order->batches = 0;
    order->began = false;
    order->exhausted = false;
    order->now = !order->now;
    if (!order->sampler)
        return MR_OK;
    if (order->key[order->now].sampler)
        order->sampler->vtable->save(order->sampler->self, order->key[order->now].sampler);
    return mr__sampler_begin(order->sampler, "loader", epoch);
}

/* ---- the permutation ---- */

/* The permutation is drawn from `seeded`, from which nobody else draws: so the draws can wait until they are needed. */
void mr__order_draw(mr__order *order)
{
    if (!order->shuffle || order->began)
        return;
    mr__order_key *key = &order->key[order->now];
    order->began = true;
    if (order->stream) {
        key->seed = mr_rng_u64(order->generator ? order->generator : order->shared);
        return;
    }
    mr__shuffle_begin(&order->shuffled);
    if (!order->generator) {
        key->seed = mr_rng_u64(order->shared) & INT64_MAX;
        mr_rng_seed(order->seeded, key->seed);
        return;
    }
    mr_rng_copy(key->before, order->generator);
    mr_rng_copy(order->seeded, order->generator);
    mr__rng_pass(order->generator, order->len - 1);
}

static int64_t take_shuffled(mr__order *order, int64_t *index, int64_t count)
{
    if (!order->began)
        mr__order_draw(order);
    int64_t rest = order->len - order->at, n = count < rest ? count : rest;
    mr__shuffle_draw(&order->shuffled, order->seeded, order->at + n);
    for (int64_t i = 0; i < n; i++)
        index[i] = order->shuffled.place[order->at + i];
    return n;
}

void mr__order_end(const mr__order *order)
{
    if (order->shuffle && order->generator && !order->stream)
        mr__rng_pass(order->generator, order->len - 1);
}

/* ---- the others ---- */

static int64_t take_sampled(const mr__order *order, int64_t *index, bool *valid, int64_t count)
{
    int64_t n = mr__sampler_take(order->sampler, "loader", index, valid, count);
    for (int64_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= order->len) {
            mr__raise(MR_ERR_ARGUMENT, "loader: the sampler gave index %lld; the dataset has %lld samples",
                      (long long)index[i], (long long)order->len);
            return -1;
        }
    return n;
}

static int64_t take_in_order(const mr__order *order, int64_t *index, int64_t count)
{
    int64_t rest = order->len - order->at, n = count < rest ? count : rest;
    for (int64_t i = 0; i < n; i++)
        index[i] = order->at + i;
    return n;
}

bool mr__order_of_batches(const mr__order *order)
{
    return order->sampler && order->sampler->vtable->batches;
}

int64_t mr__order_take(mr__order *order, int64_t *index, bool *valid, int64_t count)
{
    if (order->exhausted)
        return 0;
    int64_t n = order->sampler   ? take_sampled(order, index, valid, count)
                : order->shuffle ? take_shuffled(order, index, count)
                                 : take_in_order(order, index, count);
    if (n > 0) {
        order->at += n;
        order->batches++;
    }
    order->exhausted = mr__order_of_batches(order) ? n <= 0 : n < count;
    return n;
}

/* ---- going to a place in an epoch ---- */

static mr_status sampler_resume(mr__order *order, int64_t epoch, int64_t taken)
{
    const mr_sampler *s = order->sampler;
    mr_status status = MR_OK;
    if (order->key[order->now].sampler)
        status = s->vtable->restore(s->self, order->key[order->now].sampler);
    if (status < 0 && !mr__has_cause(status))
        mr__raise(status, "loader: the sampler failed without a message");
    if (status >= 0)
        status = mr__sampler_begin(s, "loader", epoch);
    if (status >= 0)
        status = mr__sampler_skip(s, "loader", taken);
    if (status == MR_END)
        return mr__raise(MR_ERR_STATE,
                         "loader: the sampler has come to its end before index %lld of epoch %lld",
                         (long long)taken, (long long)epoch);
    return status;
}

mr_status mr__order_resume(mr__order *order, int64_t epoch, int64_t taken)
{
    const mr__order_key *key = &order->key[order->now];
    order->at = taken;
    order->exhausted = false;
    if (order->sampler)
        return sampler_resume(order, epoch, taken);
    if (!order->shuffle)
        return MR_OK;
    order->began = true;
    if (order->stream)
        return MR_OK;
    mr__shuffle_begin(&order->shuffled);
    if (order->generator)
        mr_rng_copy(order->seeded, key->before);
    else
        mr_rng_seed(order->seeded, key->seed);
    return MR_OK;
}

int64_t mr__order_len(const mr__order *order)
{
    if (!order->sampler)
        return order->len;
    return mr_sampler_len(order->sampler);
}
