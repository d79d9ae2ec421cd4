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

/* All looks that begin with a code of `n` bits. */
static void put_symbol(mr__huffman *t, uint32_t code, int n, int symbol, bool first)
{
    const int size = first ? symbol : symbol & 15, run = first ? 0 : symbol >> 4, left = MR__LOOK - n;
    const bool end = !first && !symbol, whole = end || (size <= left && (first || size || run == 15));
    const int behind = whole ? left - size : left; /* bits that are of what follows */
    mr__code *to = t->code + (code << left);
    for (uint32_t value = 0; value < 1U << (left - behind); value++) {
        const mr__code c = !whole ? mr__code_make(0, n, symbol)
                           : end  ? mr__code_make(n, MR__END_RUN, 0)
                                  : mr__code_make(n + size, run, mr__extend(value, size));
        for (uint32_t i = 0; i < 1U << behind; i++)
            *to++ = c;
    }
}

static void put_symbols(mr__huffman *t, bool first)
{
    uint32_t code = 0;
    const uint8_t *symbol = t->symbols;
    memset(t->code, 0, sizeof t->code);
    for (int n = 1; n <= MR__LOOK; n++, code <<= 1)
        for (int i = 0; i < t->bits[n]; i++)
            put_symbol(t, code++, n, *symbol++, first);
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
    put_symbols(t, first);
    for (uint32_t i = 0; !first && i < 1 << MR__LOOK; i++)
        t->leap[i] = leap_of(t, i);
    t->made = true;
    return true;
}
