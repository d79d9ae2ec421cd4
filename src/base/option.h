/* Options: fields of structs in which zero means the default. */
#ifndef MILLRACE_BASE_OPTION_H
#define MILLRACE_BASE_OPTION_H

#include <millrace/base.h>

#include <string.h>

/* What a field of an options struct asks for: the fallback for zero, and zero for MR_ZERO. The bits are looked at: in
 * a program that is linked with -ffast-math MR_ZERO, the smallest of all numbers, compares as zero. */
static inline double mr__option(double value, double fallback)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == 1 ? 0 : bits << 1 == 0 ? fallback : value;
}

static inline int64_t mr__option_int(int64_t value, int64_t fallback)
{
    return value == MR_ZERO_INT ? 0 : value ? value : fallback;
}

#endif
