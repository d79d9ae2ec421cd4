#include "held_rows.h"

#include "base/alloc.h"

#include <string.h>

enum { HEAD_WORDS = 3, FIRST_ROOM = 1024 };

static bool make_room(mr__held_rows *rows, size_t words)
{
    size_t room = rows->room ? rows->room : FIRST_ROOM;
    if (rows->used + words <= rows->room)
        return true;
    while (room < rows->used + words)
        room *= 2;
    uint64_t *larger = mr__grow(rows->word, rows->used * sizeof *larger, mr__mul_size(room, sizeof *larger));
    if (!larger)
        return false;
    rows->word = larger;
    rows->room = room;
    return true;
}

mr_status mr__held_rows_add(mr__held_rows *rows, mr_row_kind kind, int64_t step, size_t count,
                            const uint32_t *metric, const double *value)
{
    if (!make_room(rows, HEAD_WORDS + 2 * count))
        return MR_ERR_MEMORY;
    uint64_t *row = rows->word + rows->used;
    row[0] = (uint64_t)kind;
    row[1] = (uint64_t)step;
    row[2] = count;
    for (size_t i = 0; i < count; i++) {
        row[HEAD_WORDS + 2 * i] = metric[i];
        memcpy(&row[HEAD_WORDS + 2 * i + 1], &value[i], sizeof *value);
    }
    rows->used += HEAD_WORDS + 2 * count;
    return MR_OK;
}

void mr__held_rows_end(mr__held_rows *rows, mr__reporter *reporter)
{
    uint32_t metric[MR__MAX_METRICS];
    double value[MR__MAX_METRICS];
    for (size_t at = 0; reporter && at < rows->used;) {
        const uint64_t *row = rows->word + at;
        const size_t count = (size_t)row[2];
        for (size_t i = 0; i < count; i++) {
            metric[i] = (uint32_t)row[HEAD_WORDS + 2 * i];
            memcpy(&value[i], &row[HEAD_WORDS + 2 * i + 1], sizeof *value);
        }
        mr__reporter_row(reporter, (mr_row_kind)row[0], -1, (int64_t)row[1], count, metric, value);
        at += HEAD_WORDS + 2 * count;
    }
    rows->used = 0;
}

void mr__held_rows_free(mr__held_rows *rows)
{
    mr__free(rows->word);
    *rows = (mr__held_rows){ NULL, 0, 0 };
}
