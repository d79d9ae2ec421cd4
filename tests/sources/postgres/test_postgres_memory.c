/* Memory runs out while tables and queries of PostgreSQL are opened and read. */
#include <millrace/sources/postgres.h>

#include "refuse.h"
#include "row_checks.h"
#include "server.h"

static const char *const words[] = { "a", "b" };
static const mr_table_field fields[] = {
    { .name = "n", .dtype = MR_INT64, .missing = MR_MISSING_SKIP },
    { .name = "x", .columns = "n,m" },
    { .name = "w", .columns = "c", .words = words, .word_count = 2 },
};

static double table(mr_status *status)
{
    return sum_of_rows(mr_postgres_new(server_name, "t", "id", fields, 3), status);
}

static double query(mr_status *status)
{
    return sum_of_rows(mr_postgres_stream_new(server_name, "SELECT * FROM t WHERE :shard < :shards", fields,
                                              3, &(mr_postgres_opts){ .key = "id" }),
                       status);
}

static double every_column(mr_status *status)
{
    return sum_of_rows(
        mr_postgres_stream_new(server_name, "SELECT n::bigint, m, c FROM t WHERE n > 0", NULL, 0, NULL),
        status);
}

int main(void)
{
    if (!files_begin())
        return 1;
    if (!server_installed()) {
        printf("PostgreSQL's server is not installed (Debian: postgresql)\n");
        files_report();
        return 77;
    }
    if (CHECK(server_begin())) {
        server_do("CREATE TYPE w AS ENUM ('a', 'b');"
                  "CREATE TABLE t (id integer PRIMARY KEY, n smallint, m numeric, c w);"
                  "INSERT INTO t VALUES (4, 1, 2, 'a'), (5, NULL, 1, 'b'), (6, 5, 6, 'b'), (7, 7, 0.5, 'a')");
        refuse_begin();
        refuse_each("table", table, 20);
        refuse_each("query", query, 20);
        refuse_each("every column", every_column, 30);
        refuse_end();
    }
    server_stop(SIGQUIT);
    return files_report();
}
