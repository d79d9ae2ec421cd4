/* Fields for a file of which nothing is said: each column is one, of numbers or of classes. */
#include "csv.h"

#include "number.h"

#include <stdio.h>

/* Marks the columns that have something else than numbers. */
static void look(const mr__csv_plan *plan, const char *at, const char *end, bool *words)
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
                if (!mr__csv_is_missing(&cell) && !mr__read_double(cell.at, cell.end, &number))
                    words[i] = true;
            }
            row++;
        }
        at = next;
    }
}

static mr_status make(mr__csv_plan *plan, const bool *words, mr_csv_field *field, char (*number)[24])
{
    for (int64_t i = 0; i < plan->columns; i++) {
        snprintf(number[i], sizeof number[i], "#%lld", (long long)i);
        field[i] = (mr_csv_field){ .name = plan->column && *plan->column[i] ? plan->column[i] : number[i],
                                   .missing = words[i] ? MR_MISSING_FAIL : MR_MISSING_NAN,
                                   .classes = words[i] };
    }
    return mr__csv_plan_each(plan, field);
}

mr_status mr__csv_plan_guess(mr__csv_plan *plan, const char *at, const char *end, bool classes)
{
    bool *words = mr_calloc((size_t)plan->columns, sizeof *words);
    mr_csv_field *field = mr_calloc((size_t)plan->columns, sizeof *field);
    char(*number)[24] = mr_calloc((size_t)plan->columns, sizeof *number);
    mr_status s = words && field && number ? MR_OK : mr_error_status();
    if (s == MR_OK)
        look(plan, at, end, words);
    for (int64_t i = 0; s == MR_OK && !classes && i < plan->columns; i++)
        if (words[i])
            s = mr_fail(MR_ERR_ARGUMENT,
                        "csv_stream_new: '%s': column '%s' has words: name fields, and the words", plan->path,
                        plan->column ? plan->column[i] : "");
    if (s == MR_OK)
        s = make(plan, words, field, number);
    mr_free(words);
    mr_free(field);
    mr_free(number);
    return s;
}
