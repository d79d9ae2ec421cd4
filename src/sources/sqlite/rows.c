#include "rows.h"

#include <stdio.h>
#include <string.h>

mr_status mr__sqlite_make(mr__sqlite *sqlite, const char *call, const char *path, const char *what,
                          const mr_table_field *fields, int field_count)
{
    if (!path || !what)
        return mr_fail(MR_ERR_ARGUMENT, "%s: %s is NULL", call, path ? "table or query" : "path");
    const size_t room = strlen(path) + 3;
    char *source = mr_alloc(room);
    if (!source)
        return mr_error_status();
    snprintf(source, room, "'%s'", path);
    sqlite->path = mr_strdup(path);
    mr_status s = sqlite->path ? mr__table_make(&sqlite->table, call, source, what, fields, field_count)
                               : mr_error_status();
    mr_free(source);
    return s;
}

void mr__sqlite_free(mr__sqlite *sqlite)
{
    mr__table_free(&sqlite->table);
    mr_free(sqlite->path);
}

/* ---- the connection ---- */

mr_status mr__sqlite_failed(const mr__sqlite *sqlite, sqlite3 *db)
{
    return mr_fail(sqlite3_errcode(db) == SQLITE_NOMEM ? MR_ERR_MEMORY : MR_ERR_IO, "'%s': %s", sqlite->path,
                   db ? sqlite3_errmsg(db) : "out of memory");
}

sqlite3 *mr__sqlite_open(const mr__sqlite *sqlite)
{
    sqlite3 *db = NULL;
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
    if (sqlite3_open_v2(sqlite->path, &db, flags, NULL) == SQLITE_OK) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL); /* "x" is a column, never a text */
        return db;
    }
    mr__sqlite_failed(sqlite, db);
    sqlite3_close(db);
    return NULL;
}

mr_status mr__sqlite_places(const mr__sqlite *sqlite, sqlite3_stmt *statement, int *place)
{
    const int count = sqlite3_column_count(statement);
    for (int i = 0; i < sqlite->table.columns; i++) {
        place[i] = -1;
        for (int c = 0; c < count && place[i] < 0; c++)
            if (strcmp(sqlite3_column_name(statement, c), sqlite->table.column[i]) == 0)
                place[i] = c;
        if (place[i] < 0)
            return mr_fail(MR_ERR_ARGUMENT, "'%s': %s has no column '%s'", sqlite->path, sqlite->table.what,
                           sqlite->table.column[i]);
    }
    return MR_OK;
}

/* ---- values ---- */

static mr__value value_at(sqlite3_stmt *statement, int place)
{
    mr__value v = { .kind = MR__NULL };
    switch (sqlite3_column_type(statement, place)) {
    case SQLITE_INTEGER:
        v.kind = MR__WHOLE;
        v.whole = sqlite3_column_int64(statement, place);
        break;
    case SQLITE_FLOAT:
        v.kind = MR__NUMBER;
        v.number = sqlite3_column_double(statement, place);
        break;
    case SQLITE_TEXT:
        v.kind = MR__TEXT;
        v.at = sqlite3_column_text(statement, place);
        v.size = (size_t)sqlite3_column_bytes(statement, place);
        break;
    case SQLITE_BLOB:
        v.kind = MR__BYTES;
        v.at = sqlite3_column_blob(statement, place);
        v.size = (size_t)sqlite3_column_bytes(statement, place);
        break;
    default:
        break;
    }
    return v;
}

bool mr__sqlite_left_out(const mr__sqlite *sqlite, sqlite3_stmt *statement, const int *place)
{
    for (int i = 0; sqlite->table.skips && i < sqlite->table.columns; i++)
        if (mr__table_skips(&sqlite->table, i) && sqlite3_column_type(statement, place[i]) == SQLITE_NULL)
            return true;
    return false;
}

mr_status mr__sqlite_read(const mr__sqlite *sqlite, sqlite3_stmt *statement, const int *place, int64_t number,
                          void *const *field, int64_t row)
{
    const mr__row to = { &sqlite->table, number, field, row };
    if (mr__sqlite_left_out(sqlite, statement, place))
        return MR_END;
    for (int i = 0; i < sqlite->table.columns; i++) {
        const mr__value value = value_at(statement, place[i]);
        if (!value.at && value.kind == MR__TEXT) /* it is made of UTF-16 */
            return mr_fail(MR_ERR_MEMORY, "'%s': out of memory", sqlite->path);
        if (mr__row_put(&to, i, &value) < 0)
            return mr_error_status();
    }
    return MR_OK;
}
