/* Vectors of 4 floats, by the vector extensions of gcc and clang, for any processor; see vec.h. */
#include <math.h>
#include <string.h>

enum { VF_LANES = 4, VD_LANES = 4 };
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vf_bits __attribute__((vector_size(16)));
typedef int64_t vm; /* how many lanes */

VF_INLINE vm vm_first(int64_t n)
{
    return n;
}

VF_INLINE vf vf_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

VF_INLINE vf vf_load_m(const float *p, vm m)
{
    if (m >= 4)
        return vf_load(p);
    return (vf){ m > 0 ? p[0] : 0, m > 1 ? p[1] : 0, m > 2 ? p[2] : 0, 0 };
}

VF_INLINE vf vf_load_or(const float *p, vm m, vf other)
{
    if (m >= 4)
        return vf_load(p);
    return (vf){ m > 0 ? p[0] : other[0], m > 1 ? p[1] : other[1], m > 2 ? p[2] : other[2], other[3] };
}

VF_INLINE void vf_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

VF_INLINE void vf_store_m(float *p, vf v, vm m)
{
    if (m >= 4) {
        vf_store(p, v);
        return;
    }
    if (m > 0)
        p[0] = v[0];
    if (m > 1)
        p[1] = v[1];
    if (m > 2)
        p[2] = v[2];
}

VF_INLINE vf vf_set1(float x)
{
    return (vf){ x, x, x, x };
}

VF_INLINE vf vf_zero(void)
{
    return (vf){ 0, 0, 0, 0 };
}

VF_INLINE vf vf_add(vf a, vf b)
{
    return a + b;
}

VF_INLINE vf vf_sub(vf a, vf b)
{
    return a - b;
}

VF_INLINE vf vf_mul(vf a, vf b)
{
    return a * b;
}

VF_INLINE vf vf_div(vf a, vf b)
{
    return a / b;
}

/* a / b for b in [1, 2] */
VF_INLINE vf vf_div_by_1_to_2(vf a, vf b)
{
    return vf_div(a, b);
}

VF_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return a * b + c;
}

VF_INLINE vf vf_sqrt(vf a)
{
    return (vf){ sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3]) };
}

/* Bit by bit: a where mask is set, else b. */
VF_INLINE vf vf_select(vf_bits mask, vf a, vf b)
{
    return (vf)((mask & (vf_bits)a) | (~mask & (vf_bits)b));
}

VF_INLINE vf vf_at_least(vf x, vf bound)
{
    return vf_select(x < bound, bound, x);
}

VF_INLINE vf vf_at_most(vf x, vf bound)
{
    return vf_select(x > bound, bound, x);
}

VF_INLINE vf vf_max(vf a, vf b)
{
    return vf_select((a > b) | (a != a), a, b);
}

VF_INLINE vf vf_keep_unless_le0(vf v, vf x)
{
    return (vf)(~(x <= vf_zero()) & (vf_bits)v);
}

VF_INLINE vf vf_negative(vf x)
{
    return (vf)((vf_bits)x | (vf_bits)vf_set1(-0.0f));
}

VF_INLINE vf vf_with_sign(vf v, vf x)
{
    return vf_select((vf_bits)vf_set1(-0.0f), x, v);
}

VF_INLINE vf vf_if_negative(vf x, vf a, vf b)
{
    return vf_select((vf_bits)x < 0, a, b);
}

VF_INLINE vf vf_where_lt(vf x, vf y, vf a, vf b)
{
    return vf_select(x < y, a, b);
}

VF_INLINE vf vf_if_exceeds(vf x, vf y, vf a, vf b)
{
    return vf_select((x > y) | (x != x), a, b);
}

VF_INLINE vf vf_keep_if_equal(vf v, vf x, vf y)
{
    return (vf)((vf_bits)v & (x == y));
}

VF_INLINE vf vf_even(vf a, vf b)
{
    return (vf){ a[0], a[2], b[0], b[2] };
}

VF_INLINE vf vf_odd(vf a, vf b)
{
    return (vf){ a[1], a[3], b[1], b[3] };
}

VF_INLINE vf vf_zip_low(vf a, vf b)
{
    return (vf){ a[0], b[0], a[1], b[1] };
}

VF_INLINE vf vf_zip_high(vf a, vf b)
{
    return (vf){ a[2], b[2], a[3], b[3] };
}

VF_INLINE vf vf_split(vf x, vf *e)
{
    typedef uint32_t words __attribute__((vector_size(16)));
    const words bits = (words)x;
    const vf_bits whole = (vf_bits)(bits - 0x3f3504f3) >> 23;
    *e = __builtin_convertvector(whole, vf);
    return (vf)(bits - ((words)whole << 23));
}

/* Between 2^23 and 2^24 floats are whole numbers: adding 1.5 * 2^23 rounds to one, and leaves it in the low bits. */
#define VF_ROUNDER 12582912.0f

VF_INLINE vf vf_round(vf x)
{
    return (x + VF_ROUNDER) - VF_ROUNDER;
}

VF_INLINE bool vf_any_beyond(vf x, float bound)
{
    const vf_bits within = (x <= vf_set1(bound)) & (x >= vf_set1(-bound));
    return (within[0] & within[1] & within[2] & within[3]) == 0;
}

VF_INLINE vf vf_flip_if_odd(vf v, vf n)
{
    typedef uint32_t words __attribute__((vector_size(16)));
    return (vf)((words)v ^ (words)(n + VF_ROUNDER) << 31);
}

/* In two steps, since 2^n alone may be too great or too small; only the last one rounds. */
VF_INLINE vf vf_scale2(vf x, vf n)
{
    typedef uint32_t words __attribute__((vector_size(16)));
    const vf half = vf_round(n * 0.5f), rest = n - half;
    x *= (vf)((words)(half + (VF_ROUNDER + 127)) << 23);
    return x * (vf)((words)(rest + (VF_ROUNDER + 127)) << 23);
}

VF_INLINE vf vf_scale2_fast(vf x, vf n)
{
    typedef uint32_t words __attribute__((vector_size(16)));
    return x * (vf)((words)(n + (VF_ROUNDER + 127)) << 23);
}

VF_INLINE vf vf_scale2_unless_lt(vf x, vf n, vf v, vf bound)
{
    return vf_select(v < bound, vf_zero(), vf_scale2_fast(x, n));
}

VF_INLINE bool vf_any_lt(vf x, vf y)
{
    const vf_bits less = x < y;
    return (less[0] | less[1] | less[2] | less[3]) != 0;
}

VF_INLINE vf vf_tiny(vf x)
{
    return (vf)((vf_bits)(x + 0x1p23f) - 0x4b000000);
}

VF_INLINE float vf_sum(vf v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

typedef vf vd;
typedef vm vdm;
#define vdm_first vm_first
#define vd_load vf_load
#define vd_load_m vf_load_m
#define vd_store vf_store
#define vd_store_m vf_store_m
#define vd_set1 vf_set1
#define vd_add vf_add
#define vd_fma vf_fma

/* Four lanes of two vectors: 0 to 3 are those of a, 4 to 7 those of b. */
#ifdef __clang__
#define VF_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define VF_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (vf_bits){ i, j, k, l })
#endif

/* Lane i of the result is the sum of v[i]. */
VF_INLINE vd vd_sum_each(const vd v[VD_LANES])
{
    const vd a = VF_SHUFFLE(v[0], v[1], 0, 1, 4, 5) + VF_SHUFFLE(v[0], v[1], 2, 3, 6, 7);
    const vd b = VF_SHUFFLE(v[2], v[3], 0, 1, 4, 5) + VF_SHUFFLE(v[2], v[3], 2, 3, 6, 7);
    return VF_SHUFFLE(a, b, 0, 2, 4, 6) + VF_SHUFFLE(a, b, 1, 3, 5, 7);
}

VF_INLINE vd vd_greatest_each(const vd v[VD_LANES])
{
    const vd a = vf_at_least(VF_SHUFFLE(v[0], v[1], 0, 1, 4, 5), VF_SHUFFLE(v[0], v[1], 2, 3, 6, 7));
    const vd b = vf_at_least(VF_SHUFFLE(v[2], v[3], 0, 1, 4, 5), VF_SHUFFLE(v[2], v[3], 2, 3, 6, 7));
    return vf_at_least(VF_SHUFFLE(a, b, 0, 2, 4, 6), VF_SHUFFLE(a, b, 1, 3, 5, 7));
}

/* Lane j of v[i] changes places with lane i of v[j]. */
VF_INLINE void vd_transpose(vd v[VD_LANES])
{
    const vd a = VF_SHUFFLE(v[0], v[1], 0, 4, 1, 5), b = VF_SHUFFLE(v[2], v[3], 0, 4, 1, 5);
    const vd c = VF_SHUFFLE(v[0], v[1], 2, 6, 3, 7), d = VF_SHUFFLE(v[2], v[3], 2, 6, 3, 7);
    v[0] = VF_SHUFFLE(a, b, 0, 1, 4, 5);
    v[1] = VF_SHUFFLE(a, b, 2, 3, 6, 7);
    v[2] = VF_SHUFFLE(c, d, 0, 1, 4, 5);
    v[3] = VF_SHUFFLE(c, d, 2, 3, 6, 7);
}

VF_INLINE vd vf_fold_sum(vf v)
{
    return v;
}

VF_INLINE vd vf_fold_greatest(vf v)
{
    return v;
}
