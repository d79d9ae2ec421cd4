/* Fields for a table or a query of which nothing is said: each column is one, of its type. */
#include "values.h"

#include <stdio.h>

/* What field a column is; false when there is none. */
static bool field_of(mr__pg_type type, mr_table_field *field)
{
    static const mr_dtype dtypes[] = {
        [MR__PG_BOOL] = MR_BOOL,       [MR__PG_INT2] = MR_INT16,     [MR__PG_INT4] = MR_INT32,
        [MR__PG_INT8] = MR_INT64,      [MR__PG_FLOAT4] = MR_FLOAT32, [MR__PG_FLOAT8] = MR_FLOAT64,
        [MR__PG_NUMERIC] = MR_FLOAT64, [MR__PG_DATE] = MR_FLOAT64,   [MR__PG_TIMESTAMP] = MR_FLOAT64,
        [MR__PG_TEXT] = MR_UINT8,      [MR__PG_PADDED] = MR_UINT8,   [MR__PG_BYTEA] = MR_UINT8,
    };
    field->dtype = dtypes[type];
    if (type >= MR__PG_TEXT)
        field->shape = MR_SHAPE(-1);
    return type != MR__PG_OTHER;
}

static mr_status make(mr__postgres *postgres, PGconn *conn, const PGresult *result, const char *call,
                      mr_table_field *fields)
{
    const int count = PQnfields(result);
    for (int i = 0; i < count; i++) {
        mr__pg_column column = { .oid = PQftype(result, i) };
        column.type = mr__pg_known_type(column.oid);
        fields[i] = (mr_table_field){ .name = PQfname(result, i) };
        if (field_of(column.type, &fields[i]))
            continue;
        char *name = mr__pg_type_of(postgres, conn, &column);
        const bool text = name && field_of(column.type, &fields[i]);
        if (name && !text)
            mr_fail(MR_ERR_ARGUMENT,
                    "%s: %s, column '%s': it has the type %s, which is no field's: name the fields, or cast "
                    "it in a query",
                    postgres->table.source, postgres->table.what, fields[i].name, name);
        mr_free(name);
        if (!text)
            return mr_error_status();
    }
    return mr__table_make_each(&postgres->table, call, fields, count);
}

mr_status mr__pg_guess(mr__postgres *postgres, const char *call, char *text)
{
    PGconn *conn = text ? mr__postgres_open(postgres) : NULL;
    PGresult *result = conn ? mr__pg_describe(postgres, conn, "look", text) : NULL;
    mr_table_field *fields = result ? mr_calloc((size_t)PQnfields(result) + 1, sizeof *fields) : NULL;
    const mr_status s = fields ? make(postgres, conn, result, call, fields) : mr_error_status();
    mr_free(fields);
    mr_free(text);
    PQclear(result);
    PQfinish(conn);
    return s;
}
