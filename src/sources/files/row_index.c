#include "row_index.h"

#include <stdio.h>

mr_status mr__row_index_add(mr__row_index *index, uint64_t place)
{
    if (index->rows++ % index->step)
        return MR_OK;
    if (index->places == index->room) {
        const int64_t room = index->room ? index->room * 2 : 1024;
        uint64_t *places =
            mr_grow(index->place, (size_t)index->places * sizeof *places, (size_t)room * sizeof *places);
        if (!places)
            return mr_error_status();
        index->place = places;
        index->room = room;
    }
    index->place[index->places++] = place;
    return MR_OK;
}

void mr__rows_init(mr__rows *rows)
{
    *rows = (mr__rows){ 0 };
    mr__line_table_init(&rows->lines);
}

void mr__rows_close(mr__rows *rows)
{
    mr__line_table_free(&rows->lines);
    mr__bytes_close(&rows->bytes);
    mr_free(rows->index.place);
}

/* ---- reading ---- */

static mr_status read_row(mr__rows *rows, const char *at, const char *end, void *const *field, int64_t row)
{
    mr_status s = at ? rows->kind.read(rows->plan, at, end, 0, field, row) : MR_END;
    if (s == MR_OK)
        return MR_OK;
    if (s == MR_END)
        return mr_fail(MR_ERR_STATE, "'%s' has changed since its rows were counted", rows->path);
    if (s != MR_ERR_FORMAT)
        return s;
    const int64_t line = mr__line_of(&rows->lines, rows->bytes.at, (size_t)(at - rows->bytes.at));
    return rows->kind.read(rows->plan, at, end, line, field, row);
}

/* Where a row is, by the index: at its beginning, or before rows that are none. */
static const char *find_row(const mr__rows *rows, int64_t number)
{
    const mr__row_index *index = &rows->index;
    const char *at = rows->bytes.at + index->place[number / index->step], *end;
    for (int64_t passed = number % index->step; at && passed > 0; passed--)
        at = mr__rows_next(rows, at, &end) ? end : NULL;
    return at;
}

mr_status mr__rows_get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    mr__rows *rows = *(mr__rows **)self;
    const char *file_end = rows->bytes.at + rows->bytes.size, *end = NULL;
    mr_status s = mr__bytes_check(&rows->bytes);
    for (int64_t i = 0; i < count && s == MR_OK; i++) {
        const bool follows = i > 0 && rows->index.step > 1 && indices[i] == indices[i - 1] + 1;
        const char *at = follows ? end : find_row(rows, indices[i]);
        end = at && rows->kind.quick ? rows->kind.quick(rows->plan, at, file_end, first->field, i) : NULL;
        if (end)
            continue;
        at = at ? mr__rows_next(rows, at, &end) : NULL;
        s = read_row(rows, at, end, first->field, i);
    }
    return s;
}

mr_status mr__rows_get(void *self, int64_t index, const mr_sample *sample)
{
    return mr__rows_get_many(self, &index, 1, sample);
}

int64_t mr__rows_len(void *self)
{
    return (*(mr__rows **)self)->index.rows;
}

int mr__rows_origin(void *self, int64_t index, int field, char *text, size_t room)
{
    mr__rows *rows = *(mr__rows **)self;
    const char *end, *at = mr__bytes_check(&rows->bytes) < 0 ? NULL : find_row(rows, index);
    (void)field;
    at = at ? mr__rows_next(rows, at, &end) : NULL;
    return at ? snprintf(text, room, "'%s': line %lld", rows->path,
                         (long long)mr__line_of(&rows->lines, rows->bytes.at, (size_t)(at - rows->bytes.at)))
              : snprintf(text, room, "'%s'", rows->path);
}
