/* Numbers as Python writes them. */
#ifndef MILLRACE_BASE_FLOAT_TEXT_H
#define MILLRACE_BASE_FLOAT_TEXT_H

#define MR__FLOAT_TEXT_BYTES 32

/* Writes repr(x): the fewest digits that read back as x, without an exponent for 1e-4 <= |x| < 1e16
 * ("0.1", "3.0", "1e-05", "1e+16", "-inf", "nan"). Returns `out`. Does not depend on the locale. */
char *mr__format_double(char out[MR__FLOAT_TEXT_BYTES], double x);

/* The same, worked out by the C library alone. */
char *mr__format_double_slowly(char out[MR__FLOAT_TEXT_BYTES], double x);

#endif
