/* Lines of JSON by their number, and from the front to the back. */
#include "jsonl.h"

#include "sources/field.h"

#include "records.h"
#include "row_index.h"

#include <string.h>

/* ---- the plan ---- */

static mr_status add_field(mr__jsonl_plan *plan, const char *call, int i, const mr_jsonl_field *from)
{
    const mr__field_facts facts = { .name = from->name,
                                    .dtype = from->dtype,
                                    .words = from->words != NULL,
                                    .missing = from->missing,
                                    .word_count = from->word_count };
    if (mr__field_check(call, &facts) < 0)
        return mr_error_status();
    mr_field *to = &plan->field[i];
    to->dtype = mr__field_dtype(&facts);
    to->shape = from->shape;
    to->name = mr_strdup(from->name);
    plan->key[i] = mr_strdup(from->key ? from->key : from->name);
    if (!to->name || !plan->key[i])
        return mr_error_status();
    plan->options[i] = (mr_jsonl_field){ .missing = from->missing, .fill = from->fill };
    plan->skips = plan->skips || from->missing == MR_MISSING_SKIP;
    return mr__field_words(&plan->words[i], call, from->name, from->words, from->word_count);
}

mr_status mr__jsonl_plan_make(mr__jsonl_plan *plan, const char *call, const char *path,
                              const mr_jsonl_field *fields, int field_count)
{
    if (!path)
        return mr_fail(MR_ERR_ARGUMENT, "%s: path is NULL", call);
    if (!fields || field_count < 1)
        return mr_fail(
            MR_ERR_ARGUMENT,
            "%s: no fields are named, and lines need not have the same keys: { .name = \"x\" } is a field of "
            "the numbers at key 'x'",
            call);
    plan->path = mr_strdup(path);
    plan->field = mr_calloc((size_t)field_count, sizeof *plan->field);
    plan->key = mr_calloc((size_t)field_count, sizeof *plan->key);
    plan->options = mr_calloc((size_t)field_count, sizeof *plan->options);
    plan->words = mr_calloc((size_t)field_count, sizeof *plan->words);
    if (!plan->path || !plan->field || !plan->key || !plan->options || !plan->words)
        return mr_error_status();
    plan->field_count = field_count;
    for (int i = 0; i < field_count; i++)
        if (add_field(plan, call, i, &fields[i]) < 0)
            return mr_error_status();
    return MR_OK;
}

void mr__jsonl_plan_free(mr__jsonl_plan *plan)
{
    for (int i = 0; i < plan->field_count; i++) {
        mr_free((char *)(uintptr_t)plan->field[i].name);
        mr_free(plan->key[i]);
        mr__words_free(&plan->words[i]);
    }
    mr_free(plan->path);
    mr_free(plan->field);
    mr_free(plan->key);
    mr_free(plan->options);
    mr_free(plan->words);
}

/* ---- by number ---- */

typedef struct jsonl {
    mr__rows rows; /* first */
    mr__jsonl_plan plan;
} jsonl;

static const char *next_line(const void *plan, const char *at, const char *file_end, const char **end)
{
    (void)plan;
    for (; at < file_end; at = *end) {
        mr__scan scan = { 0 };
        mr__line_end(NULL, at, file_end, &scan);
        *end = at + scan.passed;
        if (!mr__jsonl_is_blank(at, *end))
            return at;
    }
    return NULL;
}

static mr_status read_line(const void *plan, const char *at, const char *end, int64_t line,
                           void *const *field, int64_t row)
{
    return mr__jsonl_read_row(plan, at, end, line, field, row);
}

static void jsonl_free(jsonl *j)
{
    mr__rows_close(&j->rows);
    mr__jsonl_plan_free(&j->plan);
    mr_free(j);
}

static void destroy(void *self)
{
    jsonl_free(*(jsonl **)self);
}

static mr_status make_index(jsonl *j)
{
    mr_status s = MR_OK;
    j->rows.index.step =
        j->plan.skips ? 1 : MR__INDEX_STEP; /* what is left out is not between two lines that are kept */
    const char *end, *at = mr__rows_next(&j->rows, j->rows.bytes.at, &end);
    for (; at && s >= 0; at = mr__rows_next(&j->rows, end, &end)) {
        s = j->plan.skips ? mr__jsonl_is_left_out(&j->plan, at, end) : MR_OK;
        if (s == MR_OK)
            s = mr__row_index_add(&j->rows.index, (uint64_t)(at - j->rows.bytes.at));
    }
    return s < 0 ? s : MR_OK;
}

static mr_status open_jsonl(jsonl *j, const char *path, const mr_jsonl_field *fields, int field_count,
                            const mr_jsonl_opts *opts)
{
    if (mr__jsonl_plan_make(&j->plan, "jsonl_new", path, fields, field_count) < 0)
        return mr_error_status();
    j->rows.kind = (mr__row_kind){ .next = next_line, .read = read_line };
    j->rows.plan = &j->plan;
    j->rows.path = j->plan.path;
    const mr__bytes_wanted wanted = { .most = opts ? opts->max_bytes : 0 };
    return mr__bytes_open(&j->rows.bytes, opts ? opts->storage : NULL, path, &wanted);
}

mr_dataset *mr_jsonl_new(const char *path, const mr_jsonl_field *fields, int field_count,
                         const mr_jsonl_opts *opts)
{
    static const mr_dataset_vtable vtable = { .len = mr__rows_len,
                                              .get = mr__rows_get,
                                              .get_many = mr__rows_get_many,
                                              .destroy = destroy,
                                              .origin = mr__rows_origin };
    jsonl *j = mr_calloc(1, sizeof *j);
    if (!j)
        return NULL;
    mr__rows_init(&j->rows);
    mr_dataset *dataset = NULL;
    if (open_jsonl(j, path, fields, field_count, opts) == MR_OK) /* the dataset looks at the shapes */
        dataset = mr_dataset_new(&vtable, &j, sizeof j, j->plan.field, j->plan.field_count);
    if (!dataset) {
        jsonl_free(j);
        return NULL;
    }
    if (make_index(j) < 0) {
        mr_dataset_free(dataset);
        return NULL;
    }
    return dataset;
}
