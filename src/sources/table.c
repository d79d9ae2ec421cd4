#include "table.h"

#include "field.h"
#include "tensor/half.h"

#include <millrace/ragged.h>

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- making ---- */

static mr_status check_field(const char *call, const mr_table_field *f, mr__field_facts *facts)
{
    const bool bytes = f->shape.ndim > 0 && (f->missing == MR_MISSING_FAIL || f->missing == MR_MISSING_SKIP);
    *facts = (mr__field_facts){ .name = f->name,
                                .dtype = f->dtype,
                                .any_dtype = bytes,
                                .words = f->words != NULL,
                                .missing = f->missing,
                                .word_count = f->word_count };
    if (mr__field_check(call, facts) < 0)
        return mr_error_status();
    if (f->words && f->shape.ndim)
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': words have no shape", call, f->name);
    return MR_OK;
}

static mr_status add_column(mr__table *table, int field, const char *at, size_t length)
{
    const size_t count = (size_t)table->columns;
    char **column = mr_grow(table->column, count * sizeof *column, (count + 1) * sizeof *column);
    if (!column)
        return mr_error_status();
    table->column = column;
    mr__target *target = mr_grow(table->target, count * sizeof *target, (count + 1) * sizeof *target);
    if (!target)
        return mr_error_status();
    table->target = target;
    char *name = mr_alloc(length + 1);
    if (!name)
        return mr_error_status();
    memcpy(name, at, length);
    name[length] = 0;
    column[count] = name;
    target[count] = (mr__target){ .field = field };
    table->columns++;
    return MR_OK;
}

/* Where the elements of a field's columns go, from column `first` on. */
static void place_columns(mr__table *table, int field, int first)
{
    const mr_field *f = &table->field[field];
    const size_t each = mr_dtype_size(f->dtype);
    bool ragged = f->shape.ndim && f->shape.dim[0] == -1;
    for (int i = first; i < table->columns; i++) {
        table->target[i].dtype = f->dtype;
        table->target[i].floating = mr__is_floating(f->dtype) && !table->options[field].shape.ndim;
        table->target[i].offset = (size_t)(i - first) * each;
        table->target[i].stride = ragged ? sizeof(mr_ragged) : (size_t)mr__numel(&f->shape) * each;
    }
}

static mr_status add_field(mr__table *table, const char *call, int i, const mr_table_field *from)
{
    mr__field_facts facts;
    if (check_field(call, from, &facts) < 0)
        return mr_error_status();
    mr_field *to = &table->field[i];
    const int first = table->columns;
    to->dtype = mr__field_dtype(&facts);
    to->name = mr_strdup(from->name);
    if (!to->name)
        return mr_error_status();
    for (const char *at = from->columns ? from->columns : from->name; at;) {
        const char *comma = strchr(at, ','), *name = at;
        size_t length = comma ? (size_t)(comma - at) : strlen(at);
        if (comma || table->columns > first)
            mr__field_trim(&name, &length);
        if (add_column(table, i, name, length) < 0)
            return mr_error_status();
        at = comma ? comma + 1 : NULL;
    }
    const int columns = table->columns - first;
    if (columns > 1 && (from->shape.ndim || from->words))
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': bytes and words are of one column", call,
                       from->name);
    to->shape = from->shape.ndim ? from->shape : columns > 1 ? MR_SHAPE(columns) : MR_SCALAR;
    table->options[i] =
        (mr_table_field){ .shape = from->shape, .missing = from->missing, .fill = from->fill };
    place_columns(table, i, first);
    table->skips = table->skips || from->missing == MR_MISSING_SKIP;
    return mr__field_words(&table->words[i], call, from->name, from->words, from->word_count);
}

mr_status mr__table_name(mr__table *table, const char *source, const char *what)
{
    table->source = mr_strdup(source);
    table->what = mr_strdup(what);
    return table->source && table->what ? MR_OK : mr_error_status();
}

mr_status mr__table_make(mr__table *table, const char *call, const mr_table_field *fields, int field_count)
{
    if (!fields || field_count < 1)
        return mr__no_fields(call);
    table->field = mr_calloc((size_t)field_count, sizeof *table->field);
    table->options = mr_calloc((size_t)field_count, sizeof *table->options);
    table->words = mr_calloc((size_t)field_count, sizeof *table->words);
    if (!table->field || !table->options || !table->words)
        return mr_error_status();
    table->field_count = field_count;
    for (int i = 0; i < field_count; i++)
        if (add_field(table, call, i, &fields[i]) < 0)
            return mr_error_status();
    return MR_OK;
}

mr_status mr__table_make_each(mr__table *table, const char *call, mr_table_field *columns, int count)
{
    if (count < 1)
        return mr_fail(MR_ERR_ARGUMENT, "%s: %s has no columns", table->source, table->what);
    for (int i = 0; i < count; i++) {
        columns[i].columns = ""; /* a name may have commas */
        columns[i].missing =
            mr__is_floating(columns[i].dtype) && !columns[i].shape.ndim ? MR_MISSING_NAN : MR_MISSING_FAIL;
    }
    if (mr__table_make(table, call, columns, count) < 0)
        return mr_error_status();
    table->each = true;
    for (int i = 0; i < count; i++) {
        mr_free(table->column[i]);
        table->column[i] = mr_strdup(columns[i].name);
        if (!table->column[i])
            return mr_error_status();
    }
    return MR_OK;
}

void mr__table_free(mr__table *table)
{
    for (int i = 0; i < table->field_count; i++) {
        mr_free((char *)(uintptr_t)table->field[i].name);
        mr__words_free(&table->words[i]);
    }
    for (int i = 0; i < table->columns; i++)
        mr_free(table->column[i]);
    mr_free(table->source);
    mr_free(table->what);
    mr_free(table->field);
    mr_free(table->options);
    mr_free(table->words);
    mr_free(table->column);
    mr_free(table->target);
}

/* ---- what is wrong ---- */

int mr__table_origin(const mr__table *table, int64_t number, char *text, size_t room)
{
    return snprintf(text, room, "%s: row %lld of %s", table->source, (long long)number, table->what);
}

mr_status mr__row_wrong(const mr__row *row, int column, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return mr_fail(MR_ERR_FORMAT, "%s: row %lld of %s, column '%s': %s", row->table->source,
                   (long long)row->number, row->table->what, row->table->column[column], text);
}

static mr_status unwanted(const mr__row *row, int column, const mr__value *value, const char *wanted)
{
    static const char *const kinds[] = { "NULL", "a whole number", "a number", "a text", "bytes" };
    return mr__row_wrong(row, column, "%s, not %s", kinds[value->kind], wanted);
}

/* ---- values ---- */

static void *room_of(const mr__row *row, int column)
{
    const mr__target *t = &row->table->target[column];
    return (char *)row->field[t->field] + (size_t)row->row * t->stride + t->offset;
}

void *mr__row_items(const mr__row *row, int column, int64_t count)
{
    const mr_field *f = &row->table->field[row->table->target[column].field];
    void *room = room_of(row, column);
    if (f->shape.dim[0] == -1)
        return mr_ragged_resize(room, count);
    if (count == f->shape.dim[0])
        return room;
    mr__row_wrong(row, column, "%lld items, not %lld", (long long)count, (long long)f->shape.dim[0]);
    return NULL;
}

/* An element that is missing. */
static mr_status put_none(const mr__row *row, int column, void *to)
{
    const mr__value none = { .kind = MR__NULL };
    const int field = row->table->target[column].field;
    const mr_table_field *o = &row->table->options[field];
    if (o->missing == MR_MISSING_SKIP)
        return MR_END;
    if (o->missing == MR_MISSING_FAIL)
        return unwanted(row, column, &none, "a value" MR__MISSING_REMEDY);
    mr__put_missing(row->table->field[field].dtype, to, o->missing, o->fill);
    return MR_OK;
}

/* All of the column's elements are; a ragged field has none then. */
static mr_status put_null(const mr__row *row, int column)
{
    const mr_field *f = &row->table->field[row->table->target[column].field];
    const bool whole = mr__table_is_whole(row->table, column);
    char *to = room_of(row, column);
    mr_status s = MR_OK;
    if (whole && f->shape.dim[0] == -1) {
        int64_t nowhere;
        s = put_none(row, column, &nowhere);
        return s == MR_OK && !mr_ragged_resize((mr_ragged *)(void *)to, 0) ? mr_error_status() : s;
    }
    for (int64_t n = whole ? mr__numel(&f->shape) : 1; n > 0 && s == MR_OK; n--) {
        s = put_none(row, column, to);
        to += mr_dtype_size(f->dtype);
    }
    return s;
}

static mr_status put_bytes(const mr__row *row, int column, const mr__value *value)
{
    const mr_field *f = &row->table->field[row->table->target[column].field];
    const bool ragged = f->shape.dim[0] == -1, letters = ragged && f->dtype == MR_UINT8;
    if (value->kind != MR__BYTES && !(letters && value->kind == MR__TEXT))
        return unwanted(row, column, value, letters ? "bytes or a text" : "bytes");
    size_t wanted = mr_dtype_size(f->dtype);
    for (int d = ragged; d < f->shape.ndim; d++)
        wanted *= (size_t)f->shape.dim[d];
    if (ragged ? !wanted || value->size % wanted : value->size != wanted)
        return mr__row_wrong(row, column, "%zu bytes, not %s%zu", value->size, ragged ? "a multiple of " : "",
                             wanted);
    void *to = ragged ? mr__row_items(row, column, (int64_t)(value->size / wanted)) : room_of(row, column);
    if (!to)
        return mr_error_status();
    if (value->size)
        memcpy(to, value->at, value->size);
    return MR_OK;
}

static mr_status put_word(const mr__row *row, int column, const mr__value *value)
{
    enum { SHOWN = 40 };
    char words[MR__WORDS_SHOWN];
    const int field = row->table->target[column].field;
    const mr_dtype dtype = row->table->field[field].dtype;
    if (value->kind != MR__TEXT)
        return unwanted(row, column, value, "a word");
    int64_t number = mr__words_find(&row->table->words[field], value->at, value->size);
    if (number < 0)
        return mr__row_wrong(row, column, "'%.*s' is none of the words %s",
                             value->size > SHOWN ? SHOWN : (int)value->size, (const char *)value->at,
                             mr__words_show(&row->table->words[field], words));
    const bool fits = mr__put_int(dtype, room_of(row, column), number);
    assert(fits); /* mr__field_check has looked at that */
    (void)fits;
    return MR_OK;
}

static void put_number(mr_dtype dtype, void *to, double number)
{
    if (dtype == MR_FLOAT16)
        *(uint16_t *)to = mr__to_float16((float)number);
    else if (dtype == MR_BFLOAT16)
        *(uint16_t *)to = mr__to_bfloat16((float)number);
    else
        mr__put_double(dtype, to, number);
}

mr_status mr__row_put_item(const mr__row *row, int column, const mr__value *value, void *to)
{
    const mr_dtype dtype = row->table->field[row->table->target[column].field].dtype;
    if (value->kind == MR__NULL)
        return put_none(row, column, to);
    if (mr__is_floating(dtype) || dtype == MR_FLOAT16 || dtype == MR_BFLOAT16) {
        if (value->kind != MR__NUMBER && value->kind != MR__WHOLE)
            return unwanted(row, column, value, "a number");
        put_number(dtype, to, value->kind == MR__WHOLE ? (double)value->whole : value->number);
        return MR_OK;
    }
    if (value->kind != MR__WHOLE)
        return unwanted(row, column, value, "a whole number");
    if (!mr__put_int(dtype, to, value->whole))
        return mr__row_wrong(row, column, "%lld does not fit %s", (long long)value->whole,
                             mr_dtype_name(dtype));
    return MR_OK;
}

mr_status mr__row_put(const mr__row *row, int column, const mr__value *value)
{
    const mr__table *table = row->table;
    if (value->kind == MR__NULL)
        return put_null(row, column);
    if (mr__table_is_whole(table, column))
        return put_bytes(row, column, value);
    if (table->words[table->target[column].field].count)
        return put_word(row, column, value);
    return mr__row_put_item(row, column, value, room_of(row, column));
}
