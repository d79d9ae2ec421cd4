/* One pass over a parameter p, its gradient g and up to three arrays of state, in whole vectors and a masked rest. */
#ifndef MILLRACE_KERNELS_LEVEL_OPTIM_LOOP_H
#define MILLRACE_KERNELS_LEVEL_OPTIM_LOOP_H

#include "kernels/level/level.h"

#include <stddef.h>

typedef struct optim_values {
    vf p, a, b, c;
} optim_values;

/* An optimizer's update of one vector; `s` is what it needs for this step. */
typedef optim_values (*optim_update)(optim_values x, vf g, const void *s);

/* Arrays that are NULL are read as zero and not written. `update` must be a constant, so that it is inlined. */
VF_INLINE void optim_loop(float *p, const float *g, float *a, float *b, float *c, int64_t n,
                          optim_update update, const void *s)
{
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        optim_values x = { vf_load(p + i), a ? vf_load(a + i) : vf_zero(), b ? vf_load(b + i) : vf_zero(),
                           c ? vf_load(c + i) : vf_zero() };
        x = update(x, vf_load(g + i), s);
        vf_store(p + i, x.p);
        if (a)
            vf_store(a + i, x.a);
        if (b)
            vf_store(b + i, x.b);
        if (c)
            vf_store(c + i, x.c);
    }
    if (i < n) {
        const vm rest = vm_first(n - i);
        optim_values x = { vf_load_m(p + i, rest), a ? vf_load_m(a + i, rest) : vf_zero(),
                           b ? vf_load_m(b + i, rest) : vf_zero(), c ? vf_load_m(c + i, rest) : vf_zero() };
        x = update(x, vf_load_m(g + i, rest), s);
        vf_store_m(p + i, x.p, rest);
        if (a)
            vf_store_m(a + i, x.a, rest);
        if (b)
            vf_store_m(b + i, x.b, rest);
        if (c)
            vf_store_m(c + i, x.c, rest);
    }
}

#endif
