#include "yaml.h"

#include "base/float_text.h"
#include "base/utf8.h"

#include <math.h>
#include <regex.h>
#include <string.h>

/* ---- numbers ---- */

/* Python's repr, but with a point where there is an exponent alone: 1.0e-05. */
void mr__yaml_real(mr__strbuf *out, double value)
{
    char text[MR__FLOAT_TEXT_BYTES];
    if (!isfinite(value)) {
        mr__strbuf_append(out, isnan(value) ? ".nan" : value > 0 ? ".inf" : "-.inf");
        return;
    }
    mr__format_double(text, value);
    const char *exponent = strchr(text, '.') ? NULL : strchr(text, 'e');
    if (!exponent) {
        mr__strbuf_append(out, text);
        return;
    }
    mr__strbuf_append_bytes(out, text, (size_t)(exponent - text));
    mr__strbuf_append(out, ".0");
    mr__strbuf_append(out, exponent);
}

/* ---- characters ---- */

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~') /* letters beyond ASCII are escaped, too */
            return false;
    return true;
}

/* ---- what a plain text would be taken for ---- */

static bool is_word(const char *text)
{
    static const char *const words[] = { "",     "yes",  "Yes",  "YES",   "no",    "No",    "NO",
                                         "true", "True", "TRUE", "false", "False", "FALSE", "on",
                                         "On",   "ON",   "off",  "Off",   "OFF",   "~",     "null",
                                         "Null", "NULL", "<<",   "=" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Floats, whole numbers, and dates, of YAML 1.1. */
static bool is_number(const char *text)
{
    static const char pattern[] =
        "^([-+]?[0-9][0-9_]*\\.[0-9_]*([eE][-+][0-9]+)?|\\.[0-9][0-9_]*([eE][-+][0-9]+)?|"
        "[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\\.[0-9_]*|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)|"
        "[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|"
        "[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+|[0-9]{4}-[0-9][0-9]-[0-9][0-9]|"
        "[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?([Tt]|[ \t]+)[0-9][0-9]?:[0-9][0-9]:[0-9][0-9](\\.[0-9]*)?"
        "([ \t]*(Z|[-+][0-9][0-9]?(:[0-9][0-9])?))?)$";
    regex_t compiled;
    if (!strchr("-+.0123456789", *text))
        return false;
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB))
        return true; /* quotes do no harm */
    const bool matches = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return matches;
}

/* Whether something in it means something to YAML. */
static bool has_indicators(const char *text)
{
    const size_t length = strlen(text);
    if (strchr("#,[]{}&*!|>'\"%@`", text[0]) || text[0] == ' ' || text[length - 1] == ' ')
        return true;
    if (strncmp(text, "---", 3) == 0 || strncmp(text, "...", 3) == 0)
        return true;
    if (strchr("-?:", text[0]) && (!text[1] || text[1] == ' '))
        return true;
    for (const char *c = text + 1; *c; c++)
        if ((*c == ':' && (!c[1] || c[1] == ' ')) || (*c == '#' && c[-1] == ' '))
            return true;
    return false;
}

/* ---- texts ---- */

/* A single space behind column 80 becomes the end of a line; not the first or last character between quotes. */
static void put_folded(mr__strbuf *out, const char *text, int column, char quote)
{
    enum { WIDTH = 80 };
    for (const char *c = text; *c; c++, column++) {
        const bool single = *c == ' ' && (c == text || c[-1] != ' ') && c[1] != ' ';
        if (single && column > WIDTH && c != text && c[1]) {
            mr__strbuf_append(out, "\n  ");
            column = 1;
            continue;
        }
        mr__strbuf_append_bytes(out, c, 1);
        if (*c == quote) {
            mr__strbuf_append_bytes(out, c, 1);
            column++;
        }
    }
}

static void put_escaped(mr__strbuf *out, int32_t c)
{
    static const char from[] = "\a\b\t\n\v\f\r\x1b\"\\", to[] = "abtnvfre\"\\";
    const char *found = c > 0 && c < 0x80 ? strchr(from, (int)c) : NULL;
    if (found)
        mr__strbuf_appendf(out, "\\%c", to[found - from]);
    else if (c >= ' ' && c <= '~')
        mr__strbuf_appendf(out, "%c", (char)c);
    else if (c == 0x85 || c == 0xa0 || c == 0x2028 || c == 0x2029)
        mr__strbuf_appendf(out, "\\%c", c == 0x85 ? 'N' : c == 0xa0 ? '_' : c == 0x2028 ? 'L' : 'P');
    else
        mr__strbuf_appendf(out, c <= 0xff ? "\\x%02X" : c <= 0xffff ? "\\u%04X" : "\\U%08X", (unsigned)c);
}

void mr__yaml_text(mr__strbuf *out, const char *text, int column)
{
    if (!is_printable(text)) {
        mr__strbuf_append(out, "\"");
        for (int32_t c = 0; *text && (c = mr__utf8_next(&text)) >= 0;)
            put_escaped(out, c);
        mr__strbuf_append(out, "\"");
        return;
    }
    const bool plain = !is_word(text) && !is_number(text) && !has_indicators(text);
    const int at = column < 0 ? INT32_MIN : column + !plain;
    mr__strbuf_append(out, plain ? "" : "'");
    put_folded(out, text, at, plain ? '\0' : '\'');
    mr__strbuf_append(out, plain ? "" : "'");
}
