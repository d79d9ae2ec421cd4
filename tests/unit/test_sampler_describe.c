/* What samplers say of themselves, and that a loader's state goes to no sampler that says anything else. */
#include "check.h"
#include "loader_fixture.h"

#include <millrace/samplers.h>

#include <string.h>

enum { ROWS = 12 };

static int64_t length_of(void *user, int64_t index)
{
    (void)user;
    return index % 5;
}

/* ---- each kind, and each with one thing that is different: what it says, but for hashes ---- */

static mr_sampler *subset(const int64_t *indices, int64_t count, mr_rng *rng, mr_rng *own)
{
    return mr_subset_random_sampler_new(indices, count, rng, &(mr_subset_random_sampler_opts){ own });
}

static mr_sampler *distributed(int rank, int replicas, mr_distributed_sampler_opts opts)
{
    return mr_distributed_sampler_new(ROWS, rank, replicas, &opts);
}

static mr_sampler *buckets(int64_t batch_size, uint64_t seed, mr_bucket_sampler_opts opts)
{
    return mr_bucket_sampler_new(ROWS, batch_size, seed, length_of, NULL, &opts);
}

static mr_sampler *sampler_of(int number, mr_rng *rng, mr_rng *own, const char **text)
{
    static const int64_t up[] = { 0, 1, 2, 3, 4 }, down[] = { 4, 3, 2, 1, 0 }, sizes[] = { 2, 3 },
                         other_sizes[] = { 3, 2 };
    static const double weights[] = { 1, 2, 3, 4, 5 }, other_weights[] = { 1, 2, 3, 5, 4 };
#define IS(what, sampler) \
    *text = (what);       \
    return (sampler)
    switch (number) {
    case 0:
        IS("sequential of 12", mr_sequential_sampler_new(ROWS));
    case 1:
        IS("sequential of 11", mr_sequential_sampler_new(ROWS - 1));
    case 2:
        IS("permutation of 12, seed 3", mr_permutation_sampler_new(ROWS, 3));
    case 3:
        IS("permutation of 12, seed 18446744073709551615", mr_permutation_sampler_new(ROWS, UINT64_MAX));
    case 4:
        IS("permutation of 11, seed 3", mr_permutation_sampler_new(ROWS - 1, 3));
    case 5:
        IS("random of 12, 12 samples", mr_random_sampler_new(ROWS, rng, NULL));
    case 6:
        IS("random of 12, 9 samples",
           mr_random_sampler_new(ROWS, rng, &(mr_random_sampler_opts){ .num_samples = 9 }));
    case 7:
        IS("random of 9, 9 samples", mr_random_sampler_new(9, rng, NULL));
    case 8:
        IS("random of 12, 12 samples, with replacement",
           mr_random_sampler_new(ROWS, rng, &(mr_random_sampler_opts){ .replacement = true }));
    case 9:
        IS("random of 12, 12 samples, a generator of its own",
           mr_random_sampler_new(ROWS, rng, &(mr_random_sampler_opts){ .generator = own }));
    case 10:
        IS("random of 5 indices (#)", subset(up, 5, rng, NULL));
    case 11:
        IS("random of 5 indices (#)", subset(down, 5, rng, NULL));
    case 12:
        IS("random of 5 indices (#), a generator of its own", subset(up, 5, rng, own));
    case 13:
        IS("weighted by 5 weights (#), 5 samples", mr_weighted_sampler_new(weights, 5, 5, rng, NULL));
    case 14:
        IS("weighted by 5 weights (#), 5 samples", mr_weighted_sampler_new(other_weights, 5, 5, rng, NULL));
    case 15:
        IS("weighted by 5 weights (#), 4 samples", mr_weighted_sampler_new(weights, 5, 4, rng, NULL));
    case 16:
        IS("weighted by 5 weights (#), 5 samples, no replacement",
           mr_weighted_sampler_new(weights, 5, 5, rng, &(mr_weighted_sampler_opts){ true, NULL }));
    case 17:
        IS("weighted by 5 weights (#), 5 samples, no replacement, a generator of its own",
           mr_weighted_sampler_new(weights, 5, 5, rng, &(mr_weighted_sampler_opts){ true, own }));
    case 18:
        IS("distributed of 12, rank 0 of 2, padded, torch's order of seed 0 from epoch 0",
           distributed(0, 2, (mr_distributed_sampler_opts){ 0 }));
    case 19:
        IS("distributed of 12, rank 1 of 2, padded, torch's order of seed 0 from epoch 0",
           distributed(1, 2, (mr_distributed_sampler_opts){ 0 }));
    case 20:
        IS("distributed of 12, rank 0 of 3, padded, torch's order of seed 0 from epoch 0",
           distributed(0, 3, (mr_distributed_sampler_opts){ 0 }));
    case 21:
        IS("distributed of 12, rank 0 of 2, the remainder dropped, torch's order of seed 7 from epoch 0",
           distributed(0, 2, (mr_distributed_sampler_opts){ .seed = 7, .remainder = MR_REMAINDER_DROP }));
    case 22:
        IS("distributed of 12, rank 0 of 2, uneven, own order of seed 0 from epoch 5",
           distributed(0, 2,
                       (mr_distributed_sampler_opts){
                           .own_order = true, .remainder = MR_REMAINDER_UNEVEN, .first_epoch = 5 }));
    case 23:
        IS("distributed of 12, rank 0 of 2, padded, in order",
           distributed(0, 2, (mr_distributed_sampler_opts){ .no_shuffle = true, .seed = 9 }));
    case 24:
        IS("rank 1 of 3, uneven, of permutation of 12, seed 3",
           mr_replica_sampler_new(mr_permutation_sampler_new(ROWS, 3), 1, 3, MR_REMAINDER_UNEVEN));
    case 25:
        IS("rank 1 of 3, uneven, of permutation of 12, seed 4",
           mr_replica_sampler_new(mr_permutation_sampler_new(ROWS, 4), 1, 3, MR_REMAINDER_UNEVEN));
    case 26:
        IS("rank 2 of 3, padded, of permutation of 12, seed 3",
           mr_replica_sampler_new(mr_permutation_sampler_new(ROWS, 3), 2, 3, MR_REMAINDER_PAD));
    case 27:
        IS("batches of 4, of rank 0 of 2, the remainder dropped, of sequential of 12",
           mr_batch_sampler_new(
               mr_replica_sampler_new(mr_sequential_sampler_new(ROWS), 0, 2, MR_REMAINDER_DROP), 4, false));
    case 28:
        IS("batches of 4, a short one left out, of sequential of 12",
           mr_batch_sampler_new(mr_sequential_sampler_new(ROWS), 4, true));
    case 29:
        IS("batches of 3, of sequential of 12",
           mr_batch_sampler_new(mr_sequential_sampler_new(ROWS), 3, false));
    case 30:
        IS("2 batches of 5 indices (#)", mr_batch_list_sampler_new(up, sizes, 2));
    case 31:
        IS("2 batches of 5 indices (#)", mr_batch_list_sampler_new(down, sizes, 2));
    case 32:
        IS("2 batches of 5 indices (#)", mr_batch_list_sampler_new(up, other_sizes, 2));
    case 33:
        IS("1 batches of 2 indices (#)", mr_batch_list_sampler_new(up, sizes, 1));
    case 34:
        IS("buckets of 12, batches of 3, pools of 12, max_length 0, seed 1",
           buckets(3, 1, (mr_bucket_sampler_opts){ 0 }));
    case 35:
        IS("buckets of 12, batches of 3, pools of 6, max_length 9, in order, short ones left out",
           buckets(3, 1, (mr_bucket_sampler_opts){ 2, 9, true, true }));
    case 36:
        IS("buckets of 12, batches of 4, pools of 12, max_length 0, seed 2",
           buckets(4, 2, (mr_bucket_sampler_opts){ 0 }));
    default:
        *text = NULL;
        return NULL;
    }
}

enum { SAMPLERS = 37 };

/* Whether `text` is `pattern`, in which # is a hash. */
static bool fits(const char *text, const char *pattern)
{
    for (; *pattern; pattern++)
        if (*pattern == '#' && strspn(text, "0123456789abcdef") == 16)
            text += 16;
        else if (*text++ != *pattern)
            return false;
    return !*text;
}

static void test_words(void)
{
    mr_rng *rng = mr_rng_new(0), *own = mr_rng_new(1);
    for (int i = 0; i < SAMPLERS; i++) {
        const char *want;
        char text[200], cut[20];
        mr_sampler *sampler = sampler_of(i, rng, own, &want);
        const int length = mr_sampler_describe(sampler, text, sizeof text);
        CHECK_EQ_I64(length, strlen(text));
        if (!CHECK(fits(text, want)))
            printf("    %s\n    %s\n", text, want);
        for (size_t room = 1; room <= sizeof cut; room++) {
            CHECK_EQ_I64(mr_sampler_describe(sampler, cut, room), length);
            CHECK(strlen(cut) < room && strncmp(cut, text, strlen(cut)) == 0);
        }
        CHECK_EQ_I64(mr_sampler_describe(sampler, NULL, 0), length);
        mr_sampler_free(sampler);
    }
    mr_rng_free(rng);
    mr_rng_free(own);
}

/* ---- states ---- */

typedef struct machine {
    mr_rng *rng, *own;
    mr_dataset *data;
    mr_loader *loader;
    const char *text;
} machine;

static machine start(int number)
{
    machine m = { .rng = mr_rng_new(5), .own = mr_rng_new(6) };
    m.data = fixture_new((fixture){ .length = ROWS, .bad = -1, .bad2 = -1 });
    m.loader = mr_loader_new(m.data, m.rng, &(mr_loader_opts){ .batch_size = 4 });
    CHECK_EQ_I64(mr_loader_set_sampler(m.loader, sampler_of(number, m.rng, m.own, &m.text)), MR_OK);
    return m;
}

static void stop(machine *m)
{
    mr_loader_free(m->loader);
    mr_dataset_free(m->data);
    mr_rng_free(m->rng);
    mr_rng_free(m->own);
}

static void test_other_samplers(void)
{
    for (int there = 0; there < SAMPLERS; there++) {
        machine from = start(there);
        const mr_batch *b;
        const void *bytes;
        size_t size;
        CHECK_EQ_I64(mr_loader_next(from.loader, &b), MR_OK);
        CHECK_EQ_I64(mr_loader_save(from.loader, &bytes, &size), MR_OK);
        for (int here = 0; here < SAMPLERS; here++) {
            machine to = start(here);
            mr_status status = mr_loader_restore(to.loader, bytes, size);
            char text[400];
            snprintf(text, sizeof text,
                     "loader_restore: the state is of the sampler '%s', the loader has '%s'", from.text,
                     to.text);
            if (here == there)
                CHECK_EQ_I64(status, MR_OK);
            else if (!CHECK(status == MR_ERR_ARGUMENT && fits(mr_error(), text)))
                printf("    %s\n    %s\n", mr_error(), text);
            stop(&to);
        }
        stop(&from);
    }
}

/* ---- samplers of one's own ---- */

typedef struct rising {
    int64_t next;
    const char *text;
    int lies; /* about the length of its text, from the second time on; or fails */
    int calls;
} rising;

static mr_status rising_begin(void *self, int64_t epoch)
{
    ((rising *)self)->next = epoch;
    return MR_OK;
}

static mr_status rising_next(void *self, int64_t *index)
{
    *index = ((rising *)self)->next++;
    return *index < ROWS ? MR_OK : MR_END;
}

static int rising_describe(void *self, char *text, size_t room)
{
    rising *r = self;
    if (r->lies == 9)
        return mr_fail(MR_ERR_IO, "no words");
    if (r->lies < 0)
        return r->lies;
    return snprintf(text, room, "%s", r->text) + r->lies * r->calls++;
}

static const mr_sampler_vtable silent_vtable = { .begin = rising_begin, .next = rising_next };
static const mr_sampler_vtable rising_vtable = { .begin = rising_begin,
                                                 .next = rising_next,
                                                 .describe = rising_describe };

static mr_sampler *rising_new(const char *text, int lies)
{
    rising r = { .text = text, .lies = lies };
    return mr_sampler_new(text || lies ? &rising_vtable : &silent_vtable, &r, sizeof r);
}

/* The first loader's state for the second one. */
static void check_restore(mr_sampler *first, mr_sampler *second, const char *text)
{
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = fixture_new((fixture){ .length = ROWS, .bad = -1, .bad2 = -1 });
    mr_loader *from = mr_loader_new(data, rng, NULL), *to = mr_loader_new(data, rng, NULL);
    const void *bytes;
    size_t size;
    CHECK_EQ_I64(mr_loader_set_sampler(from, first), MR_OK);
    CHECK_EQ_I64(mr_loader_set_sampler(to, second), MR_OK);
    CHECK_EQ_I64(mr_loader_save(from, &bytes, &size), MR_OK);
    CHECK_EQ_I64(mr_loader_restore(to, bytes, size), text ? MR_ERR_ARGUMENT : MR_OK);
    if (text)
        CHECK_EQ_STR(mr_error(), text);
    mr_loader_free(from);
    mr_loader_free(to);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

static void test_own_samplers(void)
{
    check_restore(rising_new("a", 0), rising_new("a", 0), NULL);
    check_restore(rising_new(NULL, 0), rising_new(NULL, 0), NULL);
    check_restore(rising_new("a", 0), rising_new("b", 0),
                  "loader_restore: the state is of the sampler 'a', the loader has 'b'");
    check_restore(rising_new("a", 0), rising_new("ab", 0),
                  "loader_restore: the state is of the sampler 'a', the loader has 'ab'");
    check_restore(rising_new("ab", 0), rising_new("a", 0),
                  "loader_restore: the state is of the sampler 'ab', the loader has 'a'");
    check_restore(rising_new("a", 0), rising_new(NULL, 0),
                  "loader_restore: the state is of the sampler 'a', the loader has ''");
    check_restore(mr_batch_sampler_new(rising_new("a", 0), 1, false),
                  mr_batch_sampler_new(rising_new(NULL, 0), 1, false),
                  "loader_restore: the state is of the sampler 'batches of 1, of a', the loader has 'batches "
                  "of 1, of '");
}

static void test_errors(void)
{
    static const struct {
        int lies;
        const char *text;
    } cases[] = {
        { -3, "sampler: describe gave -3" },
        { 2, "sampler: describe gave 1, and then 3" },
        { 9, "no words" },
    };
    mr_rng *rng = mr_rng_new(0);
    mr_dataset *data = fixture_new((fixture){ .length = ROWS, .bad = -1, .bad2 = -1 });
    for (int i = 0; i < 3; i++) {
        mr_loader *loader = mr_loader_new(data, rng, NULL);
        CHECK(mr_loader_set_sampler(loader, rising_new("a", cases[i].lies)) < 0);
        CHECK_EQ_STR(mr_error(), cases[i].text);
        mr_loader_free(loader);
    }
    char text[8] = "x";
    mr_sampler *sampler = mr_sequential_sampler_new(3);
    CHECK_EQ_I64(mr_sampler_describe(NULL, text, sizeof text), 0);
    CHECK_EQ_STR(mr_error(), "sampler_describe: sampler is NULL");
    CHECK_EQ_STR(text, "");
    CHECK_EQ_I64(mr_sampler_describe(sampler, NULL, 3), 0);
    CHECK_EQ_STR(mr_error(), "sampler_describe: text is NULL");
    mr_sampler_free(sampler);
    sampler = rising_new(NULL, 0);
    strcpy(text, "x");
    CHECK_EQ_I64(mr_sampler_describe(sampler, text, sizeof text), 0);
    CHECK_EQ_STR(text, "");
    mr_sampler_free(sampler);
    mr_dataset_free(data);
    mr_rng_free(rng);
}

int main(void)
{
    RUN(test_words);
    RUN(test_other_samplers);
    RUN(test_own_samplers);
    RUN(test_errors);
    return check_report();
}
