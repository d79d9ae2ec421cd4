/* From the cells of a row to the fields of a sample. */
#include "csv.h"

#include "sources/cell.h"
#include "sources/field.h"

#include "number.h"
#include "number_plain.h"

#include <millrace/ragged.h>

#include <assert.h>
#include <math.h>
#include <string.h>

enum { SHOWN = 40 };

/* What is wrong with a cell, where what was expected follows. */
static const char too_large[] = "does not fit ", no_word[] = "is none of the words ";

/* "'a.csv': line 17, column 'age': " in front of what is wrong. */
static mr_status wrong(const mr__csv_plan *plan, int64_t line, int64_t column, const mr__csv_cell *cell,
                       const char *what)
{
    char number[32];
    snprintf(number, sizeof number, "#%lld", (long long)column);
    const char *name = plan->column ? plan->column[column] : number;
    const int field = plan->target[column].field;
    char words[MR__WORDS_SHOWN];
    const char *wanted = what == too_large ? mr_dtype_name(plan->field[field].dtype)
                         : what == no_word ? mr__words_show(&plan->words[field], words)
                                           : "";
    size_t length = (size_t)(cell->end - cell->at);
    return mr_fail(MR_ERR_FORMAT, "'%s': line %lld, column '%s': '%.*s%s' %s%s", plan->path, (long long)line,
                   name, length > SHOWN ? SHOWN : (int)length, cell->at, length > SHOWN ? "..." : "", what,
                   wanted);
}

static bool read_bool(const mr__csv_cell *cell, int64_t *value)
{
    size_t length = (size_t)(cell->end - cell->at);
    *value = length == 4 && strncasecmp(cell->at, "true", 4) == 0;
    return *value || (length == 5 && strncasecmp(cell->at, "false", 5) == 0);
}

/* -1: it is none of the words; -2 after a failure. */
static int64_t number_of_word(const mr__csv_plan *plan, int field, const mr__csv_cell *cell)
{
    const mr__words *words = &plan->words[field];
    size_t length = (size_t)(cell->end - cell->at);
    char text[256], *longer = NULL;
    if (!cell->quoted || !memchr(cell->at, plan->format.quote, length))
        return mr__words_find(words, cell->at, length);
    if (length >= sizeof text && !(longer = mr_alloc(length + 1)))
        return -2;
    const char *plain = mr__csv_cell_text(&plan->format, cell, longer ? longer : text);
    const int64_t number = mr__words_find(words, plain, strlen(plain));
    mr_free(longer);
    return number;
}

/* ---- cells: MR_OK, MR_END when the row is left out, MR_ERR_FORMAT with *what, or a failure that is raised ---- */

static mr_status none(const mr__csv_plan *plan, int field, void *to, const char **what)
{
    const mr_csv_field *options = &plan->options[field];
    if (options->missing == MR_MISSING_SKIP)
        return MR_END;
    *what = "is missing" MR__MISSING_REMEDY;
    if (options->missing == MR_MISSING_FAIL)
        return MR_ERR_FORMAT;
    if (mr__csv_is_text(plan, field))
        return mr_ragged_resize(to, 0) ? MR_OK : mr_error_status();
    mr__put_missing(plan->field[field].dtype, to, options->missing, options->fill);
    return MR_OK;
}

static mr_status read_word(const mr__csv_plan *plan, const mr__csv_cell *cell, int field, void *to,
                           const char **what)
{
    const int64_t number = number_of_word(plan, field, cell);
    if (number < -1)
        return mr_error_status();
    if (number < 0 && mr__csv_is_missing(cell))
        return none(plan, field, to, what);
    *what = no_word;
    if (number < 0)
        return MR_ERR_FORMAT;
    const bool fits = mr__put_int(plan->field[field].dtype, to, number);
    assert(fits); /* that all do has been looked at before */
    (void)fits;
    return MR_OK;
}

static bool is_no_text(const mr__csv_cell *cell)
{
    return cell->at == cell->end && !cell->quoted;
}

static mr_status read_text(const mr__csv_plan *plan, const mr__csv_cell *cell, int field, mr_ragged *to,
                           const char **what)
{
    if (is_no_text(cell))
        return none(plan, field, to, what);
    char *text = mr_ragged_resize(to, cell->end - cell->at);
    if (!text || !mr_ragged_resize(to, (int64_t)mr__csv_cell_bytes(&plan->format, cell, text)))
        return mr_error_status();
    return MR_OK;
}

static mr_status read_cell(const mr__csv_plan *plan, const mr__csv_cell *cell, int field, void *to,
                           const char **what)
{
    const mr_dtype dtype = plan->field[field].dtype;
    int64_t whole;
    double value;
    if (plan->words[field].count)
        return read_word(plan, cell, field, to, what);
    if (mr__csv_is_text(plan, field))
        return read_text(plan, cell, field, to, what);
    if (mr__is_floating(dtype)) {
        *what = "is no number";
        if (mr__read_double(cell->at, cell->end, &value)) {
            if (isnan(value))
                return none(plan, field, to, what);
            mr__put_double(dtype, to, value);
            return MR_OK;
        }
    } else {
        *what = too_large;
        if (mr__read_int64(cell->at, cell->end, &whole) || (dtype == MR_BOOL && read_bool(cell, &whole)))
            return mr__put_int(dtype, to, whole) ? MR_OK : MR_ERR_FORMAT;
        *what = "is no whole number";
    }
    return mr__csv_is_missing(cell) ? none(plan, field, to, what) : MR_ERR_FORMAT;
}

bool mr__csv_has_none(const mr__csv_plan *plan, int field, const mr__csv_cell *cell)
{
    double value;
    if (mr__csv_is_text(plan, field))
        return is_no_text(cell);
    if (plan->options[field].classes || plan->words[field].count)
        return mr__csv_is_missing(cell) && number_of_word(plan, field, cell) < 0;
    return mr__csv_is_missing(cell) || (mr__is_floating(plan->field[field].dtype) &&
                                        mr__read_double(cell->at, cell->end, &value) && isnan(value));
}

/* ---- rows ---- */

static mr_status wrong_count(const mr__csv_plan *plan, const char *at, const char *end, int64_t line)
{
    mr__csv_cell cell;
    int64_t count = 0;
    while (at && mr__csv_next_cell(&plan->format, &at, end, &cell))
        count++;
    return mr_fail(MR_ERR_FORMAT, "'%s': line %lld has %lld cells, not %lld", plan->path, (long long)line,
                   (long long)count, (long long)plan->columns);
}

static inline char *place_of(const mr__csv_target *target, void *const *field, int64_t row)
{
    return (char *)field[target->field] + (size_t)row * target->stride + target->offset;
}

/* Most cells are plain numbers: where this one ends, or NULL when it is none. */
static inline const char *plain_cell(const mr__csv_target *target, const char *at, const char *end, char *to)
{
    double value;
    at = mr__read_plain(at, end, &value);
    if (!at || at == end)
        return NULL;
    mr__put_double(target->dtype, to, value);
    return at;
}

const char *mr__csv_read_plain(const mr__csv_plan *plan, const char *at, const char *file_end,
                               void *const *field, int64_t row)
{
    const char delimiter = plan->format.delimiter;
    const mr__csv_target *target = plan->target, *end = target + plan->columns;
    char *to = NULL;
    for (; target < end; target++) {
        to = target->follows ? to + (target->dtype == MR_FLOAT32 ? sizeof(float) : sizeof(double))
                             : place_of(target, field, row);
        at = plain_cell(target, at, file_end, to);
        if (!at || (target + 1 < end && *at++ != delimiter))
            return NULL;
    }
    at += *at == '\r' && at + 1 < file_end;
    return *at == '\n' ? at + 1 : NULL;
}

bool mr__csv_may_be_plain(const mr__csv_format *format)
{
    static const char numbers[] = "0123456789.-+eE"; /* and no character, 0 */
    return !memchr(numbers, format->delimiter, sizeof numbers) &&
           !memchr(numbers, format->quote, sizeof numbers - 1) &&
           !memchr(numbers, format->comment, sizeof numbers - 1);
}

mr_status mr__csv_read_row(const mr__csv_plan *plan, const char *at, const char *end, int64_t line,
                           void *const *field, int64_t row)
{
    const char *begin = at, *what = NULL, *what_is_bad = NULL;
    mr__csv_cell cell, bad = { 0 };
    int64_t bad_column = 0;
    mr_status left_out = MR_OK;
    end = mr__csv_trim(at, end);
    for (int64_t column = 0; at; column++) {
        const mr__csv_target *target = &plan->target[column < plan->columns ? column : 0];
        const char *behind = target->plain && column + 1 < plan->columns
                                 ? plain_cell(target, at, end, place_of(target, field, row))
                                 : NULL;
        if (behind && *behind == plan->format.delimiter) {
            at = behind + 1;
            continue;
        }
        if (!mr__csv_next_cell(&plan->format, &at, end, &cell))
            return line ? mr_fail(MR_ERR_FORMAT,
                                  "'%s': line %lld, cell %lld: a quote that is not closed, or text behind it",
                                  plan->path, (long long)line, (long long)column + 1)
                        : MR_ERR_FORMAT;
        if (column == plan->columns || (!at && column + 1 < plan->columns))
            return line ? wrong_count(plan, begin, end, line) : MR_ERR_FORMAT;
        if (target->field < 0)
            continue;
        mr_status s = read_cell(plan, &cell, target->field, place_of(target, field, row), &what);
        if (s < 0 && s != MR_ERR_FORMAT)
            return s;
        if (s == MR_ERR_FORMAT && !what_is_bad) {
            what_is_bad = what;
            bad = cell;
            bad_column = column;
        }
        if (s == MR_END)
            left_out = MR_END;
    }
    if (left_out == MR_END || !what_is_bad)
        return left_out;
    return line ? wrong(plan, line, bad_column, &bad, what_is_bad) : MR_ERR_FORMAT;
}
