/* Numbers out of text, exactly: the double nearest to what is written, in any locale. */
#ifndef MILLRACE_SOURCES_NUMBER_H
#define MILLRACE_SOURCES_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Reads all of the text from `at` to `end` as a number: a sign, digits with a point, an exponent; or inf, infinity or
 * nan in any case. Blanks around it are passed over. False when it is something else. */
bool mr__read_double(const char *at, const char *end, double *value);

/* The same for whole numbers; one that does not fit 64 bits is none. */
bool mr__read_int64(const char *at, const char *end, int64_t *value);

#endif
