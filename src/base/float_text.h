/* Numbers as Python writes them. */
#ifndef MILLRACE_BASE_FLOAT_TEXT_H
#define MILLRACE_BASE_FLOAT_TEXT_H

#include <stddef.h>

#define MR__FLOAT_TEXT_BYTES 48 /* the text itself is shorter: digits are copied many at a time */

/* Writes repr(x): the fewest digits that read back as x, without an exponent for 1e-4 <= |x| < 1e16
 * ("0.1", "3.0", "1e-05", "1e+16", "-inf", "nan"). Returns `out`. Does not depend on the locale. */
char *mr__format_double(char out[MR__FLOAT_TEXT_BYTES], double x);

/* The same without the '\0' at the end: how many characters they are. */
size_t mr__put_double(char out[MR__FLOAT_TEXT_BYTES], double x);

/* The same as mr__format_double, worked out by the C library alone. */
char *mr__format_double_slowly(char out[MR__FLOAT_TEXT_BYTES], double x);

#endif
