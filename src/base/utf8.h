#ifndef MILLRACE_BASE_UTF8_H
#define MILLRACE_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

/* The character at *text, behind which *text is moved; -1: it is not UTF-8. */
int32_t mr__utf8_next(const char **text);

bool mr__is_utf8(const char *text);

#endif
