#include "permutation.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/mix.h"

#include <math.h>
#include <millrace/random.h>

/* ---- making ---- */

static uint64_t root_rounded_up(uint64_t n)
{
    uint64_t root = (uint64_t)sqrt((double)n);
    while (root * root < n)
        root++;
    while (root > 1 && (root - 1) * (root - 1) >= n)
        root--;
    return root;
}

mr_status mr__permutation_init(mr_permutation *p, const char *call, int64_t length, uint64_t seed)
{
    if (length < 0)
        return mr__raise(MR_ERR_ARGUMENT, "%s: length %lld is negative", call, (long long)length);
    *p = (mr_permutation){ .length = length, .seed = seed };
    if (length > MR__TABLE) {
        p->left = root_rounded_up((uint64_t)length);
        p->right = ((uint64_t)length + p->left - 1) / p->left;
    }
    mr_permutation_set_epoch(p, 0);
    return MR_OK;
}

static void shuffle_table(mr_permutation *p)
{
    mr_random random = mr_random_at(p->seed, p->epoch, -1);
    for (int64_t i = 0; i < p->length; i++) {
        int64_t j = mr_random_below(&random, i + 1);
        p->number[i] = p->number[j];
        p->number[j] = (uint8_t)i;
    }
    for (int64_t i = 0; i < p->length; i++)
        p->place[p->number[i]] = (uint8_t)i;
}

void mr_permutation_set_epoch(mr_permutation *p, int64_t epoch)
{
    if (!p) {
        mr__null("permutation_set_epoch", "the permutation");
        return;
    }
    p->epoch = epoch;
    uint64_t state = mr__mix_in(mr__mix64(p->seed), (uint64_t)epoch);
    for (int i = 0; i < MR__ROUNDS; i++)
        p->key[i] = mr__mix64(state += MR__GOLDEN);
    if (p->length <= MR__TABLE)
        shuffle_table(p);
}

mr_permutation *mr_permutation_new(int64_t length, uint64_t seed)
{
    mr_permutation *p = mr__alloc(sizeof *p);
    if (p && mr__permutation_init(p, "permutation_new", length, seed)) {
        mr__free(p);
        return NULL;
    }
    return p;
}

void mr_permutation_free(mr_permutation *p)
{
    mr__free(p);
}

int64_t mr_permutation_len(const mr_permutation *p)
{
    return p ? p->length : 0;
}

/* ---- rounds ---- */

/* A number below `base`, which is at most 2^32: the upper half of the product of a word and the base. */
static inline uint64_t draw(uint64_t key, uint64_t digit, uint64_t base)
{
    uint64_t word = mr__mix64(key + digit);
    return ((word >> 32) * base + ((word & UINT32_MAX) * base >> 32)) >> 32;
}

static inline uint64_t add(uint64_t digit, uint64_t more, uint64_t base)
{
    digit += more;
    return digit >= base ? digit - base : digit;
}

static inline uint64_t subtract(uint64_t digit, uint64_t less, uint64_t base)
{
    return digit >= less ? digit - less : digit + base - less;
}

static inline uint64_t forward(const mr_permutation *p, uint64_t x)
{
    uint64_t l = x / p->right, r = x % p->right;
    for (int i = 0; i < MR__ROUNDS; i += 2) {
        l = add(l, draw(p->key[i], r, p->left), p->left);
        r = add(r, draw(p->key[i + 1], l, p->right), p->right);
    }
    return l * p->right + r;
}

static inline uint64_t back(const mr_permutation *p, uint64_t x)
{
    uint64_t l = x / p->right, r = x % p->right;
    for (int i = MR__ROUNDS - 2; i >= 0; i -= 2) {
        r = subtract(r, draw(p->key[i + 1], l, p->right), p->right);
        l = subtract(l, draw(p->key[i], r, p->left), p->left);
    }
    return l * p->right + r;
}

int64_t mr__permutation_at(const mr_permutation *p, int64_t position)
{
    if (p->length <= MR__TABLE)
        return p->number[position];
    uint64_t x = (uint64_t)position;
    do
        x = forward(p, x);
    while (MR__UNLIKELY(x >= (uint64_t)p->length));
    return (int64_t)x;
}

/* The two digits count up, so that only one division is needed. */
void mr__permutation_take(const mr_permutation *p, int64_t position, int64_t *number, int64_t count)
{
    enum { LANES = 8 };
    int64_t done = 0;
    if (p->length > MR__TABLE && count >= LANES) {
        uint64_t left = (uint64_t)position / p->right, right = (uint64_t)position % p->right, l[LANES],
                 r[LANES];
        for (; count - done >= LANES; done += LANES) {
            for (int k = 0; k < LANES; k++) {
                l[k] = left;
                r[k] = right;
                bool turn = ++right == p->right;
                right = turn ? 0 : right;
                left += turn;
            }
            for (int i = 0; i < MR__ROUNDS; i += 2) {
                for (int k = 0; k < LANES; k++)
                    l[k] = add(l[k], draw(p->key[i], r[k], p->left), p->left);
                for (int k = 0; k < LANES; k++)
                    r[k] = add(r[k], draw(p->key[i + 1], l[k], p->right), p->right);
            }
            for (int k = 0; k < LANES; k++) {
                uint64_t x = l[k] * p->right + r[k];
                while (MR__UNLIKELY(x >= (uint64_t)p->length))
                    x = forward(p, x);
                number[done + k] = (int64_t)x;
            }
        }
    }
    for (; done < count; done++)
        number[done] = mr__permutation_at(p, position + done);
}

int64_t mr__permutation_find(const mr_permutation *p, int64_t number)
{
    if (p->length <= MR__TABLE)
        return p->place[number];
    uint64_t x = (uint64_t)number;
    do
        x = back(p, x);
    while (MR__UNLIKELY(x >= (uint64_t)p->length));
    return (int64_t)x;
}

static bool inside(const mr_permutation *p, const char *call, const char *what, int64_t number)
{
    if (!p)
        mr__null(call, "the permutation");
    else if (number < 0 || number >= p->length)
        mr__raise(MR_ERR_ARGUMENT, "%s: %s %lld is out of range for a permutation of %lld", call, what,
                  (long long)number, (long long)p->length);
    else
        return true;
    return false;
}

int64_t mr_permutation_at(const mr_permutation *p, int64_t position)
{
    return inside(p, "permutation_at", "position", position) ? mr__permutation_at(p, position) : -1;
}

int64_t mr_permutation_find(const mr_permutation *p, int64_t number)
{
    return inside(p, "permutation_find", "number", number) ? mr__permutation_find(p, number) : -1;
}
