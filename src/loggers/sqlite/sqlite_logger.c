/* Trainings in a SQLite database. Rows are committed by flush; a commit is on the disk. */
#include <millrace/loggers/sqlite.h>

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SCHEMA = 1, WAIT_MILLISECONDS = 60 * 1000 };

typedef struct database {
    char *path;
    bool clock;
    sqlite3 *db;
    sqlite3_stmt *insert; /* of a metric */
    int64_t run, rows;    /* its id, and how many rows it has */
} database;

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER, dir TEXT);"
    "CREATE TABLE IF NOT EXISTS params (run INTEGER NOT NULL REFERENCES runs, name TEXT NOT NULL, value,"
    " PRIMARY KEY (run, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS metrics (run INTEGER NOT NULL REFERENCES runs, number INTEGER NOT NULL,"
    " kind TEXT NOT NULL, epoch INTEGER, step INTEGER NOT NULL, name TEXT NOT NULL, value REAL, time REAL,"
    " PRIMARY KEY (run, number)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS metrics_by_name ON metrics (run, name, step);"
    "PRAGMA user_version = 1;";

/* ---- statements ---- */

static mr_status failed(const database *d)
{
    const int code = sqlite3_errcode(d->db);
    return mr_fail(code == SQLITE_NOMEM ? MR_ERR_MEMORY : MR_ERR_IO, "logger sqlite: '%s': %s", d->path,
                   d->db ? sqlite3_errmsg(d->db) : "out of memory");
}

static mr_status run_text(const database *d, const char *sql)
{
    return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK ? MR_OK : failed(d);
}

static mr_status prepare(const database *d, const char *sql, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v2(d->db, sql, -1, statement, NULL) == SQLITE_OK ? MR_OK : failed(d);
}

/* Runs a statement to its first row, MR_OK, or its end, MR_END. */
static mr_status step(const database *d, sqlite3_stmt *statement)
{
    const int code = sqlite3_step(statement);
    return code == SQLITE_ROW ? MR_OK : code == SQLITE_DONE ? MR_END : failed(d);
}

/* Runs a statement of up to two whole numbers; its first number goes to *result, if that is given. */
static mr_status run_numbers(const database *d, const char *sql, int64_t a, int64_t b, int64_t *result)
{
    sqlite3_stmt *statement = NULL;
    mr_status status = prepare(d, sql, &statement);
    if (!status) {
        sqlite3_bind_int64(statement, 1, a);
        sqlite3_bind_int64(statement, 2, b);
        status = step(d, statement);
        if (!status && result)
            *result = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return status < 0 ? status : MR_OK;
}

/* ---- runs ---- */

/* The last run of a version folder; 0: there is none. */
static mr_status find_run(database *d, const char *dir)
{
    sqlite3_stmt *statement = NULL;
    mr_status status = prepare(d, "SELECT max(id) FROM runs WHERE dir = ?", &statement);
    d->run = 0;
    if (!status) {
        sqlite3_bind_text(statement, 1, dir, -1, SQLITE_STATIC);
        status = step(d, statement);
        if (!status)
            d->run = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return status < 0 ? status : MR_OK;
}

/* The only run of that name and version whose folder is not there any more: it is taken to be the one that has moved to `dir`.
 * 0: there is none, or there are several. */
static mr_status find_moved(database *d, const mr_log_run *run, const char *dir)
{
    sqlite3_stmt *statement = NULL;
    mr_status status = prepare(d, "SELECT id, dir FROM runs WHERE name = ? AND version IS ?", &statement);
    int found = 0;
    if (!status) {
        sqlite3_bind_text(statement, 1, run->name, -1, SQLITE_STATIC);
        if (run->version >= 0)
            sqlite3_bind_int64(statement, 2, run->version);
        while ((status = step(d, statement)) == MR_OK) {
            const char *was = (const char *)sqlite3_column_text(statement, 1);
            if (was && access(was, F_OK) != 0 && errno == ENOENT) {
                d->run = sqlite3_column_int64(statement, 0);
                found++;
            }
        }
    }
    sqlite3_finalize(statement);
    if (found != 1)
        d->run = 0;
    if (status < 0 || !d->run)
        return status < 0 ? status : MR_OK;
    status = prepare(d, "UPDATE runs SET dir = ? WHERE id = ?", &statement);
    if (!status) {
        sqlite3_bind_text(statement, 1, dir, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, d->run);
        status = step(d, statement);
    }
    sqlite3_finalize(statement);
    return status < 0 ? status : MR_OK;
}

static mr_status add_run(database *d, const mr_log_run *run, const char *dir)
{
    sqlite3_stmt *statement = NULL;
    mr_status status = prepare(d, "INSERT INTO runs (name, version, dir) VALUES (?, ?, ?)", &statement);
    if (!status) {
        sqlite3_bind_text(statement, 1, run->name, -1, SQLITE_STATIC);
        if (run->version >= 0)
            sqlite3_bind_int64(statement, 2, run->version);
        sqlite3_bind_text(statement, 3, dir, -1, SQLITE_STATIC);
        status = step(d, statement);
    }
    sqlite3_finalize(statement);
    d->run = sqlite3_last_insert_rowid(d->db);
    return status < 0 ? status : MR_OK;
}

static mr_status add_param(const database *d, sqlite3_stmt *statement, const mr_hparam *param)
{
    sqlite3_bind_int64(statement, 1, d->run);
    sqlite3_bind_text(statement, 2, param->name, -1, SQLITE_STATIC);
    if (param->kind == MR_HPARAM_REAL)
        sqlite3_bind_double(statement, 3, param->real);
    else if (param->kind == MR_HPARAM_TEXT)
        sqlite3_bind_text(statement, 3, param->text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(statement, 3, param->integer);
    mr_status status = step(d, statement);
    sqlite3_reset(statement);
    return status < 0 ? status : MR_OK;
}

static mr_status add_params(const database *d, const mr_log_run *run)
{
    sqlite3_stmt *statement = NULL;
    mr_status status = prepare(d, "INSERT INTO params VALUES (?, ?, ?)", &statement);
    for (size_t i = 0; i < run->hparam_count && !status; i++)
        status = add_param(d, statement, &run->hparams[i]);
    sqlite3_finalize(statement);
    return status;
}

/* A new run; or, of a training that begins again in its folder, the old one from its beginning. */
static mr_status begin(database *d, const mr_log_run *run, const char *dir)
{
    d->rows = d->run = 0;
    mr_status status = run->again && dir ? find_run(d, dir) : MR_OK;
    if (!status && d->run)
        status = run_numbers(d, "DELETE FROM metrics WHERE run = ?", d->run, 0, NULL);
    if (!status && d->run)
        status = run_numbers(d, "DELETE FROM params WHERE run = ?", d->run, 0, NULL);
    if (!status && !d->run)
        status = add_run(d, run, dir);
    return status ? status : add_params(d, run);
}

static mr_status no_run(const database *d, const char *dir)
{
    return mr_fail(MR_ERR_FORMAT, "logger sqlite: '%s' has no run of the folder '%s'", d->path, dir);
}

/* Cuts a run back to the rows that it had at the checkpoint. */
static mr_status go_on(database *d, const mr_log_run *run, const char *dir)
{
    int64_t there = 0;
    if (run->position_bytes != sizeof d->rows)
        return mr_fail(MR_ERR_FORMAT, "logger sqlite: what the checkpoint says of '%s' makes no sense",
                       d->path);
    memcpy(&d->rows, run->position, sizeof d->rows);
    mr_status status = find_run(d, dir);
    if (!status && !d->run)
        status = find_moved(d, run, dir);
    if (!status && !d->run)
        return no_run(d, dir);
    if (!status)
        status = run_numbers(d, "SELECT count(*) FROM metrics WHERE run = ? AND number < ?", d->run, d->rows,
                             &there);
    if (!status && there != d->rows)
        return mr_fail(MR_ERR_FORMAT,
                       "logger sqlite: run %lld of '%s' does not have the %lld rows that the checkpoint was "
                       "written behind",
                       (long long)d->run, d->path, (long long)d->rows);
    return status
               ? status
               : run_numbers(d, "DELETE FROM metrics WHERE run = ? AND number >= ?", d->run, d->rows, NULL);
}

/* Behind all that the training has logged, whose run is that of its folder, or the last one of this logger; without one
 * a new run begins. */
static mr_status go_on_at_end(database *d, const mr_log_run *run, const char *dir)
{
    mr_status status = dir ? find_run(d, dir) : MR_OK;
    if (!status && d->run)
        return run_numbers(d, "SELECT coalesce(max(number), -1) + 1 FROM metrics WHERE run = ?", d->run, 0,
                           &d->rows);
    return status ? status : begin(d, run, dir);
}

/* ---- the database ---- */

/* Write-ahead logging, where the file system has what that takes: readers wait for nobody. */
static mr_status open_database(database *d)
{
    int64_t schema = 0;
    if (sqlite3_open_v2(d->path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return failed(d);
    sqlite3_busy_timeout(d->db, WAIT_MILLISECONDS);
    mr_status status = run_numbers(d, "PRAGMA user_version", 0, 0, &schema);
    if (!status && schema != 0 && schema != SCHEMA)
        return mr_fail(MR_ERR_FORMAT,
                       "logger sqlite: '%s' has tables of version %lld, this Millrace writes %d", d->path,
                       (long long)schema, SCHEMA);
    if (!status)
        status = run_text(d, "PRAGMA journal_mode = WAL");
    if (!status)
        status = run_text(d, "PRAGMA synchronous = FULL");
    return status;
}

static mr_status set_up(database *d, const mr_log_run *run, const char *dir)
{
    mr_status status = run_text(d, "BEGIN IMMEDIATE");
    if (!status)
        status = run_text(d, tables);
    if (!status)
        status = run->position && dir ? go_on(d, run, dir)
                 : run->evaluation    ? go_on_at_end(d, run, dir)
                                      : begin(d, run, dir);
    if (!status)
        status = prepare(d, "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?)", &d->insert);
    return status ? status : run_text(d, "COMMIT");
}

static mr_status flush(void *self)
{
    const database *d = self;
    return d->db && !sqlite3_get_autocommit(d->db) ? run_text(d, "COMMIT") : MR_OK;
}

/* Frees, but for the number of the run; what is not committed is lost. */
static void let_go(database *d)
{
    sqlite3_finalize(d->insert);
    sqlite3_close(d->db);
    *d = (database){ .path = d->path, .clock = d->clock, .run = d->run };
}

static mr_status close_database(void *self)
{
    mr_status status = flush(self);
    let_go(self);
    return status;
}

/* The folder's path from the root, so that runs of one name in other folders are others. */
static mr_status open_log(void *self, const mr_log_run *run)
{
    database *d = self;
    char *dir = run->dir ? realpath(run->dir, NULL) : NULL;
    mr_status status = open_database(d);
    if (!status)
        status = set_up(d, run, dir);
    free(dir);
    if (status)
        let_go(d);
    return status;
}

/* Goes on, and takes it back. */
static mr_status check_log(void *self, const mr_log_run *run)
{
    database *d = self;
    char *dir = run->dir ? realpath(run->dir, NULL) : NULL;
    mr_status status = MR_OK;
    if (dir && access(d->path, F_OK) != 0 && errno == ENOENT)
        status = no_run(d, dir);
    else if (dir && !(status = open_database(d)) && !(status = run_text(d, "BEGIN IMMEDIATE")) &&
             !(status = run_text(d, tables)) && !(status = go_on(d, run, dir)))
        status = run_text(d, "ROLLBACK");
    free(dir);
    let_go(d);
    return status;
}

/* ---- rows ---- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static mr_status add_value(database *d, const char *name, double value)
{
    sqlite3_bind_int64(d->insert, 2, d->rows);
    sqlite3_bind_text(d->insert, 6, name, -1, SQLITE_STATIC);
    sqlite3_bind_double(d->insert, 7, value);
    mr_status status = step(d, d->insert);
    sqlite3_reset(d->insert);
    d->rows += status >= 0;
    return status < 0 ? status : MR_OK;
}

static mr_status row(void *self, const mr_log_row *row)
{
    database *d = self;
    mr_status status = sqlite3_get_autocommit(d->db) ? run_text(d, "BEGIN IMMEDIATE") : MR_OK;
    sqlite3_clear_bindings(d->insert);
    sqlite3_bind_int64(d->insert, 1, d->run);
    sqlite3_bind_text(d->insert, 3, mr_row_kind_name(row->kind), -1, SQLITE_STATIC);
    if (row->epoch >= 0)
        sqlite3_bind_int64(d->insert, 4, row->epoch);
    sqlite3_bind_int64(d->insert, 5, row->step);
    if (d->clock)
        sqlite3_bind_double(d->insert, 8, now());
    for (size_t i = 0; i < row->count && !status; i++)
        status = add_value(d, row->names[i], row->values[i]);
    return status;
}

static mr_status tell(void *self, const void **position, size_t *bytes)
{
    const database *d = self;
    *position = &d->rows;
    *bytes = sizeof d->rows;
    return MR_OK;
}

/* ---- making ---- */

static void destroy(void *self)
{
    mr_free(((database *)self)->path);
}

mr_logger *mr_sqlite_logger_new(const char *path, const mr_sqlite_logger_opts *opts)
{
    static const mr_logger_vtable vtable = { .name = "sqlite",
                                             .open = open_log,
                                             .row = row,
                                             .flush = flush,
                                             .sync = flush,
                                             .tell = tell,
                                             .close = close_database,
                                             .destroy = destroy,
                                             .check = check_log };
    database d = { .clock = opts && opts->clock };
    if (!path) {
        mr_fail(MR_ERR_ARGUMENT, "sqlite_logger_new: path is NULL");
        return NULL;
    }
    d.path = mr_strdup(path);
    mr_logger *logger = d.path ? mr_logger_new(&vtable, &d, sizeof d) : NULL;
    if (!logger)
        mr_free(d.path);
    return logger;
}
