/* Where lines end, 64 bytes at a time. */
#ifndef MILLRACE_SOURCES_LINE_ENDS_H
#define MILLRACE_SOURCES_LINE_ENDS_H

#include <stdbool.h>
#include <stdint.h>

/* Which of the 64 bytes at `at` are line breaks. False when there is a quote among them. Only where mr__has_avx2. */
bool mr__line_ends_avx2(const char *at, char quote, uint64_t *ends);

#endif
