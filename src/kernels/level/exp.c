/* exp, sigmoid, tanh and the logarithm of arrays. */
#include "kernels/level/exp.h"
#include "kernels/level/level.h"
#include "kernels/level/log.h"

#define KERNEL(name)                                                       \
    void MR__LEVEL(name)(float *out, const float *x, int64_t n)            \
    {                                                                      \
        int64_t i = 0;                                                     \
        for (; i + VF_LANES <= n; i += VF_LANES)                           \
            vf_store(out + i, name##_one(vf_load(x + i)));                 \
        if (i < n) {                                                       \
            const vm rest = vm_first(n - i);                               \
            vf_store_m(out + i, name##_one(vf_load_m(x + i, rest)), rest); \
        }                                                                  \
    }

KERNEL(exp)
KERNEL(sigmoid)
KERNEL(tanh)
KERNEL(log)
