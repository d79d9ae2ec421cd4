/* Rows of a CSV file by their number. */
#include "csv.h"
#include "csv_index.h"

#include <stdio.h>
#include <string.h>

typedef struct csv {
    mr__csv_plan plan;
    mr__bytes bytes;
    size_t data; /* where the rows begin */
    mr__row_index index;
} csv;

static const char *end_of(const csv *c)
{
    return c->bytes.at + c->bytes.size;
}

/* The next record from `at` on that is one, and where it ends; NULL at the end. */
static const char *next_record(const csv *c, const char *at, const char **end)
{
    bool complete;
    while (at < end_of(c)) {
        *end = mr__csv_record_end(&c->plan.format, at, end_of(c), &complete);
        if (!mr__csv_is_blank(&c->plan.format, at, *end))
            return at;
        at = *end;
    }
    return NULL;
}

/* ---- reading ---- */

/* Counted only for messages. */
static int64_t line_of(const csv *c, const char *at)
{
    int64_t line = 1;
    for (const char *p = c->bytes.at; (p = memchr(p, '\n', (size_t)(at - p))); p++)
        line++;
    return line;
}

static mr_status read_row(const csv *c, const char *at, const char *end, void *const *field, int64_t row)
{
    mr_status s = mr__csv_read_row(&c->plan, at, end, -1, field, row);
    if (s >= 0)
        return s;
    mr_error_clear();
    return mr__csv_read_row(&c->plan, at, end, line_of(c, at), field, row);
}

static mr_status get_many(void *self, const int64_t *indices, int64_t count, const mr_sample *first)
{
    const csv *c = *(csv **)self;
    const char *at = NULL, *end = NULL;
    for (int64_t i = 0; i < count; i++) {
        int64_t passed = indices[i] % c->index.step;
        if (at && c->index.step > 1 && indices[i] == indices[i - 1] + 1) {
            at = next_record(c, end, &end);
        } else {
            at = next_record(c, c->bytes.at + c->index.place[indices[i] / c->index.step], &end);
            while (at && passed-- > 0)
                at = next_record(c, end, &end);
        }
        mr_status s = at ? read_row(c, at, end, first->field, i) : MR_END;
        if (s == MR_END)
            return mr_fail(MR_ERR_STATE, "'%s' has changed since its rows were counted", c->plan.path);
        if (s < 0)
            return s;
    }
    return MR_OK;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    return get_many(self, &index, 1, sample);
}

static int64_t len(void *self)
{
    return (*(csv **)self)->index.rows;
}

static void csv_free(csv *c)
{
    mr__csv_plan_free(&c->plan);
    mr__bytes_close(&c->bytes);
    mr_free(c->index.place);
    mr_free(c);
}

static void destroy(void *self)
{
    csv_free(*(csv **)self);
}

/* ---- the index ---- */

/* Collects the words of a row's cells. MR_END when the row is left out. */
static mr_status collect(csv *c, const char *at, const char *end, char **text, size_t *room)
{
    mr__csv_cell cell;
    mr_status s = MR_OK;
    end = mr__csv_trim(at, end);
    for (int64_t i = 0; at && i < c->plan.columns && mr__csv_next_cell(&c->plan.format, &at, end, &cell);
         i++) {
        int field = c->plan.target[i].field;
        if (field < 0)
            continue;
        if (mr__csv_is_missing(&cell) &&
            mr__words_find(&c->plan.words[field], cell.at, (size_t)(cell.end - cell.at)) < 0) {
            if (c->plan.options[field].missing == MR_MISSING_SKIP)
                s = MR_END;
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
    return s;
}

static mr_status make_index(csv *c)
{
    bool look = false;
    char *text = NULL;
    size_t room = 0;
    mr_status s = MR_OK;
    c->index.step = MR__INDEX_STEP;
    for (int i = 0; i < c->plan.field_count; i++) {
        look = look || c->plan.options[i].classes || c->plan.options[i].missing == MR_MISSING_SKIP;
        if (c->plan.options[i].missing == MR_MISSING_SKIP)
            c->index.step = 1; /* the rows that are left out are not between two that are kept */
    }
    const char *end, *at = next_record(c, c->bytes.at + c->data, &end);
    for (; at && s >= 0; at = next_record(c, end, &end)) {
        s = look ? collect(c, at, end, &text, &room) : MR_OK;
        if (s == MR_OK)
            s = mr__row_index_add(&c->index, (uint64_t)(at - c->bytes.at));
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

static mr_status index_rows(csv *c, const char *path, const mr_csv_opts *opts)
{
    char *kept = index_path(path, opts);
    if (!kept)
        return mr_error_status();
    mr__csv_indexed of = { 0 };
    if (*kept)
        of = mr__csv_index_of(&c->plan, &c->bytes, c->data);
    mr_status s = *kept ? mr__csv_index_load(kept, &of, &c->index) : MR_END;
    if (s == MR_END) {
        s = make_index(c);
        if (s == MR_OK && *kept)
            s = mr__csv_index_save(kept, &of, &c->index);
    }
    mr_free(kept);
    return s;
}

/* ---- making ---- */

static mr_status open_csv(csv *c, const char *path, const mr_csv_field *fields, int field_count,
                          const mr_csv_opts *opts)
{
    int64_t line;
    if (!path)
        return mr_fail(MR_ERR_ARGUMENT, "csv_new: path is NULL");
    if (mr__bytes_open(&c->bytes, opts ? opts->storage : NULL, path) < 0 ||
        mr__csv_plan_open(&c->plan, path, opts, c->bytes.at, c->bytes.size, &c->data, &line) < 0)
        return mr_error_status();
    mr_status s = fields ? mr__csv_plan_fields(&c->plan, fields, field_count)
                         : mr__csv_plan_guess(&c->plan, c->bytes.at + c->data, end_of(c), true);
    return s < 0 ? s : index_rows(c, path, opts);
}

static const mr_dataset_vtable vtable = { .len = len, .get = get, .get_many = get_many, .destroy = destroy };

mr_dataset *mr_csv_new(const char *path, const mr_csv_field *fields, int field_count, const mr_csv_opts *opts)
{
    csv *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
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
