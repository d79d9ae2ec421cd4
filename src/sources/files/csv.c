/* Rows of a CSV file by their number. */
#include "csv.h"
#include "csv_index.h"
#include "line_ends.h"

#include "sources/cpu.h"
#include "sources/field.h"

#include <stdio.h>
#include <string.h>

typedef struct csv {
    mr__rows rows; /* first */
    mr__csv_plan plan;
    size_t data; /* where the rows begin */
} csv;

static const char *next_record(const void *self, const char *at, const char *file_end, const char **end)
{
    const mr__csv_plan *plan = self;
    bool complete;
    for (; at < file_end; at = *end) {
        *end = mr__csv_record_end(&plan->format, at, file_end, &complete);
        if (!mr__csv_is_blank(&plan->format, at, *end))
            return at;
    }
    return NULL;
}

static mr_status read_record(const void *plan, const char *at, const char *end, int64_t line,
                             void *const *field, int64_t row)
{
    return mr__csv_read_row(plan, at, end, line, field, row);
}

static const char *read_plain(const void *plan, const char *at, const char *file_end, void *const *field,
                              int64_t row)
{
    return mr__csv_read_plain(plan, at, file_end, field, row);
}

static void csv_free(csv *c)
{
    mr__rows_close(&c->rows);
    mr__csv_plan_free(&c->plan);
    mr_free(c);
}

static void destroy(void *self)
{
    csv_free(*(csv **)self);
}

/* ---- the index ---- */

/* Collects the words of a row's cells. MR_END when the row is left out; one with too few cells, or too many, is not,
 * and fails when it is read. */
static mr_status collect(csv *c, const char *at, const char *end, char **text, size_t *room)
{
    mr__csv_cell cell;
    mr_status s = MR_OK;
    int64_t i = 0;
    end = mr__csv_trim(at, end);
    for (; at && i < c->plan.columns && mr__csv_next_cell(&c->plan.format, &at, end, &cell); i++) {
        int field = c->plan.target[i].field;
        if (field < 0)
            continue;
        const bool skip = c->plan.options[field].missing == MR_MISSING_SKIP;
        if ((skip || c->plan.options[field].classes) && mr__csv_has_none(&c->plan, field, &cell)) {
            s = skip ? MR_END : s;
            continue;
        }
        size_t length = (size_t)(cell.end - cell.at);
        if (!c->plan.options[field].classes || memchr(cell.at, 0, length))
            continue; /* a byte 0 is in no word: the row fails when it is read */
        if (length >= *room) {
            char *larger = mr_grow(*text, 0, length * 2 + 64);
            if (!larger)
                return mr_error_status();
            *text = larger;
            *room = length * 2 + 64;
        }
        mr__csv_cell_text(&c->plan.format, &cell, *text);
        if (mr__words_add(&c->plan.words[field], *text, strlen(*text)) < 0)
            return mr_error_status();
    }
    return at || i < c->plan.columns ? MR_OK : s;
}

static mr_status too_long(const csv *c, const char *at)
{
    return mr_fail(MR_ERR_FORMAT, "'%s': a record of more than %zu MB from byte %lld on", c->plan.path,
                   MR__LONGEST_RECORD >> 20, (long long)(at - c->rows.bytes.at));
}

static mr_status check_words(const csv *c)
{
    for (int i = 0; i < c->plan.field_count; i++)
        if (!mr__field_holds(c->plan.field[i].dtype, c->plan.words[i].count))
            return mr_fail(MR_ERR_DTYPE,
                           "csv_new: field '%s': '%s' has %lld words, whose numbers do not fit %s",
                           c->plan.field[i].name, c->plan.path, (long long)c->plan.words[i].count,
                           mr_dtype_name(c->plan.field[i].dtype));
    return MR_OK;
}

static mr_status add_row(csv *c, const char *at)
{
    return mr__row_index_add(&c->rows.index, (uint64_t)(at - c->rows.bytes.at));
}

/* Adds rows as long as there are no quotes, and gives the first that is left; NULL after a failure. */
static const char *add_plain_rows(csv *c, const char *row)
{
    const char *end = c->rows.bytes.at + c->rows.bytes.size, *block = row;
    const mr__csv_format *format = &c->plan.format;
    uint64_t ends;
    if (!mr__has_avx2() || format->comment)
        return row;
    for (; end - block >= 64 && mr__line_ends_avx2(block, format->quote, &ends); block += 64)
        for (; ends; ends &= ends - 1) {
            const char *stop = block + __builtin_ctzll(ends) + 1;
            if ((size_t)(stop - row) > MR__LONGEST_RECORD)
                return row;
            if (!mr__csv_is_blank(format, row, stop) && add_row(c, row) < 0)
                return NULL;
            row = stop;
        }
    return row;
}

static mr_status make_index(csv *c)
{
    bool look = false;
    char *text = NULL;
    size_t room = 0;
    mr_status s = MR_OK;
    c->rows.index.step = MR__INDEX_STEP;
    for (int i = 0; i < c->plan.field_count; i++) {
        look = look || c->plan.options[i].classes || c->plan.options[i].missing == MR_MISSING_SKIP;
        if (c->plan.options[i].missing == MR_MISSING_SKIP)
            c->rows.index.step = 1; /* the rows that are left out are not between two that are kept */
    }
    const char *at = c->rows.bytes.at + c->data, *end;
    while (s >= 0) {
        at = look ? at : add_plain_rows(c, at);
        s = at ? MR_OK : mr_error_status();
        at = at ? mr__rows_next(&c->rows, at, &end) : NULL;
        if (!at)
            break;
        s = (size_t)(end - at) > MR__LONGEST_RECORD ? too_long(c, at)
            : look                                  ? collect(c, at, end, &text, &room)
                                                    : MR_OK;
        if (s == MR_OK)
            s = add_row(c, at);
        at = end;
    }
    mr_free(text);
    for (int i = 0; s >= 0 && i < c->plan.field_count; i++)
        if (c->plan.options[i].classes)
            s = mr__words_sort(&c->plan.words[i]);
    return s < 0 ? s : MR_OK;
}

/* Where the index is kept; "" when it is not. NULL after a failure. */
static char *index_path(const char *path, const mr_csv_opts *opts)
{
    if (!opts || !(opts->keep_index || opts->index))
        return mr_strdup("");
    if (opts->index)
        return mr_strdup(opts->index);
    if (opts->storage || strcmp(path, "-") == 0) {
        mr_fail(MR_ERR_ARGUMENT, "csv_new: '%s' is not on the disk: its index is kept where `index` says",
                path);
        return NULL;
    }
    const size_t room = strlen(path) + sizeof ".index";
    char *beside = mr_alloc(room);
    if (beside)
        snprintf(beside, room, "%s.index", path);
    return beside;
}

/* Where it cannot be written (a mount that is read-only, a full disk) the rows are there all the same. */
static mr_status keep_index(const csv *c, const char *kept, const mr__csv_indexed *of)
{
    const mr_status s = mr__csv_index_save(kept, of, &c->rows.index);
    if (s != MR_ERR_IO)
        return s;
    mr_log_line(MR_LOG_WARNING, "csv_new: '%s': the index of its rows is not kept: %s", c->plan.path,
                mr_error());
    mr_error_clear();
    return MR_OK;
}

static mr_status index_rows(csv *c, const char *path, const mr_csv_opts *opts)
{
    char *kept = index_path(path, opts);
    if (!kept)
        return mr_error_status();
    mr__csv_indexed of = { 0 };
    if (*kept)
        of = mr__csv_index_of(&c->plan, &c->rows.bytes, c->data);
    mr_status s = *kept ? mr__csv_index_load(kept, &of, &c->rows.index) : MR_END;
    if (s == MR_END) {
        s = make_index(c);
        if (s == MR_OK && *kept)
            s = keep_index(c, kept, &of);
    }
    mr_free(kept);
    return s;
}

/* ---- making ---- */

static mr_status open_csv(csv *c, const char *path, const mr_csv_field *fields, int field_count,
                          const mr_csv_opts *opts)
{
    mr__csv_front front = { 0 };
    if (!path)
        return mr_fail(MR_ERR_ARGUMENT, "csv_new: path is NULL");
    const mr__bytes_wanted wanted = { .most = opts ? opts->max_bytes : 0 };
    if (mr__bytes_open(&c->rows.bytes, opts ? opts->storage : NULL, path, &wanted) < 0 ||
        mr__csv_plan_begin(&c->plan, "csv_new", path, opts) < 0)
        return mr_error_status();
    mr__csv_front_find(&c->plan.format, &front, c->rows.bytes.at, c->rows.bytes.size, true);
    if (mr__csv_plan_head(&c->plan, &front, c->rows.bytes.at) < 0)
        return mr_error_status();
    c->data = front.data;
    c->rows.kind = (mr__row_kind){ .next = next_record, .read = read_record };
    c->rows.plan = &c->plan;
    c->rows.path = c->plan.path;
    mr_status s = fields ? mr__csv_plan_fields(&c->plan, fields, field_count)
                         : mr__csv_plan_guess(&c->plan, c->rows.bytes.at + c->data,
                                              c->rows.bytes.at + c->rows.bytes.size, true);
    if (c->plan.plain)
        c->rows.kind.quick = read_plain;
    if (s == MR_OK)
        s = index_rows(c, path, opts);
    if (s == MR_OK && !fields)
        s = mr__csv_plan_tell(&c->plan, c->rows.bytes.at + c->data, c->rows.bytes.at + c->rows.bytes.size);
    return s < 0 ? s : check_words(c);
}

static const mr_dataset_vtable vtable = { .len = mr__rows_len,
                                          .get = mr__rows_get,
                                          .get_many = mr__rows_get_many,
                                          .destroy = destroy,
                                          .origin = mr__rows_origin };

mr_dataset *mr_csv_new(const char *path, const mr_csv_field *fields, int field_count, const mr_csv_opts *opts)
{
    csv *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    mr__rows_init(&c->rows);
    mr_dataset *dataset = NULL;
    if (open_csv(c, path, fields, field_count, opts) == MR_OK)
        dataset = mr_dataset_new(&vtable, &c, sizeof c, c->plan.field, c->plan.field_count);
    if (!dataset)
        csv_free(c);
    return dataset;
}

const char *const *mr_csv_words(mr_dataset *dataset, const char *field, int *count)
{
    csv *const *self = mr_dataset_self(dataset, &vtable);
    *count = 0;
    if (!self) {
        mr_fail(MR_ERR_ARGUMENT, "csv_words: this is no dataset of mr_csv_new");
        return NULL;
    }
    const mr__csv_plan *plan = &(*self)->plan;
    for (int i = 0; i < plan->field_count; i++)
        if (strcmp(plan->field[i].name, field) == 0 && (plan->options[i].classes || plan->words[i].count)) {
            *count = (int)plan->words[i].count;
            return (const char *const *)plan->words[i].word;
        }
    mr_fail(MR_ERR_ARGUMENT, "csv_words: '%s' has no field '%s' of classes", plan->path, field);
    return NULL;
}
