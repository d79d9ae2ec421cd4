#include "sql.h"

#include <stdio.h>
#include <string.h>

void mr__sql_add_bytes(mr__sql *sql, const char *bytes, size_t count)
{
    if (sql->failed)
        return;
    if (sql->used + count + 1 > sql->room) {
        size_t room = (sql->used + count + 1) * 2;
        char *text = mr_grow(sql->text, sql->used, room);
        if (!text) {
            mr_free(sql->text);
            *sql = (mr__sql){ .failed = true };
            return;
        }
        sql->text = text;
        sql->room = room;
    }
    memcpy(sql->text + sql->used, bytes, count);
    sql->used += count;
    sql->text[sql->used] = 0;
}

void mr__sql_add(mr__sql *sql, const char *text)
{
    mr__sql_add_bytes(sql, text, strlen(text));
}

void mr__sql_add_number(mr__sql *sql, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    mr__sql_add(sql, text);
}

void mr__sql_add_name(mr__sql *sql, const char *name)
{
    mr__sql_add(sql, "\"");
    for (const char *quote; (quote = strchr(name, '"')); name = quote + 1) {
        mr__sql_add_bytes(sql, name, (size_t)(quote - name));
        mr__sql_add(sql, "\"\"");
    }
    mr__sql_add(sql, name);
    mr__sql_add(sql, "\"");
}
