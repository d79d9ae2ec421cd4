#include "huffman.h"

#include <string.h>

enum { LARGEST = 11 /* bits of a difference between first coefficients */ };

/* The codes of each length follow each other, and so do the lengths; a code of only ones is none. */
static bool set_lengths(mr__huffman *t, int *count)
{
    int32_t code = 0;
    *count = 0;
    for (int n = 1; n <= MR__LONGEST; n++) {
        t->offset[n] = *count - code;
        *count += t->bits[n];
        code += t->bits[n];
        if (*count > 256 || (t->bits[n] && code >= 1 << n))
            return false;
        t->below[n] = code << (MR__LONGEST - n);
        code <<= 1;
    }
    return true;
}

int mr__huffman_symbol(const mr__huffman *t, uint32_t front, int *length)
{
    for (int n = 1; n <= MR__LONGEST; n++)
        if ((int32_t)front < t->below[n]) {
            *length = n;
            return t->symbols[(int32_t)(front >> (MR__LONGEST - n)) + t->offset[n]];
        }
    return -1;
}

static mr__code code_of(const mr__huffman *t, uint32_t look, bool first)
{
    int length = 0;
    const int symbol = mr__huffman_symbol(t, look << (MR__LONGEST - MR__LOOK), &length);
    if (symbol < 0 || length > MR__LOOK)
        return 0;
    const int size = first ? symbol : symbol & 15, run = first ? 0 : symbol >> 4;
    if (!first && !symbol)
        return mr__code_make(length, MR__END_RUN, 0);
    if (length + size > MR__LOOK || (!first && !size && run != 15))
        return mr__code_make(0, length, symbol);
    const uint32_t value = look >> (MR__LOOK - length - size) & ((1U << size) - 1);
    return mr__code_make(length + size, run, mr__extend(value, size));
}

/* As many codes as there are in the bits. */
static mr__leap leap_of(const mr__huffman *t, uint32_t look)
{
    int bits = 0, advance = 0;
    for (;;) {
        const mr__code code = t->code[look << bits & ((1 << MR__LOOK) - 1)];
        const int more = mr__code_bits(code), run = mr__code_run(code),
                  step = run == MR__END_RUN ? run : run + 1;
        if (!more || bits + more > MR__LOOK || (step < MR__END_RUN && advance + step > 63))
            return (mr__leap)(advance << 8 | bits);
        bits += more;
        advance += step;
        if (step == MR__END_RUN)
            return (mr__leap)(advance << 8 | bits);
    }
}

bool mr__huffman_make(mr__huffman *t, const uint8_t bits[17], const uint8_t symbols[256], bool first)
{
    if (t->made && memcmp(t->bits, bits, sizeof t->bits) == 0 &&
        memcmp(t->symbols, symbols, sizeof t->symbols) == 0)
        return true;
    t->made = false;
    memcpy(t->bits, bits, sizeof t->bits);
    memcpy(t->symbols, symbols, sizeof t->symbols);
    int count;
    if (!set_lengths(t, &count))
        return false;
    for (int i = 0; first && i < count; i++)
        if (t->symbols[i] > LARGEST)
            return false;
    for (uint32_t i = 0; i < 1 << MR__LOOK; i++)
        t->code[i] = code_of(t, i, first);
    for (uint32_t i = 0; !first && i < 1 << MR__LOOK; i++)
        t->leap[i] = leap_of(t, i);
    t->made = true;
    return true;
}
