/*
 * Numbers that hang on a key: for orders of the library's own, where torch has none.
 */
#ifndef MILLRACE_DATA_MIX_H
#define MILLRACE_DATA_MIX_H

#include <stdint.h>

/* Every bit of the result hangs on every bit of `x` (splitmix64's last step). */
static inline uint64_t mr__mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Where place `i` of `count` goes in a permutation that hangs on the key: a Feistel network over the next power of four,
 * walked until it comes back below `count`. */
static inline int64_t mr__mix_place(uint64_t key, int64_t i, int64_t count)
{
    int half = 1;
    while (half < 31 && INT64_C(1) << 2 * half < count)
        half++;
    const uint64_t mask = (UINT64_C(1) << half) - 1;
    uint64_t x = (uint64_t)i;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint64_t round = 0; round < 8; round++) {
            uint64_t next = left ^ (mr__mix(key + round * UINT64_C(0xd1342543de82ef95) + right) & mask);
            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= (uint64_t)count);
    return (int64_t)x;
}

#endif
