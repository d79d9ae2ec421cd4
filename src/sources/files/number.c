/*
 * Most numbers in files have few digits. With all of them in 64 bits and a power of ten that is exact, one multiplication
 * or division rounds once, which is what correct rounding means (W. D. Clinger, How to read floating point numbers
 * accurately, 1990). What that does not cover is left to strtod.
 */
#include "number.h"

#include "number_plain.h"

#include "base/c_locale.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- parts ---- */

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Narrows the range to what is between blanks. */
static void trim(const char **at, const char **end)
{
    while (*at < *end && (**at == ' ' || **at == '\t'))
        ++*at;
    while (*at < *end && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
        --*end;
}

static bool is_word(const char *at, const char *end, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(end - at) == length && strncasecmp(at, word, length) == 0;
}

static bool read_word(const char *at, const char *end, bool negative, double *value)
{
    if (is_word(at, end, "nan"))
        *value = NAN;
    else if (is_word(at, end, "inf") || is_word(at, end, "infinity"))
        *value = negative ? -INFINITY : INFINITY;
    else
        return false;
    return true;
}

/* Digits of a number as a whole one, times a power of ten. */
typedef struct decimal {
    uint64_t digits;
    int count; /* of significant digits; above 19 `digits` has lost some */
    int64_t exponent;
} decimal;

static const char *read_digits(const char *at, const char *end, decimal *d)
{
    for (; at < end && is_digit(*at); at++) {
        if (d->count < 19)
            d->digits = d->digits * 10 + (uint64_t)(*at - '0');
        d->count += d->count > 0 || *at != '0';
    }
    return at;
}

/* False when it is no number. */
static bool read_decimal(const char *at, const char *end, decimal *d)
{
    const char *begin = at;
    at = read_digits(at, end, d);
    int64_t places = at - begin;
    if (at < end && *at == '.') {
        begin = ++at;
        at = read_digits(at, end, d);
        d->exponent = begin - at;
        places += at - begin;
    }
    if (!places)
        return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        int64_t exponent = 0;
        bool minus = ++at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        if (at == end)
            return false;
        for (; at < end && is_digit(*at); at++)
            if (exponent < 100000000)
                exponent = exponent * 10 + (*at - '0');
        d->exponent += minus ? -exponent : exponent;
    }
    return at == end;
}

/* ---- rounding ---- */

const double mr__signed_tens[2][9] = { { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8 },
                                       { -1e0, -1e1, -1e2, -1e3, -1e4, -1e5, -1e6, -1e7, -1e8 } };

static bool by_double(const decimal *d, double *value)
{
    static const double power[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (d->digits >> DBL_MANT_DIG || d->exponent < -22 || d->exponent > 22)
        return false;
    *value = (double)d->digits;
    if (d->exponent < 0)
        *value /= power[-d->exponent];
    else
        *value *= power[d->exponent];
    return true;
}

/* With the 64 digits of x87's extended format: rounded once there, and once more to a double, which is the same as once
 * unless what is cut off looks like exactly a half. */
static bool by_extended(const decimal *d, double *value)
{
#if LDBL_MANT_DIG == 64
    static const long double power[] = { 1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                         1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                         1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L };
    if (d->exponent < -27 || d->exponent > 27)
        return false;
    long double x = (long double)d->digits;
    x = d->exponent < 0 ? x / power[-d->exponent] : x * power[d->exponent];
    uint64_t mantissa;
    memcpy(&mantissa, &x, sizeof mantissa);
    if ((mantissa & 0x7ff) == 0x400)
        return false;
    *value = (double)x;
    return true;
#else
    (void)d;
    (void)value;
    return false;
#endif
}

/* The text has been looked at: it is a number. False when there is no memory for a very long one. */
static bool by_strtod(const char *at, const char *end, double *value)
{
    char shorter[128], *text = shorter;
    size_t length = (size_t)(end - at);
    if (length >= sizeof shorter && !(text = malloc(length + 1)))
        return false;
    memcpy(text, at, length);
    text[length] = 0;
    mr__c_locale point = mr__c_locale_enter();
    *value = strtod(text, NULL);
    mr__c_locale_leave(&point);
    if (text != shorter)
        free(text);
    return true;
}

/* ---- reading ---- */

bool mr__read_double(const char *at, const char *end, double *value)
{
    trim(&at, &end);
    if (at == end)
        return false;
    const char *begin = at;
    bool negative = *at == '-';
    at += *at == '-' || *at == '+';
    decimal d = { 0 };
    if (at < end && (is_digit(*at) || *at == '.')) {
        if (!read_decimal(at, end, &d))
            return false;
        if (d.count > 19 || !(by_double(&d, value) || by_extended(&d, value)))
            return by_strtod(begin, end, value);
        if (negative)
            *value = -*value;
        return true;
    }
    return read_word(at, end, negative, value);
}

static bool eight_digits(const char *at, uint64_t *value)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    x -= 0x3030303030303030;
    if (((x + 0x7676767676767676) | x) & 0x8080808080808080)
        return false;
    *value = mr__fold_eight(x);
    return true;
}

/* Up to 19 digits; where they end. */
static inline const char *plain_digits(const char *at, const char *end, uint64_t *digits)
{
    uint64_t eight;
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && end - at >= 8 && eight_digits(at, &eight)) {
        *digits = *digits * 100000000 + eight;
        at += 8;
    }
    for (; at < end && is_digit(*at); at++)
        *digits = *digits * 10 + (uint64_t)(*at - '0');
    return at;
}

const char *mr__read_any_plain(const char *at, const char *end, double *value)
{
    bool negative = at < end && *at == '-';
    const char *begin = at += negative;
    decimal d = { 0 };
    at = plain_digits(at, end, &d.digits);
    int64_t places = at - begin;
    if (at < end && *at == '.') {
        const char *point = ++at;
        at = plain_digits(at, end, &d.digits);
        d.exponent = point - at;
        places += at - point;
    }
    if (places == 0 || places > 19 || !(by_double(&d, value) || by_extended(&d, value)))
        return NULL;
    if (negative)
        *value = -*value;
    return at;
}

bool mr__read_int64(const char *at, const char *end, int64_t *value)
{
    trim(&at, &end);
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (at == end)
        return false;
    uint64_t sum = 0;
    for (; at < end; at++)
        if (!is_digit(*at) || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*at - '0'), &sum))
            return false;
    if (sum > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}
