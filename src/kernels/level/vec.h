/*
 * One small vocabulary for vectors of floats, whatever the processor:
 *
 *   vf   VF_LANES floats: the widest vector of the level;
 *   vm   which lanes of a vf are meant: the first n, from vm_first(n). Lanes left out load as zero and are
 *        neither read nor written in memory;
 *   vd   VD_LANES floats, for sums within a vector and for transposing: its shuffles are cheaper than those of
 *        a wider vf. Its masks are vdm.
 *
 * vf_fma(a, b, c) is a * b + c with one rounding, except in the plain level, where it has two.
 */
#ifndef MILLRACE_KERNELS_LEVEL_VEC_H
#define MILLRACE_KERNELS_LEVEL_VEC_H

#include <stdbool.h>
#include <stdint.h>

/* Loops over a constant number of registers must be unrolled, or the registers become memory. */
#ifdef __clang__
#define VF_UNROLL _Pragma("unroll")
#else
#define VF_UNROLL _Pragma("GCC unroll 16")
#endif
#define VF_INLINE static inline __attribute__((always_inline))

#define MR__LEVEL_IS_avx512 3
#define MR__LEVEL_IS_avx2 2
#define MR__LEVEL_IS_plain 1
#define MR__LEVEL_NUMBER_(level) MR__LEVEL_IS_##level
#define MR__LEVEL_NUMBER(level) MR__LEVEL_NUMBER_(level)

#if MR__LEVEL_NUMBER(MR_LEVEL) == 3
#include "kernels/level/vec_avx512.h"
#elif MR__LEVEL_NUMBER(MR_LEVEL) == 2
#include "kernels/level/vec_avx2.h"
#else
#include "kernels/level/vec_plain.h"
#endif

#endif
