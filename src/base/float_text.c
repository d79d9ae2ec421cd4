#include "float_text.h"

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
    char digits[MOST_DIGITS + 1];
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
    d->digits[d->count] = '\0';
    d->point = atoi(exponent + 1) + 1;
}

/* ---- the same by integers, for most of what is logged ---- */

__extension__ typedef unsigned __int128 wide;

enum { MOST_POWER = 22 }; /* 2^54 10^22 is less than 2^128 */

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

/* The digits of value, which is not 0, without zeros at the end; `point` belongs to MOST_DIGITS of them. */
static void take_digits(struct decimal *d, uint64_t value, int point)
{
    char text[24];
    int count = 0;
    for (; value; value /= 10)
        text[count++] = (char)('0' + value % 10);
    d->point = point + count - MOST_DIGITS;
    d->count = 0;
    while (count > 0 && d->count < MOST_DIGITS)
        d->digits[d->count++] = text[--count];
    while (d->count > 1 && d->digits[d->count - 1] == '0')
        d->count--;
    d->digits[d->count] = '\0';
}

/* With x = m 2^e, and k such that x 10^k has 17 digits before the point: 2m 10^k is that in units of 2^(e-1), of which
 * 10^k are half the distance to the next number: what is nearer reads back as x. False for what does not fit. */
static bool shortest_by_integers(struct decimal *d, double x)
{
    static const uint64_t last[] = { 100, 10, 1 };
    int exponent;
    const uint64_t m = (uint64_t)ldexp(frexp(x, &exponent), 53);
    const int shift = 54 - exponent; /* e is exponent - 53 */
    int k = 16 - (int)floor((exponent - 1) * 0.30102999566398120);
    if (m == UINT64_C(1) << 52 || shift <= 0 || shift > 120 || k < 1 || k > MOST_POWER)
        return false; /* the numbers below a power of two are twice as near */
    wide ten = power_of_ten(k), whole = 2 * (wide)m * ten;
    if ((uint64_t)(whole >> shift) >= UINT64_C(100000000000000000)) {
        ten = power_of_ten(--k);
        whole = 2 * (wide)m * ten;
    }
    const uint64_t digits = (uint64_t)(whole >> shift);
    const wide rest = whole & (((wide)1 << shift) - 1);
    if (digits < UINT64_C(10000000000000000) || digits >= UINT64_C(100000000000000000))
        return false;
    for (int i = 0; i < 3; i++) {
        const wide below = ((wide)(digits % last[i]) << shift) + rest, unit = (wide)last[i] << shift;
        const uint64_t floor_of = digits / last[i];
        const bool up = 2 * below > unit || (2 * below == unit && floor_of % 2);
        const wide off = up ? unit - below : below;
        if (i == 2 || off < ten || (off == ten && m % 2 == 0)) {
            take_digits(d, (floor_of + up) * last[i], MOST_DIGITS - k);
            return true;
        }
    }
    return false;
}

static char *put_zeros(char *to, int count)
{
    for (; count > 0; count--)
        *to++ = '0';
    return to;
}

static char *put_digits(char *to, const char *digits, int count)
{
    for (int i = 0; i < count; i++)
        *to++ = digits[i];
    return to;
}

static void put_fixed(char *to, const struct decimal *d)
{
    int whole = d->point < 0 ? 0 : d->point < d->count ? d->point : d->count; /* digits before the point */
    if (d->point <= 0)
        *to++ = '0';
    to = put_digits(to, d->digits, whole);
    to = put_zeros(to, d->point - whole);
    *to++ = '.';
    to = put_zeros(to, -d->point);
    to = put_digits(to, d->digits + whole, d->count - whole);
    if (whole == d->count)
        *to++ = '0';
    *to = '\0';
}

static void put_exponent(char *to, const struct decimal *d)
{
    int exponent = d->point - 1, magnitude = abs(exponent);
    *to++ = d->digits[0];
    if (d->count > 1) {
        *to++ = '.';
        to = put_digits(to, d->digits + 1, d->count - 1);
    }
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    if (magnitude >= 100)
        *to++ = (char)('0' + magnitude / 100);
    *to++ = (char)('0' + magnitude / 10 % 10);
    *to++ = (char)('0' + magnitude % 10);
    *to = '\0';
}

static char *format(char *out, double x, bool by_integers)
{
    struct decimal d;
    char *to = out;
    if (isnan(x)) {
        memcpy(out, "nan", 4);
        return out;
    }
    if (signbit(x))
        *to++ = '-';
    if (isinf(x)) {
        memcpy(to, "inf", 4);
    } else if (x == 0) {
        memcpy(to, "0.0", 4);
    } else {
        if (!by_integers || !shortest_by_integers(&d, fabs(x)))
            shortest(&d, fabs(x));
        if (d.point > -4 && d.point <= 16)
            put_fixed(to, &d);
        else
            put_exponent(to, &d);
    }
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
