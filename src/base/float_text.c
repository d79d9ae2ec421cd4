#include "float_text.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
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

static char *put_zeros(char *to, int count)
{
    for (; count > 0; count--)
        *to++ = '0';
    return to;
}

static char *put_digits(char *to, const char *digits, int count)
{
    memcpy(to, digits, (size_t)count);
    return to + count;
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

char *mr__format_double(char out[MR__FLOAT_TEXT_BYTES], double x)
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
        shortest(&d, fabs(x));
        if (d.point > -4 && d.point <= 16)
            put_fixed(to, &d);
        else
            put_exponent(to, &d);
    }
    return out;
}
