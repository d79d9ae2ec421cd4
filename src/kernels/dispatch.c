/* The choice of a level when the library is loaded. */
#include "kernels/kernels.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const mr__kernels *mr__k = &mr__kernels_plain;

#ifdef MR_HAVE_X86_LEVELS

__attribute__((constructor)) static void choose_level(void)
{
    const char *wanted = getenv("MILLRACE_CPU");
    if (wanted && strcmp(wanted, "plain") == 0)
        return;
    __builtin_cpu_init(); /* this may run before the compiler's own constructor */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        mr__k = &mr__kernels_avx2;
    if (wanted && strcmp(wanted, "avx2") == 0)
        return;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        mr__k = &mr__kernels_avx512;
}

#endif
