/* Fields for a file of which nothing is said: each column is one, of numbers or of classes. */
#include "csv.h"

#include "number.h"

#include <stdio.h>
#include <string.h>

typedef struct column_look {
    bool words;       /* some cell is no number */
    bool numbers;     /* some cell begins as one */
    mr__csv_cell odd; /* the first that is none */
} column_look;

static bool begins_as_number(const mr__csv_cell *cell)
{
    const char *at = cell->at;
    at += at < cell->end && strchr("+-.", *at) && *at;
    return at < cell->end && *at >= '0' && *at <= '9';
}

/* Looks at the first rows. */
static void look(const mr__csv_plan *plan, const char *at, const char *end, column_look *column)
{
    bool complete = true;
    for (int row = 0; row < MR__CSV_GUESSED && at < end && complete;) {
        const char *next = mr__csv_record_end(&plan->format, at, end, &complete), *cell_at = at;
        const char *stop = mr__csv_trim(at, next);
        if (!mr__csv_is_blank(&plan->format, at, next)) {
            mr__csv_cell cell;
            double number;
            for (int64_t i = 0; i < plan->columns && cell_at; i++) {
                if (!mr__csv_next_cell(&plan->format, &cell_at, stop, &cell))
                    break;
                if (mr__csv_is_missing(&cell))
                    continue;
                column[i].numbers = column[i].numbers || begins_as_number(&cell);
                if (column[i].words || mr__read_double(cell.at, cell.end, &number))
                    continue;
                column[i].words = true;
                column[i].odd = cell;
            }
            row++;
        }
        at = next;
    }
}

static mr_status make(mr__csv_plan *plan, const column_look *column, mr_csv_field *field, char (*number)[24])
{
    for (int64_t i = 0; i < plan->columns; i++) {
        snprintf(number[i], sizeof number[i], "#%lld", (long long)i);
        field[i] = (mr_csv_field){ .name = plan->column && *plan->column[i] ? plan->column[i] : number[i],
                                   .missing = column[i].words ? MR_MISSING_FAIL : MR_MISSING_NAN,
                                   .classes = column[i].words };
    }
    return mr__csv_plan_each(plan, field);
}

mr_status mr__csv_plan_guess(mr__csv_plan *plan, const char *at, const char *end, bool classes)
{
    column_look *column = mr_calloc((size_t)plan->columns, sizeof *column);
    mr_csv_field *field = mr_calloc((size_t)plan->columns, sizeof *field);
    char(*number)[24] = mr_calloc((size_t)plan->columns, sizeof *number);
    mr_status s = column && field && number ? MR_OK : mr_error_status();
    if (s == MR_OK)
        look(plan, at, end, column);
    for (int64_t i = 0; s == MR_OK && !classes && i < plan->columns; i++)
        if (column[i].words)
            s = mr_fail(MR_ERR_ARGUMENT,
                        "csv_stream_new: '%s': column '%s' has words: name fields, and the words", plan->path,
                        plan->column ? plan->column[i] : "");
    if (s == MR_OK)
        s = make(plan, column, field, number);
    mr_free(column);
    mr_free(field);
    mr_free(number);
    return s;
}

mr_status mr__csv_plan_tell(const mr__csv_plan *plan, const char *at, const char *end)
{
    enum { TOLD = 8, SHOWN = 40 };
    int64_t told = 0;
    column_look *column = mr_calloc((size_t)plan->columns, sizeof *column);
    if (!column)
        return mr_error_status();
    look(plan, at, end, column);
    for (int64_t i = 0; i < plan->columns; i++) {
        if (!column[i].words || !column[i].numbers || told++ >= TOLD)
            continue;
        const mr__csv_cell *odd = &column[i].odd;
        const char *line_end = memchr(odd->at, '\n', (size_t)(odd->end - odd->at));
        const size_t length = (size_t)((line_end ? line_end : odd->end) - odd->at);
        mr_log_line(
            MR_LOG_WARNING,
            "%s: '%s': column '%s' is taken for words, %lld of them, since '%.*s%s' is no number: name "
            "fields if it has numbers",
            plan->call, plan->path, plan->field[i].name, (long long)plan->words[i].count,
            length > SHOWN ? SHOWN : (int)length, odd->at, length > SHOWN ? "..." : "");
    }
    if (told > TOLD)
        mr_log_line(MR_LOG_WARNING, "%s: '%s': so are %lld more columns", plan->call, plan->path,
                    (long long)(told - TOLD));
    mr_free(column);
    return MR_OK;
}
