/* Words that look random, made of words that do not: the last steps of splitmix64, in which every bit of the input
 * changes half of the output. */
#ifndef MILLRACE_BASE_MIX_H
#define MILLRACE_BASE_MIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MR__GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 divided by the golden ratio, odd */

static inline uint64_t mr__mix64(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Takes one more word into a key; the order counts. */
static inline uint64_t mr__mix_in(uint64_t key, uint64_t word)
{
    return mr__mix64(mr__mix64(key + MR__GOLDEN) ^ (word + MR__GOLDEN));
}

/* Takes bytes in, eight at a time; what is left over at the end, with its length. */
static inline uint64_t mr__mix_bytes(uint64_t key, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    uint64_t word;
    for (; count >= sizeof word; at += sizeof word, count -= sizeof word) {
        memcpy(&word, at, sizeof word);
        key = mr__mix64(key ^ word) + MR__GOLDEN;
    }
    word = 0;
    if (count)
        memcpy(&word, at, count);
    return mr__mix_in(key, word ^ (uint64_t)count << 56);
}

#endif
