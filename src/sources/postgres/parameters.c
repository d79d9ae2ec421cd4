#include "parameters.h"

#include <ctype.h>
#include <string.h>

/* ---- what is no place for a parameter: each gives where it ends ---- */

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* A text or a name in quotes; doubled ones need no care, since another one begins there. */
static const char *behind_quotes(const char *at, bool escapes)
{
    const char quote = *at++;
    for (; *at && *at != quote; at++)
        if (escapes && *at == '\\' && at[1])
            at++;
    return *at ? at + 1 : at;
}

static const char *behind_comment(const char *at)
{
    if (*at == '-')
        return at + strcspn(at, "\n");
    int depth = 0;
    do {
        bool opens = at[0] == '/' && at[1] == '*', closes = at[0] == '*' && at[1] == '/';
        depth += opens - closes;
        at += opens || closes ? 2 : 1;
    } while (*at && depth);
    return at;
}

/* $tag$ … $tag$, or `at` where there is none. */
static const char *behind_dollars(const char *at)
{
    const char *end = at + 1;
    while (is_name(*end) && *end != '$')
        end++;
    if (*end != '$' || isdigit((unsigned char)at[1]))
        return at;
    const size_t length = (size_t)(end + 1 - at);
    for (const char *p = end + 1; *p; p++)
        if (strncmp(p, at, length) == 0)
            return p + length;
    return at + strlen(at);
}

/* ---- the query ---- */

/* How many characters are to be taken over as they are. */
static size_t plain(const char *query, const char *at)
{
    const bool in_name = at > query && is_name(at[-1]);
    const bool escapes =
        at > query && (at[-1] == 'e' || at[-1] == 'E') && !(at > query + 1 && is_name(at[-2]));
    const char *end = at;
    if (*at == '\'' || *at == '"')
        end = behind_quotes(at, escapes && *at == '\'');
    else if ((*at == '-' && at[1] == '-') || (*at == '/' && at[1] == '*'))
        end = behind_comment(at);
    else if (*at == '$' && !in_name)
        end = behind_dollars(at);
    else if (*at == ':' && at[1] == ':')
        end = at + 2;
    return end > at ? (size_t)(end - at) : 1;
}

static bool is_parameter(const char *at, const char *name, size_t *length)
{
    *length = strlen(name);
    return strncmp(at, name, *length) == 0 && !is_name(at[*length]);
}

void mr__pg_add_query(mr__sql *sql, const char *query, int64_t shard, int64_t shards,
                      mr__pg_parameters *found)
{
    size_t end = strlen(query), length;
    while (end && (isspace((unsigned char)query[end - 1]) || query[end - 1] == ';'))
        end--;
    for (const char *at = query; at < query + end; at += length) {
        const bool one = is_parameter(at, ":shard", &length),
                   all = !one && is_parameter(at, ":shards", &length);
        if (one || all) {
            mr__sql_add_number(sql, one ? shard : shards);
            if (found && one)
                found->shard = true;
            if (found && all)
                found->shards = true;
            continue;
        }
        length = plain(query, at);
        mr__sql_add_bytes(sql, at, length);
    }
    mr__sql_add(sql, "\n"); /* behind a comment */
}
