/* What is in a member, for the fields that are made of it. */
#include "plan.h"

#include "sources/cell.h"
#include "sources/files/json_value.h"
#include "sources/files/number.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FIRST_PIECE = 1 << 20,
    MOST_TEXT = 1 << 28,
    MOST_JSON = 1 << 24, /* objects take up to 44 times the memory of their text */
    PLACE = 320
};

typedef struct place {
    const mr__tar *tar;
    const mr__member *member;
    const mr_field *field;
} place;

/* "'a.tar': member 'train/0001.cls' at byte 1536, field 'label'". A path that is too long loses its beginning. */
static void say_place(const void *of, char *text, size_t room)
{
    const place *p = of;
    const char *path = p->tar->path;
    char where[PLACE];
    const int said = snprintf(where, sizeof where, "member '%.120s' at byte %lld, field '%.60s'",
                              p->member->name, (long long)p->member->at, p->field->name);
    const size_t length = strlen(path),
                 around = (size_t)said + sizeof "'...': ", fit = room > around ? room - around : 0;
    const bool whole = length <= fit;
    snprintf(text, room, "'%s%s': %s", whole ? "" : "...", whole ? path : path + (length - fit), where);
}

MR_PRINTF(2, 3)
static mr_status wrong(const place *p, const char *format, ...)
{
    char here[PLACE], what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    say_place(p, here, sizeof here);
    return mr_fail(MR_ERR_FORMAT, "%s: %s", here, what);
}

/* Reads as much as the member has, and knows that it has no more. Behind that there is room for `spare` bytes. */
static mr_status read_all(mr__tar *tar, const mr__member *m, char *to, size_t spare)
{
    int64_t got = 0, n = 1;
    for (; got < m->size && n > 0; got += n > 0 ? n : 0)
        n = mr__tar_read(tar, m, to + got, (size_t)(m->size - got), spare);
    if (n < 0)
        return mr_error_status();
    if (got < m->size)
        return mr_fail(MR_ERR_FORMAT, "'%s': member '%.200s' at byte %lld: %lld bytes of %lld", tar->path,
                       m->name, (long long)m->at, (long long)got, (long long)m->size);
    return MR_OK;
}

/* The same into memory that grows as bytes come: what a head says is not believed. */
static mr_status read_bytes(const place *p, mr__tar *tar, int64_t most, mr_ragged *to)
{
    const int64_t size = p->member->size, item = (int64_t)to->item_bytes;
    if (size > most)
        return wrong(p, "%lld bytes, more than max_member, %lld", (long long)size, (long long)most);
    int64_t got = 0, room = size < FIRST_PIECE ? size : FIRST_PIECE;
    for (;;) {
        char *bytes = mr_ragged_resize(to, (room + item - 1) / item);
        if (!bytes)
            return mr_error_status();
        mr__member piece = *p->member;
        piece.size = room - got;
        if (read_all(tar, &piece, bytes + got, to->room - (size_t)room) < 0)
            return mr_error_status();
        got = room;
        if (got == size)
            return MR_OK;
        room = size / 2 < room ? size : room * 2;
    }
}

static mr_status read_scratch(const place *p, mr__tar *tar, int64_t most, mr__scratch *scratch)
{
    const int64_t size = p->member->size;
    if (size > most || size > MOST_TEXT)
        return wrong(p, "a text of %lld bytes, more than %lld", (long long)size,
                     (long long)(most < MOST_TEXT ? most : MOST_TEXT));
    if ((size_t)size >= scratch->room) {
        char *larger = mr_grow(scratch->bytes, 0, (size_t)size * 2 + 256);
        if (!larger)
            return mr_error_status();
        scratch->bytes = larger;
        scratch->room = (size_t)size * 2 + 256;
    }
    return read_all(tar, p->member, scratch->bytes, scratch->room - (size_t)size);
}

/* ---- text ---- */

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',';
}

static mr_status write_number(const place *p, const char *at, const char *end, void *to)
{
    const mr_dtype dtype = p->field->dtype;
    const int shown = end - at > 40 ? 40 : (int)(end - at);
    double value;
    int64_t whole;
    if (mr__is_floating(dtype)) {
        if (!mr__read_double(at, end, &value))
            return wrong(p, "'%.*s' is no number", shown, at);
        mr__put_double(dtype, to, value);
        return MR_OK;
    }
    if (!mr__read_int64(at, end, &whole))
        return wrong(p, "'%.*s' is no whole number", shown, at);
    return mr__put_int(dtype, to, whole)
               ? MR_OK
               : wrong(p, "%lld does not fit %s", (long long)whole, mr_dtype_name(dtype));
}

/* Where the number at `at` ends; *next is where another begins, or `end`. */
static const char *number_end(const char *at, const char *end, const char **next)
{
    while (at < end && !is_between(*at))
        at++;
    *next = at;
    while (*next < end && is_between(**next))
        ++*next;
    return at;
}

static mr_status write_word(const place *p, const mr__words *words, const char *at, const char *end, void *to)
{
    const int64_t number = mr__words_find(words, at, (size_t)(end - at));
    if (number < 0)
        return wrong(p, "'%.*s' is none of the words", end - at > 40 ? 40 : (int)(end - at), at);
    return mr__put_int(p->field->dtype, to, number)
               ? MR_OK
               : wrong(p, "word number %lld does not fit %s", (long long)number,
                       mr_dtype_name(p->field->dtype));
}

static mr_status write_text(const place *p, const mr__words *words, const char *at, const char *end, char *to)
{
    const size_t size = mr_dtype_size(p->field->dtype);
    const bool ragged = mr__is_ragged(&p->field->shape);
    const int64_t wanted =
        ragged ? (int64_t)(((mr_ragged *)(void *)to)->item_bytes / size) : mr__numel(&p->field->shape);
    int64_t count = 0;
    const char *next;
    while (at < end && is_between(*at))
        at++;
    while (end > at && is_between(end[-1]))
        end--;
    if (words->count)
        return write_word(p, words, at, end, to);
    for (const char *from = at; from < end; from = next, count++)
        number_end(from, end, &next);
    if (ragged ? !wanted || count % wanted : count != wanted)
        return wrong(p, "%lld numbers, not %s%lld", (long long)count, ragged ? "a multiple of " : "",
                     (long long)wanted);
    if (ragged && !(to = mr_ragged_resize((mr_ragged *)(void *)to, count / wanted)))
        return mr_error_status();
    for (; at < end; at = next, to += size)
        if (write_number(p, at, number_end(at, end, &next), to) < 0)
            return mr_error_status();
    return MR_OK;
}

/* ---- all that a member is wanted for ---- */

static mr_status write_json(const mr__tar_plan *plan, int i, const place *p, const mr__json *object, void *to)
{
    const mr__json_field f = { .field = &plan->field[i],
                               .key = plan->options[i].key,
                               .missing = plan->options[i].missing,
                               .fill = plan->options[i].fill,
                               .words = &plan->words[i] };
    const mr__where where = { say_place, p };
    return mr__json_write(object, &f, &where, to);
}

/* From bytes that have been read. */
static mr_status write_field(const mr__tar_plan *plan, int i, const place *p, const mr__scratch *scratch,
                             mr__json *object, void *to)
{
    const char *end = scratch->bytes + p->member->size;
    const mr__where where = { say_place, p };
    switch (plan->options[i].content) {
    case MR_MEMBER_TEXT:
        return write_text(p, &plan->words[i], scratch->bytes, end, to);
    case MR_MEMBER_JSON:
        if (!object->read && mr__json_parse(object, scratch->bytes, end, &where) < 0)
            return mr_error_status();
        return write_json(plan, i, p, object, to);
    default:
        if (mr__is_ragged(&p->field->shape)) {
            mr_ragged *items = to;
            to = mr_ragged_resize(items, p->member->size / (int64_t)items->item_bytes);
            if (!to)
                return mr_error_status();
        }
        memcpy(to, scratch->bytes, (size_t)p->member->size);
        return MR_OK;
    }
}

/* As far as it says something about the contents. */
static mr_status check_size(const place *p, mr_member content)
{
    const mr_shape *shape = &p->field->shape;
    const int64_t size = p->member->size;
    if (content == MR_MEMBER_RAW) {
        int64_t item = (int64_t)mr_dtype_size(p->field->dtype);
        for (int d = mr__is_ragged(shape); d < shape->ndim; d++)
            item *= shape->dim[d];
        if (mr__is_ragged(shape) ? !item || size % item : size != item)
            return wrong(p, "%lld bytes, not %s%lld", (long long)size,
                         mr__is_ragged(shape) ? "a multiple of " : "", (long long)item);
    }
    if (content == MR_MEMBER_JSON && size > MOST_JSON)
        return wrong(p, "JSON of %lld bytes, more than %d", (long long)size, MOST_JSON);
    return MR_OK;
}

static void see(mr__seen *seen, const mr__member *member)
{
    seen->any = true;
    seen->at = member->at;
    if (!memccpy(seen->extension, member->extension, 0, sizeof seen->extension))
        seen->extension[sizeof seen->extension - 1] = 0;
}

mr_status mr__tar_read_member(const mr__tar_plan *plan, mr__tar *tar, const mr__member *member,
                              mr__scratch *scratch, mr__seen *seen, void *const *field)
{
    place p = { .tar = tar, .member = member };
    int wanted = 0, last = -1;
    for (int i = 0; i < plan->field_count; i++) {
        if (!mr__tar_plan_wants(plan, i, member))
            continue;
        p.field = &plan->field[i];
        if (seen[i].any)
            return wrong(&p, "the sample has another member for it");
        if (check_size(&p, plan->options[i].content) < 0)
            return mr_error_status();
        see(&seen[i], member);
        last = i;
        wanted++;
    }
    if (!wanted)
        return MR_OK;
    p.field = &plan->field[last];
    const mr_member content = plan->options[last].content;
    if (wanted == 1 &&
        (content == MR_MEMBER_BYTES || (content == MR_MEMBER_RAW && mr__is_ragged(&plan->field[last].shape))))
        return read_bytes(&p, tar, plan->most, field[last]);
    if (wanted == 1 && content == MR_MEMBER_RAW)
        return read_all(tar, member, field[last], 0);
    mr_status s = read_scratch(&p, tar, plan->most, scratch), left_out = MR_OK;
    mr__json object = { 0 };
    for (int i = 0; s >= 0 && i < plan->field_count; i++) {
        p.field = &plan->field[i];
        s = mr__tar_plan_wants(plan, i, member) ? write_field(plan, i, &p, scratch, &object, field[i]) : s;
        left_out = s == MR_END ? s : left_out;
    }
    mr__json_free(&object);
    return s < 0 ? s : left_out;
}
