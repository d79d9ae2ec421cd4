#include "file_name.h"

#include "base/error.h"
#include "base/float_text.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 64 };

typedef struct field {
    char name[NAME_BYTES], kind; /* f, e, g or d; '\0': without a format */
    bool zeros;
    int digits; /* behind the point, or of a whole number */
} field;

static mr_status wrong(const char *text, const char *why)
{
    return mr__raise(MR_ERR_ARGUMENT, "the file name '%.100s' %s", text, why);
}

/* ".2f", "02d" */
static bool read_format(const char *c, const char *end, field *f)
{
    const bool point = *c == '.';
    f->zeros = *c == '0';
    c += point || f->zeros;
    if (end - c != 2 || c[0] < '0' || c[0] > '9' || !strchr(point ? "feg" : "d", c[1]))
        return false;
    f->digits = c[0] - '0';
    f->kind = c[1];
    return true;
}

/* Reads what stands in braces, and moves behind it. NULL, or what is wrong. */
static const char *read_field(const char **at, field *f)
{
    const char *end = strchr(*at, '}');
    if (!end)
        return "has a { without a }";
    const char *colon = memchr(*at, ':', (size_t)(end - *at));
    const size_t length = (size_t)((colon ? colon : end) - *at);
    if (length == 0 || length >= NAME_BYTES || memchr(*at, '{', length))
        return "has braces without a name";
    memcpy(f->name, *at, length);
    f->name[length] = '\0';
    f->kind = '\0';
    if (colon && !read_format(colon + 1, end, f))
        return "has a format that is not one such as .2f or 02d";
    *at = end + 1;
    return NULL;
}

/* A slash, as in val_loss/dataloader_idx_1, is no part of a file's name. */
static void append_name(mr__strbuf *out, const char *name)
{
    for (; *name; name++)
        mr__strbuf_append_bytes(out, *name == '/' ? "_" : name, 1);
}

static void append_value(mr__strbuf *out, const field *f, double value, bool whole)
{
    char text[MR__FLOAT_TEXT_BYTES];
    append_name(out, f->name);
    mr__strbuf_append(out, "=");
    if (f->kind == 'f')
        mr__strbuf_appendf(out, "%.*f", f->digits, value);
    else if (f->kind == 'e')
        mr__strbuf_appendf(out, "%.*e", f->digits, value);
    else if (f->kind == 'g')
        mr__strbuf_appendf(out, "%.*g", f->digits, value);
    else if (f->kind == 'd' && f->zeros)
        mr__strbuf_appendf(out, "%0*lld", f->digits, (long long)value);
    else if (whole)
        mr__strbuf_appendf(out, "%*lld", f->kind ? f->digits : 0, (long long)value);
    else
        mr__strbuf_append(out, mr__format_double(text, value));
}

mr_status mr__file_name(mr__strbuf *out, const char *format, mr__name_value value_of, const void *user)
{
    const char *at = format;
    while (*at) {
        field f;
        double value = 0;
        bool whole = false;
        if (*at == '/' || *at == '}')
            return wrong(format, *at == '/' ? "has a slash" : "has a } without a {");
        if (*at != '{') {
            mr__strbuf_append_bytes(out, at++, 1);
            continue;
        }
        at++;
        const char *why = read_field(&at, &f);
        if (why)
            return wrong(format, why);
        if (value_of && !value_of(user, f.name, &value, &whole))
            return mr__raise(MR_ERR_ARGUMENT, "the file name '%.100s' wants %s, which was not logged", format,
                             f.name);
        if (value_of && f.kind == 'd' && !whole)
            return wrong(format, "has a format of whole numbers for a metric");
        append_value(out, &f, value, whole);
    }
    return out->failed ? MR_ERR_MEMORY : MR_OK;
}
