#include "print_format.h"

#include <locale.h>
#include <math.h>

/* Enough for every style: numbers above 1e8 are never printed in full. */
enum { VALUE_BYTES = 40 };

static bool is_float_type(mr_dtype dtype)
{
    return mr__is_float((uint8_t)dtype) || dtype == MR_FLOAT16 || dtype == MR_BFLOAT16;
}

mr__print_value mr__print_value_at(const mr_tensor *x, int64_t offset)
{
    mr__print_value value = { 0 };
    mr_dtype dtype = (mr_dtype)x->dtype;
    const char *element = x->data + offset * (int64_t)mr_dtype_size(dtype);
    if (is_float_type(dtype))
        mr__cast_elements(MR_FLOAT64, &value.real, dtype, element, 1, 1);
    else
        mr__cast_elements(MR_INT64, &value.integer, dtype, element, 1, 1);
    return value;
}

static bool counts(double value)
{
    return value != 0 && isfinite(value);
}

void mr__print_survey(mr__print_format *format, mr__print_value value)
{
    if (!counts(value.real))
        return;
    double magnitude = fabs(value.real);
    if (magnitude < format->min)
        format->min = magnitude;
    if (magnitude > format->max)
        format->max = magnitude;
    if (magnitude != ceil(magnitude))
        format->fraction = true;
}

void mr__print_survey_end(mr__print_format *format, mr_dtype dtype)
{
    format->width = 1;
    if (dtype == MR_BOOL)
        format->style = MR__PRINT_TRUTH;
    else if (!is_float_type(dtype))
        format->style = MR__PRINT_INTEGER;
    else if (format->max == 0) /* zeros, infinities and NaN only */
        format->style = MR__PRINT_WHOLE;
    else if (format->max / format->min > 1000 || format->max > 1e8 ||
             (format->fraction && format->min < 1e-4))
        format->style = MR__PRINT_SCIENCE;
    else
        format->style = format->fraction ? MR__PRINT_FIXED : MR__PRINT_WHOLE;
}

/* The point of the C library may be another character in this locale. */
static void restore_point(char *text)
{
    const char *point = localeconv()->decimal_point;
    size_t length = strlen(point);
    char *at = strcmp(point, ".") != 0 ? strstr(text, point) : NULL;
    if (!at)
        return;
    *at = '.';
    memmove(at + 1, at + length, strlen(at + length) + 1);
}

static void real_text(char text[VALUE_BYTES], mr__print_style style, double value)
{
    if (!isfinite(value))
        snprintf(text, VALUE_BYTES, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    else if (style == MR__PRINT_WHOLE)
        snprintf(text, VALUE_BYTES, "%.0f.", value);
    else
        snprintf(text, VALUE_BYTES, style == MR__PRINT_SCIENCE ? "%.4e" : "%.4f", value);
    if (style != MR__PRINT_WHOLE)
        restore_point(text);
}

static void value_text(char text[VALUE_BYTES], mr__print_style style, mr__print_value value)
{
    if (style == MR__PRINT_TRUTH)
        snprintf(text, VALUE_BYTES, "%s", value.integer ? "True" : "False");
    else if (style == MR__PRINT_INTEGER)
        snprintf(text, VALUE_BYTES, "%lld", (long long)value.integer);
    else
        real_text(text, style, value.real);
}

void mr__print_measure(mr__print_format *format, mr__print_value value)
{
    char text[VALUE_BYTES];
    bool integer = format->style == MR__PRINT_INTEGER || format->style == MR__PRINT_TRUTH;
    if (!integer && !counts(value.real)) /* a row with inf in it may stand out of line: torch's does */
        return;
    value_text(text, format->style, value);
    int width = (int)strlen(text);
    if (width > format->width)
        format->width = width;
}

void mr__print_value_append(mr__strbuf *out, const mr__print_format *format, mr__print_value value)
{
    char text[VALUE_BYTES];
    value_text(text, format->style, value);
    mr__strbuf_appendf(out, "%*s", format->width, text);
}
