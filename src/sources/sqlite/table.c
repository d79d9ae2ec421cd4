/* The rows of a table by their number. */
#include "rows.h"

#include <stdio.h>
#include <string.h>

typedef struct table {
    mr__sqlite sqlite;
    int64_t *rowid;
    int64_t rows, room;
} table;

/* What a thread reads with. */
typedef struct reader {
    sqlite3 *db;
    sqlite3_stmt *statement;
    int *place;
} reader;

/* ---- statements ---- */

/* A name in quotes, doubled inside. */
static void append_name(char *to, const char *name)
{
    char *at = to + strlen(to);
    *at++ = '"';
    for (; *name; name++) {
        if (*name == '"')
            *at++ = '"';
        *at++ = *name;
    }
    *at++ = '"';
    *at = 0;
}

/* SELECT "a", "b" FROM "t" and what is behind it. */
static char *select_text(const mr__sqlite *sqlite, bool rowid, const char *rest)
{
    size_t room = 64 + 2 * strlen(sqlite->table.what) + strlen(rest);
    for (int i = 0; i < sqlite->table.columns; i++)
        room += 2 * strlen(sqlite->table.column[i]) + 4;
    char *text = mr_alloc(room);
    if (!text)
        return NULL;
    strcpy(text, rowid ? "SELECT rowid, " : "SELECT ");
    for (int i = 0; i < sqlite->table.columns; i++) {
        if (i)
            strcat(text, ", ");
        append_name(text, sqlite->table.column[i]);
    }
    strcat(text, " FROM ");
    append_name(text, sqlite->table.what);
    strcat(text, rest);
    return text;
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
        if (read_at(t, first->worker, t->rowid[indices[i]], first->field, i) < 0)
            return mr_error_status();
    return MR_OK;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    return get_many(self, &index, 1, sample);
}

static int64_t len(void *self)
{
    return (*(table **)self)->rows;
}

static void table_free(table *t)
{
    mr__sqlite_free(&t->sqlite);
    mr_free(t->rowid);
    mr_free(t);
}

static void destroy(void *self)
{
    table_free(*(table **)self);
}

/* ---- making ---- */

static mr_status keep(table *t, int64_t rowid)
{
    if (t->rows == t->room) {
        int64_t room = t->room ? t->room * 2 : 1024;
        int64_t *list = mr_grow(t->rowid, (size_t)t->rows * sizeof *list, (size_t)room * sizeof *list);
        if (!list)
            return mr_error_status();
        t->rowid = list;
        t->room = room;
    }
    t->rowid[t->rows++] = rowid;
    return MR_OK;
}

/* Whether the row has a NULL in a field whose rows are then left out. */
static bool left_out(const table *t, const reader *r)
{
    for (int i = 0; i < t->sqlite.table.columns; i++)
        if (t->sqlite.table.options[t->sqlite.table.target[i].field].missing == MR_MISSING_SKIP &&
            sqlite3_column_type(r->statement, r->place[i]) == SQLITE_NULL)
            return true;
    return false;
}

static mr_status list_rows(table *t)
{
    reader *r = reader_open(&t->sqlite, true, " ORDER BY rowid");
    if (!r)
        return mr_error_status();
    mr_status s = MR_OK;
    int code = SQLITE_DONE;
    while (s == MR_OK && (code = sqlite3_step(r->statement)) == SQLITE_ROW)
        if (!t->sqlite.table.skips || !left_out(t, r))
            s = keep(t, sqlite3_column_int64(r->statement, 0));
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
