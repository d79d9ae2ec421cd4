/* Numerics: digits to the base 10,000, the first one worth 10,000^weight. */
#include "values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADER = 8, NEGATIVE = 0x4000, NOT_A_NUMBER = 0xc000, INFINITE = 0xd000, MINUS_INFINITE = 0xf000 };

static int at(const unsigned char *bytes, int i)
{
    return bytes[2 * i] << 8 | bytes[2 * i + 1];
}

/* Of one without a fraction; false when it has one, or does not fit. */
static bool as_whole(const unsigned char *digits, int count, int weight, bool negative, int64_t *whole)
{
    *whole = 0;
    if (count > weight + 1)
        return false;
    for (int i = 0; i <= weight; i++) {
        int64_t digit = i < count ? at(digits, i) : 0;
        if (__builtin_mul_overflow(*whole, 10000, whole) ||
            __builtin_add_overflow(*whole, negative ? -digit : digit, whole))
            return false;
    }
    return true;
}

/* The nearest double. All digits before an exponent: no point, which is another one in other places. */
static bool as_double(const unsigned char *digits, int count, int weight, bool negative, double *number)
{
    char few[256], *text = few;
    const size_t room = 4 * (size_t)count + 32;
    if (room > sizeof few && !(text = mr_alloc(room)))
        return false;
    size_t used = 0;
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, room - used, "%04d", at(digits, i));
    snprintf(text + used, room - used, "e%d", 4 * (weight - count + 1));
    *number = strtod(text, NULL);
    if (negative)
        *number = -*number;
    if (text != few)
        mr_free(text);
    return true;
}

bool mr__pg_numeric(const void *from, size_t size, mr__value *value)
{
    const unsigned char *bytes = from;
    const int count = size >= HEADER ? at(bytes, 0) : -1;
    if (count < 0 || size != HEADER + 2 * (size_t)count)
        return false;
    const int weight = (int16_t)at(bytes, 1), sign = at(bytes, 2);
    value->kind = MR__NUMBER;
    if (sign == NOT_A_NUMBER)
        value->number = NAN;
    else if (sign == INFINITE || sign == MINUS_INFINITE)
        value->number = sign == INFINITE ? HUGE_VAL : -HUGE_VAL;
    else if (as_whole(bytes + HEADER, count, weight, sign == NEGATIVE, &value->whole))
        value->kind = MR__WHOLE;
    else
        return as_double(bytes + HEADER, count, weight, sign == NEGATIVE, &value->number);
    return true;
}
