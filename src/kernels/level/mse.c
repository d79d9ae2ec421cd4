/* The gradient of the mean squared error. */
#include "kernels/level/level.h"

VF_INLINE void write(float *out, vf d, vm lanes, bool whole, bool add)
{
    if (whole)
        vf_store(out, add ? vf_add(vf_load(out), d) : d);
    else
        vf_store_m(out, add ? vf_add(vf_load_m(out, lanes), d) : d, lanes);
}

void MR__LEVEL(mse_backward)(float *da, float *db, const float *a, const float *b, float scale, int64_t n,
                             bool add_da, bool add_db)
{
    const vf s = vf_set1(scale), minus_s = vf_set1(-scale);
    const vm all = vm_first(VF_LANES);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        const vf d = vf_sub(vf_load(a + i), vf_load(b + i));
        if (da)
            write(da + i, vf_mul(s, d), all, true, add_da);
        if (db)
            write(db + i, vf_mul(minus_s, d), all, true, add_db);
    }
    if (i < n) {
        const vm rest = vm_first(n - i);
        const vf d = vf_sub(vf_load_m(a + i, rest), vf_load_m(b + i, rest));
        if (da)
            write(da + i, vf_mul(s, d), rest, false, add_da);
        if (db)
            write(db + i, vf_mul(minus_s, d), rest, false, add_db);
    }
}
