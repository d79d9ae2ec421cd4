/* The rows of a query, one after the other. */
#include "rows.h"

#include <string.h>

typedef struct query {
    mr__sqlite sqlite;
    char *text;
    bool sharded;
} query;

typedef struct query_cursor {
    const query *query;
    sqlite3 *db;
    sqlite3_stmt *statement;
    int *place;
    int64_t rows; /* that were gone through */
} query_cursor;

/* ---- the cursor ---- */

static void cursor_close(void *self)
{
    query_cursor *c = self;
    sqlite3_finalize(c->statement);
    sqlite3_close(c->db);
    mr_free(c->place);
    mr_free(c);
}

/* The statement; NULL after a failure. */
static sqlite3_stmt *statement_of(const query *q, sqlite3 *db)
{
    const char *rest = NULL;
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, q->text, -1, &statement, &rest) != SQLITE_OK) {
        mr__sqlite_failed(&q->sqlite, db);
        return NULL;
    }
    while (*rest == ' ' || *rest == '\n' || *rest == '\t' || *rest == ';')
        rest++;
    if (statement && !*rest)
        return statement;
    mr_fail(MR_ERR_ARGUMENT, "'%s': a query is one statement", q->sqlite.path);
    sqlite3_finalize(statement);
    return NULL;
}

static mr_status prepare(query_cursor *c, const query *q)
{
    c->query = q;
    c->place = mr_calloc((size_t)q->sqlite.table.columns, sizeof *c->place);
    c->db = c->place ? mr__sqlite_open(&q->sqlite) : NULL;
    c->statement = c->db ? statement_of(q, c->db) : NULL;
    return c->statement ? mr__sqlite_places(&q->sqlite, c->statement, c->place) : mr_error_status();
}

static void bind(sqlite3_stmt *statement, const char *name, int64_t value)
{
    int at = sqlite3_bind_parameter_index(statement, name);
    if (at)
        sqlite3_bind_int64(statement, at, value);
}

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    const query *q = *(query **)self;
    query_cursor *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    if (shard > 0 && !q->sharded)
        return c; /* without a statement there are no rows */
    if (prepare(c, q) == MR_OK) {
        bind(c->statement, ":shard", shard);
        bind(c->statement, ":shards", shards);
        return c;
    }
    cursor_close(c);
    return NULL;
}

/* Behind a failure there are no rows: another step would begin the query anew. */
static mr_status step(query_cursor *c)
{
    int code = c->statement ? sqlite3_step(c->statement) : SQLITE_DONE;
    if (code == SQLITE_ROW) {
        c->rows++;
        return MR_OK;
    }
    if (code == SQLITE_DONE)
        return MR_END;
    mr__sqlite_failed(&c->query->sqlite, c->db);
    mr_fail_context("the query, behind row %lld", (long long)c->rows);
    sqlite3_finalize(c->statement);
    c->statement = NULL;
    return mr_error_status();
}

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    query_cursor *c = self;
    for (;;) {
        mr_status s = step(c);
        if (s == MR_OK)
            s = mr__sqlite_read(&c->query->sqlite, c->statement, c->place, c->rows, sample->field, 0);
        else if (s == MR_END)
            return s;
        if (s != MR_END)
            return s;
    }
}

static int cursor_origin(void *self, int field, char *text, size_t room)
{
    const query_cursor *c = self;
    (void)field;
    return mr__table_origin(&c->query->sqlite.table, c->rows, text, room);
}

static void cursor_tell(void *self, void *state)
{
    memcpy(state, &((const query_cursor *)self)->rows, sizeof(int64_t));
}

static mr_status cursor_seek(void *self, const void *state)
{
    query_cursor *c = self;
    int64_t to;
    memcpy(&to, state, sizeof to);
    while (c->rows < to) {
        mr_status s = step(c);
        if (s < 0)
            return s;
        if (s == MR_END)
            return mr_fail(MR_ERR_STATE,
                           "'%s': the query has %lld rows, and had %lld or more: it has changed",
                           c->query->sqlite.path, (long long)c->rows, (long long)to);
    }
    return MR_OK;
}

/* ---- making ---- */

static void query_free(query *q)
{
    mr__sqlite_free(&q->sqlite);
    mr_free(q->text);
    mr_free(q);
}

static void destroy(void *self)
{
    query_free(*(query **)self);
}

static mr_status check(sqlite3_stmt *statement, bool *sharded)
{
    *sharded = sqlite3_bind_parameter_index(statement, ":shard") &&
               sqlite3_bind_parameter_index(statement, ":shards");
    if (sqlite3_bind_parameter_count(statement) != (*sharded ? 2 : 0))
        return mr_fail(MR_ERR_ARGUMENT,
                       "sqlite_stream_new: a query has no parameters, or :shard and :shards");
    return sqlite3_stmt_readonly(statement)
               ? MR_OK
               : mr_fail(MR_ERR_ARGUMENT, "sqlite_stream_new: a query that writes");
}

/* A field for each of its columns. */
static mr_status guess(query *q)
{
    bool sharded;
    sqlite3 *db = mr__sqlite_open(&q->sqlite);
    sqlite3_stmt *statement = db ? statement_of(q, db) : NULL;
    mr_status s = statement ? check(statement, &sharded) : mr_error_status();
    if (s == MR_OK) {
        bind(statement, ":shard", 0);
        bind(statement, ":shards", 1);
        s = mr__sqlite_guess(&q->sqlite, "sqlite_stream_new", statement);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return s;
}

/* Once, for what is wrong with the query to be said now. */
static mr_status try_out(query *q)
{
    query_cursor *c = mr_calloc(1, sizeof *c);
    if (!c)
        return mr_error_status();
    mr_status s = prepare(c, q);
    if (s == MR_OK)
        s = check(c->statement, &q->sharded);
    cursor_close(c);
    return s;
}

mr_dataset *mr_sqlite_stream_new(const char *path, const char *text, const mr_table_field *fields,
                                 int field_count)
{
    static const mr_stream_vtable vtable = { .open = cursor_open,
                                             .next = cursor_next,
                                             .close = cursor_close,
                                             .destroy = destroy,
                                             .cursor_state_size = sizeof(int64_t),
                                             .tell = cursor_tell,
                                             .seek = cursor_seek,
                                             .origin = cursor_origin };
    query *q = mr_calloc(1, sizeof *q);
    if (!q)
        return NULL;
    mr_dataset *dataset = NULL;
    q->text = mr_strdup(text);
    if ((q->text || !text) &&
        mr__sqlite_make(&q->sqlite, "sqlite_stream_new", path, text ? "the query" : NULL, fields,
                        field_count) == MR_OK &&
        (fields || guess(q) == MR_OK) && try_out(q) == MR_OK)
        dataset = mr_stream_new(&vtable, &q, sizeof q, q->sqlite.table.field, q->sqlite.table.field_count);
    if (!dataset)
        query_free(q);
    return dataset;
}
