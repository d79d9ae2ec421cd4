#include "values.h"

#include "sources/sql.h"

#include <math.h>
#include <string.h>

/* ---- types: numbers of pg_type's rows, which never change ---- */

mr__pg_type mr__pg_known_type(Oid oid)
{
    switch (oid) {
    case 16:
        return MR__PG_BOOL;
    case 17:
        return MR__PG_BYTEA;
    case 20:
        return MR__PG_INT8;
    case 21:
        return MR__PG_INT2;
    case 23:
        return MR__PG_INT4;
    case 700:
        return MR__PG_FLOAT4;
    case 701:
        return MR__PG_FLOAT8;
    case 1042:
        return MR__PG_PADDED;
    case 1082:
        return MR__PG_DATE;
    case 1114: /* without a time zone */
    case 1184: /* with one */
        return MR__PG_TIMESTAMP;
    case 1700:
        return MR__PG_NUMERIC;
    case 18:  /* "char" */
    case 19:  /* name */
    case 25:  /* text */
    case 114: /* json */
    case 1043:
        return MR__PG_TEXT;
    default:
        return MR__PG_OTHER;
    }
}

/* What the server calls a type; whether it is an enumeration, or a kind of string. NULL after a failure. */
static char *ask_name(const mr__postgres *postgres, PGconn *conn, Oid oid, bool *text)
{
    mr__sql sql = { 0 };
    mr__sql_add(
        &sql, "SELECT format_type(oid, NULL), typtype = 'e' OR typcategory = 'S' FROM pg_type WHERE oid = ");
    mr__sql_add_number(&sql, oid);
    PGresult *result = sql.text ? mr__postgres_run(postgres, conn, sql.text) : NULL;
    mr_free(sql.text);
    if (!result)
        return NULL;
    bool there = PQntuples(result) == 1;
    char *name = mr_strdup(there ? PQgetvalue(result, 0, 0) : "?");
    *text = there && *PQgetvalue(result, 0, 1);
    PQclear(result);
    return name;
}

/* What a field wants of its column, in words; NULL when this type will do. */
static const char *wants(const mr__table *table, int column, mr__pg_type type)
{
    const mr_field *f = &table->field[table->target[column].field];
    const bool text = type == MR__PG_TEXT || type == MR__PG_PADDED;
    if (mr__table_is_whole(table, column)) {
        const bool letters = f->shape.dim[0] == -1 && f->dtype == MR_UINT8;
        return type == MR__PG_BYTEA || (letters && text) ? NULL : letters ? "bytea or a text" : "bytea";
    }
    if (table->words[table->target[column].field].count)
        return text ? NULL : "a text";
    return type >= MR__PG_BOOL && type <= MR__PG_TIMESTAMP ? NULL : "a number";
}

char *mr__pg_type_of(const mr__postgres *postgres, PGconn *conn, mr__pg_column *column)
{
    bool text = false;
    char *name = ask_name(postgres, conn, column->oid, &text);
    column->type = mr__pg_known_type(column->oid);
    if (name && text && column->type == MR__PG_OTHER)
        column->type = MR__PG_TEXT;
    return name;
}

static mr_status find_type(const mr__postgres *postgres, PGconn *conn, int i, mr__pg_column *column)
{
    column->type = mr__pg_known_type(column->oid);
    if (!wants(&postgres->table, i, column->type))
        return MR_OK;
    char *name = mr__pg_type_of(postgres, conn, column);
    if (!name)
        return mr_error_status();
    const char *wanted = wants(&postgres->table, i, column->type);
    if (wanted)
        mr_fail(MR_ERR_ARGUMENT, "%s: %s, column '%s': it has the type %s, and is to be %s",
                postgres->table.source, postgres->table.what, postgres->table.column[i], name, wanted);
    mr_free(name);
    return wanted ? mr_error_status() : MR_OK;
}

static int place_of(const PGresult *result, const char *name)
{
    for (int c = 0; c < PQnfields(result); c++)
        if (strcmp(PQfname(result, c), name) == 0)
            return c;
    return -1;
}

static mr_status no_column(const mr__postgres *postgres, const char *name)
{
    return mr_fail(MR_ERR_ARGUMENT, "%s: %s has no column '%s'", postgres->table.source, postgres->table.what,
                   name);
}

mr_status mr__pg_columns(const mr__postgres *postgres, PGconn *conn, const PGresult *result,
                         mr__pg_column *columns)
{
    const mr__table *table = &postgres->table;
    for (int i = 0; i < table->columns; i++) {
        const Oid before = columns[i].oid;
        columns[i].place = table->each && i < PQnfields(result) ? i : place_of(result, table->column[i]);
        if (columns[i].place < 0)
            return no_column(postgres, table->column[i]);
        columns[i].oid = PQftype(result, columns[i].place);
        if (columns[i].oid != before && find_type(postgres, conn, i, &columns[i]) < 0)
            return mr_error_status();
    }
    return MR_OK;
}

/* ---- values ---- */

static uint64_t big_endian(const void *bytes, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | ((const unsigned char *)bytes)[i];
    return value;
}

static int64_t whole_of(const void *bytes, mr__pg_type type)
{
    return type == MR__PG_INT2   ? (int16_t)big_endian(bytes, 2)
           : type == MR__PG_INT4 ? (int32_t)big_endian(bytes, 4)
                                 : (int64_t)big_endian(bytes, 8);
}

static double float_of(const void *bytes, mr__pg_type type)
{
    float narrow;
    double wide;
    const uint32_t four = (uint32_t)big_endian(bytes, 4);
    if (type == MR__PG_FLOAT4) {
        memcpy(&narrow, &four, sizeof narrow);
        return (double)narrow;
    }
    const uint64_t eight = big_endian(bytes, 8);
    memcpy(&wide, &eight, sizeof wide);
    return wide;
}

/* Seconds since 1970; the server counts days, or microseconds, from 2000 on, and has an infinity at either end. */
static mr__value seconds_of(int64_t count, bool date, int64_t first, int64_t last)
{
    enum { DAY = 86400, FROM_1970 = 946684800, MICROSECONDS = 1000000 };
    if (count == first || count == last)
        return (mr__value){ .kind = MR__NUMBER, .number = count == last ? HUGE_VAL : -HUGE_VAL };
    if (date)
        return (mr__value){ .kind = MR__WHOLE, .whole = count * DAY + FROM_1970 };
    int64_t fraction = count % MICROSECONDS, seconds = count / MICROSECONDS + FROM_1970, all;
    if (!fraction)
        return (mr__value){ .kind = MR__WHOLE, .whole = seconds };
    bool wide = __builtin_add_overflow(count, FROM_1970 * (int64_t)MICROSECONDS, &all);
    return (mr__value){ .kind = MR__NUMBER, .number = wide ? (double)seconds : (double)all / MICROSECONDS };
}

static const int sizes[] = {
    [MR__PG_BOOL] = 1,   [MR__PG_INT2] = 2,   [MR__PG_INT4] = 4, [MR__PG_INT8] = 8,
    [MR__PG_FLOAT4] = 4, [MR__PG_FLOAT8] = 8, [MR__PG_DATE] = 4, [MR__PG_TIMESTAMP] = 8,
};

/* False when the bytes are none of the type's. */
static bool value_of(const char *bytes, int size, mr__pg_type type, mr__value *v)
{
    if ((size_t)type < sizeof sizes / sizeof *sizes && sizes[type] && size != sizes[type])
        return false;
    switch (type) {
    case MR__PG_BOOL:
        *v = (mr__value){ .kind = MR__WHOLE, .whole = *bytes != 0 };
        return true;
    case MR__PG_INT2:
    case MR__PG_INT4:
    case MR__PG_INT8:
        *v = (mr__value){ .kind = MR__WHOLE, .whole = whole_of(bytes, type) };
        return true;
    case MR__PG_FLOAT4:
    case MR__PG_FLOAT8:
        *v = (mr__value){ .kind = MR__NUMBER, .number = float_of(bytes, type) };
        return true;
    case MR__PG_NUMERIC:
        return mr__pg_numeric(bytes, (size_t)size, v);
    case MR__PG_DATE:
        *v = seconds_of(whole_of(bytes, MR__PG_INT4), true, INT32_MIN, INT32_MAX);
        return true;
    case MR__PG_TIMESTAMP:
        *v = seconds_of(whole_of(bytes, MR__PG_INT8), false, INT64_MIN, INT64_MAX);
        return true;
    default:
        while (type == MR__PG_PADDED && size && bytes[size - 1] == ' ')
            size--;
        v->kind = type == MR__PG_BYTEA ? MR__BYTES : MR__TEXT;
        v->at = bytes;
        v->size = (size_t)size;
        return true;
    }
}

mr_status mr__pg_key(const mr__postgres *postgres, const PGresult *result, const char *name,
                     mr__pg_column *column)
{
    column->place = place_of(result, name);
    if (column->place < 0)
        return no_column(postgres, name);
    column->type = mr__pg_known_type(PQftype(result, column->place));
    if (column->type == MR__PG_INT2 || column->type == MR__PG_INT4 || column->type == MR__PG_INT8)
        return MR_OK;
    return mr_fail(MR_ERR_ARGUMENT, "%s: %s, column '%s': a key is a smallint, an integer or a bigint",
                   postgres->table.source, postgres->table.what, name);
}

const char *mr__pg_key_of(const PGresult *result, int row, const mr__pg_column *column, int64_t *key)
{
    if (PQgetisnull(result, row, column->place))
        return "NULL";
    if (PQgetlength(result, row, column->place) != sizes[column->type])
        return "damaged";
    *key = whole_of(PQgetvalue(result, row, column->place), column->type);
    return NULL;
}

mr_status mr__pg_read(const mr__postgres *postgres, const PGresult *result, int from,
                      const mr__pg_column *columns, int64_t number, void *const *field, int64_t row)
{
    const mr__row to = { &postgres->table, number, field, row };
    for (int i = 0; postgres->table.skips && i < postgres->table.columns; i++)
        if (mr__table_skips(&postgres->table, i) && PQgetisnull(result, from, columns[i].place))
            return MR_END;
    for (int i = 0; i < postgres->table.columns; i++) {
        const int place = columns[i].place, size = PQgetlength(result, from, place);
        mr__value value = { .kind = MR__NULL };
        if (!PQgetisnull(result, from, place) &&
            !value_of(PQgetvalue(result, from, place), size, columns[i].type, &value))
            return mr__row_wrong(&to, i, "%d bytes that are no value of its type", size);
        if (mr__row_put(&to, i, &value) < 0)
            return mr_error_status();
    }
    return MR_OK;
}
