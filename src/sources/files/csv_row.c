/* From the cells of a row to the fields of a sample. */
#include "csv.h"

#include "sources/cell.h"

#include "number.h"

#include <math.h>
#include <string.h>

enum { SHOWN = 40 };

/* "'a.csv': line 17, column 'age': " in front of what is wrong. */
static mr_status wrong(const mr__csv_plan *plan, int64_t line, int64_t column, const mr__csv_cell *cell,
                       const char *what)
{
    char number[32];
    snprintf(number, sizeof number, "#%lld", (long long)column);
    const char *name = plan->column ? plan->column[column] : number;
    size_t length = (size_t)(cell->end - cell->at);
    return mr_fail(MR_ERR_FORMAT, "'%s': line %lld, column '%s': '%.*s%s' %s", plan->path, (long long)line,
                   name, length > SHOWN ? SHOWN : (int)length, cell->at, length > SHOWN ? "..." : "", what);
}

static bool read_bool(const mr__csv_cell *cell, int64_t *value)
{
    size_t length = (size_t)(cell->end - cell->at);
    *value = length == 4 && strncasecmp(cell->at, "true", 4) == 0;
    return *value || (length == 5 && strncasecmp(cell->at, "false", 5) == 0);
}

static bool number_of_word(const mr__csv_plan *plan, int field, const mr__csv_cell *cell, int64_t *number)
{
    const mr__words *words = &plan->words[field];
    size_t length = (size_t)(cell->end - cell->at);
    char text[256], *longer = NULL;
    if (cell->quoted && memchr(cell->at, plan->format.quote, length)) {
        if (length >= sizeof text && !(longer = mr_alloc(length + 1)))
            return false;
        const char *plain = mr__csv_cell_text(&plan->format, cell, longer ? longer : text);
        *number = mr__words_find(words, plain, strlen(plain));
        mr_free(longer);
    } else {
        *number = mr__words_find(words, cell->at, length);
    }
    return *number >= 0;
}

static mr_status missing_cell(const mr__csv_plan *plan, int64_t line, int64_t column, int field, void *to,
                              const mr__csv_cell *cell)
{
    const mr_csv_field *options = &plan->options[field];
    if (options->missing == MR_MISSING_SKIP)
        return MR_END;
    if (options->missing == MR_MISSING_FAIL)
        return wrong(plan, line, column, cell, "is missing");
    mr__put_missing(plan->field[field].dtype, to, options->missing, options->fill);
    return MR_OK;
}

static mr_status read_cell(const mr__csv_plan *plan, int64_t line, int64_t column, const mr__csv_cell *cell,
                           int field, void *to)
{
    mr_dtype dtype = plan->field[field].dtype;
    int64_t whole;
    double value;
    if (plan->words[field].count) {
        if (number_of_word(plan, field, cell, &whole)) {
            mr__put_int(dtype, to, whole);
            return MR_OK;
        }
        return mr__csv_is_missing(cell) ? missing_cell(plan, line, column, field, to, cell)
                                        : wrong(plan, line, column, cell, "is none of the words");
    }
    if (mr__is_floating(dtype)) {
        bool number = mr__read_double(cell->at, cell->end, &value);
        if (number && (!isnan(value) || plan->options[field].missing == MR_MISSING_FAIL)) {
            mr__put_double(dtype, to, value);
            return MR_OK;
        }
    } else if (mr__read_int64(cell->at, cell->end, &whole) || (dtype == MR_BOOL && read_bool(cell, &whole))) {
        return mr__put_int(dtype, to, whole)
                   ? MR_OK
                   : wrong(plan, line, column, cell, "does not fit the field's type");
    }
    if (mr__csv_is_missing(cell))
        return missing_cell(plan, line, column, field, to, cell);
    return wrong(plan, line, column, cell, mr__is_floating(dtype) ? "is no number" : "is no whole number");
}

static mr_status wrong_count(const mr__csv_plan *plan, const char *at, const char *end, int64_t line)
{
    mr__csv_cell cell;
    int64_t count = 0;
    while (at && mr__csv_next_cell(&plan->format, &at, end, &cell))
        count++;
    return mr_fail(MR_ERR_FORMAT, "'%s': line %lld has %lld cells, not %lld", plan->path, (long long)line,
                   (long long)count, (long long)plan->columns);
}

/* Most cells are plain numbers: where the next begins, or NULL when this one is none, or not in its place. */
static const char *plain_cell(const mr__csv_plan *plan, int64_t column, const char *at, const char *end,
                              void *const *field, int64_t row)
{
    const mr__csv_target *target = &plan->target[column];
    double value;
    const char *behind = target->number ? mr__read_plain(at, end, &value) : NULL;
    if (!behind || behind == end || *behind != plan->format.delimiter || column + 1 == plan->columns)
        return NULL;
    mr__put_double(target->dtype,
                   (char *)field[target->field] + (size_t)row * target->stride + target->offset, value);
    return behind + 1;
}

mr_status mr__csv_read_row(const mr__csv_plan *plan, const char *at, const char *end, int64_t line,
                           void *const *field, int64_t row)
{
    const char *begin = at;
    mr_status left_out = MR_OK;
    end = mr__csv_trim(at, end);
    for (int64_t column = 0; at; column++) {
        mr__csv_cell cell;
        const char *next = column < plan->columns ? plain_cell(plan, column, at, end, field, row) : NULL;
        if (next) {
            at = next;
            continue;
        }
        if (!mr__csv_next_cell(&plan->format, &at, end, &cell))
            return mr_fail(MR_ERR_FORMAT,
                           "'%s': line %lld, cell %lld: a quote that is not closed, or text behind it",
                           plan->path, (long long)line, (long long)column + 1);
        if (column == plan->columns || (!at && column + 1 < plan->columns))
            return wrong_count(plan, begin, end, line);
        const mr__csv_target *target = &plan->target[column];
        if (target->field < 0)
            continue;
        char *to = (char *)field[target->field] + (size_t)row * target->stride + target->offset;
        mr_status s = read_cell(plan, line, column, &cell, target->field, to);
        if (s < 0)
            return s;
        if (s == MR_END)
            left_out = MR_END;
    }
    return left_out;
}
