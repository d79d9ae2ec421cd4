#include "rng.h"

#include "alloc.h"

#include <math.h>

/* ---- the generator --------------------------------------------------------------------------- */

enum { SHIFT = 397 };

MR__INLINE uint32_t twist(uint32_t a, uint32_t b)
{
    uint32_t mixed = (a & 0x80000000u) | (b & 0x7fffffffu);
    return mixed >> 1 ^ ((b & 1 ? 0xffffffffu : 0) & 0x9908b0dfu);
}

MR__INLINE uint32_t temper(uint32_t word)
{
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680u;
    word ^= word << 15 & 0xefc60000u;
    return word ^ word >> 18;
}

MR__INLINE void temper_all(mr_rng *rng)
{
    for (int i = 0; i < MR__RNG_WORDS; i++)
        rng->words[i] = temper(rng->state[i]);
}

/* Two loops instead of one with an index that wraps: each reads at a fixed distance, so that a compiler can
 * make many words at once. */
MR__INLINE void refill(mr_rng *rng)
{
    enum { TURN = MR__RNG_WORDS - SHIFT, LAST = MR__RNG_WORDS - 1 };
    uint32_t *s = rng->state;
    for (int i = 0; i < TURN; i++)
        s[i] = s[i + SHIFT] ^ twist(s[i], s[i + 1]);
    for (int i = TURN; i < LAST; i++)
        s[i] = s[i - TURN] ^ twist(s[i], s[i + 1]);
    s[LAST] = s[SHIFT - 1] ^ twist(s[LAST], s[0]);
    temper_all(rng);
    rng->next = 0;
    rng->fresh = false;
}

MR__WIDE static void refill_wide(mr_rng *rng)
{
    refill(rng);
}

void mr__rng_refill(mr_rng *rng)
{
    if (MR__HAS_WIDE())
        refill_wide(rng);
    else
        refill(rng);
}

static void seed_state(mr_rng *rng, uint64_t seed)
{
    uint32_t word = (uint32_t)seed;
    rng->state[0] = word;
    for (uint32_t i = 1; i < MR__RNG_WORDS; i++)
        rng->state[i] = word = 1812433253u * (word ^ word >> 30) + i;
    rng->seed = seed;
    rng->next = MR__RNG_WORDS;
    rng->fresh = true;
    rng->has_normal = rng->has_float = false;
    rng->normal = rng->float_normal = 0;
}

mr_rng *mr_rng_new(uint64_t seed)
{
    mr_rng *rng = mr__alloc_zeroed(sizeof *rng);
    if (rng)
        seed_state(rng, seed);
    return rng;
}

void mr_rng_free(mr_rng *rng)
{
    mr__free(rng);
}

void mr_rng_seed(mr_rng *rng, uint64_t seed)
{
    if (rng)
        seed_state(rng, seed);
    else
        mr__null("rng_seed", "the generator");
}

uint64_t mr_rng_initial_seed(const mr_rng *rng)
{
    if (rng)
        return rng->seed;
    mr__null("rng_initial_seed", "the generator");
    return 0;
}

void mr_rng_copy(mr_rng *to, const mr_rng *from)
{
    if (!to || !from)
        mr__null("rng_copy", "a generator");
    else if (to != from)
        *to = *from;
}

/* ---- single draws ---------------------------------------------------------------------------- */

uint32_t mr_rng_u32(mr_rng *rng)
{
    if (rng)
        return mr__rng_next32(rng);
    mr__null("rng_u32", "the generator");
    return 0;
}

uint64_t mr_rng_u64(mr_rng *rng)
{
    if (rng)
        return mr__rng_next64(rng);
    mr__null("rng_u64", "the generator");
    return 0;
}

double mr_rng_uniform(mr_rng *rng)
{
    if (rng)
        return mr__rng_uniform53(rng);
    mr__null("rng_uniform", "the generator");
    return 0;
}

/* ---- many uniform draws ---------------------------------------------------------------------- */

/* low + range * u, rounded once: what torch's AVX2 build computes, whose compiler fused the two. */
MR__INLINE void scale_words(float *values, const uint32_t *words, int64_t count, float low, float range)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = fmaf((float)(int32_t)(words[i] & 0xffffff) * 0x1p-24f, range, low);
}

MR__INLINE void fill_floats(mr_rng *rng, float *values, int64_t count, float low, float range)
{
    while (count > 0) {
        if (rng->next >= MR__RNG_WORDS)
            mr__rng_refill(rng);
        int64_t run = MR__RNG_WORDS - rng->next;
        run = run < count ? run : count;
        scale_words(values, rng->words + rng->next, run, low, range);
        rng->next += (uint32_t)run;
        values += run;
        count -= run;
    }
}

MR__WIDE static void fill_floats_wide(mr_rng *rng, float *values, int64_t count, float low, float range)
{
    fill_floats(rng, values, count, low, range);
}

MR__INLINE void fill_doubles(mr_rng *rng, double *values, int64_t count, double low, double range)
{
    for (int64_t i = 0; i < count; i++)
        values[i] = fma(mr__rng_uniform53(rng), range, low);
}

MR__WIDE static void fill_doubles_wide(mr_rng *rng, double *values, int64_t count, double low, double range)
{
    fill_doubles(rng, values, count, low, range);
}

void mr__rng_fill_uniform24(mr_rng *rng, float *values, int64_t count)
{
    if (MR__HAS_WIDE())
        fill_floats_wide(rng, values, count, 0, 1);
    else
        fill_floats(rng, values, count, 0, 1);
}

static bool uniform_is_right(const char *call, const mr_rng *rng, int64_t count, double low, double high)
{
    if (!rng)
        mr__null(call, "the generator");
    else if (count < 0)
        mr__raise(MR_ERR_ARGUMENT, "%s: %lld values wanted", call, (long long)count);
    else if (!(low <= high))
        mr__raise(MR_ERR_ARGUMENT, "%s: low %g is above high %g", call, low, high);
    else
        return true;
    return false;
}

void mr_rng_fill_uniform(mr_rng *rng, float *values, int64_t count, double low, double high)
{
    if (!uniform_is_right("rng_fill_uniform", rng, count, low, high))
        return;
    float range = (float)high - (float)low;
    if (MR__HAS_WIDE())
        fill_floats_wide(rng, values, count, (float)low, range);
    else
        fill_floats(rng, values, count, (float)low, range);
}

void mr_rng_fill_uniform_f64(mr_rng *rng, double *values, int64_t count, double low, double high)
{
    if (!uniform_is_right("rng_fill_uniform_f64", rng, count, low, high))
        return;
    if (MR__HAS_WIDE())
        fill_doubles_wide(rng, values, count, low, high - low);
    else
        fill_doubles(rng, values, count, low, high - low);
}

/* ---- permutation ----------------------------------------------------------------------------- */

/* jumps[k] = words[k] % (left - k). The quotient is made in double: both numbers are below 2^32, so it is at
 * least 2^-32 away from the next whole number unless it is one, its rounding never crosses one, and cutting
 * it off is exact. It fits a signed int because left - k is at least 2. A vector divides doubles in a
 * fraction of the time that the processor takes to divide integers. */
MR__INLINE void remainders(uint32_t *jumps, const uint32_t *words, uint32_t count, uint32_t left)
{
    for (uint32_t k = 0; k < count; k++) {
        uint32_t word = words[k], divisor = left - k;
        double exact = (double)(int32_t)(word ^ 0x80000000u) + 0x1p31; /* vectors convert signed ones only */
        uint32_t quotient = (uint32_t)(int32_t)(exact / (double)divisor);
        jumps[k] = word - quotient * divisor;
    }
}

MR__WIDE static void remainders_wide(uint32_t *jumps, const uint32_t *words, uint32_t count, uint32_t left)
{
    remainders(jumps, words, count, left);
}

void mr__rng_jumps(mr_rng *rng, uint32_t *jumps, uint32_t count, uint32_t left)
{
    while (count) {
        if (rng->next >= MR__RNG_WORDS)
            mr__rng_refill(rng);
        uint32_t run = MR__RNG_WORDS - rng->next;
        run = run < count ? run : count;
        if (MR__HAS_WIDE())
            remainders_wide(jumps, rng->words + rng->next, run, left);
        else
            remainders(jumps, rng->words + rng->next, run, left);
        rng->next += run;
        jumps += run;
        count -= run;
        left -= run;
    }
}

static void swap_all(int64_t *order, const uint32_t *jumps, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        int64_t *here = order + k, *there = here + jumps[k];
        int64_t held = *here;
        *here = *there;
        *there = held;
    }
}

/* Fisher and Yates from the front, one word for every place but the last. Remainders first, swaps after:
 * the swaps wait for each other's stores, the remainders for nothing. */
void mr_rng_permutation(mr_rng *rng, int64_t *order, int64_t count)
{
    uint32_t jumps[MR__RNG_WORDS];
    if (!rng) {
        mr__null("rng_permutation", "the generator");
        return;
    }
    if (!order && count > 0) {
        mr__null("rng_permutation", "order");
        return;
    }
    if (count < 0 || count > UINT32_MAX) {
        mr__raise(MR_ERR_ARGUMENT, "rng_permutation: a count of %lld is not in 0 to 4294967295",
                  (long long)count);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        order[i] = i;
    for (int64_t done = 0; done < count - 1;) {
        uint32_t run = MR__RNG_WORDS, left = (uint32_t)(count - done);
        run = run < left - 1 ? run : left - 1;
        mr__rng_jumps(rng, jumps, run, left);
        swap_all(order + done, jumps, run);
        done += run;
    }
}

/* ---- state ----------------------------------------------------------------------------------- */

/* torch writes its struct as it lies in memory on a 64-bit machine, little end first:
 *
 *     0  u64 seed            5016  f64 0, f64 cached normal, f64 0
 *     8  i32 left            5040  i32 whether it is valid, 4 bytes of nothing
 *    12  i32 seeded          5048  f32 cached float normal
 *    16  u64 next            5052  u8 whether it is valid, 3 bytes of nothing
 *    24  u64 state[624]
 *
 * `left` is 1 when the next draw makes new words, as after seeding, when next is 0. Later left + next is
 * always one more than the number of words. */
enum {
    AT_SEED = 0,
    AT_LEFT = 8,
    AT_SEEDED = 12,
    AT_NEXT = 16,
    AT_STATE = 24,
    AT_NORMAL = 5024,
    AT_HAS_NORMAL = 5040,
    AT_FLOAT = 5048,
    AT_HAS_FLOAT = 5052
};

static size_t word_at(size_t i)
{
    return AT_STATE + 8 * i;
}

static void put(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t get(const unsigned char *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

union f64_bits {
    double value;
    uint64_t bits;
};

union f32_bits {
    float value;
    uint32_t bits;
};

void mr_rng_get_state(const mr_rng *rng, void *bytes)
{
    unsigned char *to = bytes;
    if (!rng) {
        mr__null("rng_get_state", "the generator");
        return;
    }
    for (int i = 0; i < MR_RNG_STATE_BYTES; i++)
        to[i] = 0;
    uint32_t next = rng->fresh ? 0 : rng->next;
    put(to + AT_SEED, rng->seed, 8);
    put(to + AT_LEFT, rng->fresh ? 1 : MR__RNG_WORDS + 1 - next, 4);
    put(to + AT_SEEDED, 1, 4);
    put(to + AT_NEXT, next, 8);
    for (size_t i = 0; i < MR__RNG_WORDS; i++)
        put(to + word_at(i), rng->state[i], 8);
    if (rng->has_normal) {
        put(to + AT_NORMAL, (union f64_bits){ .value = rng->normal }.bits, 8);
        put(to + AT_HAS_NORMAL, 1, 4);
    }
    if (rng->has_float) {
        put(to + AT_FLOAT, (union f32_bits){ .value = rng->float_normal }.bits, 4);
        put(to + AT_HAS_FLOAT, 1, 1);
    }
}

/* Why `from` is no state, or NULL if it is one. */
static const char *what_is_wrong(const unsigned char *from)
{
    uint64_t left = get(from + AT_LEFT, 4), next = get(from + AT_NEXT, 8);
    bool fresh = left == 1 && next == 0;
    if (get(from + AT_SEEDED, 4) != 1)
        return "it was never seeded";
    if (!fresh && (next < 1 || next > MR__RNG_WORDS || left != MR__RNG_WORDS + 1 - next))
        return "its position is out of range";
    for (size_t i = 0; i < MR__RNG_WORDS; i++)
        if (get(from + word_at(i), 8) > UINT32_MAX)
            return "a word has more than 32 bits";
    return NULL;
}

static void take_state(mr_rng *rng, const unsigned char *from)
{
    rng->seed = get(from + AT_SEED, 8);
    rng->fresh = get(from + AT_NEXT, 8) == 0;
    rng->next = rng->fresh ? MR__RNG_WORDS : (uint32_t)get(from + AT_NEXT, 8);
    for (size_t i = 0; i < MR__RNG_WORDS; i++)
        rng->state[i] = (uint32_t)get(from + word_at(i), 8);
    temper_all(rng);
    rng->has_normal = get(from + AT_HAS_NORMAL, 4) != 0;
    rng->normal = (union f64_bits){ .bits = get(from + AT_NORMAL, 8) }.value;
    rng->has_float = from[AT_HAS_FLOAT] != 0;
    rng->float_normal = (union f32_bits){ .bits = (uint32_t)get(from + AT_FLOAT, 4) }.value;
}

mr_status mr_rng_set_state(mr_rng *rng, const void *bytes, size_t count)
{
    const char *wrong = NULL;
    if (!rng || !bytes)
        return mr__settle(mr__null("rng_set_state", rng ? "the state" : "the generator"));
    if (count != MR_RNG_STATE_BYTES)
        return mr__settle(mr__raise(MR_ERR_FORMAT, "rng_set_state: a state has %d bytes, this one %zu",
                                    MR_RNG_STATE_BYTES, count));
    wrong = what_is_wrong(bytes);
    if (wrong)
        return mr__settle(mr__raise(MR_ERR_FORMAT, "rng_set_state: not a generator's state: %s", wrong));
    take_state(rng, bytes);
    return MR_OK;
}
