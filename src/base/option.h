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

/* Of an index that is an option (ignore_index, padding_idx), for which zero is an index like others: whether it is
 * given, and which it is. */
static inline bool mr__has_index(bool has, int64_t index)
{
    return has || index;
}

static inline int64_t mr__index(bool has, int64_t index, int64_t fallback)
{
    return !mr__has_index(has, index) ? fallback : index == MR_ZERO_INT ? 0 : index;
}

#endif
