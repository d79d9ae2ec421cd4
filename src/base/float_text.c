#include "float_text.h"

#include "digits.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIGITS = 17, SAFE_DIGITS = DBL_DIG };

/* A positive number as 0.DIGITS times ten to the power of `point`. */
struct decimal {
    char digits[2 * MOST_DIGITS]; /* what is behind `count` means nothing, but may be copied */
    int count;
    int point;
};

/* Adds one to the last digit of "d.ddde…"; false when it is a nine, which nothing here needs carried. */
static bool next_up(char *text, int count)
{
    char *last = strpbrk(text, "eE") - 1;
    if (count < 2 || *last == '9')
        return false;
    ++*last;
    return true;
}

/* Writes the nearest number of `count` digits to `text`; whether it reads back as x.
 *
 * The numbers that read back as a power of two reach twice as far above it as below. So the nearest one may
 * lie below and not read back, and yet the next one above does: Python then prints that one. */
static bool reads_back(char *text, size_t size, double x, int count)
{
    int exponent;
    snprintf(text, size, "%.*e", count - 1, x);
    if (strtod(text, NULL) == x)
        return true;
    return frexp(x, &exponent) == 0.5 && next_up(text, count) && strtod(text, NULL) == x;
}

/* The fewest digits that read back. Of a normal number, SAFE_DIGITS digits give back every shorter decimal
 * that reads as it, with zeros behind, so the search may begin there. */
static void shortest(struct decimal *d, double x)
{
    char text[40];
    int count = x < DBL_MIN ? 1 : SAFE_DIGITS;
    while (count < MOST_DIGITS && !reads_back(text, sizeof text, x, count))
        count++;
    if (count == MOST_DIGITS)
        snprintf(text, sizeof text, "%.*e", count - 1, x);

    char *exponent = strpbrk(text, "eE");
    d->count = 0;
    for (const char *c = text; c < exponent; c++) /* the point may be another character in this locale */
        if (*c >= '0' && *c <= '9' && d->count < MOST_DIGITS)
            d->digits[d->count++] = *c;
    while (d->count > 1 && d->digits[d->count - 1] == '0')
        d->count--;
    d->point = atoi(exponent + 1) + 1;
}

/* ---- the same by integers, for most of what is logged ---- */

__extension__ typedef unsigned __int128 wide;

enum { MOST_POWER = 22 };                       /* 2^54 10^22 is less than 2^128 */
#define MOST_VALUE UINT64_C(100000000000000000) /* the first number with more than 17 digits */

static wide power_of_ten(int k)
{
    static const uint64_t powers[] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    return k < 20 ? powers[k] : (wide)powers[19] * powers[k - 19];
}

/* The 17 digits of value, which has so many or is the power of ten above them, without zeros at the end. */
static void take_digits(struct decimal *d, uint64_t value, int point)
{
    d->point = point;
    if (value == MOST_VALUE) {
        value /= 10;
        d->point++;
    }
    uint32_t low = (uint32_t)(value % 100000000), high = (uint32_t)(value / 100000000);
    for (int at = MOST_DIGITS - 2; at >= MOST_DIGITS - 8; at -= 2, low /= 100)
        mr__put_pair(d->digits + at, low % 100);
    for (int at = MOST_DIGITS - 10; at > 0; at -= 2, high /= 100)
        mr__put_pair(d->digits + at, high % 100);
    d->digits[0] = (char)('0' + high);
    d->count = MOST_DIGITS;
    while (d->count > 1 && d->digits[d->count - 1] == '0')
        d->count--;
}

/* 17 digits and what is behind them, in units of 2^-shift of the last one; half the distance to the next number is `half`. */
struct scaled {
    uint64_t digits;
    wide rest, half;
    int shift;
    bool even; /* the number itself: what is as far away as half the distance reads back as it then */
};

/* The nearest multiple of `unit`, a power of ten; whether it reads back. */
static inline bool nearest(const struct scaled *s, uint64_t unit, uint64_t *multiple)
{
    const wide below = ((wide)(s->digits % unit) << s->shift) + s->rest, whole = (wide)unit << s->shift;
    const uint64_t times = s->digits / unit;
    const bool up = 2 * below > whole || (2 * below == whole && times % 2);
    const wide off = up ? whole - below : below;
    *multiple = (times + up) * unit;
    return off < s->half || (off == s->half && s->even);
}

/* With x = m 2^e, and k such that x 10^k has 17 digits before the point: 2m 10^k is that in units of 2^(e-1), of which
 * 10^k are half the distance to the next number: what is nearer reads back as x. False for what does not fit. */
static bool shortest_by_integers(struct decimal *d, double x)
{
    uint64_t bits, value;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1), m = fraction | UINT64_C(1) << 52;
    const int exponent = (int)(bits >> 52) - 1022, shift = 54 - exponent; /* e is exponent - 53 */
    if (fraction == 0 || shift <= 0 || shift > 120)
        return false; /* the numbers below a power of two are twice as near */
    int k = 16 - (int)floor((exponent - 1) * 0.30102999566398120);
    if (k < 1 || k > MOST_POWER)
        return false;
    struct scaled s = { .half = power_of_ten(k), .shift = shift, .even = m % 2 == 0 };
    wide whole = 2 * (wide)m * s.half;
    if ((uint64_t)(whole >> shift) >= MOST_VALUE) {
        s.half = power_of_ten(--k);
        whole = 2 * (wide)m * s.half;
    }
    s.digits = (uint64_t)(whole >> shift);
    s.rest = whole & (((wide)1 << shift) - 1);
    if (s.digits < MOST_VALUE / 10 || s.digits >= MOST_VALUE)
        return false;
    if (!nearest(&s, 100, &value) && !nearest(&s, 10, &value))
        (void)nearest(&s, 1, &value);
    take_digits(d, value, MOST_DIGITS - k);
    return true;
}

/* ---- text: digits are copied MOST_DIGITS at a time, and what is behind `count` is then overwritten ---- */

static char *put_zeros(char *to, int count)
{
    for (; count > 0; count--)
        *to++ = '0';
    return to;
}

static char *put_fixed(char *to, const struct decimal *d)
{
    const int whole = d->point < 0          ? 0
                      : d->point < d->count ? d->point
                                            : d->count; /* digits before the point */
    if (d->point <= 0)
        *to++ = '0';
    memcpy(to, d->digits, MOST_DIGITS);
    to = put_zeros(to + whole, d->point - whole);
    *to++ = '.';
    to = put_zeros(to, -d->point);
    memcpy(to, d->digits + whole, MOST_DIGITS);
    to += d->count - whole;
    return whole == d->count ? put_zeros(to, 1) : to;
}

static char *put_exponent(char *to, const struct decimal *d)
{
    const int exponent = d->point - 1, magnitude = abs(exponent);
    *to++ = d->digits[0];
    if (d->count > 1) {
        *to++ = '.';
        memcpy(to, d->digits + 1, MOST_DIGITS);
        to += d->count - 1;
    }
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    if (magnitude >= 100)
        *to++ = (char)('0' + magnitude / 100);
    mr__put_pair(to, (uint32_t)magnitude % 100);
    return to + 2;
}

static char *put_word(char *to, const char *word)
{
    memcpy(to, word, 3);
    return to + 3;
}

/* The end of the text, which ends there without '\0'. */
static char *put(char *to, double x, bool by_integers)
{
    struct decimal d;
    if (isnan(x))
        return put_word(to, "nan");
    if (signbit(x))
        *to++ = '-';
    if (isinf(x))
        return put_word(to, "inf");
    if (x == 0)
        return put_word(to, "0.0");
    if (!by_integers || !shortest_by_integers(&d, fabs(x)))
        shortest(&d, fabs(x));
    return d.point > -4 && d.point <= 16 ? put_fixed(to, &d) : put_exponent(to, &d);
}

size_t mr__put_double(char out[MR__FLOAT_TEXT_BYTES], double x)
{
    return (size_t)(put(out, x, true) - out);
}

static char *format(char *out, double x, bool by_integers)
{
    *put(out, x, by_integers) = '\0';
    return out;
}

char *mr__format_double(char out[MR__FLOAT_TEXT_BYTES], double x)
{
    return format(out, x, true);
}

char *mr__format_double_slowly(char out[MR__FLOAT_TEXT_BYTES], double x)
{
    return format(out, x, false);
}
