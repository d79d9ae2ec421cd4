#include "rowid.h"

#include "sources/sql.h"

enum { NAMES = 3 };
static const char *const names[NAMES] = { "rowid", "_rowid_", "oid" };

/* Begins a query that has the table's name as its parameter. */
static mr_status begin(const mr__sqlite *sqlite, sqlite3 *db, const char *text, sqlite3_stmt **query)
{
    if (mr__sqlite_prepare(sqlite, db, mr_strdup(text), query) < 0)
        return mr_error_status();
    return sqlite3_bind_text(*query, 1, sqlite->table.what, -1, SQLITE_STATIC) == SQLITE_OK
               ? MR_OK
               : mr__sqlite_failed(sqlite, db);
}

static mr_status look_for_view(const mr__sqlite *sqlite, sqlite3 *db)
{
    sqlite3_stmt *query = NULL;
    mr_status s = begin(
        sqlite, db, "SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = ?1 COLLATE NOCASE", &query);
    const int code = s == MR_OK ? sqlite3_step(query) : SQLITE_DONE;
    if (code == SQLITE_ROW)
        s = mr_fail(
            MR_ERR_ARGUMENT,
            "sqlite_new: '%s': %s is a view, whose rows have no rowids: mr_sqlite_stream_new reads it",
            sqlite->path, sqlite->table.what);
    else if (code != SQLITE_DONE)
        s = mr__sqlite_failed(sqlite, db);
    sqlite3_finalize(query);
    return s;
}

/* Of all columns but an INTEGER PRIMARY KEY, which is the rowid itself. Other primary keys have an index. */
static const char columns_text[] = "SELECT name FROM pragma_table_xinfo(?1) WHERE NOT (pk AND type = "
                                   "'INTEGER' COLLATE NOCASE AND NOT EXISTS "
                                   "(SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'))";

static mr_status look_for_columns(const mr__sqlite *sqlite, sqlite3 *db, bool *taken)
{
    sqlite3_stmt *query = NULL;
    mr_status s = begin(sqlite, db, columns_text, &query);
    int code = SQLITE_DONE;
    while (s == MR_OK && (code = sqlite3_step(query)) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(query, 0);
        for (int i = 0; column && i < NAMES; i++)
            taken[i] = taken[i] || sqlite3_stricmp(column, names[i]) == 0;
    }
    if (code != SQLITE_DONE)
        s = mr__sqlite_failed(sqlite, db);
    sqlite3_finalize(query);
    return s;
}

/* What comes of preparing SELECT what FROM the table; -1 after a failure. */
static int selecting(const mr__sqlite *sqlite, sqlite3 *db, const char *what)
{
    mr__sql sql = { 0 };
    sqlite3_stmt *query = NULL;
    mr__sql_add(&sql, "SELECT ");
    mr__sql_add(&sql, what);
    mr__sql_add(&sql, " FROM ");
    mr__sql_add_name(&sql, sqlite->table.what);
    const int code = sql.text ? sqlite3_prepare_v2(db, sql.text, -1, &query, NULL) : -1;
    sqlite3_finalize(query);
    mr_free(sql.text);
    return code;
}

static mr_status choose(const mr__sqlite *sqlite, sqlite3 *db, const char **name)
{
    bool taken[NAMES] = { false };
    int i = 0;
    if (look_for_view(sqlite, db) < 0 || look_for_columns(sqlite, db, taken) < 0)
        return mr_error_status();
    while (i < NAMES && taken[i])
        i++;
    if (i == NAMES)
        return mr_fail(
            MR_ERR_ARGUMENT,
            "sqlite_new: '%s': %s has columns called rowid, _rowid_ and oid, so that nothing names the "
            "rowids of its rows: mr_sqlite_stream_new reads it",
            sqlite->path, sqlite->table.what);
    *name = names[i];
    const int with = selecting(sqlite, db, *name);
    const int without = with == SQLITE_ERROR ? selecting(sqlite, db, "1") : with;
    if (with < 0 || without < 0)
        return mr_error_status();
    if (with == SQLITE_ERROR && without == SQLITE_OK)
        return mr_fail(MR_ERR_ARGUMENT,
                       "sqlite_new: '%s': %s is a table WITHOUT ROWID: mr_sqlite_stream_new reads it",
                       sqlite->path, sqlite->table.what);
    return MR_OK;
}

mr_status mr__sqlite_rowid(const mr__sqlite *sqlite, const char **name)
{
    sqlite3 *db = mr__sqlite_open(sqlite);
    const mr_status s = db ? choose(sqlite, db, name) : mr_error_status();
    sqlite3_close(db);
    return s;
}
