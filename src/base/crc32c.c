#include "crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

uint32_t mr__crc32c_plain(uint32_t crc, const void *bytes, size_t count)
{
    /* The remainders of four bits. */
    static const uint32_t of_four[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const unsigned char *from = bytes;
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= from[i];
        crc = crc >> 4 ^ of_four[crc & 15];
        crc = crc >> 4 ^ of_four[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *from,
                                                                 size_t count)
{
    uint64_t sum = ~crc;
    for (; count >= 8; from += 8, count -= 8) {
        uint64_t eight;
        memcpy(&eight, from, sizeof eight);
        sum = _mm_crc32_u64(sum, eight);
    }
    crc = (uint32_t)sum;
    for (; count; from++, count--)
        crc = _mm_crc32_u8(crc, *from);
    return ~crc;
}

uint32_t mr__crc32c(uint32_t crc, const void *bytes, size_t count)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, bytes, count)
                                            : mr__crc32c_plain(crc, bytes, count);
}

#else

uint32_t mr__crc32c(uint32_t crc, const void *bytes, size_t count)
{
    return mr__crc32c_plain(crc, bytes, count);
}

#endif
