#include "rows.h"

#include <stdio.h>
#include <string.h>

enum { WAIT_MILLISECONDS = 60 * 1000 }; /* for who writes */

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
    mr_status s = sqlite->path ? mr__table_name(&sqlite->table, source, what) : mr_error_status();
    mr_free(source);
    return s == MR_OK && fields ? mr__table_make(&sqlite->table, call, fields, field_count) : s;
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
        sqlite3_busy_timeout(db, WAIT_MILLISECONDS);
        sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL); /* "x" is a column, never a text */
        return db;
    }
    mr__sqlite_failed(sqlite, db);
    sqlite3_close(db);
    return NULL;
}

mr_status mr__sqlite_prepare(const mr__sqlite *sqlite, sqlite3 *db, char *text, sqlite3_stmt **statement)
{
    mr_status s = MR_OK;
    if (!text)
        s = mr_error_status();
    else if (sqlite3_prepare_v2(db, text, -1, statement, NULL) != SQLITE_OK)
        s = mr__sqlite_failed(sqlite, db);
    mr_free(text);
    return s;
}

mr_status mr__sqlite_places(const mr__sqlite *sqlite, sqlite3_stmt *statement, int *place)
{
    const int count = sqlite3_column_count(statement);
    for (int i = 0; i < sqlite->table.columns; i++) {
        place[i] = sqlite->table.each && i < count ? i : -1;
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

static mr__value value_of(sqlite3_value *from)
{
    mr__value v = { .kind = MR__NULL };
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        v.kind = MR__WHOLE;
        v.whole = sqlite3_value_int64(from);
        break;
    case SQLITE_FLOAT:
        v.kind = MR__NUMBER;
        v.number = sqlite3_value_double(from);
        break;
    case SQLITE_TEXT:
        v.kind = MR__TEXT;
        v.at = sqlite3_value_text(from);
        v.size = (size_t)sqlite3_value_bytes(from);
        break;
    case SQLITE_BLOB:
        v.kind = MR__BYTES;
        v.at = sqlite3_value_blob(from);
        v.size = (size_t)sqlite3_value_bytes(from);
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

static mr_status read_value(const mr__row *row, int column, sqlite3_value *from)
{
    const mr__value value = value_of(from);
    if (!value.at && value.kind == MR__TEXT) /* it is made of UTF-16 */
        return mr_fail(MR_ERR_MEMORY, "%s: out of memory", row->table->source);
    return mr__row_put(row, column, &value);
}

mr_status mr__sqlite_read(const mr__sqlite *sqlite, sqlite3_stmt *statement, const int *place, int64_t number,
                          void *const *field, int64_t row)
{
    const mr__row to = { &sqlite->table, number, field, row };
    if (mr__sqlite_left_out(sqlite, statement, place))
        return MR_END;
    for (int i = 0; i < sqlite->table.columns; i++) {
        /* Other threads do not know the connection: so the value is one that may be looked at. */
        sqlite3_value *from = sqlite3_column_value(statement, place[i]);
        const int type = sqlite3_value_type(from);
        if ((type == SQLITE_FLOAT || type == SQLITE_INTEGER) && mr__row_wants_number(&to, i)) /* most are */
            mr__row_put_number(&to, i,
                               type == SQLITE_FLOAT ? sqlite3_value_double(from)
                                                    : (double)sqlite3_value_int64(from));
        else if (read_value(&to, i, from) < 0)
            return mr_error_status();
    }
    return MR_OK;
}
