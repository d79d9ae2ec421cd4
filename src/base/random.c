#include <millrace/random.h>

#include "error.h"
#include "mix.h"

#include <math.h>

/* The step must be odd, or the stream would not reach all states, and not have few changes of bits, or its states would
 * be much alike. */
static uint64_t step_of(uint64_t key)
{
    uint64_t step = mr__mix64(key) | 1;
    return __builtin_popcountll(step ^ step >> 1) < 24 ? step ^ UINT64_C(0xaaaaaaaaaaaaaaaa) : step;
}

mr_random mr_random_at(uint64_t seed, int64_t epoch, int64_t index)
{
    uint64_t key = mr__mix_in(mr__mix_in(mr__mix64(seed), (uint64_t)epoch), (uint64_t)index);
    return (mr_random){ .state = key, .step = step_of(key + MR__GOLDEN) };
}

uint64_t mr_random_u64(mr_random *random)
{
    if (!random) {
        mr__null("random_u64", "the stream");
        return 0;
    }
    return mr__mix64(random->state += random->step);
}

double mr_random_uniform(mr_random *random)
{
    if (!random) {
        mr__null("random_uniform", "the stream");
        return 0;
    }
    return (double)(int64_t)(mr_random_u64(random) >> 11) * 0x1p-53;
}

/* The numbers that are left over when the words are divided into `count` equal parts are drawn again. */
int64_t mr_random_below(mr_random *random, int64_t count)
{
    if (!random) {
        mr__null("random_below", "the stream");
        return 0;
    }
    if (count < 1) {
        mr__raise(MR_ERR_ARGUMENT, "random_below: there is no number below %lld", (long long)count);
        return 0;
    }
    uint64_t n = (uint64_t)count, left_over = (0 - n) % n, word;
    do
        word = mr_random_u64(random);
    while (word < left_over);
    return (int64_t)(word % n);
}

double mr_random_normal(mr_random *random)
{
    if (!random) {
        mr__null("random_normal", "the stream");
        return 0;
    }
    double u = 1 - mr_random_uniform(random), angle = 6.283185307179586 * mr_random_uniform(random);
    return sqrt(-2 * log(u)) * cos(angle);
}
