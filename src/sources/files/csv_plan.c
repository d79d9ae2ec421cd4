/* Which column goes where: from a file's first record and the fields that are asked for. */
#include "csv.h"

#include "sources/cell.h"
#include "sources/field.h"

#include <millrace/ragged.h>

#include <stdio.h>
#include <string.h>

/* ---- columns by their names ---- */

enum { NO_COLUMN = -1, SEVERAL_COLUMNS = -2 };

/* "#3" or a name, exactly. */
static int64_t find_exactly(const mr__csv_plan *plan, const char *at, size_t length)
{
    int64_t found = NO_COLUMN;
    for (int64_t i = 0; plan->column && i < plan->columns; i++)
        if (strlen(plan->column[i]) == length && memcmp(plan->column[i], at, length) == 0)
            found = found == NO_COLUMN ? i : SEVERAL_COLUMNS;
    int64_t number = 0;
    if (found != NO_COLUMN || length < 2 || *at != '#' || length > 12)
        return found;
    for (size_t i = 1; i < length; i++) {
        if (at[i] < '0' || at[i] > '9')
            return NO_COLUMN;
        number = number * 10 + (at[i] - '0');
    }
    return number < plan->columns ? number : NO_COLUMN;
}

/* Blanks around a name are none of it, where no column has them in its own. */
static int64_t find_column(const mr__csv_plan *plan, const char *at, size_t length)
{
    const int64_t found = find_exactly(plan, at, length);
    if (found != NO_COLUMN)
        return found;
    mr__field_trim(&at, &length);
    return find_exactly(plan, at, length);
}

/* The columns that there are, as many as fit; of a header that seems to have another delimiter, that. */
static void list_columns(const mr__csv_plan *plan, char *list, size_t room)
{
    static const char delimiters[] = ",;\t|";
    size_t used = (size_t)snprintf(list, room, ": %s", plan->columns == 1 ? "it has" : "it has the columns");
    for (int64_t i = 0; i < plan->columns; i++) {
        const char *name = plan->column[i];
        if (used + strlen(name) + 32 > room) {
            snprintf(list + used, room - used, "%s %lld more", i ? " and" : "",
                     (long long)(plan->columns - i));
            return;
        }
        used += (size_t)snprintf(list + used, room - used, "%s '%s'", i ? "," : "", name);
    }
    const char *other = plan->columns == 1 ? strpbrk(plan->column[0], delimiters) : NULL;
    if (other)
        snprintf(list + used, room - used,
                 *other == '\t' ? " (.delimiter may be '\\t')" : " (.delimiter may be '%c')", *other);
}

/* A failure where a name is that of no column, or of several. */
static mr_status no_column(const mr__csv_plan *plan, const char *field, const char *at, size_t length,
                           int64_t found)
{
    mr__field_trim(&at, &length);
    char list[256] = ": without a header columns are #0, #1 and so on";
    if (found == SEVERAL_COLUMNS)
        return mr_fail(MR_ERR_ARGUMENT,
                       "%s: field '%s': '%s' has several columns '%.*s': \"#0\", \"#1\" and so on name one",
                       plan->call, field, plan->path, (int)length, at);
    if (plan->column)
        list_columns(plan, list, sizeof list);
    return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': '%s' has no column '%.*s'%s", plan->call, field,
                   plan->path, (int)length, at, list);
}

static mr_status claim(mr__csv_plan *plan, int field, int64_t column, int64_t *count)
{
    if (plan->target[column].field >= 0)
        return mr_fail(MR_ERR_ARGUMENT, "%s: column '%s' of '%s' is named twice, by fields '%s' and '%s'",
                       plan->call, plan->column ? plan->column[column] : "", plan->path,
                       plan->field[plan->target[column].field].name, plan->field[field].name);
    plan->target[column] = (mr__csv_target){ .field = field, .offset = (size_t)(*count)++ };
    return MR_OK;
}

/* One name, or two with a colon between them where there is no column with that name. */
static mr_status claim_range(mr__csv_plan *plan, int field, const char *at, size_t length, int64_t *count)
{
    int64_t first = find_column(plan, at, length), last = first;
    if (first < 0) {
        const char *colon = memchr(at, ':', length);
        if (!colon || first == SEVERAL_COLUMNS)
            return no_column(plan, plan->field[field].name, at, length, first);
        size_t left = (size_t)(colon - at), right = length - left - 1;
        first = find_column(plan, at, left);
        last = find_column(plan, colon + 1, right);
        if (first < 0)
            return no_column(plan, plan->field[field].name, at, left, first);
        if (last < 0)
            return no_column(plan, plan->field[field].name, colon + 1, right, last);
        if (last < first)
            return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': '%.*s' goes from column %lld back to %lld",
                           plan->call, plan->field[field].name, (int)length, at, (long long)first,
                           (long long)last);
    }
    for (int64_t i = first; i <= last; i++)
        if (claim(plan, field, i, count) < 0)
            return mr_error_status();
    return MR_OK;
}

static mr_status claim_names(mr__csv_plan *plan, int field, const char *names, int64_t *count)
{
    if (find_column(plan, names, strlen(names)) != NO_COLUMN) /* one whose name has a comma, too */
        return claim_range(plan, field, names, strlen(names), count);
    while (names) {
        const char *comma = strchr(names, ',');
        size_t length = comma ? (size_t)(comma - names) : strlen(names);
        if (claim_range(plan, field, names, length, count) < 0)
            return mr_error_status();
        names = comma ? comma + 1 : NULL;
    }
    return MR_OK;
}

/* ---- fields ---- */

static mr_status add_field(mr__csv_plan *plan, int i, const mr_csv_field *from)
{
    const mr__field_facts facts = { .name = from->name,
                                    .dtype = from->dtype,
                                    .words = from->classes || from->words,
                                    .missing = from->missing,
                                    .word_count = from->words ? from->word_count : 0 };
    if (mr__field_check(plan->call, &facts) < 0)
        return mr_error_status();
    if (from->shape.ndim &&
        (from->shape.ndim > 1 || !mr__is_ragged(&from->shape) || facts.words || facts.dtype != MR_UINT8))
        return mr_fail(
            MR_ERR_SHAPE,
            "%s: field '%s': a shape is MR_SHAPE(-1), of MR_UINT8, for a cell's text; several columns "
            "make an array without one",
            plan->call, from->name);
    mr_field *to = &plan->field[i];
    to->dtype = mr__field_dtype(&facts);
    to->name = mr_strdup(from->name);
    if (!to->name)
        return mr_error_status();
    plan->options[i] = (mr_csv_field){
        .shape = from->shape, .missing = from->missing, .fill = from->fill, .classes = from->classes
    };
    return mr__field_words(&plan->words[i], plan->call, from->name, from->words, from->word_count);
}

/* "*": what no other field has named. */
static mr_status claim_rest(mr__csv_plan *plan, int field, int64_t *count)
{
    for (int64_t i = 0; i < plan->columns; i++)
        if (plan->target[i].field < 0 && claim(plan, field, i, count) < 0)
            return mr_error_status();
    if (!*count)
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': '%s' has no column that no other field names",
                       plan->call, plan->field[field].name, plan->path);
    return MR_OK;
}

/* Each field has the column of its number. */
static mr_status claim_each(mr__csv_plan *plan)
{
    for (int i = 0; i < plan->field_count; i++) {
        int64_t count = 0;
        if (claim(plan, i, i, &count) < 0)
            return mr_error_status();
    }
    return MR_OK;
}

static mr_status claim_named(mr__csv_plan *plan, const mr_csv_field *fields)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < plan->field_count; i++) {
            const char *names = fields[i].columns ? fields[i].columns : fields[i].name;
            bool rest = strcmp(names, "*") == 0;
            int64_t count = 0;
            if (rest != (pass == 1))
                continue;
            if ((rest ? claim_rest(plan, i, &count) : claim_names(plan, i, names, &count)) < 0)
                return mr_error_status();
            const bool text = plan->options[i].shape.ndim > 0;
            if (text && count > 1)
                return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s': a text is of one column, not of %lld",
                               plan->call, plan->field[i].name, (long long)count);
            plan->field[i].shape = text ? MR_SHAPE(-1) : rest || count > 1 ? MR_SHAPE(count) : MR_SCALAR;
        }
    return MR_OK;
}

/* Where the elements of the columns go. */
static void place_columns(mr__csv_plan *plan)
{
    const bool may_be_plain = mr__csv_may_be_plain(&plan->format);
    plan->plain = true;
    for (int64_t i = 0; i < plan->columns; i++) {
        mr__csv_target *target = &plan->target[i];
        target->plain =
            may_be_plain && target->field >= 0 && mr__is_floating(plan->field[target->field].dtype);
        plan->plain = plan->plain && target->plain;
        if (target->field < 0)
            continue;
        const mr_field *f = &plan->field[target->field];
        target->dtype = f->dtype;
        target->offset *= mr_dtype_size(f->dtype);
        target->follows = i > 0 && target[-1].field == target->field &&
                          target->offset == target[-1].offset + mr_dtype_size(f->dtype);
        target->stride = mr__csv_is_text(plan, target->field)
                             ? sizeof(mr_ragged)
                             : (size_t)(f->shape.ndim ? f->shape.dim[0] : 1) * mr_dtype_size(f->dtype);
    }
}

/* ---- the plan ---- */

static mr_status make(mr__csv_plan *plan, const mr_csv_field *fields, int field_count, bool each)
{
    plan->field = mr_calloc((size_t)field_count, sizeof *plan->field);
    plan->options = mr_calloc((size_t)field_count, sizeof *plan->options);
    plan->words = mr_calloc((size_t)field_count, sizeof *plan->words);
    if (!plan->field || !plan->options || !plan->words)
        return mr_error_status();
    plan->field_count = field_count;
    for (int i = 0; i < field_count; i++)
        if (add_field(plan, i, &fields[i]) < 0)
            return mr_error_status();
    if ((each ? claim_each(plan) : claim_named(plan, fields)) < 0)
        return mr_error_status();
    place_columns(plan);
    return MR_OK;
}

mr_status mr__csv_plan_fields(mr__csv_plan *plan, const mr_csv_field *fields, int field_count)
{
    if (field_count < 1)
        return mr__no_fields(plan->call);
    return make(plan, fields, field_count, false);
}

mr_status mr__csv_plan_each(mr__csv_plan *plan, const mr_csv_field *fields)
{
    return make(plan, fields, (int)plan->columns, true);
}

void mr__csv_plan_free(mr__csv_plan *plan)
{
    for (int64_t i = 0; plan->column && i < plan->columns; i++)
        mr_free(plan->column[i]);
    for (int i = 0; i < plan->field_count; i++) {
        mr_free((char *)(uintptr_t)plan->field[i].name);
        mr__words_free(&plan->words[i]);
    }
    mr_free(plan->column);
    mr_free(plan->target);
    mr_free(plan->field);
    mr_free(plan->options);
    mr_free(plan->words);
    mr_free(plan->path);
    *plan = (mr__csv_plan){ 0 };
}
