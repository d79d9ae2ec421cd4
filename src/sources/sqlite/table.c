/* The rows of a table by their number. */
#include "rows.h"

#include "sources/numbers.h"
#include "sources/sql.h"

typedef struct table {
    mr__sqlite sqlite;
    mr__numbers rowids;
} table;

/* What a thread reads with. */
typedef struct reader {
    sqlite3 *db;
    sqlite3_stmt *statement;
    int *place;
} reader;

/* ---- statements ---- */

/* SELECT "a", "b" FROM "t" and what is behind it; NULL after a failure. */
static char *select_text(const mr__sqlite *sqlite, bool rowid, const char *rest)
{
    mr__sql sql = { 0 };
    mr__sql_add(&sql, rowid ? "SELECT rowid, " : "SELECT ");
    for (int i = 0; i < sqlite->table.columns; i++) {
        mr__sql_add(&sql, i ? ", " : "");
        mr__sql_add_name(&sql, sqlite->table.column[i]);
    }
    mr__sql_add(&sql, " FROM ");
    mr__sql_add_name(&sql, sqlite->table.what);
    mr__sql_add(&sql, rest);
    return sql.text;
}

static void reader_close(reader *r)
{
    sqlite3_finalize(r->statement);
    sqlite3_close(r->db);
    mr_free(r->place);
    mr_free(r);
}

static reader *reader_open(const mr__sqlite *sqlite, bool rowid, const char *rest)
{
    reader *r = mr_calloc(1, sizeof *r);
    char *text = r ? select_text(sqlite, rowid, rest) : NULL;
    if (text && (r->place = mr_calloc((size_t)sqlite->table.columns, sizeof *r->place)) &&
        (r->db = mr__sqlite_open(sqlite))) {
        if (sqlite3_prepare_v2(r->db, text, -1, &r->statement, NULL) != SQLITE_OK) {
            mr__sqlite_failed(sqlite, r->db);
        } else {
            for (int i = 0; i < sqlite->table.columns; i++)
                r->place[i] = i + rowid;
            mr_free(text);
            return r;
        }
    }
    mr_free(text);
    if (r)
        reader_close(r);
    return NULL;
}

/* ---- callbacks ---- */

static void *worker_open(void *self)
{
    return reader_open(&(*(table **)self)->sqlite, false, " WHERE rowid = ?");
}

static void worker_close(void *self, void *worker)
{
    (void)self;
    if (worker)
        reader_close(worker);
}

static mr_status read_at(const table *t, reader *r, int64_t rowid, void *const *field, int64_t row)
{
    sqlite3_bind_int64(r->statement, 1, rowid);
    int code = sqlite3_step(r->statement);
    mr_status s = MR_OK;
    if (code == SQLITE_ROW)
        s = mr__sqlite_read(&t->sqlite, r->statement, r->place, rowid, field, row);
    else if (code == SQLITE_DONE)
        s = mr_fail(MR_ERR_STATE, "'%s': row %lld of %s is gone since the table was opened", t->sqlite.path,
                    (long long)rowid, t->sqlite.table.what);
    else
        s = mr__sqlite_failed(&t->sqlite, r->db);
    sqlite3_reset(r->statement);
    return s == MR_END ? mr_fail(MR_ERR_STATE, "'%s': row %lld of %s has become one to leave out",
                                 t->sqlite.path, (long long)rowid, t->sqlite.table.what)
                       : s;
}

static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const table *t = *(table **)self;
    for (int64_t i = 0; i < count; i++)
        if (read_at(t, first->worker, t->rowids.at[indices[i]], first->field, i) < 0)
            return mr_error_status();
    return MR_OK;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    return get_many(self, &index, 1, sample);
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

static mr_status list_rows(table *t)
{
    reader *r = reader_open(&t->sqlite, true, " ORDER BY rowid");
    if (!r)
        return mr_error_status();
    mr_status s = MR_OK;
    int code = SQLITE_DONE;
    while (s == MR_OK && (code = sqlite3_step(r->statement)) == SQLITE_ROW)
        if (!mr__sqlite_left_out(&t->sqlite, r->statement, r->place))
            s = mr__numbers_add(&t->rowids, sqlite3_column_int64(r->statement, 0));
    if (s == MR_OK && code != SQLITE_DONE)
        s = mr__sqlite_failed(&t->sqlite, r->db);
    reader_close(r);
    return s;
}

mr_dataset *mr_sqlite_new(const char *path, const char *name, const mr_table_field *fields, int field_count)
{
    static const mr_dataset_vtable vtable = { .len = len,
                                              .get = get,
                                              .get_many = get_many,
                                              .destroy = destroy,
                                              .worker_open = worker_open,
                                              .worker_close = worker_close };
    table *t = mr_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    mr_dataset *dataset = NULL;
    if (mr__sqlite_make(&t->sqlite, "sqlite_new", path, name, fields, field_count) == MR_OK &&
        list_rows(t) == MR_OK)
        dataset = mr_dataset_new(&vtable, &t, sizeof t, t->sqlite.table.field, t->sqlite.table.field_count);
    if (!dataset)
        table_free(t);
    return dataset;
}
