/* What the processor has. */
#ifndef MILLRACE_SOURCES_CPU_H
#define MILLRACE_SOURCES_CPU_H

#include <stdbool.h>

#if defined(__GNUC__) && defined(__x86_64__)
#define MR__X86 1
#define MR__AVX2 __attribute__((target("avx2")))
#else
#define MR__X86 0
#endif

/* Whether functions with MR__AVX2 may be called. The environment variable MILLRACE_CPU=plain says no, as it does to the
 * library. */
bool mr__has_avx2(void);

#endif
