#include "cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

bool mr__has_avx2(void)
{
#if MR__X86
    static atomic_int known; /* 0: not yet; 1: no; 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        const char *wanted = getenv("MILLRACE_CPU");
        answer = 1 + (__builtin_cpu_supports("avx2") && !(wanted && strcmp(wanted, "plain") == 0));
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
#else
    return false;
#endif
}
