/* What samplers refuse, and what goes wrong with them in a loader. */
#include "check.h"
#include "loader_fixture.h"

#include <millrace/samplers.h>

static int64_t length_of(void *user, int64_t index)
{
    if (user && index == *(const int64_t *)user)
        return mr_fail(MR_ERR_IO, "no index file") == MR_OK;
    return 1 + (index * 7919 + 13) % 97;
}

/* ---- what is refused ---- */

static void refuse_sampler(mr_sampler *sampler, const char *text)
{
    CHECK(sampler == NULL);
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

static void test_refused_lengths(void)
{
    mr_rng *rng = mr_rng_new(0);
    const int64_t some[] = { 1, 2 };
    mr_dataset *large = fixture_new((fixture){ .length = INT64_C(1) << 32 });
    CHECK(mr_loader_new(large, rng, &(mr_loader_opts){ .shuffle = true }) == NULL);
    CHECK_EQ_STR(mr_error(), "loader: torch's shuffle takes at most 2^32-1 samples, not 4294967296; "
                             "mr_permutation_sampler_new gives an order of any length");
    mr_error_clear();
    mr_dataset_free(large);
    refuse_sampler(mr_sequential_sampler_new(-1), "sequential_sampler_new: length -1 is negative");
    refuse_sampler(mr_permutation_sampler_new(-1, 0), "permutation_sampler_new: length -1 is negative");
    refuse_sampler(mr_random_sampler_new(0, rng, NULL),
                   "random_sampler_new: nothing can be drawn from 0 samples");
    refuse_sampler(mr_random_sampler_new(5, rng, &(mr_random_sampler_opts){ .num_samples = -1 }),
                   "random_sampler_new: num_samples -1 is negative");
    refuse_sampler(mr_random_sampler_new(INT64_C(1) << 32, rng, NULL),
                   "random_sampler_new: torch's permutation takes at most 2^32-1 samples, not 4294967296; "
                   "mr_permutation_sampler_new gives an order of any length");
    refuse_sampler(mr_random_sampler_new(5, NULL, NULL), "random_sampler_new: rng is NULL");
    refuse_sampler(mr_subset_random_sampler_new(NULL, 5, rng, NULL),
                   "subset_random_sampler_new: indices is NULL");
    refuse_sampler(mr_subset_random_sampler_new(some, 2, NULL, NULL),
                   "subset_random_sampler_new: rng is NULL");
    refuse_sampler(mr_subset_random_sampler_new(some, -1, rng, NULL),
                   "subset_random_sampler_new: -1 indices, not 0 to 2^32-1");
    mr_rng_free(rng);
}

static void test_refused_weights(void)
{
    mr_rng *rng = mr_rng_new(0);
    const double good[] = { 1, 2, 0 }, none[] = { 0, 0 }, bad[] = { 1, -1 }, nan[] = { 1, 1, NAN },
                 large[] = { 1e308, 1e308 };
    refuse_sampler(mr_weighted_sampler_new(NULL, 1, 1, rng, NULL), "weighted_sampler_new: weights is NULL");
    refuse_sampler(mr_weighted_sampler_new(good, 3, 0, rng, NULL),
                   "weighted_sampler_new: 0 samples of 3 weights, not at least one each");
    refuse_sampler(mr_weighted_sampler_new(none, 2, 1, rng, NULL),
                   "weighted_sampler_new: the weights add up to 0");
    refuse_sampler(mr_weighted_sampler_new(large, 2, 1, rng, NULL),
                   "weighted_sampler_new: the weights add up to inf");
    refuse_sampler(mr_weighted_sampler_new(bad, 2, 1, rng, NULL),
                   "weighted_sampler_new: weight 1 is -1, not finite and at least 0");
    refuse_sampler(mr_weighted_sampler_new(nan, 3, 1, rng, NULL),
                   "weighted_sampler_new: weight 2 is nan, not finite and at least 0");
    refuse_sampler(mr_weighted_sampler_new(good, 3, 1, NULL, NULL), "weighted_sampler_new: rng is NULL");
    refuse_sampler(
        mr_weighted_sampler_new(good, 3, 3, rng, &(mr_weighted_sampler_opts){ .no_replacement = true }),
        "weighted_sampler_new: 3 samples without replacement, and only 2 weights are above zero");
    mr_rng_free(rng);
}

static void test_refused_replicas(void)
{
    refuse_sampler(mr_distributed_sampler_new(-1, 0, 1, NULL),
                   "distributed_sampler_new: length -1 is negative");
    refuse_sampler(mr_distributed_sampler_new(1, 2, 2, NULL),
                   "distributed_sampler_new: rank 2 of 2 replicas, not 0 to one below them");
    refuse_sampler(mr_distributed_sampler_new(1, 0, 2, &(mr_distributed_sampler_opts){ .remainder = 3 }),
                   "distributed_sampler_new: 3 is no mr_remainder");
    refuse_sampler(mr_distributed_sampler_new(
                       1, 0, 2, &(mr_distributed_sampler_opts){ .no_shuffle = true, .own_order = true }),
                   "distributed_sampler_new: no_shuffle and own_order exclude each other");
    refuse_sampler(
        mr_distributed_sampler_new(INT64_C(1) << 33, 0, 2, NULL),
        "distributed_sampler_new: torch's permutation takes at most 2^32-1 samples, not 8589934592; "
        "own_order takes any");
    refuse_sampler(mr_replica_sampler_new(NULL, 0, 1, MR_REMAINDER_PAD),
                   "replica_sampler_new: sampler is NULL");
    refuse_sampler(mr_replica_sampler_new(mr_sequential_sampler_new(3), -1, 1, MR_REMAINDER_PAD),
                   "replica_sampler_new: rank -1 of 1 replicas, not 0 to one below them");
    refuse_sampler(mr_replica_sampler_new(mr_sequential_sampler_new(3), 0, 1, (mr_remainder)3),
                   "replica_sampler_new: 3 is no mr_remainder");
    refuse_sampler(mr_replica_sampler_new(mr_batch_sampler_new(mr_sequential_sampler_new(3), 1, false), 0, 1,
                                          MR_REMAINDER_PAD),
                   "replica_sampler_new: the sampler gives batches");
    mr_sampler *s =
        mr_distributed_sampler_new(INT64_MAX, 1, 2, &(mr_distributed_sampler_opts){ .own_order = true });
    CHECK_EQ_I64(mr_sampler_len(s), INT64_MAX / 2 + 1);
    mr_sampler_free(s);
}

static void test_refused_batches(void)
{
    const int64_t some[] = { 1, 2 }, wrong[] = { 1, 0 };
    static const mr_sampler_vtable no_many = { .begin = NULL };
    refuse_sampler(mr_batch_sampler_new(NULL, 1, false), "batch_sampler_new: sampler is NULL");
    refuse_sampler(mr_batch_sampler_new(mr_sequential_sampler_new(3), 0, false),
                   "batch_sampler_new: batch size 0 is not at least 1");
    refuse_sampler(
        mr_batch_sampler_new(mr_batch_sampler_new(mr_sequential_sampler_new(3), 1, false), 2, false),
        "batch_sampler_new: the sampler gives batches already");
    refuse_sampler(mr_batch_list_sampler_new(NULL, some, 1), "batch_list_sampler_new: indices is NULL");
    refuse_sampler(mr_batch_list_sampler_new(some, NULL, 1), "batch_list_sampler_new: sizes is NULL");
    refuse_sampler(mr_batch_list_sampler_new(some, some, -1), "batch_list_sampler_new: -1 batches");
    refuse_sampler(mr_batch_list_sampler_new(some, wrong, 2), "batch_list_sampler_new: batch 1 of 0 indices");
    refuse_sampler(mr_bucket_sampler_new(5, 1, 0, NULL, NULL, NULL), "bucket_sampler_new: length_of is NULL");
    refuse_sampler(
        mr_bucket_sampler_new(5, 0, 0, length_of, NULL, &(mr_bucket_sampler_opts){ .max_length = 3 }),
        "bucket_sampler_new: batch size 0, pool 100, max_length 3");
    refuse_sampler(mr_bucket_sampler_new(-5, 1, 0, length_of, NULL, NULL),
                   "bucket_sampler_new: length -5 is negative");
    refuse_sampler(mr_sampler_new(&no_many, NULL, 0), "sampler_new: the vtable needs begin and next");
}

/* ---- failures in a loader ---- */

static void fails(mr_sampler *sampler, int64_t batch_size, const char *text)
{
    static int runs;
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = fixture_new((fixture){ .length = 100, .bad = -1, .bad2 = -1 });
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ batch_size, .workers = runs++ % 3 });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_set_sampler(loader, sampler), MR_OK);
    CHECK(mr_loader_next(loader, &b) < 0);
    CHECK_EQ_STR(mr_error(), text);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static mr_status own_begin(void *self, int64_t epoch)
{
    (void)self;
    (void)epoch;
    return MR_OK;
}

static mr_status own_next(void *self, int64_t *index)
{
    *index = 0;
    return self ? MR_OK : MR_ERR_IO;
}

static mr_status too_many(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    (void)self;
    (void)index;
    (void)valid;
    *count = most + 1;
    return MR_OK;
}

static mr_status no_text(void *self, int64_t *index, bool *valid, int64_t most, int64_t *count)
{
    (void)self;
    (void)index;
    (void)valid;
    (void)most;
    (void)count;
    return MR_ERR_IO;
}

static void test_failures(void)
{
    static const mr_sampler_vtable many = { own_begin, own_next, .next_many = too_many },
                                   silent = { own_begin, own_next, .next_many = no_text },
                                   without = { own_begin, own_next, .batches = true };
    const int64_t indices[] = { 5, 100 }, sizes[] = { 2 };
    int64_t bad = 3;
    fails(mr_sampler_new(&many, NULL, 0), 4, "loader: the sampler gave 5 indices, not 1 to 4");
    fails(mr_sampler_new(&silent, NULL, 0), 4, "loader: the sampler failed without a message");
    fails(mr_batch_list_sampler_new(indices, sizes, 1), 2,
          "loader: the sampler gave index 100; the dataset has 100 samples");
    fails(mr_bucket_sampler_new(9, 4, 0, length_of, &bad, NULL), 4,
          "loader: sampler: bucket_sampler: sample 3: no index file");
    fails(mr_bucket_sampler_new(9, 4, 0, length_of, NULL,
                                &(mr_bucket_sampler_opts){ .max_length = 20, .no_shuffle = true }),
          4, "loader: sampler: bucket_sampler: sample 1 has length 76, not 0 to 20");
    refuse_sampler(mr_sampler_new(&without, NULL, 0),
                   "sampler_new: a sampler that gives batches needs next_many");

    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = fixture_new((fixture){ .length = 10, .bad = -1, .bad2 = -1 });
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 2, .drop_last = true });
    CHECK_EQ_I64(mr_loader_set_sampler(loader, mr_batch_list_sampler_new(indices, sizes, 1)),
                 MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_set_sampler: drop_last is not for a sampler that gives batches");
    mr_error_clear();
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

/* Who gives batches says so, and how large, when the loader is told. */
static int64_t up_to_six(void *self)
{
    (void)self;
    return 6;
}

static void refuse_batches(mr_sampler *sampler, int64_t batch_size, const char *text)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = fixture_new((fixture){ .length = 10, .bad = -1, .bad2 = -1 });
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = batch_size });
    const mr_batch *b;
    CHECK_EQ_I64(mr_loader_set_sampler(loader, sampler), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), text);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK); /* in its own order, then */
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static void test_batches_too_large(void)
{
    static const mr_sampler_vtable own = { own_begin, own_next, .next_many = no_text, .batches = true,
                                           .most = up_to_six };
    const int64_t indices[] = { 5, 6, 7, 8 }, sizes[] = { 1, 3 };
    refuse_batches(mr_batch_sampler_new(mr_sequential_sampler_new(9), 5, false), 4,
                   "loader_set_sampler: the sampler's batches have up to 5 samples, and the loader's batch "
                   "size is 4");
    refuse_batches(mr_batch_list_sampler_new(indices, sizes, 2), 0,
                   "loader_set_sampler: the sampler's batches have up to 3 samples, and the loader's batch "
                   "size is 1");
    refuse_batches(mr_bucket_sampler_new(9, 4, 0, length_of, NULL, NULL), 3,
                   "loader_set_sampler: the sampler's batches have up to 4 samples, and the loader's batch "
                   "size is 3");
    refuse_batches(mr_sampler_new(&own, NULL, 0), 5,
                   "loader_set_sampler: the sampler's batches have up to 6 samples, and the loader's batch "
                   "size is 5");
}

static void test_by_hand(void)
{
    static const mr_sampler_vtable vtable = { .begin = own_begin, .next = own_next };
    int64_t index;
    mr_sampler *s = mr_sampler_new(&vtable, NULL, 0);
    CHECK_EQ_I64(mr_sampler_begin(NULL, 0), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "sampler_begin: sampler is NULL");
    CHECK_EQ_I64(mr_sampler_next(NULL, &index), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "sampler_next: sampler is NULL");
    CHECK_EQ_I64(mr_sampler_next(s, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "sampler_next: index is NULL");
    CHECK_EQ_I64(mr_sampler_next(s, &index), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), "sampler_next: the sampler failed without a message");
    CHECK_EQ_I64(mr_sampler_len(s), -1);
    CHECK_EQ_I64(mr_sampler_len(NULL), 0);
    CHECK_EQ_STR(mr_error(), "sampler_len: sampler is NULL");
    mr_fail(MR_ERR_IO, "before");
    CHECK_EQ_I64(mr_sampler_begin(s, 0), MR_ERR_IO);
    mr_fail(MR_ERR_IO, "before");
    CHECK_EQ_I64(mr_sampler_next(s, &index), MR_ERR_IO);
    mr_error_clear();
    mr_sampler_free(s);
    mr_sampler_free(NULL);
}

/* ---- where a callback's failure was ---- */

static mr_status begin_well(void *self, int64_t epoch)
{
    (void)self, (void)epoch;
    return MR_OK;
}

static mr_status next_fails(void *self, int64_t *index)
{
    (void)self, (void)index;
    return mr_fail(MR_ERR_IO, "the list is gone");
}

static void *open_fails(void *self, int64_t shard, int64_t shards)
{
    (void)self, (void)shard, (void)shards;
    mr_fail(MR_ERR_IO, "cannot reach the host");
    return NULL;
}

static void check_place(mr_dataset *data, mr_sampler *sampler, const char *text)
{
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 4 });
    const mr_batch *b;
    if (sampler)
        CHECK_EQ_I64(mr_loader_set_sampler(loader, sampler), MR_OK);
    CHECK_EQ_I64(mr_loader_next(loader, &b), MR_ERR_IO);
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static void test_places(void)
{
    static const mr_sampler_vtable failing = { .begin = begin_well, .next = next_fails };
    const fixture f = { .length = 10, .bad = -1, .bad2 = -1 };
    mr_stream_vtable closed = fixture_stream_vtable;
    closed.open = open_fails;
    check_place(fixture_new(f), mr_sampler_new(&failing, NULL, 0), "loader: sampler: the list is gone");
    check_place(mr_stream_new(&closed, &f, sizeof f, fixture_fields, 2), NULL,
                "loader: cannot reach the host");
}

int main(void)
{
    RUN(test_refused_lengths);
    RUN(test_refused_weights);
    RUN(test_refused_replicas);
    RUN(test_refused_batches);
    RUN(test_failures);
    RUN(test_batches_too_large);
    RUN(test_by_hand);
    RUN(test_places);
    return check_report();
}
