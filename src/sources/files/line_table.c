#include "line_table.h"

#include <string.h>

enum { STEP = 1 << 14 }; /* bytes from one place to the next */

void mr__line_table_init(mr__line_table *table)
{
    *table = (mr__line_table){ 0 };
    pthread_mutex_init(&table->lock, NULL);
}

void mr__line_table_free(mr__line_table *table)
{
    mr_free(table->before);
    pthread_mutex_destroy(&table->lock);
}

/* Eight bytes at a time, since lines may be short. */
static int64_t count_breaks(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low = ones * 0x7f;
    int64_t count = 0;
    for (uint64_t eight; (size_t)(end - at) >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, at, sizeof eight);
        eight ^= ones * '\n';
        eight = ~(((eight & low) + low) | eight | low); /* the highest bit of each byte that was one */
        count += (int64_t)((eight >> 7) * ones >> 56);
    }
    for (; at < end; at++)
        count += *at == '\n';
    return count;
}

/* Room for one place more; false without memory, which is no failure: what is known will do. */
static bool grow(mr__line_table *table)
{
    if (table->count < table->room)
        return true;
    const int64_t room = table->room ? table->room * 2 : 64;
    int64_t *larger =
        mr_grow(table->before, (size_t)table->count * sizeof *larger, (size_t)room * sizeof *larger);
    if (!larger) {
        mr_error_clear();
        return false;
    }
    table->before = larger;
    table->room = room;
    return true;
}

/* Line breaks in front of place number *place, or of the last one before it that is known. */
static int64_t before_place(mr__line_table *table, const char *bytes, int64_t *place)
{
    while (table->count <= *place && grow(table)) {
        const char *end = bytes + (size_t)table->count * STEP;
        table->before[table->count] =
            table->count ? table->before[table->count - 1] + count_breaks(end - STEP, end) : 0;
        table->count++;
    }
    *place = *place < table->count ? *place : table->count - 1;
    if (*place >= 0)
        return table->before[*place];
    *place = 0;
    return 0;
}

int64_t mr__line_of(mr__line_table *table, const char *bytes, size_t at)
{
    int64_t place = (int64_t)(at / STEP);
    pthread_mutex_lock(&table->lock);
    const int64_t before = before_place(table, bytes, &place);
    pthread_mutex_unlock(&table->lock);
    return before + count_breaks(bytes + (size_t)place * STEP, bytes + at) + 1;
}
