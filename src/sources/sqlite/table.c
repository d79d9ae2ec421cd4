/* The rows of a table by their number. */
#include "rowid.h"

#include "sources/numbers.h"
#include "sources/sql.h"

typedef struct table {
    mr__sqlite sqlite;
    const char *rowid; /* how the statements call the rows' numbers */
    mr__numbers rowids;
} table;

/* What a thread reads with. */
typedef struct reader {
    sqlite3 *db;
    sqlite3_stmt *statement;
    int *place;
} reader;

/* ---- a thread's reader ---- */

/* SELECT rowid, "a", "b" FROM "t" WHERE rowid >= ? ORDER BY rowid: a row, and those behind it. NULL after a failure. */
static char *rows_text(const table *t)
{
    const mr__sqlite *sqlite = &t->sqlite;
    mr__sql sql = { 0 };
    mr__sql_add(&sql, "SELECT ");
    mr__sql_add(&sql, t->rowid);
    for (int i = 0; i < sqlite->table.columns; i++) {
        mr__sql_add(&sql, ", ");
        mr__sql_add_name(&sql, sqlite->table.column[i]);
    }
    mr__sql_add(&sql, " FROM ");
    mr__sql_add_name(&sql, sqlite->table.what);
    mr__sql_add(&sql, " WHERE ");
    mr__sql_add(&sql, t->rowid);
    mr__sql_add(&sql, " >= ? ORDER BY ");
    mr__sql_add(&sql, t->rowid);
    return sql.text;
}

/* SELECT rowid FROM "t" WHERE "a" IS NOT NULL ORDER BY rowid: the rows that are not left out. */
static char *list_text(const table *t)
{
    const mr__sqlite *sqlite = &t->sqlite;
    mr__sql sql = { 0 };
    mr__sql_add(&sql, "SELECT ");
    mr__sql_add(&sql, t->rowid);
    mr__sql_add(&sql, " FROM ");
    mr__sql_add_name(&sql, sqlite->table.what);
    const char *word = " WHERE ";
    for (int i = 0; i < sqlite->table.columns; i++)
        if (mr__table_skips(&sqlite->table, i)) {
            mr__sql_add(&sql, word);
            mr__sql_add_name(&sql, sqlite->table.column[i]);
            mr__sql_add(&sql, " IS NOT NULL");
            word = " AND ";
        }
    mr__sql_add(&sql, " ORDER BY ");
    mr__sql_add(&sql, t->rowid);
    return sql.text;
}

static void reader_close(reader *r)
{
    sqlite3_finalize(r->statement);
    sqlite3_close(r->db);
    mr_free(r->place);
    mr_free(r);
}

static reader *reader_open(const table *t)
{
    const mr__sqlite *sqlite = &t->sqlite;
    reader *r = mr_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->place = mr_calloc((size_t)sqlite->table.columns, sizeof *r->place);
    for (int i = 0; r->place && i < sqlite->table.columns; i++)
        r->place[i] = i + 1;
    r->db = r->place ? mr__sqlite_open(sqlite) : NULL;
    if (r->db && mr__sqlite_prepare(sqlite, r->db, rows_text(t), &r->statement) == MR_OK)
        return r;
    reader_close(r);
    return NULL;
}

static void *worker_open(void *self)
{
    return reader_open(*(table **)self);
}

static void worker_close(void *self, void *worker)
{
    (void)self;
    if (worker)
        reader_close(worker);
}

/* ---- reading ---- */

static mr_status changed(const table *t, int64_t rowid, const char *how)
{
    return mr_fail(MR_ERR_STATE, "'%s': row %lld of %s %s since the table was opened", t->sqlite.path,
                   (long long)rowid, t->sqlite.table.what, how);
}

/* Goes on to a row; those in between are none of the list. */
static mr_status go_to(const table *t, reader *r, int64_t rowid)
{
    int code;
    do
        code = sqlite3_step(r->statement);
    while (code == SQLITE_ROW && sqlite3_column_int64(r->statement, 0) < rowid);
    if (code == SQLITE_ROW)
        return sqlite3_column_int64(r->statement, 0) == rowid ? MR_OK : changed(t, rowid, "is gone");
    if (code == SQLITE_DONE)
        return changed(t, rowid, "is gone");
    mr__sqlite_failed(&t->sqlite, r->db);
    mr_fail_context("row %lld of %s", (long long)rowid, t->sqlite.table.what);
    return mr_error_status();
}

static mr_status read_all(const table *t, reader *r, const int64_t *indices, int64_t count,
                          void *const *field)
{
    for (int64_t i = 0; i < count; i++) {
        const int64_t rowid = t->rowids.at[indices[i]];
        if (!i || indices[i] != indices[i - 1] + 1) {
            sqlite3_reset(r->statement);
            sqlite3_bind_int64(r->statement, 1, rowid);
        }
        if (go_to(t, r, rowid) < 0)
            return mr_error_status();
        mr_status s = mr__sqlite_read(&t->sqlite, r->statement, r->place, rowid, field, i);
        if (s == MR_END)
            return changed(t, rowid, "has become one to leave out");
        if (s < 0)
            return s;
    }
    return MR_OK;
}

/* In one transaction, since each one takes a lock. */
static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const table *t = *(table **)self;
    reader *r = first->worker;
    if (sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return mr__sqlite_failed(&t->sqlite, r->db);
    mr_status s = read_all(t, r, indices, count, first->field);
    sqlite3_reset(r->statement);
    sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
    return s;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    return get_many(self, &index, 1, sample);
}

static int origin(void *self, int64_t index, int field, char *text, size_t room)
{
    const table *t = *(table **)self;
    (void)field;
    return mr__table_origin(&t->sqlite.table, t->rowids.at[index], text, room);
}

static int64_t len(void *self)
{
    return (*(table **)self)->rowids.count;
}

static void table_free(table *t)
{
    mr__sqlite_free(&t->sqlite);
    mr_free(t->rowids.at);
    mr_free(t);
}

static void destroy(void *self)
{
    table_free(*(table **)self);
}

/* ---- making ---- */

/* A reader finds what is wrong with the columns. */
static mr_status list_rows(table *t)
{
    reader *r = reader_open(t);
    if (!r)
        return mr_error_status();
    sqlite3_stmt *list = NULL;
    mr_status s = mr__sqlite_prepare(&t->sqlite, r->db, list_text(t), &list);
    int code = SQLITE_DONE;
    while (s == MR_OK && (code = sqlite3_step(list)) == SQLITE_ROW)
        s = mr__numbers_add(&t->rowids, sqlite3_column_int64(list, 0));
    if (s == MR_OK && code != SQLITE_DONE)
        s = mr__sqlite_failed(&t->sqlite, r->db);
    sqlite3_finalize(list);
    reader_close(r);
    return s;
}

/* SELECT * FROM "t": a field for each of its columns. */
static mr_status guess(mr__sqlite *sqlite)
{
    mr__sql sql = { 0 };
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = mr__sqlite_open(sqlite);
    if (!db)
        return mr_error_status();
    mr__sql_add(&sql, "SELECT * FROM ");
    mr__sql_add_name(&sql, sqlite->table.what);
    mr_status s = mr__sqlite_prepare(sqlite, db, sql.text, &statement);
    if (s == MR_OK)
        s = mr__sqlite_guess(sqlite, "sqlite_new", statement);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return s;
}

mr_dataset *mr_sqlite_new(const char *path, const char *name, const mr_table_field *fields, int field_count)
{
    static const mr_dataset_vtable vtable = { .len = len,
                                              .get = get,
                                              .get_many = get_many,
                                              .destroy = destroy,
                                              .worker_open = worker_open,
                                              .worker_close = worker_close,
                                              .origin = origin };
    table *t = mr_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    mr_dataset *dataset = NULL;
    if (mr__sqlite_make(&t->sqlite, "sqlite_new", path, name, fields, field_count) == MR_OK &&
        (fields || guess(&t->sqlite) == MR_OK) && mr__sqlite_rowid(&t->sqlite, &t->rowid) == MR_OK &&
        list_rows(t) == MR_OK)
        dataset = mr_dataset_new(&vtable, &t, sizeof t, t->sqlite.table.field, t->sqlite.table.field_count);
    if (!dataset)
        table_free(t);
    return dataset;
}
