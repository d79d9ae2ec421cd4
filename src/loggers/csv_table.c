#include "csv_table.h"

#include "base/alloc.h"

#include <string.h>

/* ---- columns ---- */

/* Rows have the same names in the same order, so the search begins behind what was found last. */
static mr__csv_column *find_column(mr__csv_table *table, const char *name)
{
    size_t at = table->next;
    for (size_t i = 0; i < table->count; i++, at++) {
        at = at < table->count ? at : 0;
        if (strcmp(table->column[at].name, name) == 0) {
            table->next = at + 1;
            return &table->column[at];
        }
    }
    return NULL;
}

mr__csv_column *mr__csv_column_of(mr__csv_table *table, const char *name)
{
    mr__csv_column *column = find_column(table, name);
    if (column)
        return column;
    if (table->count == table->room) {
        size_t room = 2 * table->room + 8, size = sizeof *table->column;
        mr__csv_column *larger = mr__grow(table->column, table->count * size, mr__mul_size(room, size));
        if (!larger)
            return NULL;
        table->column = larger;
        table->room = room;
    }
    char *copy = mr__strdup(name);
    if (!copy)
        return NULL;
    column = &table->column[table->count++];
    *column = (mr__csv_column){ .name = copy };
    return column;
}

void mr__csv_drop_columns(mr__csv_table *table, size_t count)
{
    while (table->count > count)
        mr__free(table->column[--table->count].name);
}

void mr__csv_table_free(mr__csv_table *table)
{
    mr__csv_drop_columns(table, 0);
    mr__free(table->column);
    *table = (mr__csv_table){ .column = NULL };
}

/* ---- the row ---- */

void mr__csv_clear_row(mr__csv_table *table)
{
    table->next = 0;
    for (size_t i = 0; i < table->count; i++)
        table->column[i].cell.kind = MR__CSV_EMPTY;
}

void mr__csv_hold_row(mr__csv_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        table->column[i].held = table->column[i].cell;
    mr__csv_clear_row(table);
}

void mr__csv_release_row(mr__csv_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        table->column[i].cell = table->column[i].held;
}

/* That of a name in a row, which is the same name where it is the same pointer. */
static inline mr__csv_column *column_of(mr__csv_table *table, const char *name)
{
    if (table->next < table->count && table->column[table->next].in_rows == name)
        return &table->column[table->next++];
    mr__csv_column *column = mr__csv_column_of(table, name);
    if (column)
        column->in_rows = name;
    return column;
}

static bool set_real(mr__csv_table *table, const char *name, double value)
{
    mr__csv_column *column = column_of(table, name);
    if (column)
        column->cell = (mr__csv_cell){ .kind = MR__CSV_REAL, .real = value };
    return column;
}

static bool set_integer(mr__csv_table *table, const char *name, int64_t value)
{
    mr__csv_column *column = column_of(table, name);
    if (column)
        column->cell = (mr__csv_cell){ .kind = MR__CSV_INTEGER, .integer = value };
    return column;
}

/* Most names differ in the first letter. */
static inline bool is_name(const char *name, const char *wanted)
{
    return *name == *wanted && strcmp(name, wanted) == 0;
}

bool mr__csv_set_row(mr__csv_table *table, const mr_log_row *row)
{
    const double *own_step = NULL;
    bool own_epoch = false;
    for (size_t i = 0; i < row->count; i++) {
        const char *name = row->names[i];
        if (is_name(name, "step")) {
            own_step = &row->values[i];
            continue;
        }
        own_epoch |= is_name(name, "epoch");
        if (!set_real(table, name, row->values[i]))
            return false;
    }
    if (!own_epoch && !own_step && row->epoch >= 0 && !set_integer(table, "epoch", row->epoch))
        return false;
    return own_step ? set_real(table, "step", *own_step) : set_integer(table, "step", row->step);
}

/* ---- text ---- */

/* Quoted where Python's csv module quotes. */
static void append_name(mr__strbuf *line, const char *name)
{
    if (!name[strcspn(name, ",\"\r\n")]) {
        mr__strbuf_append(line, name);
        return;
    }
    mr__strbuf_append(line, "\"");
    for (; *name; name++) {
        mr__strbuf_append_bytes(line, name, 1);
        if (*name == '"')
            mr__strbuf_append(line, "\"");
    }
    mr__strbuf_append(line, "\"");
}

void mr__csv_append_header(const mr__csv_table *table, mr__strbuf *text)
{
    for (size_t i = 0; i < table->count; i++) {
        mr__strbuf_append(text, i ? "," : "");
        append_name(text, table->column[i].name);
    }
    mr__strbuf_append(text, MR__CSV_LINE_END);
}

void mr__csv_append_row(const mr__csv_table *table, mr__strbuf *text)
{
    for (size_t i = 0; i < table->count; i++) {
        const mr__csv_cell *cell = &table->column[i].cell;
        if (i)
            mr__strbuf_append_bytes(text, ",", 1);
        if (cell->kind == MR__CSV_REAL)
            mr__strbuf_append_double(text, cell->real);
        else if (cell->kind == MR__CSV_INTEGER)
            mr__strbuf_append_integer(text, cell->integer);
    }
    mr__strbuf_append_bytes(text, MR__CSV_LINE_END, strlen(MR__CSV_LINE_END));
}

void mr__csv_append_widened(mr__strbuf *to, const char *lines, size_t bytes, size_t commas)
{
    const char *end = lines + bytes;
    while (lines < end) {
        const char *next = memmem(lines, (size_t)(end - lines), MR__CSV_LINE_END, strlen(MR__CSV_LINE_END));
        if (!next)
            next = end;
        mr__strbuf_append_bytes(to, lines, (size_t)(next - lines));
        for (size_t i = 0; i < commas; i++)
            mr__strbuf_append(to, ",");
        mr__strbuf_append(to, MR__CSV_LINE_END);
        lines = next < end ? next + strlen(MR__CSV_LINE_END) : end;
    }
}
