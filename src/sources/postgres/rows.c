#include "rows.h"

#include "sources/sql.h"

#include <stdio.h>
#include <stdlib.h>

/* However small rows are, those behind them may be large. */
enum { FIRST_ROWS = 8, MOST_ROWS = 256, PIECE = 1 << 20, GROWTH = 8 };

mr_status mr__pg_rows_open(mr__pg_rows *rows, const mr__postgres *postgres, PGconn *conn, const char *query)
{
    mr__sql sql = { 0 };
    *rows = (mr__pg_rows){ .postgres = postgres, .conn = conn, .at = -1, .most = FIRST_ROWS };
    mr__sql_add(&sql, "DECLARE millrace NO SCROLL CURSOR FOR ");
    mr__sql_add(&sql, query);
    mr_status s = sql.text ? mr__postgres_do(postgres, conn, sql.text) : mr_error_status();
    mr_free(sql.text);
    return s;
}

PGresult *mr__pg_rows_look(const mr__pg_rows *rows)
{
    return mr__postgres_run(rows->postgres, rows->conn, "FETCH 0 FROM millrace");
}

int64_t mr__pg_rows_skip(mr__pg_rows *rows, int64_t count)
{
    char text[64];
    snprintf(text, sizeof text, "MOVE FORWARD %lld FROM millrace", (long long)count);
    PGresult *result = mr__postgres_run(rows->postgres, rows->conn, text);
    if (!result)
        return -1;
    int64_t moved = strtoll(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return moved;
}

static mr_status ask(mr__pg_rows *rows)
{
    char text[64];
    snprintf(text, sizeof text, "FETCH FORWARD %lld FROM millrace", (long long)rows->most);
    if (!PQsendQueryParams(rows->conn, text, 0, NULL, NULL, NULL, NULL, 1))
        return mr__postgres_failed(rows->postgres, rows->conn, NULL);
    rows->asked = true;
    return MR_OK;
}

/* As many rows as PIECE bytes have, if they are like those that have come; a few times more than before at most. */
static void choose_count(mr__pg_rows *rows, int64_t came)
{
    const int64_t each = (int64_t)PQresultMemorySize(rows->result) / came + 1;
    int64_t most = PIECE / each < rows->most * GROWTH ? PIECE / each : rows->most * GROWTH;
    rows->most = most < 1 ? 1 : most < MOST_ROWS ? most : MOST_ROWS;
}

/* Takes what was asked for, and asks for more. */
static mr_status take(mr__pg_rows *rows)
{
    if (!rows->asked && ask(rows) < 0)
        return mr_error_status();
    PQclear(rows->result);
    rows->result = PQgetResult(rows->conn);
    rows->at = -1;
    rows->asked = false;
    if (PQresultStatus(rows->result) != PGRES_TUPLES_OK) {
        mr__postgres_failed(rows->postgres, rows->conn, rows->result);
        rows->result = NULL;
        return mr_error_status();
    }
    for (PGresult *end; (end = PQgetResult(rows->conn));) /* until the server is ready again */
        PQclear(end);
    const int64_t came = PQntuples(rows->result);
    rows->end = came < rows->most;
    if (rows->end)
        return MR_OK;
    choose_count(rows, came);
    return ask(rows);
}

mr_status mr__pg_rows_next(mr__pg_rows *rows)
{
    while (rows->at + 1 >= PQntuples(rows->result)) {
        if (rows->end)
            return MR_END;
        if (take(rows) < 0)
            return mr_error_status();
    }
    rows->at++;
    return MR_OK;
}

void mr__pg_rows_close(mr__pg_rows *rows)
{
    PQclear(rows->result);
    rows->result = NULL;
}
