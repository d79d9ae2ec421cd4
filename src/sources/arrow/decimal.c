#include "decimal.h"

#include "sources/files/number.h"

#include <stdio.h>
#include <string.h>

enum {
    WORDS = 8, /* of 32 bits, the lowest first */
    DIGITS = 9 * WORDS + 9,
    LARGEST_TEN = 18, /* power of 10 in 64 bits */
};

static const int64_t most_exact = INT64_C(1) << 53; /* up to it every whole number is a double */

/* ---- the words ---- */

static void load(uint32_t *words, const void *at, int width)
{
    memcpy(words, at, (size_t)width);
    const uint32_t rest = words[width / 4 - 1] >> 31 ? UINT32_MAX : 0;
    for (int i = width / 4; i < WORDS; i++)
        words[i] = rest;
}

static bool fits(const uint32_t *words, int64_t *number)
{
    *number = (int64_t)((uint64_t)words[1] << 32 | words[0]);
    const uint32_t rest = *number < 0 ? UINT32_MAX : 0;
    for (int i = 2; i < WORDS; i++)
        if (words[i] != rest)
            return false;
    return true;
}

static void negate(uint32_t *words)
{
    uint64_t carry = 1;
    for (int i = 0; i < WORDS; i++) {
        carry += (uint32_t)~words[i];
        words[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* Divides by 10^9; what remains. */
static uint32_t divide(uint32_t *words)
{
    uint64_t rest = 0;
    for (int i = WORDS - 1; i >= 0; i--) {
        rest = rest << 32 | words[i];
        words[i] = (uint32_t)(rest / 1000000000);
        rest %= 1000000000;
    }
    return (uint32_t)rest;
}

/* ---- values ---- */

/* In decimal digits, of which there is room for DIGITS: where they begin, before `end`. */
static char *digits_before(char *end, uint32_t *words)
{
    const bool negative = words[WORDS - 1] >> 31;
    if (negative)
        negate(words);
    for (int nine = 0; nine < WORDS + 1; nine++) {
        uint32_t rest = divide(words);
        for (int i = 0; i < 9; i++, rest /= 10)
            *--end = (char)('0' + rest % 10);
    }
    while (*end == '0' && end[1])
        end++;
    if (negative)
        *--end = '-';
    return end;
}

/* By way of a text, which is read exactly. */
static mr__value by_text(uint32_t *words, int scale)
{
    mr__value value = { .kind = MR__WHOLE };
    char text[1 + DIGITS + LARGEST_TEN + 16], *end = text + 1 + DIGITS;
    *end = 0;
    const char *at = digits_before(end, words);
    for (; scale > 0 && end[-1] == '0'; scale--)
        end--;
    for (int zeros = scale < -LARGEST_TEN ? 0 : -scale; zeros > 0; zeros--, scale++)
        *end++ = '0';
    if (scale == 0 && mr__read_int64(at, end, &value.whole))
        return value;
    value.kind = MR__NUMBER;
    end += snprintf(end, 16, "e%d", -scale);
    mr__read_double(at, end, &value.number);
    return value;
}

static int64_t ten_to(int power)
{
    int64_t ten = 1;
    while (power-- > 0)
        ten *= 10;
    return ten;
}

mr__value mr__arrow_decimal(const void *at, int width, int scale)
{
    uint32_t words[WORDS];
    int64_t number;
    load(words, at, width);
    const bool narrow = fits(words, &number);
    if (narrow && number == 0)
        return (mr__value){ .kind = MR__WHOLE };
    if (!narrow || scale < 0 || scale > LARGEST_TEN)
        return by_text(words, scale);
    const int64_t ten = ten_to(scale);
    if (number % ten == 0)
        return (mr__value){ .kind = MR__WHOLE, .whole = number / ten };
    if (number >= -most_exact && number <= most_exact && ten <= most_exact)
        return (mr__value){ .kind = MR__NUMBER, .number = (double)number / (double)ten };
    return by_text(words, scale);
}
