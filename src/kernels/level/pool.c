/* Max pooling. */
#include "kernels/level/level.h"

VF_INLINE void pool(float *restrict best, int32_t *restrict at, const float *restrict line, int64_t step,
                    int32_t start, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float x = line[i * step], b = best[i];
        const bool takes = !(x <= b); /* greater, or one of them NaN; a NaN that is there is left below */
        const bool keeps = b != b && x == x;
        best[i] = takes && !keeps ? x : b;
        at[i] = takes && !keeps ? start + (int32_t)(i * step) : at[i];
    }
}

void MR__LEVEL(pool_max)(float *best, int32_t *at, const float *line, int64_t step, int32_t start, int64_t n)
{
    if (step == 1)
        pool(best, at, line, 1, start, n);
    else if (step == 2)
        pool(best, at, line, 2, start, n);
    else
        pool(best, at, line, step, start, n);
}
