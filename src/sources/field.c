#include "field.h"

#include "cell.h"

#include <string.h>

static bool is_number(mr_dtype dtype)
{
    int64_t room;
    return mr__is_floating(dtype) || mr__put_int(dtype, &room, 0);
}

bool mr__field_holds(mr_dtype dtype, int64_t word_count)
{
    int64_t room;
    return word_count < 1 || mr__put_int(dtype, &room, word_count - 1);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void mr__field_trim(const char **at, size_t *length)
{
    for (; *length && is_blank(**at); ++*at)
        --*length;
    while (*length && is_blank((*at)[*length - 1]))
        --*length;
}

mr_status mr__no_fields(const char *call)
{
    return mr_fail(MR_ERR_ARGUMENT, "%s: a list of no fields: NULL instead of it takes every column", call);
}

mr_status mr__field_check(const char *call, const mr__field_facts *f)
{
    if (!f->name || !*f->name)
        return mr_fail(MR_ERR_ARGUMENT, "%s: a field without a name", call);
    if (!f->any_dtype && !is_number(f->dtype))
        return mr_fail(
            MR_ERR_DTYPE,
            "%s: field '%s': %s is none of float32, float64, int64, int32, int16, uint16, int8, uint8, bool",
            call, f->name, mr_dtype_name(f->dtype));
    if (f->words && f->dtype == MR_FLOAT64)
        return mr_fail(MR_ERR_DTYPE, "%s: field '%s': words are whole numbers, not float64", call, f->name);
    if (f->missing == MR_MISSING_NAN && (f->words || !mr__is_floating(f->dtype)))
        return mr_fail(MR_ERR_DTYPE, "%s: field '%s': there is no NaN among whole numbers", call, f->name);
    if (f->words && !mr__field_holds(mr__field_dtype(f), f->word_count))
        return mr_fail(MR_ERR_DTYPE, "%s: field '%s': the numbers of %d words do not fit %s", call, f->name,
                       f->word_count, mr_dtype_name(f->dtype));
    return MR_OK;
}

mr_dtype mr__field_dtype(const mr__field_facts *f)
{
    return f->words && f->dtype == MR_FLOAT32 ? MR_INT64 : f->dtype;
}

mr_status mr__field_words(mr__words *words, const char *call, const char *name, const char *const *list,
                          int count)
{
    for (int i = 0; list && i < count; i++) {
        int64_t number = mr__words_add(words, list[i], strlen(list[i]));
        if (number < 0)
            return mr_error_status();
        if (number != i)
            return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': the word '%s' is there twice", call, name,
                           list[i]);
    }
    return MR_OK;
}
