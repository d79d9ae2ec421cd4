/* The rows of a table by their key. */
#include "rows.h"
#include "values.h"

#include "sources/numbers.h"
#include "sources/sql.h"

#include <string.h>

enum { AT_ONCE = 1024 }; /* rows that are asked for at a time */

typedef struct table {
    mr__postgres postgres;
    char *key;
    char *select; /* rows by an array of keys, in the order of these */
    mr__numbers keys;
} table;

/* What a thread reads with. */
typedef struct reader {
    PGconn *conn;
    mr__pg_column *column;
    unsigned char *array; /* of AT_ONCE keys, as the server wants it */
} reader;

/* ---- statements ---- */

/* SELECT t."a", …, k.n FROM unnest($1) WITH ORDINALITY AS k (key, n) JOIN people AS t ON t."id" = k.key ORDER BY k.n */
static char *select_text(const table *t)
{
    mr__sql sql = { 0 };
    mr__sql_add(&sql, "SELECT ");
    for (int i = 0; i < t->postgres.table.columns; i++) {
        mr__sql_add(&sql, "t.");
        mr__sql_add_name(&sql, t->postgres.table.column[i]);
        mr__sql_add(&sql, ", ");
    }
    mr__sql_add(&sql, "k.n FROM unnest($1::int8[]) WITH ORDINALITY AS k (key, n) JOIN ");
    mr__sql_add(&sql, t->postgres.table.what);
    mr__sql_add(&sql, " AS t ON t.");
    mr__sql_add_name(&sql, t->key);
    mr__sql_add(&sql, " = k.key ORDER BY k.n");
    return sql.text;
}

/* The keys of the rows that are not left out. */
static char *list_text(const table *t)
{
    const mr__table *columns = &t->postgres.table;
    const char *word = " WHERE ";
    mr__sql sql = { 0 };
    mr__sql_add(&sql, "SELECT t.");
    mr__sql_add_name(&sql, t->key);
    mr__sql_add(&sql, " FROM ");
    mr__sql_add(&sql, columns->what);
    mr__sql_add(&sql, " AS t");
    for (int i = 0; i < columns->columns; i++)
        if (mr__table_skips(columns, i)) {
            mr__sql_add(&sql, word);
            mr__sql_add(&sql, "t.");
            mr__sql_add_name(&sql, columns->column[i]);
            mr__sql_add(&sql, " IS NOT NULL");
            word = " AND ";
        }
    mr__sql_add(&sql, " ORDER BY 1");
    return sql.text;
}

/* ---- a thread's reader ---- */

/* The statement, and what its columns are. */
static mr_status prepare(const table *t, reader *r)
{
    PGresult *result = mr__pg_describe(&t->postgres, r->conn, "rows", t->select);
    if (!result)
        return mr_error_status();
    mr_status s = mr__pg_columns(&t->postgres, r->conn, result, r->column);
    PQclear(result);
    return s;
}

static void reader_close(reader *r)
{
    PQfinish(r->conn);
    mr_free(r->column);
    mr_free(r->array);
    mr_free(r);
}

static reader *reader_open(const table *t)
{
    reader *r = mr_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->column = mr_calloc((size_t)t->postgres.table.columns, sizeof *r->column);
    r->array = mr_alloc(20 + AT_ONCE * 12);
    r->conn = r->column && r->array ? mr__postgres_open(&t->postgres) : NULL;
    if (r->conn && prepare(t, r) == MR_OK)
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

/* A connection that was lost is made again. */
static mr_status connected(const table *t, reader *r)
{
    if (PQstatus(r->conn) == CONNECTION_OK)
        return MR_OK;
    PQreset(r->conn);
    return PQstatus(r->conn) == CONNECTION_OK ? prepare(t, r)
                                              : mr__postgres_failed(&t->postgres, r->conn, NULL);
}

/* ---- reading ---- */

static unsigned char *put(unsigned char *to, uint64_t value, int size)
{
    for (int i = size; i-- > 0; value >>= 8)
        to[i] = (unsigned char)value;
    return to + size;
}

/* int8[] in binary: dimensions, whether there are NULLs, the type, and of each dimension its length and first number. */
static int array_of(unsigned char *array, const table *t, const int64_t *indices, int64_t count)
{
    enum { INT8 = 20 };
    const uint32_t head[] = { 1, 0, INT8, (uint32_t)count, 1 };
    unsigned char *to = array;
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        to = put(to, head[i], 4);
    for (int64_t i = 0; i < count; i++) {
        to = put(to, 8, 4);
        to = put(to, (uint64_t)t->keys.at[indices[i]], 8);
    }
    return (int)(to - array);
}

static mr_status changed(const table *t, int64_t key, const char *how)
{
    return mr_fail(MR_ERR_STATE, "%s: row %lld of %s %s since the table was opened", t->postgres.table.source,
                   (long long)key, t->postgres.table.what, how);
}

/* The rows of a result, one for each index in turn. */
static mr_status read_rows(const table *t, const reader *r, const PGresult *result, const int64_t *indices,
                           int64_t count, void *const *field, int64_t row)
{
    const mr__pg_column place = { .place = t->postgres.table.columns, .type = MR__PG_INT8 };
    for (int64_t i = 0; i < count; i++) {
        const int64_t key = t->keys.at[indices[i]];
        int64_t n = 0;
        if (i < PQntuples(result))
            mr__pg_key_of(result, (int)i, &place, &n);
        if (n != i + 1)
            return changed(t, key, n == i && i ? "is there twice" : "is gone");
        mr_status s = mr__pg_read(&t->postgres, result, (int)i, r->column, key, field, row + i);
        if (s == MR_END)
            return changed(t, key, "has become one to leave out");
        if (s < 0)
            return s;
    }
    return MR_OK;
}

static mr_status read_some(const table *t, reader *r, const int64_t *indices, int64_t count,
                           void *const *field, int64_t row)
{
    const int length = array_of(r->array, t, indices, count), binary = 1;
    const char *value = (const char *)r->array;
    PGresult *result = PQexecPrepared(r->conn, "rows", 1, &value, &length, &binary, 1);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return mr__postgres_failed(&t->postgres, r->conn, result);
    mr_status s = read_rows(t, r, result, indices, count, field, row);
    PQclear(result);
    return s;
}

static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const table *t = *(table **)self;
    if (connected(t, first->worker) < 0)
        return mr_error_status();
    for (int64_t done = 0; done < count; done += AT_ONCE) {
        const int64_t some = count - done < AT_ONCE ? count - done : AT_ONCE;
        if (read_some(t, first->worker, indices + done, some, first->field, done) < 0)
            return mr_error_status();
    }
    return MR_OK;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    return get_many(self, &index, 1, sample);
}

static int origin(void *self, int64_t index, int field, char *text, size_t room)
{
    const table *t = *(table **)self;
    (void)field;
    return mr__table_origin(&t->postgres.table, t->keys.at[index], text, room);
}

static int64_t len(void *self)
{
    return (*(table **)self)->keys.count;
}

/* ---- making ---- */

static void table_free(table *t)
{
    mr__postgres_free(&t->postgres);
    mr_free(t->key);
    mr_free(t->select);
    mr_free(t->keys.at);
    mr_free(t);
}

static void destroy(void *self)
{
    table_free(*(table **)self);
}

static mr_status bad_key(const table *t, const char *what)
{
    return mr_fail(MR_ERR_FORMAT, "%s: %s, column '%s': a key that is %s", t->postgres.table.source,
                   t->postgres.table.what, t->key, what);
}

static mr_status list_rows(table *t, mr__pg_rows *rows)
{
    PGresult *result = mr__pg_rows_look(rows);
    mr__pg_column column = { 0 };
    mr_status s = result ? mr__pg_key(&t->postgres, result, t->key, &column) : mr_error_status();
    PQclear(result);
    while (s == MR_OK && (s = mr__pg_rows_next(rows)) == MR_OK) {
        int64_t key = 0;
        const char *wrong = mr__pg_key_of(rows->result, rows->at, &column, &key);
        if (!wrong && t->keys.count && t->keys.at[t->keys.count - 1] == key)
            wrong = "there twice";
        s = wrong ? bad_key(t, wrong) : mr__numbers_add(&t->keys, key);
    }
    return s < 0 ? s : MR_OK;
}

static mr_status list_keys(table *t, reader *r)
{
    mr__pg_rows rows;
    char *text = list_text(t);
    if (!text || mr__postgres_do(&t->postgres, r->conn, "BEGIN READ ONLY") < 0) {
        mr_free(text);
        return mr_error_status();
    }
    mr_status s = mr__pg_rows_open(&rows, &t->postgres, r->conn, text);
    mr_free(text);
    if (s == MR_OK)
        s = list_rows(t, &rows);
    mr__pg_rows_close(&rows);
    return s;
}

/* A field for each of its columns. */
static mr_status guess(mr__postgres *postgres)
{
    mr__sql sql = { 0 };
    mr__sql_add(&sql, "SELECT * FROM ");
    mr__sql_add(&sql, postgres->table.what);
    return mr__pg_guess(postgres, "postgres_new", sql.text);
}

/* Before the keys are listed a reader finds what is wrong with the columns. */
static mr_status open_table(table *t)
{
    t->select = select_text(t);
    reader *r = t->select ? reader_open(t) : NULL;
    if (!r)
        return mr_error_status();
    mr_status s = list_keys(t, r);
    reader_close(r);
    return s;
}

mr_dataset *mr_postgres_new(const char *server, const char *name, const char *key,
                            const mr_table_field *fields, int field_count)
{
    static const mr_dataset_vtable vtable = { .len = len,
                                              .get = get,
                                              .get_many = get_many,
                                              .destroy = destroy,
                                              .worker_open = worker_open,
                                              .worker_close = worker_close,
                                              .origin = origin };
    if (!key) {
        mr_fail(MR_ERR_ARGUMENT, "postgres_new: key is NULL");
        return NULL;
    }
    table *t = mr_calloc(1, sizeof *t);
    if (!t)
        return NULL;
    mr_dataset *dataset = NULL;
    t->key = mr_strdup(key);
    if (mr__postgres_make(&t->postgres, "postgres_new", server, name, fields, field_count) == MR_OK &&
        t->key && (fields || guess(&t->postgres) == MR_OK) && open_table(t) == MR_OK)
        dataset =
            mr_dataset_new(&vtable, &t, sizeof t, t->postgres.table.field, t->postgres.table.field_count);
    if (!dataset)
        table_free(t);
    return dataset;
}
