#include "scan.h"

#include <string.h>

/* ---- bytes ---- */

/* Bytes of zero behind, no fewer than those of the longest unit: so whether it is at the end is asked once for each unit. */
enum { BEHIND = MR__MOST_BLOCKS * 64 * (MR__LONGEST + 15) / 8 + 16 };

typedef struct taking {
    const uint8_t *at, *end;
    uint8_t *to;
} taking;

/* Copies up to a marker, and says which; 0xff comes twice, the second time as 0. -1: the bytes are at an end. */
static int take_piece(taking *t)
{
    for (;;) {
        const uint8_t *mark = t->at < t->end ? memchr(t->at, 0xff, (size_t)(t->end - t->at)) : NULL;
        const size_t plain = (size_t)((mark ? mark : t->end) - t->at);
        memcpy(t->to, t->at, plain);
        t->to += plain;
        t->at += plain;
        if (!mark)
            return -1;
        const uint8_t *first = t->at;
        while (t->at < t->end && *t->at == 0xff)
            t->at++;
        if (t->at == t->end)
            return -1;
        const uint8_t kind = *t->at++;
        if (kind)
            return kind;
        if (t->at - first > 2) /* libjpeg itself is not sure of it: its two decoders differ */
            return -1;
        *t->to++ = 0xff;
    }
}

static mr_status add_piece(mr__entropy *e, size_t end)
{
    const size_t used = (size_t)e->count * sizeof(uint32_t);
    if (used + sizeof(uint32_t) > e->pieces.bytes) {
        const size_t larger = used ? used * 2 : 4096;
        uint8_t *moved = mr_grow(e->pieces.at, used, larger);
        if (!moved)
            return mr_error_status();
        e->pieces = (mr__room){ moved, larger };
    }
    ((uint32_t *)(void *)e->pieces.at)[e->count++] = (uint32_t)end;
    return MR_OK;
}

mr_status mr__entropy_take(mr__entropy *e, const uint8_t *bytes, size_t size)
{
    e->count = 0;
    if (!mr__room_for(&e->bytes, size + BEHIND))
        return mr_error_status();
    taking t = { bytes, bytes + size, e->bytes.at };
    int marker;
    do {
        marker = take_piece(&t);
        if (add_piece(e, (size_t)(t.to - e->bytes.at)) < 0)
            return mr_error_status();
    } while (marker >= 0xd0 && marker <= 0xd7 && marker - 0xd0 == (e->count - 1) % 8);
    memset(t.to, 0, BEHIND);
    return MR_OK;
}

/* ---- bits ---- */

/* It stays in registers: so functions that are given its address are part of their caller, and others get and give back a copy. */
#define PART __attribute__((always_inline)) static inline
#define SELDOM __attribute__((noinline, cold)) static

typedef struct reader {
    const uint8_t *at;
    uint64_t bits; /* the next ones, from the highest on */
    int count;     /* of them that are there, at least */
} reader;

/* Until there are 56. */
PART void refill(reader *r)
{
    uint64_t more;
    memcpy(&more, r->at, sizeof more);
    r->bits |= __builtin_bswap64(more) >> r->count;
    r->at += (63 - r->count) >> 3;
    r->count |= 56;
}

PART void drop(reader *r, int count)
{
    r->bits <<= count;
    r->count -= count;
}

PART uint32_t look(const reader *r, int count)
{
    return (uint32_t)(r->bits >> (64 - count));
}

/* ---- coefficients ---- */

typedef struct longer {
    reader r;
    int symbol, value; /* symbol -1: there is none */
} longer;

/* A symbol and its value, in more bits than are looked at. */
SELDOM longer read_long(reader r, const mr__huffman *t, mr__code code)
{
    longer l = { .r = r };
    int length = mr__code_run(code);
    refill(&l.r);
    l.symbol = length ? mr__code_value(code) : mr__huffman_symbol(t, look(&l.r, MR__LONGEST), &length);
    if (l.symbol < 0)
        return l;
    drop(&l.r, length);
    const int size = l.symbol & 15;
    if (size) {
        l.value = mr__extend(look(&l.r, size), size);
        drop(&l.r, size);
    }
    refill(&l.r);
    return l;
}

/* The difference to the first coefficient of the block before. */
PART bool read_first(reader *r, const mr__huffman *t, int *difference)
{
    refill(r);
    const mr__code code = t->code[look(r, MR__LOOK)];
    if (__builtin_expect(mr__code_bits(code) != 0, 1)) {
        *difference = mr__code_value(code);
        drop(r, mr__code_bits(code));
        return true;
    }
    const longer l = read_long(*r, t, code);
    *r = l.r;
    *difference = l.value;
    return l.symbol >= 0;
}

/* How many coefficients a symbol inside of a block goes on; BROKEN for none. */
enum { BROKEN = 65 };

static int step_of(int symbol)
{
    if (symbol == 0)
        return MR__END_RUN + 1;
    return symbol > 0 && (symbol & 15 || symbol == 0xf0) ? (symbol >> 4) + 1 : BROKEN;
}

/* From JPEG's order to rows; what is behind the last coefficient goes to waste. */
#define WASTE_8 64, 64, 64, 64, 64, 64, 64, 64
#define WASTE_32 WASTE_8, WASTE_8, WASTE_8, WASTE_8
static const uint8_t natural[64 + MR__END_RUN] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11,       4,        5,        12,
    19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21,       28,       35,       42,
    49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,       58,       59,       52,
    45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63, WASTE_32, WASTE_32, WASTE_32, WASTE_32
};

/* Whether a block ended as it may: with its last coefficient or with the code for its end. */
PART bool ended_well(int k)
{
    return k == 64 || k > MR__END_RUN;
}

/* Reads what is in front of coefficient k or further on. Whether that was the end of the block. */
PART bool read_one(reader *r, const mr__huffman *t, int *k, int16_t *block)
{
    const mr__code code = t->code[look(r, MR__LOOK)];
    if (__builtin_expect(mr__code_bits(code) != 0, 1)) {
        *k += mr__code_run(code);
        drop(r, mr__code_bits(code));
        block[natural[(*k)++]] = (int16_t)mr__code_value(code);
    } else {
        const longer l = read_long(*r, t, code);
        *r = l.r;
        *k += step_of(l.symbol);
        block[natural[*k - 1]] = (int16_t)l.value;
    }
    return *k >= 64;
}

/* The coefficients of a block but for the first; it is zero. After refill there are bits for five codes that are looked up. */
PART bool read_others(reader *r, const mr__huffman *t, int16_t *block)
{
    int k = 1;
    do
        refill(r);
    while (!(read_one(r, t, &k, block) || read_one(r, t, &k, block) || read_one(r, t, &k, block) ||
             read_one(r, t, &k, block) || read_one(r, t, &k, block)));
    return ended_well(k);
}

/* ---- blocks that are passed over ---- */

typedef struct passed {
    reader r;
    bool well;
} passed;

/* One by one, from coefficient k on. */
SELDOM passed pass_slowly(reader r, const mr__huffman *t, int k)
{
    while (k < 64) {
        refill(&r);
        const mr__code code = t->code[look(&r, MR__LOOK)];
        if (mr__code_bits(code)) {
            k += mr__code_run(code) + 1;
            drop(&r, mr__code_bits(code));
        } else {
            const longer l = read_long(r, t, code);
            r = l.r;
            k += step_of(l.symbol);
        }
    }
    return (passed){ r, ended_well(k) };
}

/* Several at once, until there is a code that is not looked up. Whether it is at the end, or needs to go slowly. */
PART bool pass_some(reader *r, const mr__huffman *t, int *k)
{
    const mr__leap leap = t->leap[look(r, MR__LOOK)];
    if (__builtin_expect(!mr__leap_bits(leap), 0)) {
        const longer l = read_long(*r, t, t->code[look(r, MR__LOOK)]);
        *r = l.r;
        *k += step_of(l.symbol);
        return *k >= 64;
    }
    drop(r, mr__leap_bits(leap));
    *k += mr__leap_advance(leap);
    return *k >= 64;
}

/* What goes past the last coefficient, which some blocks have and then no code for their end, is taken back. */
PART bool pass_others(reader *r, const mr__huffman *t)
{
    int k = 1, before;
    reader held;
    do {
        refill(r);
        held = *r;
        before = k;
    } while (!(pass_some(r, t, &k) || pass_some(r, t, &k) || pass_some(r, t, &k) || pass_some(r, t, &k) ||
               pass_some(r, t, &k)));
    if (__builtin_expect(k == 64 || (k > MR__END_RUN && k < MR__END_RUN + 64), 1))
        return true;
    const passed p = pass_slowly(held, t, before);
    *r = p.r;
    return p.well;
}

/* ---- units ---- */

/* `first`: of the last block of each channel. */
PART bool read_unit(const mr__scan *s, reader *r, int first[3], int16_t (*block)[MR__BLOCK])
{
    for (int b = 0; b < s->blocks; b++) {
        const int c = s->channel[b];
        int difference;
        if (!read_first(r, s->first[c], &difference))
            return false;
        first[c] += difference;
        if (first[c] != (int16_t)first[c])
            return false;
        if (block)
            block[b][0] = (int16_t)first[c];
        const bool wanted = block && !s->only_first[c];
        if (!(wanted ? read_others(r, s->others[c], block[b]) : pass_others(r, s->others[c])))
            return false;
    }
    return true;
}

/* Where the bytes of a unit's piece begin, and end; false when they are not there. */
static bool piece_of(const mr__scan *s, const mr__entropy *e, int64_t unit, const uint8_t **begin,
                     const uint8_t **end)
{
    const uint32_t *ends = (const uint32_t *)(const void *)e->pieces.at;
    const int64_t piece = s->restart ? unit / s->restart : 0;
    if (piece >= e->count)
        return false;
    *begin = e->bytes.at + (piece ? ends[piece - 1] : 0);
    *end = e->bytes.at + ends[piece];
    return true;
}

bool mr__scan_read(const mr__scan *s, const mr__entropy *e, mr__unit_function function, void *user)
{
    _Alignas(32) int16_t block[MR__MOST_BLOCKS][MR__BLOCK] = { 0 };
    reader r = { 0 };
    int first[3] = { 0 };
    const uint8_t *begin, *end = NULL;
    int64_t unit = 0;
    for (int64_t y = 0; y < s->bottom; y++) {
        const int64_t last = y + 1 < s->bottom ? s->units_across : s->right;
        for (int64_t x = 0; x < last; x++, unit++) {
            const bool wanted = y >= s->top && x >= s->left && x < s->right;
            if (!unit || (s->restart && unit % s->restart == 0)) {
                if (!piece_of(s, e, unit, &begin, &end))
                    return false;
                r = (reader){ .at = begin };
                first[0] = first[1] = first[2] = 0;
            }
            if (!(wanted ? read_unit(s, &r, first, block) : read_unit(s, &r, first, NULL)))
                return false;
            if (r.at - (r.count >> 3) > end) /* bits were taken of what is behind */
                return false;
            if (wanted && !function(user, y, x, block))
                return false;
        }
    }
    return true;
}
