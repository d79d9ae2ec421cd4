/* Fields for a table or a query of which nothing is said: each column is one, by its declared type, or by what rows have. */
#include "rows.h"

#include <string.h>
#include <strings.h>

enum { LOOKED_AT = 100 }; /* rows */

/* What a column is said to be, or is so far: the larger holds the smaller, but for texts and bytes. */
typedef enum kind { UNKNOWN, WHOLE, NUMBER, TEXT, BYTES } kind;

static bool has(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (; *text; text++)
        if (strncasecmp(text, word, n) == 0)
            return true;
    return false;
}

/* SQLite's rules for a declared type, of which NUMERIC says nothing of what values are. */
static kind declared(const char *type)
{
    static const struct {
        const char *word;
        kind kind;
    } words[] = { { "INT", WHOLE },  { "CHAR", TEXT },   { "CLOB", TEXT },   { "TEXT", TEXT },
                  { "BLOB", BYTES }, { "REAL", NUMBER }, { "FLOA", NUMBER }, { "DOUB", NUMBER } };
    for (size_t i = 0; type && i < sizeof words / sizeof *words; i++)
        if (has(type, words[i].word))
            return words[i].kind;
    return UNKNOWN;
}

static kind kind_of(int type)
{
    return type == SQLITE_INTEGER ? WHOLE
           : type == SQLITE_FLOAT ? NUMBER
           : type == SQLITE_TEXT  ? TEXT
           : type == SQLITE_BLOB  ? BYTES
                                  : UNKNOWN;
}

/* Looks at rows for columns whose types say nothing. */
static mr_status look(const mr__sqlite *sqlite, sqlite3_stmt *statement, kind *kinds, int count)
{
    bool *open = mr_calloc((size_t)count, sizeof *open), any = false;
    if (!open)
        return mr_error_status();
    for (int i = 0; i < count; i++)
        any = (open[i] = kinds[i] == UNKNOWN) || any;
    int code = any ? SQLITE_ROW : SQLITE_DONE;
    for (int row = 0; row < LOOKED_AT && code == SQLITE_ROW; row++) {
        code = sqlite3_step(statement);
        for (int i = 0; code == SQLITE_ROW && i < count; i++) {
            const kind k = open[i] ? kind_of(sqlite3_column_type(statement, i)) : UNKNOWN;
            kinds[i] = k > kinds[i] ? k : kinds[i];
        }
    }
    mr_free(open);
    return code == SQLITE_ROW || code == SQLITE_DONE
               ? MR_OK
               : mr__sqlite_failed(sqlite, sqlite3_db_handle(statement));
}

static mr_status make(mr__sqlite *sqlite, const char *call, sqlite3_stmt *statement, const kind *kinds,
                      mr_table_field *fields, int count)
{
    for (int i = 0; i < count; i++) {
        const bool items = kinds[i] == TEXT || kinds[i] == BYTES;
        fields[i] = (mr_table_field){ .name = sqlite3_column_name(statement, i),
                                      .dtype = items               ? MR_UINT8
                                               : kinds[i] == WHOLE ? MR_INT64
                                                                   : MR_FLOAT64,
                                      .shape = items ? MR_SHAPE(-1) : MR_SCALAR };
        if (!fields[i].name)
            return mr_fail(MR_ERR_MEMORY, "'%s': out of memory", sqlite->path);
    }
    return mr__table_make_each(&sqlite->table, call, fields, count);
}

mr_status mr__sqlite_guess(mr__sqlite *sqlite, const char *call, sqlite3_stmt *statement)
{
    const int count = sqlite3_column_count(statement);
    kind *kinds = mr_calloc((size_t)count, sizeof *kinds);
    mr_table_field *fields = mr_calloc((size_t)count, sizeof *fields);
    mr_status s = kinds && fields ? MR_OK : mr_error_status();
    for (int i = 0; s == MR_OK && i < count; i++)
        kinds[i] = declared(sqlite3_column_decltype(statement, i));
    if (s == MR_OK)
        s = look(sqlite, statement, kinds, count);
    if (s == MR_OK)
        s = make(sqlite, call, statement, kinds, fields, count);
    mr_free(kinds);
    mr_free(fields);
    return s;
}
