/* Millrace's own order: that it is a permutation, that it hangs on (seed, epoch) alone, and that it looks random. */
#include "check.h"

#include "data/permutation.h"

#include <millrace/random.h>

#include <stdlib.h>

/* ---- a permutation ---- */

static bool is_permutation(int64_t length, uint64_t seed, int64_t epoch)
{
    mr_permutation *p = mr_permutation_new(length, seed);
    mr_permutation_set_epoch(p, epoch);
    unsigned char *seen = calloc((size_t)length + 1, 1);
    bool good = mr_permutation_len(p) == length;
    for (int64_t i = 0; i < length; i++) {
        int64_t number = mr_permutation_at(p, i);
        if (number < 0 || number >= length || seen[number]++ || mr_permutation_find(p, number) != i) {
            printf("    length %lld, position %lld: %lld\n", (long long)length, (long long)i,
                   (long long)number);
            good = false;
            break;
        }
    }
    free(seen);
    mr_permutation_free(p);
    return good;
}

static void test_every_number_once(void)
{
    for (int64_t length = 0; length <= 700; length++)
        for (uint64_t seed = 0; seed < 3; seed++)
            CHECK(is_permutation(length, seed * UINT64_C(0x8000000000000001), (int64_t)seed));
    for (int64_t length = 1000; length < 3000000; length = length * 7 / 2 + 1)
        CHECK(is_permutation(length, 5, 6));
    CHECK(is_permutation(65536, UINT64_MAX, INT64_MAX));
}

static void test_large(void)
{
    const int64_t lengths[] = { (INT64_C(1) << 32) - 1, INT64_C(1) << 32, (INT64_C(1) << 40) + 12345,
                                INT64_C(1) << 62,       INT64_MAX - 1,    INT64_MAX };
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        int64_t length = lengths[k], upper = 0;
        mr_permutation *p = mr_permutation_new(length, k);
        mr_random random = mr_random_at(1, 2, (int64_t)k);
        for (int i = 0; i < 2000; i++) {
            int64_t at = i < 500 ? i : i < 1000 ? length - 1 - (i - 500) : mr_random_below(&random, length);
            int64_t number = mr_permutation_at(p, at);
            CHECK(number >= 0 && number < length);
            CHECK_EQ_I64(mr_permutation_find(p, number), at);
            upper += number >= length / 2;
        }
        CHECK(upper > 850 && upper < 1150);
        mr_permutation_free(p);
    }
}

/* Many at a time are what they are one by one, at the edges of digits and of the length, too. */
static void test_many(void)
{
    const int64_t lengths[] = { 5, 128, 129, 130, 143, 144, 145, 1000, 99999, INT64_C(1) << 40, INT64_MAX };
    int64_t many[100];
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        mr_permutation *p = mr_permutation_new(lengths[k], k);
        for (int64_t from = 0; from < 150; from += 7)
            for (int end = 0; end < 2; end++) {
                int64_t at = end ? lengths[k] - from - 1 : from, left = lengths[k] - at;
                if (at < 0 || left <= 0)
                    continue;
                int64_t count = left < 100 ? left : from % 50 + 1;
                mr__permutation_take(p, at, many, count);
                for (int64_t i = 0; i < count; i++)
                    if (many[i] != mr_permutation_at(p, at + i))
                        CHECK_EQ_I64(many[i], mr_permutation_at(p, at + i));
                CHECK(count > 0);
            }
        mr_permutation_free(p);
    }
}

/* ---- hangs on (seed, epoch) ---- */

static int64_t alike(uint64_t seed, int64_t epoch, uint64_t seed2, int64_t epoch2)
{
    mr_permutation *p = mr_permutation_new(100000, seed), *q = mr_permutation_new(100000, seed2);
    int64_t same = 0;
    mr_permutation_set_epoch(p, epoch);
    mr_permutation_set_epoch(q, epoch2);
    for (int64_t i = 0; i < 100000; i++)
        same += mr_permutation_at(p, i) == mr_permutation_at(q, i);
    mr_permutation_free(p);
    mr_permutation_free(q);
    return same;
}

static void test_seed_and_epoch(void)
{
    CHECK_EQ_I64(alike(1, 2, 1, 2), 100000);
    CHECK(alike(1, 2, 1, 3) < 12); /* one on average */
    CHECK(alike(1, 2, 2, 2) < 12);
    CHECK(alike(1, 2, 2, 1) < 12);
    CHECK(alike(7, 0, 7 + (UINT64_C(1) << 32), 0) < 12);
    CHECK(alike(0, 0, 0, -1) < 12);
    mr_permutation *p = mr_permutation_new(200, 3);
    int64_t first = mr_permutation_at(p, 17);
    mr_permutation_set_epoch(p, 9);
    mr_permutation_set_epoch(p, 0);
    CHECK_EQ_I64(mr_permutation_at(p, 17), first);
    mr_permutation_free(p);
}

/* Orders are part of what a saved state means, so they stay what they are. */
static void test_is_kept(void)
{
    static const int64_t few[] = { 6, 9, 7, 1, 5 };
    static const int64_t many[] = { 1036455261468, 965609969082, 373421194449, 618181738350, 623510720541 };
    mr_permutation *p = mr_permutation_new(10, 42), *q = mr_permutation_new(INT64_C(1) << 40, 42);
    mr_permutation_set_epoch(q, 1);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ_I64(mr_permutation_at(p, i), few[i]);
        CHECK_EQ_I64(mr_permutation_at(q, i), many[i]);
    }
    mr_permutation_free(p);
    mr_permutation_free(q);
}

/* ---- looks random ---- */

enum { SEEDS = 4000, MOST_CELLS = 64 };

typedef struct table {
    int rows, columns, trials;
    double count[MOST_CELLS][MOST_CELLS];
    double share[MOST_CELLS]; /* of each column, where they are not alike */
} table;

/* How far the counts are from equal ones, in standard deviations: chi-square less its mean, with `freedom` degrees. */
static double deviation(const table *t, double freedom)
{
    double sum = 0;
    for (int i = 0; i < t->rows; i++)
        for (int j = 0; j < t->columns; j++) {
            double expected = t->trials * (t->share[j] > 0 ? t->share[j] : 1.0 / t->columns);
            sum += (t->count[i][j] - expected) * (t->count[i][j] - expected) / expected;
        }
    return (sum - freedom) / sqrt(2 * freedom);
}

static int cell(int64_t number, int64_t length, int cells)
{
    return (int)(number * cells / length);
}

/* Which number is at which position; how far apart neighbours are; where a number is in the next epoch. Many numbers are
 * put into 32 cells, into which the lengths divide evenly. */
static void look_at(int64_t length)
{
    static table places, steps, epochs;
    int cells = length < MOST_CELLS ? (int)length : 32, step_cells = cells - (length == cells);
    places = (table){ .rows = cells, .columns = cells };
    steps = (table){ .rows = 1, .columns = step_cells ? step_cells : 1 };
    epochs = (table){ .rows = cells, .columns = cells };
    for (int64_t step = 0; step < length - 1; step++)
        steps.share[step * step_cells / (length - 1)] += 1.0 / (double)(length - 1);
    mr_permutation *p = mr_permutation_new(length, 0), *next = mr_permutation_new(length, 0);
    for (int seed = 0; seed < SEEDS; seed++) {
        mr_permutation_free(p);
        mr_permutation_free(next);
        p = mr_permutation_new(length, (uint64_t)seed);
        next = mr_permutation_new(length, (uint64_t)seed);
        mr_permutation_set_epoch(next, 1);
        for (int i = 0; i < cells; i++) {
            int64_t at = i * (length / cells), number = mr_permutation_at(p, at);
            places.count[i][cell(number, length, cells)]++;
            epochs.count[cell(number, length, cells)][cell(mr_permutation_at(next, at), length, cells)]++;
            if (at + 1 >= length || length < 3)
                continue;
            int64_t step = (mr_permutation_at(p, at + 1) - number + length) % length - 1;
            steps.count[0][step * step_cells / (length - 1)]++;
            steps.trials++;
        }
    }
    places.trials = epochs.trials = SEEDS;
    double freedom = (double)(cells - 1) * (length == cells ? cells - 1 : cells);
    double a = freedom > 0 ? deviation(&places, freedom) : 0;
    double b = step_cells > 1 ? deviation(&steps, step_cells - 1) : 0;
    double c = freedom > 0 ? deviation(&epochs, (double)(cells - 1) * cells) : 0;
    if (!CHECK(fabs(a) < 5 && fabs(b) < 5 && c < 5))
        printf("    length %lld: places %.2f, neighbours %.2f, epochs %.2f\n", (long long)length, a, b, c);
    mr_permutation_free(p);
    mr_permutation_free(next);
}

static void test_looks_random(void)
{
    const int64_t lengths[] = { 1,   2,   3,   4,    5,    7,    16,   31,   63,    128,    160,
                                192, 256, 288, 1024, 1056, 2048, 4096, 9984, 65536, 1 << 20 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        look_at(lengths[i]);
}

/* All orders of few are equally likely. */
static void test_all_orders(void)
{
    static table orders;
    orders = (table){ .rows = 1, .columns = 24, .trials = 24000 };
    for (int seed = 0; seed < orders.trials; seed++) {
        mr_permutation *p = mr_permutation_new(4, (uint64_t)seed);
        int64_t a = mr_permutation_at(p, 0), b = mr_permutation_at(p, 1), c = mr_permutation_at(p, 2);
        b -= b > a;
        c = (c > mr_permutation_at(p, 3));
        orders.count[0][a * 6 + b * 2 + c]++;
        mr_permutation_free(p);
    }
    CHECK(fabs(deviation(&orders, 23)) < 5);
}

/* Pairs: two positions have two numbers, each pair as often as any other. A permutation of few rounds fails here. */
static void test_pairs(void)
{
    enum { LENGTH = 144, TRIALS = 200000 };
    static double count[LENGTH][LENGTH];
    double sum = 0, expected = (double)TRIALS / (LENGTH * (LENGTH - 1)), freedom = LENGTH * (LENGTH - 1) - 1;
    mr_permutation *p = mr_permutation_new(LENGTH, 77);
    for (int i = 0; i < TRIALS; i++) {
        mr_permutation_set_epoch(p, i);
        count[mr_permutation_at(p, 5)][mr_permutation_at(p, 17)]++; /* in one row of digits: 12 x 12 */
    }
    for (int i = 0; i < LENGTH; i++)
        for (int j = 0; j < LENGTH; j++)
            sum += i == j ? 0 : (count[i][j] - expected) * (count[i][j] - expected) / expected;
    double off = (sum - freedom) / sqrt(2 * freedom);
    if (!CHECK(fabs(off) < 5))
        printf("    pairs: %.2f\n", off);
    mr_permutation_free(p);
}

/* ---- the stream of a sample ---- */

static void test_random(void)
{
    mr_random a = mr_random_at(1, 2, 3), b = a, c = mr_random_at(1, 2, 4), d = mr_random_at(1, 3, 3),
              e = mr_random_at(2, 2, 3), f = mr_random_at(UINT64_C(1) << 32 | 1, 2, 3);
    uint64_t first = mr_random_u64(&a);
    CHECK(first == mr_random_u64(&b) && first != mr_random_u64(&b));
    CHECK(first != mr_random_u64(&c) && first != mr_random_u64(&d) && first != mr_random_u64(&e) &&
          first != mr_random_u64(&f));
    double sum = 0, squares = 0, uniform = 0;
    int below[3] = { 0 };
    for (int i = 0; i < 100000; i++) { /* the first draws of many streams, which are what samples get */
        mr_random r = mr_random_at(9, 0, i);
        double u = mr_random_uniform(&r), x = mr_random_normal(&r);
        CHECK(u >= 0 && u < 1);
        uniform += u;
        sum += x;
        squares += x * x;
        below[mr_random_below(&r, 3)]++;
    }
    CHECK_NEAR(uniform / 100000, 0.5, 0.005);
    CHECK_NEAR(sum / 100000, 0, 0.015);
    CHECK_NEAR(squares / 100000, 1, 0.02);
    for (int i = 0; i < 3; i++)
        CHECK(abs(below[i] - 33333) < 700);
    CHECK_EQ_I64(mr_random_below(&a, 1), 0);
    int64_t upper = 0; /* a remainder of 64 bits would be in the lower half two times of three */
    for (int i = 0; i < 3000; i++)
        upper += mr_random_below(&a, INT64_MAX / 4 * 3) >= INT64_MAX / 8 * 3;
    CHECK(upper > 1350 && upper < 1650);
}

static void check_failure(const char *text)
{
    CHECK_EQ_STR(mr_error(), text);
    mr_error_clear();
}

static void test_errors(void)
{
    CHECK(mr_permutation_new(-1, 0) == NULL);
    check_failure("permutation_new: length -1 is negative");
    mr_permutation *p = mr_permutation_new(10, 0);
    CHECK_EQ_I64(mr_permutation_at(p, 10), -1);
    check_failure("permutation_at: position 10 is out of range for a permutation of 10");
    CHECK_EQ_I64(mr_permutation_find(p, -1), -1);
    check_failure("permutation_find: number -1 is out of range for a permutation of 10");
    CHECK_EQ_I64(mr_permutation_at(NULL, 0), -1);
    check_failure("permutation_at: the permutation is NULL");
    mr_permutation_set_epoch(NULL, 0);
    check_failure("permutation_set_epoch: the permutation is NULL");
    CHECK_EQ_I64(mr_permutation_len(NULL), 0);
    mr_permutation_free(p);
    mr_permutation_free(NULL);

    mr_random r = mr_random_at(0, 0, 0);
    CHECK_EQ_I64(mr_random_below(&r, 0), 0);
    check_failure("random_below: there is no number below 0");
    CHECK_EQ_I64(mr_random_below(NULL, 5), 0);
    check_failure("random_below: the stream is NULL");
    CHECK(mr_random_u64(NULL) == 0);
    check_failure("random_u64: the stream is NULL");
    CHECK(mr_random_uniform(NULL) == 0);
    check_failure("random_uniform: the stream is NULL");
    CHECK(mr_random_normal(NULL) == 0);
    check_failure("random_normal: the stream is NULL");
}

int main(void)
{
    RUN(test_every_number_once);
    RUN(test_large);
    RUN(test_many);
    RUN(test_seed_and_epoch);
    RUN(test_is_kept);
    RUN(test_looks_random);
    RUN(test_all_orders);
    RUN(test_pairs);
    RUN(test_random);
    RUN(test_errors);
    return check_report();
}
