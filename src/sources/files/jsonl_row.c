/* From a JSON object to the fields of a sample. */
#include "jsonl.h"

#include "json_value.h"

#include <stdio.h>
#include <string.h>

bool mr__jsonl_is_blank(const char *at, const char *end)
{
    return mr__json_blanks(mr__json_mark(at, end), end) == end;
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

static mr__json_field field_of(const mr__jsonl_plan *plan, int i)
{
    return (mr__json_field){ .field = &plan->field[i],
                             .key = plan->key[i],
                             .missing = plan->options[i].missing,
                             .fill = plan->options[i].fill,
                             .words = &plan->words[i] };
}

static mr_status left_out(const mr__jsonl_plan *plan, const mr__json *object)
{
    for (int i = 0; plan->skips && i < plan->field_count; i++) {
        const mr__json_field f = field_of(plan, i);
        if (mr__json_left_out(object, &f))
            return MR_END;
    }
    return MR_OK;
}

mr_status mr__jsonl_is_left_out(const mr__jsonl_plan *plan, const char *at, const char *end)
{
    mr__json object = { 0 };
    mr_status s = mr__json_parse(&object, at, end, NULL);
    s = s == MR_OK ? left_out(plan, &object) : s == MR_ERR_FORMAT ? MR_OK : s;
    mr__json_free(&object);
    return s;
}

mr_status mr__jsonl_read_row(const mr__jsonl_plan *plan, const char *at, const char *end, int64_t line,
                             void *const *field, int64_t row)
{
    const place here = { plan, line };
    const mr__where known = { say_place, &here }, *where = line ? &known : NULL;
    mr__json object = { 0 };
    mr_status s = mr__json_parse(&object, at, end, where);
    s = s == MR_OK ? left_out(plan, &object) : s;
    for (int i = 0; s == MR_OK && i < plan->field_count; i++) {
        const mr__json_field f = field_of(plan, i);
        s = mr__json_write(&object, &f, where,
                           (char *)field[i] + (size_t)row * mr__json_field_bytes(f.field));
    }
    mr__json_free(&object);
    return s;
}
