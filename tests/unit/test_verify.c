/* Each sample exactly once: over replicas, workers, what becomes of the remainder, and any order. */
#include "check.h"
#include "loader_fixture.h"
#include "ragged_fixture.h"

#include <millrace/datasets.h>
#include <millrace/samplers.h>
#include <millrace/verify.h>

static mr_dataset *numbers(int64_t length)
{
    return fixture_new((fixture){ .length = length, .bad = -1, .bad2 = -1, .many = length % 2 });
}

static mr_digest verify(mr_dataset *data, mr_sampler *sampler, mr_loader_opts opts, int epoch, bool contents)
{
    mr_digest digest;
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(data, rng, &opts);
    if (sampler)
        CHECK_EQ_I64(mr_loader_set_sampler(loader, sampler), MR_OK);
    for (int e = 0; e <= epoch; e++)
        CHECK_EQ_I64(mr_loader_verify(loader, contents, &digest), MR_OK);
    mr_loader_free(loader);
    mr_rng_free(rng);
    return digest;
}

/* ---- digests tell things apart ---- */

static void test_digest(void)
{
    mr_dataset *data = numbers(30);
    const mr_loader_opts in_order = { .batch_size = 7 }, shuffled = { .batch_size = 7, .shuffle = true },
                         other_size = { .batch_size = 4 }, dropped = { .batch_size = 7, .drop_last = true };
    mr_digest range = mr_digest_of_range(30), a = verify(data, NULL, in_order, 0, false),
              b = verify(data, NULL, shuffled, 0, false), c = verify(data, NULL, other_size, 0, false),
              d = verify(data, NULL, dropped, 0, false);
    CHECK(mr_digest_same_samples(&a, &range) && a.order == range.order);
    CHECK(mr_digest_same_samples(&b, &range) && b.order != range.order);
    CHECK(mr_digest_same_samples(&c, &range) && c.order == range.order);
    CHECK(!mr_digest_same_samples(&d, &range));
    CHECK(a.samples == 30 && a.batches == 5 && a.padding == 0 && c.batches == 8 && d.samples == 28);
    /* one sample twice in place of another */
    int64_t twice[30], sizes[] = { 30 };
    for (int i = 0; i < 30; i++)
        twice[i] = i == 17 ? 16 : i;
    mr_digest e = verify(data, mr_batch_list_sampler_new(twice, sizes, 1),
                         (mr_loader_opts){ .batch_size = 30 }, 0, false);
    CHECK(e.samples == 30 && !mr_digest_same_samples(&e, &range));
    /* 0 + 3 is 1 + 2 */
    int64_t even[] = { 0, 3 }, odd[] = { 1, 2 }, two[] = { 2 };
    a = verify(data, mr_batch_list_sampler_new(even, two, 1), (mr_loader_opts){ .batch_size = 2 }, 0, false);
    b = verify(data, mr_batch_list_sampler_new(odd, two, 1), (mr_loader_opts){ .batch_size = 2 }, 0, false);
    CHECK(a.multiset[0] != b.multiset[0] && a.multiset[1] != b.multiset[1]);
    mr_dataset_free(data);
}

/* The digest of orders and contents is written down in people's notes. */
static void test_is_kept(void)
{
    mr_digest range = mr_digest_of_range(3), zero = mr_digest_of_range(0);
    CHECK(zero.order == 0 && zero.multiset[0] == 0 && zero.samples == 0);
    CHECK_EQ_I64(range.order, 174254653783395832);
    CHECK_EQ_I64(range.multiset[0], 722442908831298371);
}

static void test_contents(void)
{
    mr_dataset *data = numbers(31);
    const mr_loader_opts opts = { .batch_size = 8, .shuffle = true };
    mr_digest a = verify(data, NULL, opts, 0, true), b = verify(data, NULL, opts, 0, false);
    CHECK(a.order != b.order);
    for (int workers = 1; workers < 5; workers++) {
        mr_loader_opts with = opts;
        with.workers = workers;
        mr_digest c = verify(data, NULL, with, 0, true);
        CHECK(c.order == a.order && mr_digest_same_samples(&a, &c));
    }
    mr_digest next = verify(data, NULL, opts, 1, true); /* the fixture's samples hang on the epoch */
    CHECK(!mr_digest_same_samples(&a, &next));
    mr_digest next_indices = verify(data, NULL, opts, 1, false);
    CHECK(mr_digest_same_samples(&b, &next_indices));
    mr_dataset_free(data);
}

/* Each byte of a sample counts, also the last ones. */
static void test_bytes(void)
{
    mr_rng *rng = mr_rng_new(0);
    for (int columns = 1; columns < 20; columns++) {
        mr_tensor *x = mr_tensor_zeros(MR_UINT8, MR_SHAPE(2, columns));
        mr_dataset *data = mr_dataset_from_tensors(&x, NULL, 1);
        mr_digest before = verify(data, NULL, (mr_loader_opts){ 0 }, 0, true);
        for (int i = 0; i < 2 * columns; i++) {
            uint8_t *byte = (uint8_t *)mr_tensor_data(x) + i;
            *byte = 1;
            mr_digest after = verify(data, NULL, (mr_loader_opts){ 0 }, 0, true);
            CHECK(after.order != before.order && !mr_digest_same_samples(&after, &before));
            *byte = 0;
        }
        mr_dataset_free(data);
        mr_tensor_free(x);
    }
    mr_rng_free(rng);
}

/* ---- replicas ---- */

/* The digest of all replicas together; the number of rows and batches is the same for all. */
static mr_digest verify_replicas(mr_dataset *data, int replicas, int workers, mr_remainder remainder,
                                 int order, int epoch)
{
    mr_digest all = { { 0 }, 0, 0, 0, 0 }, first = all;
    for (int rank = 0; rank < replicas; rank++) {
        const mr_distributed_sampler_opts opts = {
            .remainder = remainder, .seed = 3, .no_shuffle = order == 0, .own_order = order == 2
        };
        mr_sampler *sampler = mr_distributed_sampler_new(mr_dataset_len(data), rank, replicas, &opts);
        mr_digest one =
            verify(data, sampler, (mr_loader_opts){ .batch_size = 5, .workers = workers }, epoch, false);
        first = rank ? first : one;
        CHECK_EQ_I64(one.samples + one.padding, first.samples + first.padding);
        CHECK_EQ_I64(one.batches, first.batches);
        mr_digest_merge(&all, &one);
    }
    return all;
}

static void check_replicas(mr_dataset *data, int replicas, int workers, int order)
{
    int64_t length = mr_dataset_len(data), rest = length % replicas;
    mr_digest range = mr_digest_of_range(length);
    for (int epoch = 0; epoch < 2; epoch++) {
        mr_digest uneven = verify_replicas(data, replicas, workers, MR_REMAINDER_UNEVEN, order, epoch);
        CHECK(mr_digest_same_samples(&uneven, &range)); /* each exactly once */
        CHECK_EQ_I64(uneven.padding, rest ? replicas - rest : 0);
        mr_digest pad = verify_replicas(data, replicas, workers, MR_REMAINDER_PAD, order, epoch);
        CHECK(mr_digest_same_samples(&pad, &range) == (rest == 0));
        CHECK_EQ_I64(pad.samples, length + (rest ? replicas - rest : 0));
        mr_digest drop = verify_replicas(data, replicas, workers, MR_REMAINDER_DROP, order, epoch);
        CHECK(mr_digest_same_samples(&drop, &range) == (rest == 0));
        CHECK_EQ_I64(drop.samples, length - rest);
        /* the number of workers changes nothing, not even the order */
        if (workers) {
            mr_digest alone = verify_replicas(data, replicas, 0, MR_REMAINDER_UNEVEN, order, epoch);
            CHECK(alone.order == uneven.order);
        }
    }
}

static void test_replicas(void)
{
    static const int64_t lengths[] = { 1, 29, 60 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        mr_dataset *data = numbers(lengths[i]);
        for (int replicas = 1; replicas <= 7; replicas++)
            for (int workers = 0; workers <= 8; workers++)
                check_replicas(data, replicas, workers, (replicas + workers) % 3);
        mr_dataset_free(data);
    }
}

/* Whatever a dataset is made of, and by whatever order. */
static void test_orders(void)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *a = fixture_new((fixture){ .length = 40, .bad = -1, .bad2 = -1, .delay = 100 });
    mr_dataset *b = numbers(23), *both = mr_concat_new((mr_dataset *[]){ a, b }, 2);
    mr_dataset *cache = mr_cache_new(both, NULL);
    mr_digest range = mr_digest_of_range(63);
    for (int workers = 0; workers <= 8; workers += 4)
        for (int kind = 0; kind < 5; kind++) {
            mr_sampler *sampler = kind == 0   ? mr_permutation_sampler_new(63, 5)
                                  : kind == 1 ? mr_random_sampler_new(63, rng, NULL)
                                  : kind == 2
                                      ? mr_batch_sampler_new(mr_permutation_sampler_new(63, 5), 6, false)
                                      : NULL;
            mr_loader_opts opts = { .batch_size = 8, .workers = workers, .shuffle = kind == 3 };
            for (int epoch = 0; epoch < 2; epoch++) {
                if (epoch && sampler)
                    sampler = kind == 0   ? mr_permutation_sampler_new(63, 5)
                              : kind == 1 ? mr_random_sampler_new(63, rng, NULL)
                                          : mr_batch_sampler_new(mr_permutation_sampler_new(63, 5), 6, false);
                mr_digest digest = verify(cache, sampler, opts, epoch, false);
                CHECK(mr_digest_same_samples(&digest, &range));
                CHECK((digest.order == range.order) == (kind == 4));
                if (workers && kind > 2) { /* as they are ready: the same samples all the same */
                    opts.unordered = true;
                    digest = verify(cache, NULL, opts, epoch, false);
                    CHECK(mr_digest_same_samples(&digest, &range));
                    opts.unordered = false;
                }
            }
        }
    mr_dataset *all[] = { a, b, both, cache };
    for (int i = 0; i < 4; i++)
        mr_dataset_free(all[i]);
    mr_rng_free(rng);
}

/* From the middle of an epoch on, and behind it the next one. */
static void test_rest_of_epoch(void)
{
    mr_dataset *data = numbers(20);
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 6 });
    const mr_batch *batch;
    mr_digest first = { { 0 }, 0, 0, 0, 0 }, rest, all;
    CHECK_EQ_I64(mr_loader_next(loader, &batch), MR_OK);
    CHECK_EQ_I64(mr_digest_add(&first, batch, false), MR_OK);
    CHECK_EQ_I64(mr_loader_verify(loader, false, &rest), MR_OK);
    CHECK_EQ_I64(rest.samples, 14);
    CHECK_EQ_I64(mr_loader_verify(loader, false, &all), MR_OK);
    CHECK_EQ_I64(all.samples, 20);
    CHECK_EQ_I64(mr_digest_merge(&first, &rest), MR_OK);
    CHECK(mr_digest_same_samples(&first, &all));
    CHECK_EQ_I64(first.batches, 4);
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static mr_status add_salt(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    mr_ragged *tokens = out[0];
    (void)in, (void)index, (void)random;
    if (tokens->count)
        ((int32_t *)tokens->data)[0] += *(const int *)user;
    return MR_OK;
}

/* ---- streams: contents alone ---- */

static mr_digest verify_stream(int64_t length, mr_loader_opts opts)
{
    mr_dataset *stream = fixture_stream_new(
        (fixture){ .length = length, .bad = -1, .bad2 = -1, .delay = opts.workers % 3 == 1 ? 20 : 0 });
    mr_digest digest = verify(stream, NULL, opts, 0, true);
    mr_dataset_free(stream);
    return digest;
}

static void test_streams(void)
{
    mr_digest whole = verify_stream(61, (mr_loader_opts){ .batch_size = 4 });
    CHECK(whole.samples == 61 && whole.batches == 16 && whole.padding == 0);
    for (int kind = 0; kind < 16; kind++) {
        mr_loader_opts opts = { .batch_size = 1 + kind % 5, .shards = 1 + kind % 6, .shuffle = kind & 1 };
        opts.shuffle_block = opts.shuffle ? 20 : 0;
        mr_digest alone = verify_stream(61, opts);
        CHECK(mr_digest_same_samples(&alone, &whole));
        const bool in_turn = opts.shards == 1 || opts.batch_size == 1; /* as the shards are cut */
        CHECK((alone.order == whole.order) == (in_turn && !opts.shuffle));
        for (int workers = 1; workers <= 8; workers++) {
            opts.workers = workers;
            opts.unordered = false;
            mr_digest digest = verify_stream(61, opts);
            CHECK(mr_digest_same_samples(&digest, &whole) && digest.order == alone.order);
            opts.unordered = true;
            digest = verify_stream(61, opts);
            CHECK(mr_digest_same_samples(&digest, &whole));
        }
    }
    mr_digest longer = verify_stream(62, (mr_loader_opts){ .batch_size = 4 });
    CHECK(!mr_digest_same_samples(&longer, &whole));
    mr_digest dropped = verify_stream(61, (mr_loader_opts){ .batch_size = 4, .drop_last = true });
    CHECK(!mr_digest_same_samples(&dropped, &whole));
}

/* A field that has nothing to do with rows. */
static mr_status collate_sum(void *user, const mr_batch *samples, mr_collated *out)
{
    (void)user;
    mr_collate_field(out, "first", MR_INT64, MR_SHAPE(samples->rows));
    return mr_collate_field(out, "sum", MR_INT64, MR_SHAPE(2, 2, 2)) ? MR_OK : MR_ERR_MEMORY;
}

static void test_nothing_to_take(void)
{
    mr_digest digest = { { 0 }, 0, 0, 0, 0 };
    mr_rng *rng = mr_rng_new(0);
    const fixture f = { .length = 9, .bad = -1, .bad2 = -1 };
    mr_dataset *stream = fixture_stream_new(f), *data = fixture_new(f);
    mr_loader *loader = mr_loader_new(stream, rng, &(mr_loader_opts){ .batch_size = 3 });
    const mr_batch *batch;
    CHECK_EQ_I64(mr_loader_verify(loader, false, &digest), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_verify: samples of a stream have no index; take their contents");
    CHECK_EQ_I64(mr_loader_next(loader, &batch), MR_OK);
    CHECK(batch->of_stream && batch->epoch == 0); /* nothing was begun */
    CHECK_EQ_I64(mr_digest_add(&digest, batch, false), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "digest_add: samples of a stream have no index; take their contents");
    CHECK_EQ_I64(digest.samples + digest.batches, 0);
    mr_loader_free(loader);
    loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 3 });
    CHECK_EQ_I64(mr_loader_set_collate(loader, collate_sum, NULL), MR_OK);
    CHECK_EQ_I64(mr_loader_verify(loader, false, &digest), MR_OK);
    CHECK_EQ_I64(mr_loader_next(loader, &batch), MR_OK);
    CHECK_EQ_I64(mr_digest_add(&digest, batch, true), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "digest_add: field 'sum' of the batch has no row for each sample");
    mr_loader_free(loader);
    mr_dataset_free(stream);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static mr_digest verify_collated(bool stream, int collate, int64_t batch_size, int salt)
{
    static const mr_collate_pack_opts sixteen = { .length = 16 };
    mr_digest digest;
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = stream ? ragged_stream_new(40) : ragged_new(40, -1, -1),
               *map = mr_map_new(data, add_salt, &salt, NULL);
    mr_loader *loader = mr_loader_new(map, rng, &(mr_loader_opts){ .batch_size = batch_size });
    if (collate == 1)
        CHECK_EQ_I64(mr_loader_set_collate(loader, mr_collate_pad, NULL), MR_OK);
    if (collate == 2)
        CHECK_EQ_I64(mr_loader_set_collate(loader, mr_collate_pack, (void *)(uintptr_t)&sixteen), MR_OK);
    CHECK_EQ_I64(mr_loader_verify(loader, true, &digest), MR_OK);
    if (collate) { /* and the next epoch is collated again */
        const mr_batch *b;
        CHECK_EQ_I64(mr_loader_next(loader, &b), MR_OK);
        CHECK_EQ_I64(mr_tensor_ndim(b->field[0]), 2);
    }
    mr_loader_free(loader);
    mr_dataset_free(map);
    mr_dataset_free(data);
    mr_rng_free(rng);
    return digest;
}

/* The digest is of the samples, whatever is made of them, and tells other ones. */
static void test_collated(void)
{
    for (int stream = 0; stream < 2; stream++) {
        const mr_digest plain = verify_collated(stream, 0, 8, 0);
        for (int collate = 0; collate < 3; collate++) {
            const mr_digest other_size = verify_collated(stream, collate, 5, 0),
                            other = verify_collated(stream, collate, 8, 1);
            CHECK(mr_digest_same_samples(&plain, &other_size) && plain.order == other_size.order);
            CHECK(!mr_digest_same_samples(&plain, &other));
        }
    }
}

static void test_errors(void)
{
    mr_digest digest = { { 0 }, 0, 0, 0, 0 };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = fixture_new((fixture){ .length = 5, .bad = 3, .bad2 = -1 });
    mr_loader *loader = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = 2 });
    CHECK_EQ_I64(mr_loader_verify(loader, false, &digest), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "loader: sample 3: row is damaged");
    CHECK_EQ_I64(mr_loader_verify(loader, false, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "loader_verify: digest is NULL");
    CHECK_EQ_I64(mr_digest_add(NULL, NULL, false), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "digest_add: digest is NULL");
    CHECK_EQ_I64(mr_digest_add(&digest, NULL, false), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "digest_add: batch is NULL");
    CHECK_EQ_I64(mr_digest_merge(&digest, NULL), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "digest_merge: other is NULL");
    CHECK_EQ_I64(mr_digest_merge(NULL, &digest), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "digest_merge: digest is NULL");
    CHECK(!mr_digest_same_samples(NULL, &digest) && !mr_digest_same_samples(&digest, NULL));
    mr_loader_free(loader);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_digest);
    RUN(test_is_kept);
    RUN(test_contents);
    RUN(test_bytes);
    RUN(test_replicas);
    RUN(test_orders);
    RUN(test_rest_of_epoch);
    RUN(test_streams);
    RUN(test_nothing_to_take);
    RUN(test_collated);
    RUN(test_errors);
    return check_report();
}
