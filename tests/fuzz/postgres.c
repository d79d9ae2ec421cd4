/* Rows as a server of PostgreSQL sends them: a type, and the bytes of two values, of which the server may have any
 * number. No server is asked, since these types are known by their numbers. */
#include "fuzz.h"

#include <millrace/sources/postgres.h>

#include "sources/postgres/values.h"

#include <string.h>

static const Oid oids[] = { 16, 17, 20, 21, 23, 25, 700, 701, 1042, 1082, 1114, 1184, 1700 };

/* A result of one column and two rows. */
static PGresult *result_of(const uint8_t *bytes, size_t size)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc column = { .name = (char[]){ "x" },
                            .format = 1,
                            .typid = oids[bytes[0] % (sizeof oids / sizeof *oids)],
                            .typlen = -1 };
    const size_t first = bytes[1] < size - 2 ? bytes[1] : size - 2;
    if (!result || !PQsetResultAttrs(result, 1, &column) ||
        !PQsetvalue(result, 0, 0, (char *)(uintptr_t)(bytes + 2), (int)first) ||
        !PQsetvalue(result, 1, 0, (char *)(uintptr_t)(bytes + 2 + first), (int)(size - 2 - first)))
        abort();
    return result;
}

static void read_rows(const PGresult *result, const mr_table_field *field)
{
    mr__postgres postgres = { 0 };
    mr__pg_column column = { 0 };
    double room[2][4];
    void *at[] = { room };
    if (mr__table_name(&postgres.table, "'server'", "the query") == MR_OK &&
        mr__table_make(&postgres.table, "fuzz", field, 1) == MR_OK &&
        mr__pg_columns(&postgres, NULL, result, &column) == MR_OK)
        for (int row = 0; row < 2; row++)
            mr__pg_read(&postgres, result, row, &column, row + 1, at, row);
    mr__table_free(&postgres.table);
    mr_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const words[] = { "a", "b" };
    static const mr_table_field fields[] = {
        { .name = "x", .dtype = MR_FLOAT64 },
        { .name = "x", .dtype = MR_INT64, .missing = MR_MISSING_SKIP },
        { .name = "x", .dtype = MR_UINT8, .missing = MR_MISSING_FILL },
        { .name = "x", .words = words, .word_count = 2 },
        { .name = "x", .dtype = MR_INT16, .shape = { 1, { 4 } } },
    };
    if (size < 2 || size > 1 << 16)
        return 0;
    PGresult *result = result_of(bytes, size);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        read_rows(result, &fields[i]);
    mr__pg_column key = { 0 };
    int64_t number;
    const mr__postgres nobody = { .table = { .source = (char[]){ "'server'" }, .what = (char[]){ "t" } } };
    for (int row = 0; row < 2 && mr__pg_key(&nobody, result, "x", &key) == MR_OK; row++)
        mr__pg_key_of(result, row, &key, &number);
    mr_error_clear();
    PQclear(result);
    return 0;
}
