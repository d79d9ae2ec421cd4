#include "rows.h"

#include "sources/cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the plan ---- */

static mr_status check_field(const char *call, const mr_sqlite_field *f)
{
    const bool whole =
        f->dtype == MR_INT64 || f->dtype == MR_INT32 || f->dtype == MR_UINT8 || f->dtype == MR_BOOL;
    if (!f->name || !*f->name)
        return mr_fail(MR_ERR_ARGUMENT, "%s: a field without a name", call);
    if (!f->shape.ndim && !mr__is_floating(f->dtype) && !whole)
        return mr_fail(MR_ERR_DTYPE,
                       "%s: field '%s': %s is none of float32, float64, int64, int32, uint8, bool", call,
                       f->name, mr_dtype_name(f->dtype));
    if (f->words && (f->dtype == MR_FLOAT64 || f->shape.ndim))
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': words are single whole numbers", call, f->name);
    if (f->missing == MR_MISSING_NAN && (!mr__is_floating(f->dtype) || f->words))
        return mr_fail(MR_ERR_DTYPE, "%s: field '%s': there is no NaN among whole numbers", call, f->name);
    if (f->shape.ndim && f->missing != MR_MISSING_FAIL && f->missing != MR_MISSING_SKIP)
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': nothing stands in for a blob that is missing", call,
                       f->name);
    return MR_OK;
}

static mr_status add_column(mr__sqlite_plan *plan, int field, const char *at, size_t length)
{
    char **column = mr_grow(plan->column, (size_t)plan->columns * sizeof *column,
                            (size_t)(plan->columns + 1) * sizeof *column);
    if (!column)
        return mr_error_status();
    plan->column = column;
    int *target = mr_grow(plan->target, (size_t)plan->columns * sizeof *target,
                          (size_t)(plan->columns + 1) * sizeof *target);
    if (!target)
        return mr_error_status();
    plan->target = target;
    char *name = mr_alloc(length + 1);
    if (!name)
        return mr_error_status();
    memcpy(name, at, length);
    name[length] = 0;
    column[plan->columns] = name;
    target[plan->columns++] = field;
    return MR_OK;
}

static mr_status add_field(mr__sqlite_plan *plan, const char *call, int i, const mr_sqlite_field *from)
{
    if (check_field(call, from) < 0)
        return mr_error_status();
    mr_field *to = &plan->field[i];
    int before = plan->columns;
    to->dtype = from->words && from->dtype == MR_FLOAT32 ? MR_INT64 : from->dtype;
    to->name = mr_strdup(from->name);
    if (!to->name)
        return mr_error_status();
    for (const char *at = from->columns ? from->columns : from->name; at;) {
        const char *comma = strchr(at, ',');
        if (add_column(plan, i, at, comma ? (size_t)(comma - at) : strlen(at)) < 0)
            return mr_error_status();
        at = comma ? comma + 1 : NULL;
    }
    int columns = plan->columns - before;
    plan->blob[i] = from->shape.ndim > 0;
    if (columns > 1 && (plan->blob[i] || from->words))
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': blobs and words are of one column", call,
                       from->name);
    to->shape = plan->blob[i] ? from->shape : columns > 1 ? MR_SHAPE(columns) : MR_SCALAR;
    plan->options[i] = (mr_sqlite_field){ .missing = from->missing, .fill = from->fill };
    plan->skips = plan->skips || from->missing == MR_MISSING_SKIP;
    for (int j = 0; from->words && j < from->word_count; j++)
        if (mr__words_add(&plan->words[i], from->words[j], strlen(from->words[j])) != j)
            return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': the word '%s' is there twice", call, from->name,
                           from->words[j]);
    return MR_OK;
}

mr_status mr__sqlite_plan_make(mr__sqlite_plan *plan, const char *call, const char *path, const char *what,
                               const mr_sqlite_field *fields, int field_count)
{
    if (!path || !what || !fields || field_count < 1)
        return mr_fail(MR_ERR_ARGUMENT, "%s: %s", call,
                       !path   ? "path is NULL"
                       : !what ? "table or query is NULL"
                               : "there is at least one field");
    plan->path = mr_strdup(path);
    plan->what = mr_strdup(what);
    plan->field = mr_calloc((size_t)field_count, sizeof *plan->field);
    plan->options = mr_calloc((size_t)field_count, sizeof *plan->options);
    plan->words = mr_calloc((size_t)field_count, sizeof *plan->words);
    plan->blob = mr_calloc((size_t)field_count, sizeof *plan->blob);
    if (!plan->path || !plan->what || !plan->field || !plan->options || !plan->words || !plan->blob)
        return mr_error_status();
    plan->field_count = field_count;
    for (int i = 0; i < field_count; i++)
        if (add_field(plan, call, i, &fields[i]) < 0)
            return mr_error_status();
    return MR_OK;
}

void mr__sqlite_plan_free(mr__sqlite_plan *plan)
{
    for (int i = 0; i < plan->field_count; i++) {
        mr_free((char *)(uintptr_t)plan->field[i].name);
        mr__words_free(&plan->words[i]);
    }
    for (int i = 0; i < plan->columns; i++)
        mr_free(plan->column[i]);
    mr_free(plan->path);
    mr_free(plan->what);
    mr_free(plan->field);
    mr_free(plan->options);
    mr_free(plan->words);
    mr_free(plan->blob);
    mr_free(plan->column);
    mr_free(plan->target);
}

/* ---- SQLite ---- */

mr_status mr__sqlite_failed(sqlite3 *db, const char *path)
{
    return mr_fail(sqlite3_errcode(db) == SQLITE_NOMEM ? MR_ERR_MEMORY : MR_ERR_IO, "'%s': %s", path,
                   db ? sqlite3_errmsg(db) : "out of memory");
}

sqlite3 *mr__sqlite_open(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL) ==
        SQLITE_OK) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL); /* "x" is a column, never a text */
        return db;
    }
    mr__sqlite_failed(db, path);
    sqlite3_close(db);
    return NULL;
}

mr_status mr__sqlite_places(const mr__sqlite_plan *plan, sqlite3_stmt *statement, int *place)
{
    const int count = sqlite3_column_count(statement);
    for (int i = 0; i < plan->columns; i++) {
        place[i] = -1;
        for (int c = 0; c < count && place[i] < 0; c++)
            if (strcmp(sqlite3_column_name(statement, c), plan->column[i]) == 0)
                place[i] = c;
        if (place[i] < 0)
            return mr_fail(MR_ERR_ARGUMENT, "'%s': %s has no column '%s'", plan->path, plan->what,
                           plan->column[i]);
    }
    return MR_OK;
}

/* ---- values ---- */

typedef struct cell {
    const mr__sqlite_plan *plan;
    sqlite3_stmt *statement;
    int column, place, field;
    int64_t number;
} cell;

static mr_status wrong(const cell *c, const char *wanted)
{
    static const char *const kinds[] = { "", "a whole number", "a number", "a text", "a blob", "NULL" };
    return mr_fail(MR_ERR_FORMAT, "'%s': row %lld of %s, column '%s': %s, not %s", c->plan->path,
                   (long long)c->number, c->plan->what, c->plan->column[c->column],
                   kinds[sqlite3_column_type(c->statement, c->place)], wanted);
}

static mr_status read_null(const cell *c, void *to)
{
    const mr_sqlite_field *o = &c->plan->options[c->field];
    const mr_dtype dtype = c->plan->field[c->field].dtype;
    switch (o->missing) {
    case MR_MISSING_SKIP:
        return MR_END;
    case MR_MISSING_FAIL:
        return wrong(c, "a value");
    default:
        break;
    }
    if (mr__is_floating(dtype))
        mr__put_double(dtype, to, o->missing == MR_MISSING_NAN ? NAN : o->fill);
    else
        mr__put_int(dtype, to, (int64_t)o->fill);
    return MR_OK;
}

static mr_status read_blob(const cell *c, void *to)
{
    const mr_field *f = &c->plan->field[c->field];
    size_t wanted = mr_dtype_size(f->dtype), there = (size_t)sqlite3_column_bytes(c->statement, c->place);
    for (int d = 0; d < f->shape.ndim; d++)
        wanted *= (size_t)f->shape.dim[d];
    if (sqlite3_column_type(c->statement, c->place) != SQLITE_BLOB)
        return wrong(c, "a blob");
    if (there != wanted)
        return mr_fail(MR_ERR_FORMAT, "'%s': row %lld of %s, column '%s': a blob of %zu bytes, not %zu",
                       c->plan->path, (long long)c->number, c->plan->what, c->plan->column[c->column], there,
                       wanted);
    if (wanted)
        memcpy(to, sqlite3_column_blob(c->statement, c->place), wanted);
    return MR_OK;
}

static mr_status read_word(const cell *c, void *to)
{
    if (sqlite3_column_type(c->statement, c->place) != SQLITE_TEXT)
        return wrong(c, "a word");
    const char *text = (const char *)sqlite3_column_text(c->statement, c->place);
    int64_t number = text ? mr__words_find(&c->plan->words[c->field], text, strlen(text)) : -1;
    if (number < 0)
        return mr_fail(MR_ERR_FORMAT, "'%s': row %lld of %s, column '%s': '%.40s' is none of the words",
                       c->plan->path, (long long)c->number, c->plan->what, c->plan->column[c->column],
                       text ? text : "");
    mr__put_int(c->plan->field[c->field].dtype, to, number);
    return MR_OK;
}

static mr_status read_cell(const cell *c, void *to)
{
    const mr_dtype dtype = c->plan->field[c->field].dtype;
    const int type = sqlite3_column_type(c->statement, c->place);
    if (type == SQLITE_NULL)
        return read_null(c, to);
    if (c->plan->blob[c->field])
        return read_blob(c, to);
    if (c->plan->words[c->field].count)
        return read_word(c, to);
    if (mr__is_floating(dtype)) {
        if (type != SQLITE_FLOAT && type != SQLITE_INTEGER)
            return wrong(c, "a number");
        mr__put_double(dtype, to, sqlite3_column_double(c->statement, c->place));
        return MR_OK;
    }
    if (type != SQLITE_INTEGER)
        return wrong(c, "a whole number");
    int64_t value = sqlite3_column_int64(c->statement, c->place);
    if (mr__put_int(dtype, to, value))
        return MR_OK;
    return mr_fail(MR_ERR_FORMAT, "'%s': row %lld of %s, column '%s': %lld does not fit %s", c->plan->path,
                   (long long)c->number, c->plan->what, c->plan->column[c->column], (long long)value,
                   mr_dtype_name(dtype));
}

mr_status mr__sqlite_read(const mr__sqlite_plan *plan, sqlite3_stmt *statement, const int *place,
                          int64_t number, void *const *field, int64_t row)
{
    mr_status left_out = MR_OK;
    int before = -1, at = 0;
    for (int i = 0; i < plan->columns; i++) {
        const cell c = { plan, statement, i, place[i], plan->target[i], number };
        const mr_field *f = &plan->field[c.field];
        at = c.field == before ? at + 1 : 0;
        before = c.field;
        int64_t each = 1;
        for (int d = 0; d < f->shape.ndim; d++)
            each *= f->shape.dim[d];
        mr_status s =
            read_cell(&c, (char *)field[c.field] + (size_t)(row * each + at) * mr_dtype_size(f->dtype));
        if (s < 0)
            return s;
        if (s == MR_END)
            left_out = MR_END;
    }
    return left_out;
}
