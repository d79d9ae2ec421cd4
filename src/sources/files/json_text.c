#include "json_text.h"

#include <string.h>

static const char *fail(mr__json_fault *fault, const char *at, const char *wanted)
{
    *fault = (mr__json_fault){ at, wanted };
    return NULL;
}

const char *mr__json_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

/* ---- strings and numbers ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static const char *string_end(const char *at, const char *end, mr__json_fault *fault)
{
    for (at++; at < end && *at != '"'; at++) {
        if ((unsigned char)*at < ' ')
            return fail(fault, at, "the end of a string, or an escape");
        if (*at != '\\')
            continue;
        if (++at == end)
            break;
        if (!memchr("\"\\/bfnrtu", *at, 9))
            return fail(fault, at, "one of \"\\/bfnrtu");
        for (int i = 0; *at == 'u' && i < 4; i++)
            if (at + 1 + i == end || hex(at[1 + i]) < 0)
                return fail(fault, at + 1 + i, "four hexadecimal digits");
    }
    return at < end ? at + 1 : fail(fault, at, "the end of a string");
}

static const char *digits(const char *at, const char *end, mr__json_fault *fault)
{
    const char *begin = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at > begin ? at : fail(fault, at, "a digit");
}

static const char *number_end(const char *at, const char *end, mr__json_fault *fault)
{
    at += *at == '-';
    if (at < end && *at == '0')
        at++;
    else if (!(at = digits(at, end, fault)))
        return NULL;
    if (at < end && *at == '.' && !(at = digits(at + 1, end, fault)))
        return NULL;
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    at += at < end && (*at == '+' || *at == '-');
    return digits(at, end, fault);
}

/* ---- objects and arrays ---- */

static const char *value_end(const char *at, const char *end, int depth, mr__json_fault *fault);

/* Whether something follows: then list->at is where. */
static bool goes_on(mr__json_list *list, char closing)
{
    const char *at = mr__json_blanks(list->at + !list->begun, list->end);
    if (at < list->end && *at == closing) {
        list->at = at + 1;
        return false;
    }
    if (list->begun && (at == list->end || *at != ','))
        return fail(list->fault, at, closing == '}' ? "',' or '}'" : "',' or ']'") != NULL;
    list->at = mr__json_blanks(at + list->begun, list->end);
    list->begun = true;
    return true;
}

mr__json_list mr__json_open(mr__json_span value, mr__json_fault *fault)
{
    return (mr__json_list){ .at = value.at, .end = value.end, .fault = fault };
}

bool mr__json_next_item(mr__json_list *array, mr__json_span *item)
{
    if (!goes_on(array, ']'))
        return false;
    item->at = array->at;
    item->end = value_end(array->at, array->end, array->depth + 1, array->fault);
    array->at = item->end;
    return item->end != NULL;
}

bool mr__json_next_member(mr__json_list *object, mr__json_member *member)
{
    if (!goes_on(object, '}'))
        return false;
    if (object->at == object->end || *object->at != '"')
        return fail(object->fault, object->at, "a key in quotes") != NULL;
    member->key.at = object->at;
    member->key.end = string_end(object->at, object->end, object->fault);
    if (!member->key.end)
        return false;
    const char *at = mr__json_blanks(member->key.end, object->end);
    if (at == object->end || *at != ':')
        return fail(object->fault, at, "':'") != NULL;
    member->value.at = mr__json_blanks(at + 1, object->end);
    member->value.end = value_end(member->value.at, object->end, object->depth + 1, object->fault);
    object->at = member->value.end;
    return member->value.end != NULL;
}

/* ---- values ---- */

static const char *list_end(const char *at, const char *end, int depth, mr__json_fault *fault)
{
    mr__json_list list = { .at = at, .end = end, .depth = depth, .fault = fault };
    mr__json_member member;
    if (depth == MR__JSON_DEPTH)
        return fail(fault, at, "not that many objects and arrays within each other");
    fault->wanted = NULL;
    if (*at == '{')
        while (mr__json_next_member(&list, &member))
            ;
    else
        while (mr__json_next_item(&list, &member.value))
            ;
    return fault->wanted ? NULL : list.at;
}

static const char *value_end(const char *at, const char *end, int depth, mr__json_fault *fault)
{
    static const char *const words[] = { "true", "false", "null", "NaN", "Infinity", "-Infinity" };
    if (at < end && (*at == '{' || *at == '['))
        return list_end(at, end, depth, fault);
    if (at < end && *at == '"')
        return string_end(at, end, fault);
    if (at < end && *at >= '0' && *at <= '9')
        return number_end(at, end, fault);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((size_t)(end - at) >= strlen(words[i]) && memcmp(at, words[i], strlen(words[i])) == 0)
            return at + strlen(words[i]);
    if (at < end && *at == '-')
        return number_end(at, end, fault);
    return fail(fault, at, "a value");
}

const char *mr__json_value_end(const char *at, const char *end, mr__json_fault *fault)
{
    return value_end(at, end, 0, fault);
}

/* ---- strings ---- */

static unsigned four(const char *at)
{
    unsigned code = 0;
    for (int i = 0; i < 4; i++)
        code = code << 4 | (unsigned)hex(at[i]);
    return code;
}

static int utf8(unsigned code, char *to)
{
    static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    const int more = (code >= 0x80) + (code >= 0x800) + (code >= 0x10000);
    for (int i = more; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(lead[more] | code);
    return more + 1;
}

/* The character of an escape whose letter is at *at, which moves behind it; how many bytes, -1 where there is none. */
static int escape(const char **at, char *to)
{
    static const char letters[] = "bfnrt", characters[] = "\b\f\n\r\t";
    const char letter = *(*at)++, *known = strchr(letters, letter);
    if (letter != 'u') {
        *to = known ? characters[known - letters] : letter;
        return 1;
    }
    unsigned code = four(*at);
    *at += 4;
    if (code >= 0xdc00 && code < 0xe000)
        return -1;
    if (code >= 0xd800 && code < 0xdc00) {
        if ((*at)[0] != '\\' || (*at)[1] != 'u')
            return -1;
        const unsigned second = four(*at + 2);
        if (second < 0xdc00 || second >= 0xe000)
            return -1;
        code = 0x10000 + ((code - 0xd800) << 10 | (second - 0xdc00));
        *at += 6;
    }
    return utf8(code, to);
}

ptrdiff_t mr__json_string(mr__json_span string, char *out)
{
    const char *at = string.at + 1, *end = string.end - 1;
    char *to = out;
    while (at < end) {
        const char *plain = memchr(at, '\\', (size_t)(end - at));
        const size_t length = (size_t)((plain ? plain : end) - at);
        memcpy(to, at, length);
        to += length;
        at += length;
        if (!plain)
            break;
        at++;
        const int bytes = escape(&at, to);
        if (bytes < 0)
            return -1;
        to += bytes;
    }
    return to - out;
}

bool mr__json_string_is(mr__json_span string, const char *text, size_t length)
{
    const char *at = string.at + 1, *end = string.end - 1, *text_end = text + length;
    if ((size_t)(end - at) < length)
        return false;
    while (at < end && text < text_end) {
        char character[4] = { *at++ };
        const int bytes = *character == '\\' ? escape(&at, character) : 1;
        if (bytes < 0 || text_end - text < bytes || memcmp(text, character, (size_t)bytes) != 0)
            return false;
        text += bytes;
    }
    return at == end && text == text_end;
}
