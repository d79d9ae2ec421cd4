/* Samplers in a loader: batches of a sampler's own, replicas, rows that do not count, buckets. */
#include "check.h"
#include "loader_fixture.h"

#include "data/sampler.h"

/* What the batches of an epoch are: "3 1 4|1 5|…", a row that does not count with a minus sign before it. */
static const char *epoch_text(mr_loader *loader)
{
    static char text[1 << 16];
    const mr_batch *b;
    mr_status status;
    size_t n = 0;
    text[0] = 0;
    while ((status = mr_loader_next(loader, &b)) == MR_OK && n < sizeof text - 1000)
        for (int64_t i = 0; i < b->rows; i++) {
            CHECK_EQ_I64(((const int64_t *)mr_tensor_data(b->field[0]))[2 * i], b->indices[i]);
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%lld%s", b->valid[i] ? "" : "-",
                                  (long long)b->indices[i], i + 1 < b->rows ? " " : "|");
        }
    CHECK_EQ_I64(status, MR_END);
    return text;
}

static mr_loader *loader_of(mr_dataset *data, mr_rng *rng, mr_sampler *sampler, int64_t batch_size,
                            int workers)
{
    mr_loader *loader =
        mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = batch_size, .workers = workers });
    if (!CHECK_EQ_I64(mr_loader_set_sampler(loader, sampler), MR_OK))
        printf("    %s\n", mr_error());
    return loader;
}

/* The same epoch by any number of workers; `make` makes the sampler anew. */
#define CHECK_EPOCH(make, batch_size, want, len)                                                       \
    do {                                                                                               \
        for (int workers = 0; workers < 4; workers++) {                                                \
            mr_rng *rng = mr_rng_new(0);                                                               \
            mr_dataset *data =                                                                         \
                fixture_new((fixture){ .length = 10, .bad = -1, .bad2 = -1, .delay = workers * 100 }); \
            mr_loader *loader = loader_of(data, rng, (make), (batch_size), workers);                   \
            CHECK_EQ_I64(mr_loader_len(loader), (len));                                                \
            for (int epoch = 0; epoch < 3; epoch++)                                                    \
                CHECK_EQ_STR(epoch_text(loader), (want));                                              \
            mr_loader_free(loader);                                                                    \
            mr_dataset_free(data);                                                                     \
            mr_rng_free(rng);                                                                          \
        }                                                                                              \
    } while (0)

static void test_batches(void)
{
    static const int64_t indices[] = { 3, 1, 4, 1, 5, 9, 2, 6 }, sizes[] = { 3, 1, 4 };
    CHECK_EPOCH(mr_batch_list_sampler_new(indices, sizes, 3), 4, "3 1 4|1|5 9 2 6|", 3);
    CHECK_EPOCH(mr_batch_list_sampler_new(indices, sizes, 3), 100, "3 1 4|1|5 9 2 6|", 3);
    CHECK_EPOCH(mr_batch_list_sampler_new(indices, sizes, 0), 1, "", 0);
    CHECK_EPOCH(mr_batch_sampler_new(mr_sequential_sampler_new(10), 4, false), 4, "0 1 2 3|4 5 6 7|8 9|", 3);
    CHECK_EPOCH(mr_batch_sampler_new(mr_sequential_sampler_new(10), 4, true), 4, "0 1 2 3|4 5 6 7|", 2);
    CHECK_EPOCH(mr_batch_sampler_new(mr_sequential_sampler_new(8), 4, true), 9, "0 1 2 3|4 5 6 7|", 2);
    CHECK_EPOCH(mr_batch_sampler_new(mr_sequential_sampler_new(8), 4, false), 9, "0 1 2 3|4 5 6 7|", 2);
    CHECK_EPOCH(mr_sequential_sampler_new(10), 4, "0 1 2 3|4 5 6 7|8 9|", 3);
}

/* More indices than samples, and batches larger than the dataset, with workers, too. */
static void test_repeated_samples(void)
{
    int64_t indices[40], sizes[] = { 40 };
    char want[100] = "";
    for (int i = 0; i < 40; i++) {
        indices[i] = i % 10;
        snprintf(want + strlen(want), sizeof want - strlen(want), "%d%s", i % 10, i < 39 ? " " : "|");
    }
    CHECK_EPOCH(mr_batch_list_sampler_new(indices, sizes, 1), 40, want, 1);
}

/* One index at a time, and in the middle of a batch all that is left of it. */
static void test_one_by_one(void)
{
    int64_t index, count, some[4];
    bool valid[4] = { true, true, true, true };
    mr_sampler *s = mr_batch_sampler_new(mr_sequential_sampler_new(10), 4, true);
    CHECK_EQ_I64(mr_sampler_len(s), 2);
    for (int epoch = 0; epoch < 2; epoch++) {
        CHECK_EQ_I64(mr_sampler_begin(s, epoch), MR_OK);
        for (int i = 0; i < 8; i++) {
            CHECK_EQ_I64(mr_sampler_next(s, &index), MR_OK);
            CHECK_EQ_I64(index, i);
            if (epoch && i == 5)
                break;
        }
        if (!epoch)
            CHECK_EQ_I64(mr_sampler_next(s, &index), MR_END);
    }
    CHECK_EQ_I64(mr__sampler_take(s, "test", some, valid, 4), 2);
    CHECK(some[0] == 6 && some[1] == 7 && valid[0] && valid[1]);
    count = mr__sampler_take(s, "test", some, valid, 4);
    CHECK_EQ_I64(count, 0);
    mr_sampler_free(s);
}

/* ---- replicas ---- */

static mr_sampler *replica(int64_t length, int rank, int replicas, mr_remainder remainder, bool own,
                           bool in_order)
{
    return mr_distributed_sampler_new(
        length, rank, replicas,
        &(mr_distributed_sampler_opts){
            .remainder = remainder, .own_order = own, .no_shuffle = in_order, .seed = 5 });
}

static void test_replicas_in_order(void)
{
    CHECK_EPOCH(replica(10, 0, 4, MR_REMAINDER_PAD, false, true), 2, "0 4|8|", 2);
    CHECK_EPOCH(replica(10, 3, 4, MR_REMAINDER_PAD, false, true), 2, "3 7|1|", 2);
    CHECK_EPOCH(replica(10, 3, 4, MR_REMAINDER_UNEVEN, false, true), 2, "3 7|-1|", 2);
    CHECK_EPOCH(replica(10, 1, 4, MR_REMAINDER_UNEVEN, false, true), 3, "1 5 9|", 1);
    CHECK_EPOCH(replica(10, 3, 4, MR_REMAINDER_DROP, false, true), 2, "3 7|", 1);
    CHECK_EPOCH(replica(2, 6, 7, MR_REMAINDER_PAD, false, true), 2, "0|", 1);
    CHECK_EPOCH(replica(2, 5, 7, MR_REMAINDER_UNEVEN, false, true), 2, "-1|", 1);
    CHECK_EPOCH(replica(2, 5, 7, MR_REMAINDER_DROP, false, true), 2, "", 0);
    CHECK_EPOCH(replica(0, 1, 2, MR_REMAINDER_PAD, false, true), 2, "", 0);
    /* rows that do not count stay so in batches of a sampler's, and the next batch counts again */
    CHECK_EPOCH(mr_batch_sampler_new(replica(10, 3, 4, MR_REMAINDER_UNEVEN, false, true), 3, false), 3,
                "3 7 -1|", 1);
}

/* Each sample once, in each epoch in another order, by torch's and Millrace's permutation. */
static void test_replicas_share(void)
{
    for (int own = 0; own < 2; own++)
        for (int replicas = 1; replicas <= 7; replicas++)
            for (int epoch = 0; epoch < 2; epoch++) {
                int times[100] = { 0 }, all = 0;
                int64_t index, first = -1;
                for (int rank = 0; rank < replicas; rank++) {
                    mr_sampler *s = replica(100, rank, replicas, MR_REMAINDER_DROP, own, false);
                    CHECK_EQ_I64(mr_sampler_len(s), 100 / replicas);
                    CHECK_EQ_I64(mr_sampler_begin(s, epoch), MR_OK);
                    for (; mr_sampler_next(s, &index) == MR_OK; all++) {
                        times[index]++;
                        first = first < 0 ? index : first;
                    }
                    mr_sampler_free(s);
                }
                CHECK_EQ_I64(all, 100 / replicas * replicas);
                for (int i = 0; i < 100; i++)
                    CHECK(times[i] <= 1);
                static int64_t before;
                CHECK(!epoch || first != before);
                before = first;
            }
}

static void test_first_epoch(void)
{
    int64_t a, b;
    mr_sampler *s = mr_distributed_sampler_new(1000, 0, 2, NULL);
    mr_sampler *t =
        mr_distributed_sampler_new(1000, 0, 2, &(mr_distributed_sampler_opts){ .first_epoch = 7 });
    CHECK_EQ_I64(mr_sampler_begin(s, 9), MR_OK);
    CHECK_EQ_I64(mr_sampler_begin(t, 2), MR_OK);
    for (int i = 0; i < 500; i++) {
        CHECK_EQ_I64(mr_sampler_next(s, &a), MR_OK);
        CHECK_EQ_I64(mr_sampler_next(t, &b), MR_OK);
        CHECK_EQ_I64(a, b);
    }
    mr_sampler_free(s);
    mr_sampler_free(t);
}

/* Of any sampler: in order the same as DistributedSampler's, marks included. */
static void test_replicas_of_any(void)
{
    for (int64_t length = 0; length < 20; length++)
        for (int replicas = 1; replicas < 9; replicas++)
            for (int rank = 0; rank < replicas; rank++)
                for (int remainder = 0; remainder < 3; remainder++) {
                    mr_sampler *a = replica(length, rank, replicas, (mr_remainder)remainder, false, true);
                    mr_sampler *b = mr_replica_sampler_new(mr_sequential_sampler_new(length), rank, replicas,
                                                           (mr_remainder)remainder);
                    int64_t x[20], y[20], n, skipped = length / 3;
                    bool v[20], w[20];
                    CHECK_EQ_I64(mr_sampler_len(a), mr_sampler_len(b));
                    for (int epoch = 0; epoch < 2; epoch++) {
                        CHECK_EQ_I64(mr_sampler_begin(a, epoch), MR_OK);
                        CHECK_EQ_I64(mr_sampler_begin(b, epoch), MR_OK);
                        mr_status status = epoch ? mr__sampler_skip(a, "test", skipped) : MR_OK;
                        if (epoch)
                            CHECK_EQ_I64(mr__sampler_skip(b, "test", skipped), status);
                        if (status != MR_OK) /* too far */
                            continue;
                        n = mr__sampler_take(a, "test", x, v, 20);
                        CHECK_EQ_I64(mr__sampler_take(b, "test", y, w, 20), n);
                        CHECK(memcmp(x, y, (size_t)n * sizeof *x) == 0 && memcmp(v, w, (size_t)n) == 0);
                    }
                    mr_sampler_free(a);
                    mr_sampler_free(b);
                }
}

/* What several replicas draw together is what one alone draws. */
static void test_weighted_replicas(void)
{
    static const double weights[] = { 1, 5, 2, 0, 9 };
    enum { SAMPLES = 31, REPLICAS = 4 };
    mr_rng *rng = mr_rng_new(3);
    mr_sampler *whole = mr_weighted_sampler_new(weights, 5, SAMPLES, rng, NULL);
    int64_t want[SAMPLES], index;
    CHECK_EQ_I64(mr_sampler_begin(whole, 0), MR_OK);
    for (int i = 0; i < SAMPLES; i++)
        CHECK_EQ_I64(mr_sampler_next(whole, &want[i]), MR_OK);
    for (int rank = 0; rank < REPLICAS; rank++) {
        mr_rng *own = mr_rng_new(3);
        mr_sampler *s = mr_replica_sampler_new(mr_weighted_sampler_new(weights, 5, SAMPLES, own, NULL), rank,
                                               REPLICAS, MR_REMAINDER_PAD);
        CHECK_EQ_I64(mr_sampler_begin(s, 0), MR_OK);
        for (int i = rank; i < 32; i += REPLICAS) {
            CHECK_EQ_I64(mr_sampler_next(s, &index), MR_OK);
            CHECK_EQ_I64(index, want[i % SAMPLES]);
        }
        CHECK_EQ_I64(mr_sampler_next(s, &index), MR_END);
        mr_sampler_free(s);
        mr_rng_free(own);
    }
    mr_sampler_free(whole);
    mr_rng_free(rng);
}

/* A bad sample that is left out takes its row with it, and no other's mark. */
static void test_bad_sample_among_padding(void)
{
    for (int workers = 0; workers < 3; workers++) {
        mr_rng *rng = mr_rng_new(0);
        mr_dataset *data = fixture_new((fixture){ .length = 10, .bad = 3, .bad2 = -1 });
        mr_loader *loader = mr_loader_new(
            data, rng,
            &(mr_loader_opts){ .batch_size = 4, .workers = workers, .on_bad_sample = MR_BAD_SKIP });
        CHECK_EQ_I64(mr_loader_set_sampler(loader, replica(10, 3, 4, MR_REMAINDER_UNEVEN, false, true)),
                     MR_OK);
        for (int epoch = 0; epoch < 2; epoch++)
            CHECK_EQ_STR(epoch_text(loader), "7 -1|");
        mr_loader_free(loader);
        mr_dataset_free(data);
        mr_rng_free(rng);
    }
}

/* ---- buckets ---- */

static int64_t length_of(void *user, int64_t index)
{
    (void)user;
    return 1 + (index * 7919 + 13) % 97;
}

typedef struct bucket_case {
    int64_t length, batch_size;
    mr_bucket_sampler_opts opts;
} bucket_case;

/* Goes through an epoch of batches: each sample once (but for what is dropped), batches within their bounds. Gives how much
 * padding there is. */
static int64_t walk(const bucket_case *c, int64_t epoch, uint64_t seed, uint64_t *hash)
{
    int64_t index[64], rows, seen = 0, padded = 0, used = 0, batches = 0, small = 0;
    bool valid[64], *had = calloc((size_t)c->length + 1, 1);
    mr_sampler *s = mr_bucket_sampler_new(c->length, c->batch_size, seed, length_of, NULL, &c->opts);
    CHECK_EQ_I64(mr_sampler_begin(s, epoch), MR_OK);
    *hash = UINT64_C(14695981039346656037);
    while ((rows = mr__sampler_take(s, "test", index, valid, 64)) > 0) {
        int64_t longest = 0;
        for (int64_t i = 0; i < rows; i++) {
            CHECK(!had[index[i]]);
            had[index[i]] = true;
            int64_t length = length_of(NULL, index[i]);
            longest = length > longest ? length : longest;
            used += length;
        }
        fixture_hash(hash, index, (size_t)rows * sizeof *index);
        CHECK(rows <= c->batch_size);
        CHECK(!c->opts.max_length || rows * longest <= c->opts.max_length);
        padded += rows * longest;
        seen += rows;
        small += rows < c->batch_size;
        batches++;
    }
    CHECK_EQ_I64(rows, 0);
    int64_t left = c->opts.drop_last && !c->opts.max_length ? c->length % c->batch_size : 0;
    CHECK_EQ_I64(seen, c->length - left);
    if (!c->opts.max_length) {
        CHECK_EQ_I64(mr_sampler_len(s), batches);
        CHECK_EQ_I64(small, !c->opts.drop_last && c->length % c->batch_size != 0);
    } else {
        CHECK_EQ_I64(mr_sampler_len(s), -1);
    }
    mr_sampler_free(s);
    free(had);
    return padded - used;
}

static void test_buckets(void)
{
    static const bucket_case cases[] = {
        { 1000, 16, { 0 } },
        { 1003, 16, { .pool = 4 } },
        { 1003, 16, { .pool = 4, .drop_last = true } },
        { 1003, 16, { .pool = 1, .no_shuffle = true } },
        { 1003, 16, { .max_length = 300 } },
        { 1003, 16, { .pool = 3, .max_length = 97, .drop_last = true } },
        { 5, 16, { 0 } },
        { 0, 16, { 0 } },
        { 17, 1, { .pool = 5 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t a, b, c, d;
        walk(&cases[i], 0, 1, &a);
        walk(&cases[i], 0, 1, &b);
        walk(&cases[i], 1, 1, &c);
        walk(&cases[i], 0, 2, &d);
        CHECK(a == b);
        bool moves = cases[i].length > 10 && !cases[i].opts.no_shuffle;
        CHECK((a != c) == moves && (a != d) == moves);
    }
    uint64_t hash;
    int64_t sorted = walk(&(bucket_case){ 10000, 16, { 0 } }, 0, 1, &hash);
    int64_t unsorted = walk(&(bucket_case){ 10000, 16, { .pool = 1 } }, 0, 1, &hash);
    CHECK(sorted * 20 < unsorted);
    CHECK_EPOCH(
        mr_bucket_sampler_new(10, 4, 0, length_of, NULL, &(mr_bucket_sampler_opts){ .no_shuffle = true }), 4,
        "3 0 8 5|2 7 4 1|9 6|", 3);
}

int main(void)
{
    RUN(test_batches);
    RUN(test_repeated_samples);
    RUN(test_one_by_one);
    RUN(test_replicas_in_order);
    RUN(test_replicas_share);
    RUN(test_replicas_of_any);
    RUN(test_weighted_replicas);
    RUN(test_first_epoch);
    RUN(test_bad_sample_among_padding);
    RUN(test_buckets);
    return check_report();
}
