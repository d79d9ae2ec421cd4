/* Arrow's decimals: whole numbers of 32 to 256 bits with a point somewhere. */
#ifndef MILLRACE_SOURCES_ARROW_DECIMAL_H
#define MILLRACE_SOURCES_ARROW_DECIMAL_H

#include "sources/table.h"

/* The number of `width` bytes at `at`, by 10 to the power of `scale`: MR__WHOLE where it is one that fits 64 bits, or
 * else the double that is nearest to it. Width is 4, 8, 16 or 32. */
mr__value mr__arrow_decimal(const void *at, int width, int scale);

#endif
