/* The rows of a query, one after the other. */
#include "parameters.h"
#include "rows.h"
#include "values.h"

#include <stdio.h>
#include <string.h>

typedef struct query {
    mr__postgres postgres;
    char *text, *key;
    bool sharded;
    PGconn *holder; /* of the snapshot that all readers see; NULL: each its own */
    char snapshot[64];
} query;

typedef struct query_cursor {
    const query *query;
    PGconn *conn; /* NULL: there are no rows */
    int64_t shard, shards;
    bool begun;
    mr__pg_rows rows;
    mr__pg_column *column;
    mr__pg_column key;
    int64_t passed; /* rows that were gone through */
    int64_t last;   /* the key of the last of them */
} query_cursor;

/* What a cursor tells. */
typedef struct place {
    int64_t passed, last;
} place;

/* ---- the cursor ---- */

static void cursor_close(void *self)
{
    query_cursor *c = self;
    mr__pg_rows_close(&c->rows);
    PQfinish(c->conn);
    mr_free(c->column);
    mr_free(c);
}

/* A connection in a transaction that reads. */
static PGconn *transaction(const query *q)
{
    PGconn *conn = mr__postgres_open(&q->postgres);
    if (conn &&
        mr__postgres_do(&q->postgres, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") == MR_OK &&
        mr__postgres_do(&q->postgres, conn, "SET LOCAL cursor_tuple_fraction = 1") ==
            MR_OK) /* all are read */
        return conn;
    PQfinish(conn);
    return NULL;
}

static mr_status join_snapshot(const query *q, PGconn *conn)
{
    char text[128];
    if (!q->holder)
        return MR_OK;
    snprintf(text, sizeof text, "SET TRANSACTION SNAPSHOT '%s'", q->snapshot);
    mr_status s = mr__postgres_do(&q->postgres, conn, text);
    if (s < 0)
        mr_fail_context("the stream's snapshot, or the connection that held it, is gone");
    return s;
}

/* The query for this shard; with a key in its order, from behind the last row on. */
static char *text_of(const query_cursor *c)
{
    const query *q = c->query;
    mr__sql sql = { 0 };
    mr__sql_add(&sql, q->key ? "SELECT * FROM (" : "");
    mr__pg_add_query(&sql, q->text, c->shard, c->shards, NULL);
    if (q->key) {
        mr__sql_add(&sql, ") AS rows ");
        if (c->passed) {
            mr__sql_add(&sql, "WHERE ");
            mr__sql_add_name(&sql, q->key);
            mr__sql_add(&sql, " > '");
            mr__sql_add_number(&sql, c->last);
            mr__sql_add(&sql, "'::int8 ");
        }
        mr__sql_add(&sql, "ORDER BY ");
        mr__sql_add_name(&sql, q->key);
    }
    return sql.text;
}

static mr_status find_columns(query_cursor *c)
{
    const query *q = c->query;
    PGresult *result = mr__pg_rows_look(&c->rows);
    if (!result)
        return mr_error_status();
    mr_status s = mr__pg_columns(&q->postgres, c->conn, result, c->column);
    if (s == MR_OK && q->key)
        s = mr__pg_key(&q->postgres, result, q->key, &c->key);
    PQclear(result);
    return s;
}

static mr_status begin(query_cursor *c)
{
    char *text = text_of(c);
    mr_status s = text ? mr__pg_rows_open(&c->rows, &c->query->postgres, c->conn, text) : mr_error_status();
    mr_free(text);
    c->begun = s == MR_OK;
    return s == MR_OK ? find_columns(c) : s;
}

static query_cursor *cursor_new(const query *q, int64_t shard, int64_t shards)
{
    query_cursor *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (query_cursor){ .query = q, .shard = shard, .shards = shards };
    c->column = mr_calloc((size_t)q->postgres.table.columns, sizeof *c->column);
    c->conn = c->column ? transaction(q) : NULL;
    if (c->conn)
        return c;
    cursor_close(c);
    return NULL;
}

static void *cursor_open(void *self, int64_t shard, int64_t shards)
{
    const query *q = *(query **)self;
    if (shard > 0 && !q->sharded)
        return mr_calloc(1, sizeof(query_cursor));
    query_cursor *c = cursor_new(q, shard, shards);
    if (!c || join_snapshot(q, c->conn) == MR_OK)
        return c;
    cursor_close(c);
    return NULL;
}

/* The key of the row, which is larger than the one before. */
static mr_status note_key(query_cursor *c)
{
    const mr__table *table = &c->query->postgres.table;
    int64_t key = 0;
    const char *wrong = mr__pg_key_of(c->rows.result, c->rows.at, &c->key, &key);
    if (!wrong && c->passed && key <= c->last)
        wrong = "the same as of the row before";
    if (wrong)
        return mr_fail(MR_ERR_FORMAT, "%s: row %lld of %s: the key '%s' is %s", table->source,
                       (long long)c->passed + 1, table->what, c->query->key, wrong);
    c->last = key;
    return MR_OK;
}

/* Behind a failure of the server's there are no rows: its transaction is over. */
static mr_status give_up(query_cursor *c)
{
    mr__pg_rows_close(&c->rows);
    PQfinish(c->conn);
    c->conn = NULL;
    return mr_error_status();
}

static mr_status step(query_cursor *c)
{
    if (!c->conn)
        return MR_END;
    if (!c->begun && begin(c) < 0)
        return give_up(c);
    mr_status s = mr__pg_rows_next(&c->rows);
    if (s < 0) {
        mr_fail_context("the query, behind row %lld", (long long)c->passed);
        return give_up(c);
    }
    if (s == MR_OK && c->query->key)
        s = note_key(c);
    c->passed += s == MR_OK;
    return s;
}

static mr_status cursor_next(void *self, const mr_sample *sample)
{
    query_cursor *c = self;
    for (;;) {
        mr_status s = step(c);
        if (s != MR_OK)
            return s;
        s = mr__pg_read(&c->query->postgres, c->rows.result, c->rows.at, c->column, c->passed, sample->field,
                        0);
        if (s != MR_END)
            return s;
    }
}

static int cursor_origin(void *self, int field, char *text, size_t room)
{
    const query_cursor *c = self;
    (void)field;
    return mr__table_origin(&c->query->postgres.table, c->passed, text, room);
}

/* ---- going on ---- */

static void cursor_tell(void *self, void *state)
{
    const query_cursor *c = self;
    const place here = { c->passed, c->last };
    memcpy(state, &here, sizeof here);
}

static mr_status cursor_seek(void *self, const void *state)
{
    query_cursor *c = self;
    place to;
    memcpy(&to, state, sizeof to);
    if (!c->conn)
        return MR_OK;
    c->last = to.last;
    c->passed = c->query->key ? to.passed : 0;
    if (begin(c) < 0)
        return mr_error_status();
    int64_t moved = c->query->key ? to.passed : mr__pg_rows_skip(&c->rows, to.passed);
    if (moved < 0)
        return mr_error_status();
    c->passed = to.passed;
    if (moved != to.passed)
        return mr_fail(MR_ERR_STATE, "%s: the query has %lld rows, and had %lld or more: it has changed",
                       c->query->postgres.table.source, (long long)moved, (long long)to.passed);
    return MR_OK;
}

/* ---- making ---- */

static void query_free(query *q)
{
    mr__postgres_free(&q->postgres);
    mr_free(q->text);
    mr_free(q->key);
    PQfinish(q->holder);
    mr_free(q);
}

static void destroy(void *self)
{
    query_free(*(query **)self);
}

/* Takes over a cursor's connection, whose snapshot becomes everybody's. */
static mr_status hold_snapshot(query *q, query_cursor *c)
{
    if (mr__postgres_do(&q->postgres, c->conn, "CLOSE millrace") < 0)
        return mr_error_status();
    PGresult *result = mr__postgres_run(&q->postgres, c->conn, "SELECT pg_export_snapshot()");
    if (!result)
        return mr_error_status();
    snprintf(q->snapshot, sizeof q->snapshot, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    q->holder = c->conn;
    c->conn = NULL;
    return MR_OK;
}

/* Looks at the text, and makes a field for each column if there are none. */
static mr_status look(query *q, bool guess)
{
    mr__sql sql = { 0 };
    mr__pg_parameters found = { 0 };
    mr__pg_add_query(&sql, q->text, 0, 1, &found);
    mr_status s = MR_OK;
    if (sql.failed)
        s = mr_error_status();
    else if (sql.used <= 1)
        s = mr_fail(MR_ERR_ARGUMENT, "postgres_stream_new: the query is empty");
    else if (found.shard != found.shards)
        s = mr_fail(MR_ERR_ARGUMENT,
                    "postgres_stream_new: a query has neither of :shard and :shards, or both");
    q->sharded = found.shard;
    if (s == MR_OK && guess)
        return mr__pg_guess(&q->postgres, "postgres_stream_new", sql.text);
    mr_free(sql.text);
    return s;
}

/* Once, for what is wrong with the query to be said now. */
static mr_status try_out(query *q, const mr_postgres_opts *opts)
{
    query_cursor *c = cursor_new(q, 0, 1);
    if (!c)
        return mr_error_status();
    mr_status s = begin(c);
    if (s == MR_OK && q->sharded && !opts->own_snapshots)
        s = hold_snapshot(q, c);
    cursor_close(c);
    return s;
}

mr_dataset *mr_postgres_stream_new(const char *server, const char *text, const mr_table_field *fields,
                                   int field_count, const mr_postgres_opts *opts)
{
    static const mr_stream_vtable vtable = { .open = cursor_open,
                                             .next = cursor_next,
                                             .close = cursor_close,
                                             .destroy = destroy,
                                             .cursor_state_size = sizeof(place),
                                             .tell = cursor_tell,
                                             .seek = cursor_seek,
                                             .origin = cursor_origin };
    static const mr_postgres_opts none = { 0 };
    query *q = mr_calloc(1, sizeof *q);
    if (!q)
        return NULL;
    mr_dataset *dataset = NULL;
    opts = opts ? opts : &none;
    q->text = mr_strdup(text);
    q->key = mr_strdup(opts->key);
    if (mr__postgres_make(&q->postgres, "postgres_stream_new", server, text ? "the query" : NULL, fields,
                          field_count) == MR_OK &&
        q->text && (q->key || !opts->key) && look(q, !fields) == MR_OK && try_out(q, opts) == MR_OK)
        dataset =
            mr_stream_new(&vtable, &q, sizeof q, q->postgres.table.field, q->postgres.table.field_count);
    if (!dataset)
        query_free(q);
    return dataset;
}
