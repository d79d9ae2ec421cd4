#include "shuffle.h"

#include "base/alloc.h"
#include "base/rng.h"

#include <string.h>

enum { PAGE = 1024, SHORT = 1 << 16, BLOCK = 256 };

static int64_t pages(const mr__shuffle *s)
{
    return (s->len + PAGE - 1) / PAGE;
}

static size_t ready_words(const mr__shuffle *s)
{
    return (size_t)(pages(s) + 63) / 64;
}

mr_status mr__shuffle_init(mr__shuffle *s, int64_t len)
{
    *s = (mr__shuffle){ .len = len };
    s->place = mr__alloc_array((size_t)len, sizeof *s->place);
    if (s->place && len > SHORT)
        s->ready = mr__alloc_array(ready_words(s), sizeof *s->ready);
    return s->place && (s->ready || len <= SHORT) ? MR_OK : MR_ERR_MEMORY;
}

void mr__shuffle_free(mr__shuffle *s)
{
    mr__free(s->place);
    mr__free(s->ready);
    *s = (mr__shuffle){ 0 };
}

static void count_up(uint32_t *place, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        place[i] = (uint32_t)i;
}

void mr__shuffle_begin(mr__shuffle *s)
{
    s->drawn = 0;
    s->missing = s->ready ? pages(s) : 0;
    if (s->ready)
        memset(s->ready, 0, ready_words(s) * sizeof *s->ready);
    else
        count_up(s->place, 0, s->len);
}

/* Writes the page that a place lies on, unless it is written. */
static void prepare(mr__shuffle *s, int64_t at)
{
    int64_t page = at / PAGE, end = (page + 1) * PAGE;
    uint64_t *word = &s->ready[page / 64], bit = UINT64_C(1) << page % 64;
    if (MR__LIKELY(*word & bit))
        return;
    *word |= bit;
    s->missing--;
    count_up(s->place, page * PAGE, end < s->len ? end : s->len);
}

static void swap_all(uint32_t *place, const uint32_t *jump, uint32_t draws)
{
    for (uint32_t j = 0; j < draws; j++) {
        uint32_t *here = place + j, *there = here + jump[j], held = *here;
        *here = *there;
        *there = held;
    }
}

void mr__shuffle_draw(mr__shuffle *s, mr_rng *rng, int64_t end)
{
    uint32_t jump[BLOCK];
    while (s->drawn < end) {
        int64_t i = s->drawn, left = s->len - i, most = left - 1 < BLOCK ? left - 1 : BLOCK;
        uint32_t draws = (uint32_t)(end - i < most ? end - i : most);
        mr__rng_jumps(rng, jump, draws, (uint32_t)left);
        if (MR__UNLIKELY(s->missing)) {
            prepare(s, i);
            prepare(s, i + (draws ? draws - 1 : 0)); /* a block is shorter than a page */
            for (uint32_t j = 0; j < draws; j++)
                prepare(s, i + j + jump[j]);
        }
        swap_all(s->place + i, jump, draws);
        s->drawn = left == 1 ? s->len : i + draws; /* the last falls into place */
    }
}
