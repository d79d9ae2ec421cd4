#include "server.h"

#include "sources/sql.h"

#include <string.h>

/* ---- the name of a server ---- */

static bool is_address(const char *value)
{
    return strchr(value, '@') || strstr(value, "://");
}

/* Whether the value is part of an address that libpq has taken apart in the wrong place, so that it may have some of
 * the password. */
static bool is_torn(const PQconninfoOption *o)
{
    if (strcmp(o->keyword, "port") == 0)
        return o->val[strspn(o->val, "0123456789,")] != 0;
    return (strncmp(o->keyword, "host", 4) == 0 || strcmp(o->keyword, "dbname") == 0) && is_address(o->val);
}

/* What was given, without passwords, in quotes; NULL after a failure. */
static char *shown(const char *call, const char *server)
{
    PQconninfoOption *options = PQconninfoParse(server, NULL); /* its message may have the password */
    if (!options) {
        mr_fail(MR_ERR_ARGUMENT, "%s: the server is no list of keyword=value and no postgresql:// address",
                call);
        return NULL;
    }
    mr__sql text = { 0 };
    mr__sql_add(&text, "'");
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (!o->val || o->dispchar[0] == '*') /* libpq's mark of what is not to be shown */
            continue;
        if (is_torn(o)) {
            mr_fail(MR_ERR_ARGUMENT,
                    "%s: the server's %s is none: in the password of an address '/' is %%2F and '@' is %%40",
                    call, o->keyword);
            text.failed = true;
            break;
        }
        if (is_address(o->val))
            continue;
        mr__sql_add(&text, text.used > 1 ? " " : "");
        mr__sql_add(&text, o->keyword);
        mr__sql_add(&text, "=");
        mr__sql_add(&text, o->val);
    }
    mr__sql_add(&text, "'");
    PQconninfoFree(options);
    if (!text.failed)
        return text.text;
    mr_free(text.text);
    return NULL;
}

mr_status mr__postgres_make(mr__postgres *postgres, const char *call, const char *server, const char *what,
                            const mr_table_field *fields, int field_count)
{
    if (!server || !what)
        return mr_fail(MR_ERR_ARGUMENT, "%s: %s is NULL", call, server ? "table or query" : "server");
    char *source = shown(call, server);
    postgres->server = source ? mr_strdup(server) : NULL;
    mr_status s = postgres->server ? mr__table_name(&postgres->table, source, what) : mr_error_status();
    mr_free(source);
    return s == MR_OK && fields ? mr__table_make(&postgres->table, call, fields, field_count) : s;
}

void mr__postgres_free(mr__postgres *postgres)
{
    mr__table_free(&postgres->table);
    mr_free(postgres->server);
}

/* ---- the connection ---- */

static void keep_silent(void *user, const char *notice)
{
    (void)user;
    (void)notice;
}

PGconn *mr__postgres_open(const mr__postgres *postgres)
{
    const char *const keywords[] = { "dbname", "client_encoding", "fallback_application_name", NULL };
    const char *const values[] = { postgres->server, "UTF8", "millrace", NULL };
    PGconn *conn = PQconnectdbParams(keywords, values, 1);
    if (conn && PQstatus(conn) == CONNECTION_OK) {
        PQsetNoticeProcessor(conn, keep_silent, NULL);
        return conn;
    }
    mr__postgres_failed(postgres, conn, NULL);
    PQfinish(conn);
    return NULL;
}

mr_status mr__postgres_failed(const mr__postgres *postgres, PGconn *conn, PGresult *result)
{
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = text ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
    if (!text)
        text = conn ? PQerrorMessage(conn) : "out of memory";
    if (!*text)
        text = "the connection is lost";
    mr_fail(MR_ERR_IO, "%s: %.*s%s%s", postgres->table.source, (int)strcspn(text, "\n"), text,
            detail ? ": " : "", detail ? detail : "");
    PQclear(result);
    return mr_error_status();
}

PGresult *mr__postgres_run(const mr__postgres *postgres, PGconn *conn, const char *statement)
{
    PGresult *result = PQexecParams(conn, statement, 0, NULL, NULL, NULL, NULL, 1);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    mr__postgres_failed(postgres, conn, result);
    return NULL;
}

mr_status mr__postgres_do(const mr__postgres *postgres, PGconn *conn, const char *statement)
{
    PGresult *result = mr__postgres_run(postgres, conn, statement);
    if (!result)
        return mr_error_status();
    PQclear(result);
    return MR_OK;
}

PGresult *mr__pg_describe(const mr__postgres *postgres, PGconn *conn, const char *name, const char *statement)
{
    PGresult *result = PQprepare(conn, name, statement, 0, NULL);
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        PQclear(result);
        result = PQdescribePrepared(conn, name);
    }
    if (PQresultStatus(result) == PGRES_COMMAND_OK)
        return result;
    mr__postgres_failed(postgres, conn, result);
    return NULL;
}
