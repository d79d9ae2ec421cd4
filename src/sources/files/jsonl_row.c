/* From a JSON object to the fields of a sample. */
#include "jsonl.h"

#include "json_value.h"

#include <stdio.h>
#include <string.h>

bool mr__jsonl_is_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at == end;
}

typedef struct place {
    const mr__jsonl_plan *plan;
    int64_t line;
} place;

static void say_place(const void *of, char *text, size_t room)
{
    const place *p = of;
    const char *path = p->plan->path;
    const size_t length = strlen(path), most = room - sizeof "'...': line -9223372036854775808";
    snprintf(text, room, "'%s%s': line %lld", length > most ? "..." : "",
             length > most ? path + length - most : path, (long long)p->line);
}

mr_status mr__jsonl_read_row(const mr__jsonl_plan *plan, const char *at, const char *end, int64_t line,
                             void *const *field, int64_t row)
{
    const place here = { plan, line };
    const mr__where known = { say_place, &here }, *where = line ? &known : NULL;
    json_t *object = mr__json_parse(at, end, where);
    mr_status s = object ? MR_OK : where ? mr_error_status() : MR_ERR_FORMAT;
    for (int i = 0; s == MR_OK && i < plan->field_count; i++) {
        const mr__json_field f = { .field = &plan->field[i],
                                   .key = plan->key[i],
                                   .missing = plan->options[i].missing,
                                   .fill = plan->options[i].fill,
                                   .words = &plan->words[i] };
        s = mr__json_write(object, &f, where,
                           (char *)field[i] + (size_t)row * mr__json_field_bytes(&plan->field[i]));
    }
    json_decref(object);
    return s;
}
