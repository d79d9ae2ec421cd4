/* PyTorch's draws, bit for bit: golden/rng.txt is what torch drew, and golden/make_rng.py how. */
#include "check.h"

#include "base/rng.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MOST = 20032, NAME_BYTES = 32 };

/* ---- the golden file ------------------------------------------------------------------------- */

static FILE *golden;
static int line; /* of the golden file */
static uint64_t expected[MOST], drawn[MOST];

static uint64_t next_number(void)
{
    uint64_t number = 0;
    if (fscanf(golden, "%" SCNx64, &number) != 1)
        CHECK(false); /* a number is missing */
    return number;
}

static double next_double(void)
{
    uint64_t bits = next_number();
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t fnv(const void *bytes, size_t count)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < count; i++)
        value = (value ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return value;
}

static void read_count(size_t *count)
{
    *count = (size_t)next_number();
    if (!CHECK(*count <= MOST))
        exit(1);
}

/* Compares `count` values of `size` bytes with the file's, or their hash with its hash. */
static void compare(const char *name, const void *values, size_t count, size_t size)
{
    size_t wrong = 0;
    if (name[strlen(name) - 1] == '#') {
        if (!CHECK(fnv(values, count * size) == next_number()))
            printf("    rng.txt:%d: %s: %zu values\n", line, name, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        expected[i] = next_number();
        drawn[i] = 0;
        memcpy(&drawn[i], (const char *)values + i * size, size);
        wrong += drawn[i] != expected[i];
    }
    if (CHECK(wrong == 0))
        return;
    for (size_t i = 0; i < count; i++)
        if (drawn[i] != expected[i]) {
            printf("    rng.txt:%d: %s: %zu of %zu differ, first [%zu]: %" PRIx64 ", wanted %" PRIx64 "\n",
                   line, name, wrong, count, i, drawn[i], expected[i]);
            return;
        }
}

static bool is(const char *name, const char *kind)
{
    size_t length = strlen(kind);
    return strncmp(name, kind, length) == 0 && (name[length] == '\0' || strcmp(name + length, "#") == 0);
}

static void check_integers(mr_rng *rng, const char *name)
{
    static int64_t values[MOST];
    size_t count;
    int64_t low = 0, high = 0;
    if (is(name, "randint")) {
        low = (int64_t)next_number();
        high = (int64_t)next_number();
    }
    read_count(&count);
    if (is(name, "permutation"))
        mr_rng_permutation(rng, values, (int64_t)count);
    else
        for (size_t i = 0; i < count; i++)
            values[i] = is(name, "u32")      ? (int64_t)mr_rng_u32(rng)
                        : is(name, "u64")    ? (int64_t)mr_rng_u64(rng)
                        : is(name, "random") ? mr__rng_random_i64(rng)
                                             : mr__rng_randint(rng, low, high);
    compare(name, values, count, sizeof *values);
}

static void check_floats(mr_rng *rng, const char *name)
{
    static float values[MOST];
    size_t count;
    double first = next_double(), second = next_double();
    read_count(&count);
    if (is(name, "uniform32"))
        mr_rng_fill_uniform(rng, values, (int64_t)count, first, second);
    else
        mr_rng_fill_normal(rng, values, (int64_t)count, first, second);
    compare(name, values, count, sizeof *values);
}

static void check_doubles(mr_rng *rng, const char *name)
{
    static double values[MOST];
    size_t count;
    double first = next_double(), second = next_double();
    read_count(&count);
    if (is(name, "uniform64"))
        mr_rng_fill_uniform_f64(rng, values, (int64_t)count, first, second);
    else if (count < 16 && first == 0 && second == 1)
        for (size_t i = 0; i < count; i++) /* the public single draw is the same one */
            values[i] = mr_rng_normal(rng);
    else
        mr_rng_fill_normal_f64(rng, values, (int64_t)count, first, second);
    compare(name, values, count, sizeof *values);
}

static void check_bernoulli(mr_rng *rng, const char *name)
{
    static unsigned char values[MOST];
    size_t count;
    double p = next_double();
    read_count(&count);
    for (size_t i = 0; i < count; i++)
        values[i] = mr_rng_uniform(rng) < p;
    compare(name, values, count, sizeof *values);
}

/* Also goes on from here on another generator that was given the state, so that what follows tests it. */
static mr_rng *check_state(mr_rng *rng, const char *name)
{
    unsigned char bytes[MR_RNG_STATE_BYTES];
    size_t count;
    mr_rng *other = mr_rng_new(99);
    read_count(&count);
    CHECK(count == sizeof bytes);
    memset(bytes, 0x55, sizeof bytes);
    mr_rng_get_state(rng, bytes);
    compare(name, bytes, count, 1);
    mr_rng_normal(other); /* leaves a value behind, which the state has to replace or take away */
    CHECK(mr_rng_set_state(other, bytes, sizeof bytes) == MR_OK);
    CHECK(mr_rng_initial_seed(other) == mr_rng_initial_seed(rng));
    mr_rng_free(rng);
    return other;
}

static bool check_draws(mr_rng *rng, const char *name)
{
    if (is(name, "u32") || is(name, "u64") || is(name, "random") || is(name, "randint") ||
        is(name, "permutation"))
        check_integers(rng, name);
    else if (is(name, "uniform32") || is(name, "normal32"))
        check_floats(rng, name);
    else if (is(name, "uniform64") || is(name, "normal64"))
        check_doubles(rng, name);
    else if (is(name, "bernoulli"))
        check_bernoulli(rng, name);
    else
        return false;
    return true;
}

static void test_golden(void)
{
    char name[NAME_BYTES];
    mr_rng *rng = mr_rng_new(5);
    golden = fopen(MR_TEST_DATA "/rng.txt", "r");
    if (!CHECK(golden && rng))
        return;
    for (line = 1; fscanf(golden, "%31s", name) == 1; line++) {
        if (is(name, "seed")) {
            uint64_t seed = next_number();
            mr_rng_seed(rng, seed);
            CHECK(mr_rng_initial_seed(rng) == seed);
        } else if (is(name, "skip")) {
            for (uint64_t i = next_number(); i > 0; i--)
                mr_rng_u32(rng);
        } else if (is(name, "state")) {
            rng = check_state(rng, name);
        } else if (!CHECK(check_draws(rng, name))) {
            printf("    rng.txt:%d: '%s'\n", line, name);
            break;
        }
    }
    CHECK(line > 300);
    fclose(golden);
    mr_rng_free(rng);
}

/* ---- what needs no torch --------------------------------------------------------------------- */

/* The published values of the generator's authors: seed 5489, first and ten thousandth. */
static void test_mt19937(void)
{
    mr_rng *rng = mr_rng_new(5489);
    CHECK_EQ_I64(mr_rng_u32(rng), INT64_C(3499211612));
    for (int i = 2; i < 10000; i++)
        mr_rng_u32(rng);
    CHECK_EQ_I64(mr_rng_u32(rng), INT64_C(4123659995));
    mr_rng_free(rng);
}

static void test_only_the_low_half_of_a_seed_matters(void)
{
    mr_rng *a = mr_rng_new(7), *b = mr_rng_new((UINT64_C(123) << 32) + 7);
    for (int i = 0; i < 10; i++)
        CHECK_EQ_I64(mr_rng_u32(a), mr_rng_u32(b));
    CHECK(mr_rng_initial_seed(a) != mr_rng_initial_seed(b));
    mr_rng_free(a);
    mr_rng_free(b);
}

static void test_copy(void)
{
    mr_rng *a = mr_rng_new(3), *b = mr_rng_new(4);
    mr_rng_normal(a);
    for (int i = 0; i < 700; i++)
        mr_rng_u32(a);
    mr_rng_copy(b, a);
    CHECK_EQ_I64(mr_rng_initial_seed(b), 3);
    CHECK(mr_rng_normal(a) == mr_rng_normal(b)); /* the value left behind */
    CHECK(mr_rng_normal(a) == mr_rng_normal(b));
    CHECK_EQ_I64(mr_rng_u64(a), mr_rng_u64(b));
    mr_rng_copy(a, a);
    CHECK_EQ_I64(mr_rng_u64(a), mr_rng_u64(b));
    mr_rng_free(a);
    mr_rng_free(b);
}

/* Every remainder of the fast division against the processor's, for the divisors and words where it could
 * slip: a word just below, at and above a multiple of the divisor. */
static void test_permutation_is_exact_at_multiples(void)
{
    enum { COUNT = 3000 };
    static int64_t order[COUNT], want[COUNT];
    mr_rng *rng = mr_rng_new(1), *same = mr_rng_new(1);
    for (int round = 0; round < 200; round++) {
        mr__rng_refill(rng);
        for (int64_t i = 0; i < MR__RNG_WORDS; i++) {
            uint32_t divisor = (uint32_t)(COUNT - i), multiple = rng->words[i] / divisor * divisor;
            rng->words[i] = multiple + (uint32_t)(round % 3) - 1;
        }
        mr_rng_copy(same, rng);
        mr_rng_permutation(rng, order, COUNT);
        for (int64_t i = 0; i < COUNT; i++)
            want[i] = i;
        for (int64_t i = 0; i < COUNT - 1; i++) {
            int64_t there = i + mr_rng_u32(same) % (uint32_t)(COUNT - i), held = want[i];
            want[i] = want[there];
            want[there] = held;
        }
        if (!CHECK(memcmp(order, want, sizeof order) == 0))
            break;
        CHECK_EQ_I64(mr_rng_u32(rng), mr_rng_u32(same));
    }
    mr_rng_free(rng);
    mr_rng_free(same);
}

/* Product and sum in one rounding: with two, some values are the next float. */
static void test_uniform_rounds_once(void)
{
    enum { COUNT = 4096 };
    static float values[COUNT];
    const double low = 1e-3, high = 1.7;
    int twice = 0;
    mr_rng *rng = mr_rng_new(2), *same = mr_rng_new(2);
    mr_rng_fill_uniform(rng, values, COUNT, low, high);
    for (int i = 0; i < COUNT; i++) {
        float u = (float)(mr_rng_u32(same) & 0xffffff) * 0x1p-24f, range = (float)high - (float)low;
        float product = u * range;
        CHECK(values[i] == fmaf(u, range, (float)low));
        twice += values[i] != product + (float)low;
    }
    CHECK(twice > 0); /* so that the check above tells them apart */
    mr_rng_free(rng);
    mr_rng_free(same);
}

static void test_nothing_is_drawn_for_nothing(void)
{
    int64_t order = -7;
    mr_rng *rng = mr_rng_new(3), *same = mr_rng_new(3);
    mr_rng_fill_uniform(rng, NULL, 0, 0, 1);
    mr_rng_fill_uniform_f64(rng, NULL, 0, 0, 1);
    mr_rng_fill_normal(rng, NULL, 0, 0, 1);
    mr_rng_fill_normal_f64(rng, NULL, 0, 0, 1);
    mr_rng_permutation(rng, NULL, 0);
    mr_rng_permutation(rng, &order, 1);
    CHECK_EQ_I64(order, 0);
    CHECK_EQ_I64(mr_rng_u64(rng), mr_rng_u64(same));
    CHECK_EQ_STR(mr_error(), "");
    mr_rng_free(rng);
    mr_rng_free(same);
}

/* ---- failures -------------------------------------------------------------------------------- */

#define CHECK_FAILS(call, status, text)          \
    do {                                         \
        mr_error_clear();                        \
        (void)(call);                            \
        CHECK_EQ_I64(mr_error_status(), status); \
        CHECK_EQ_STR(mr_error(), text);          \
    } while (0)

#define CHECK_NULL_FAILS(call, name) CHECK_FAILS(call, MR_ERR_ARGUMENT, name ": the generator is NULL")

static mr_status status_of(mr_status status)
{
    return status;
}

static void test_null(void)
{
    float f[1] = { 7 };
    double d[1] = { 7 };
    int64_t order[1] = { 7 };
    char bytes[MR_RNG_STATE_BYTES] = { 7 };
    CHECK_NULL_FAILS(mr_rng_u32(NULL), "rng_u32");
    CHECK_NULL_FAILS(mr_rng_u64(NULL), "rng_u64");
    CHECK_NULL_FAILS(mr_rng_uniform(NULL), "rng_uniform");
    CHECK_NULL_FAILS(mr_rng_normal(NULL), "rng_normal");
    CHECK_NULL_FAILS(mr_rng_seed(NULL, 1), "rng_seed");
    CHECK_NULL_FAILS(mr_rng_initial_seed(NULL), "rng_initial_seed");
    CHECK_NULL_FAILS(mr_rng_fill_uniform(NULL, f, 1, 0, 1), "rng_fill_uniform");
    CHECK_NULL_FAILS(mr_rng_fill_uniform_f64(NULL, d, 1, 0, 1), "rng_fill_uniform_f64");
    CHECK_NULL_FAILS(mr_rng_fill_normal(NULL, f, 1, 0, 1), "rng_fill_normal");
    CHECK_NULL_FAILS(mr_rng_fill_normal_f64(NULL, d, 1, 0, 1), "rng_fill_normal_f64");
    CHECK_NULL_FAILS(mr_rng_permutation(NULL, order, 1), "rng_permutation");
    CHECK_NULL_FAILS(mr_rng_get_state(NULL, bytes), "rng_get_state");
    CHECK_NULL_FAILS(status_of(mr_rng_set_state(NULL, bytes, sizeof bytes)), "rng_set_state");
    CHECK_FAILS(mr_rng_copy(NULL, NULL), MR_ERR_ARGUMENT, "rng_copy: a generator is NULL");
    CHECK(f[0] == 7 && d[0] == 7 && order[0] == 7 && bytes[0] == 7);
    mr_rng_free(NULL);
}

static void test_arguments(void)
{
    float f[1];
    double d[1];
    int64_t order[1];
    mr_rng *rng = mr_rng_new(1);
    CHECK_FAILS(mr_rng_fill_uniform(rng, f, 1, 2, 1), MR_ERR_ARGUMENT,
                "rng_fill_uniform: low 2 is above high 1");
    CHECK_FAILS(mr_rng_fill_uniform_f64(rng, d, 1, 0, (double)NAN), MR_ERR_ARGUMENT,
                "rng_fill_uniform_f64: low 0 is above high nan");
    CHECK_FAILS(mr_rng_fill_uniform(rng, f, -1, 0, 1), MR_ERR_ARGUMENT, "rng_fill_uniform: -1 values wanted");
    CHECK_FAILS(mr_rng_fill_normal(rng, f, -1, 0, 1), MR_ERR_ARGUMENT, "rng_fill_normal: -1 values wanted");
    CHECK_FAILS(mr_rng_fill_normal_f64(rng, d, 1, 0, -0.5), MR_ERR_ARGUMENT,
                "rng_fill_normal_f64: a standard deviation of -0.5");
    CHECK_FAILS(mr_rng_permutation(rng, order, -1), MR_ERR_ARGUMENT,
                "rng_permutation: a count of -1 is not in 0 to 4294967295");
    CHECK_FAILS(mr_rng_permutation(rng, order, INT64_C(1) << 32), MR_ERR_ARGUMENT,
                "rng_permutation: a count of 4294967296 is not in 0 to 4294967295");
    mr_rng_free(rng);
}

static void check_bad_state(mr_rng *rng, const unsigned char *good, size_t at, unsigned char value,
                            const char *why)
{
    unsigned char bytes[MR_RNG_STATE_BYTES];
    char text[200];
    memcpy(bytes, good, sizeof bytes);
    bytes[at] = value;
    snprintf(text, sizeof text, "rng_set_state: not a generator's state: %s", why);
    CHECK_EQ_I64(mr_rng_set_state(rng, bytes, sizeof bytes), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), text);
}

static void test_states_that_are_none(void)
{
    unsigned char good[MR_RNG_STATE_BYTES + 1];
    mr_rng *rng = mr_rng_new(6), *same = mr_rng_new(6);
    for (int i = 0; i < 10; i++)
        CHECK_EQ_I64(mr_rng_u32(rng), mr_rng_u32(same));
    mr_rng_get_state(rng, good);
    CHECK_EQ_I64(mr_rng_set_state(rng, good, MR_RNG_STATE_BYTES - 1), MR_ERR_FORMAT);
    CHECK_EQ_STR(mr_error(), "rng_set_state: a state has 5056 bytes, this one 5055");
    CHECK_EQ_I64(mr_rng_set_state(rng, good, MR_RNG_STATE_BYTES + 1), MR_ERR_FORMAT);
    CHECK_EQ_I64(mr_rng_set_state(rng, NULL, MR_RNG_STATE_BYTES), MR_ERR_ARGUMENT);
    CHECK_EQ_STR(mr_error(), "rng_set_state: the state is NULL");
    check_bad_state(rng, good, 12, 0, "it was never seeded");
    check_bad_state(rng, good, 8, 3, "its position is out of range");
    check_bad_state(rng, good, 17, 0xff, "its position is out of range");
    check_bad_state(rng, good, 23, 1, "its position is out of range");
    good[8] = good[9] = 0; /* left: 0 */
    good[17] = 2;          /* next: 0x0271, which is 625, so that their sum is right */
    check_bad_state(rng, good, 16, 0x71, "its position is out of range");
    mr_rng_get_state(rng, good);
    check_bad_state(rng, good, 24 + 8 * 100 + 4, 1, "a word has more than 32 bits");
    CHECK_EQ_I64(mr_rng_u64(rng), mr_rng_u64(same)); /* a failure changes nothing */
    mr_rng_free(rng);
    mr_rng_free(same);
}

int main(void)
{
    RUN(test_golden);
    RUN(test_mt19937);
    RUN(test_only_the_low_half_of_a_seed_matters);
    RUN(test_copy);
    RUN(test_permutation_is_exact_at_multiples);
    RUN(test_uniform_rounds_once);
    RUN(test_nothing_is_drawn_for_nothing);
    RUN(test_null);
    RUN(test_arguments);
    RUN(test_states_that_are_none);
    return check_report();
}
