/* What a model is made of, and what an example does in it. */
#include "summary.h"

#include "flops.h"

#include "base/log.h"
#include "nn/module.h"

#include <stdio.h>

/* A module of the list, while it is made. */
typedef struct entry {
    const mr_module *module;
    size_t row;
    const mr__node *node; /* the last one on the tape when the module was entered; valid while it runs */
    bool inside;
} entry;

typedef struct making {
    mr_summary *summary;
    mr_tape *tape;
    entry *entry; /* one for each module of the model, the model itself first */
    size_t count;
    int max_depth;
} making;

/* ---- parameters ---- */

static bool count_parameters(mr_summary_row *row, mr_module *module, double *bytes)
{
    const mr_params params = mr_module_parameters(module);
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        row->parameters += x->numel;
        row->trainable += mr_tensor_requires_grad(x) ? x->numel : 0;
        *bytes += (double)x->numel * (double)mr_dtype_size((mr_dtype)x->dtype);
    }
    return params.item;
}

/* ---- the list of modules ---- */

static const size_t the_model = SIZE_MAX; /* in place of the number of a row */

static bool is_listed(const making *m, const mr_module *module)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->entry[i].module == module)
            return true;
    return false;
}

static mr_summary_row *add_row(mr_summary *s, const char *path, const char *name, const char *type)
{
    mr_summary_row *more = mr__with_room(s->row, s->count, &s->room, sizeof *more);
    const size_t bytes = strlen(path) + strlen(name) + 2;
    char *full = more ? mr__alloc(bytes) : NULL;
    char *type_copy = full ? mr__strdup(type) : NULL;
    s->row = more ? more : s->row;
    if (!type_copy) {
        mr__free(full);
        return NULL;
    }
    snprintf(full, bytes, "%s%s%s", path, *path ? "." : "", name);
    s->row[s->count] = (mr_summary_row){ .name = full, .type = type_copy };
    return &s->row[s->count++];
}

static bool list_module(making *m, const mr_module *module, size_t row)
{
    entry *more = mr__grow(m->entry, m->count * sizeof *more, (m->count + 1) * sizeof *more);
    if (!more)
        return false;
    m->entry = more;
    m->entry[m->count++] = (entry){ .module = module, .row = row };
    return true;
}

/* Those below a module; the first name counts. */
static bool list_children(making *m, const mr_module *module, const char *path, int depth)
{
    const char *name;
    mr_module *child;
    double ignored = 0;
    if (m->max_depth >= 0 && depth > m->max_depth)
        return true;
    for (size_t i = 0; (child = mr_module_child(module, i, &name)) != NULL; i++) {
        if (is_listed(m, child))
            continue;
        mr_summary_row *row = add_row(m->summary, path, name, mr_module_type(child));
        if (!row || !list_module(m, child, m->summary->count - 1) || !count_parameters(row, child, &ignored))
            return false;
        if (depth == 1)
            m->summary->other -= row->parameters;
        if (!list_children(m, child, row->name, depth + 1))
            return false;
    }
    return true;
}

/* ---- the example ---- */

static mr_summary_row *row_of(const making *m, const entry *e)
{
    return e->row == the_model ? &m->summary->total : &m->summary->row[e->row];
}

/* Adds what has been recorded since the module was entered. */
static void leave(const making *m, entry *e, const mr_tensor *x, const mr_tensor *y)
{
    mr_summary_row *row = row_of(m, e);
    e->inside = false;
    for (const mr__node *node = m->tape->last; node && node != e->node; node = node->previous) {
        row->flops += mr__node_flops(node);
        row->activation_bytes += mr__node_bytes(node);
    }
    if (row->ran)
        return;
    row->ran = true;
    row->in = mr__shape_of(x);
    row->out = mr__shape_of(y);
}

static void watch(void *user, const void *module, const mr_tensor *x, const mr_tensor *y)
{
    making *m = user;
    for (size_t i = 0; i < m->count; i++) {
        entry *e = &m->entry[i];
        if (e->module != module)
            continue;
        if (!y && !e->inside) {
            e->inside = true;
            e->node = m->tape->last;
        } else if (y && e->inside) {
            leave(m, e, x, y);
        }
    }
}

/* Everything is recorded, also what is frozen; nothing of that is kept. */
static mr_status run_example(making *m, mr_module *model, const mr_tensor *example)
{
    const mr_params params = mr_module_parameters(model);
    bool *required = mr__alloc_array(params.count + 1, sizeof *required);
    mr_tensor *x = required ? mr_tensor_keep(example) : NULL;
    if (x && mr__is_float(x->dtype))
        (void)mr_tensor_set_requires_grad(x, true);
    for (size_t i = 0; x && i < params.count; i++) {
        required[i] = params.item[i].tensor->grad;
        params.item[i].tensor->grad = &params.item[i].tensor->own_grad;
    }
    m->tape->watching = true;
    m->tape->watch = watch;
    m->tape->watch_user = m;
    const mr_tensor *y = x ? mr_forward(model, m->tape, x) : NULL;
    mr_status status = mr_tape_status(m->tape);
    for (size_t i = 0; x && i < params.count; i++)
        params.item[i].tensor->grad = required[i] ? &params.item[i].tensor->own_grad : NULL;
    mr__free(required);
    if (status || !y) { /* settled: raised again, with the place */
        mr__failure failure;
        mr__failure_take(&failure);
        mr_error_clear();
        status = mr__raise(failure.status, "summary: %s", failure.text);
    }
    mr_tape_reset(m->tape);
    mr_tensor_free(x);
    return status;
}

static mr_status run_in_evaluation(making *m, mr_module *model, const mr_tensor *example)
{
    mr__modes modes;
    mr_rng *rng = mr_rng_new(0);
    m->tape = rng ? mr_tape_new(rng) : NULL;
    mr_status status = m->tape ? mr__modes_init(&modes, model) : MR_ERR_MEMORY;
    if (!status) {
        mr__modes_save(&modes, model);
        mr_module_train(model, false);
        status = run_example(m, model, example);
        mr__modes_restore(&modes, model);
        mr__modes_free(&modes);
    }
    mr_tape_free(m->tape);
    mr_rng_free(rng);
    return status;
}

/* ---- making ---- */

static mr_status fill(making *m, mr_module *model, const mr_tensor *example)
{
    mr_summary *s = m->summary;
    s->total = (mr_summary_row){ .name = "", .type = mr__strdup(mr_module_type(model)) };
    if (!s->total.type || !count_parameters(&s->total, model, &s->parameter_bytes))
        return mr_error_status();
    s->other = s->total.parameters;
    if (!list_module(m, model, the_model) || !list_children(m, model, "", 1))
        return mr_error_status();
    mr_status status = example ? run_in_evaluation(m, model, example) : MR_OK;
    if (status)
        return status;
    s->text = mr__summary_table(s);
    return s->text ? MR_OK : mr_error_status();
}

mr_summary *mr_summary_new(mr_module *model, const mr_summary_opts *opts)
{
    static const mr_summary_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    if (mr__pending() || !mr__module_ready("summary", model)) /* an example that could not be made is none */
        return NULL;
    if (opts->max_depth < -1) {
        mr__raise(MR_ERR_ARGUMENT, "summary: max_depth %d is neither a number nor -1, all", opts->max_depth);
        return NULL;
    }
    making m = { .summary = mr__alloc_zeroed(sizeof *m.summary),
                 .max_depth = opts->max_depth ? opts->max_depth : 1 };
    if (m.summary && fill(&m, model, opts->example)) {
        mr_summary_free(m.summary);
        m.summary = NULL;
    }
    mr__free(m.entry);
    return m.summary;
}

void mr_summary_free(mr_summary *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        mr__free((char *)(uintptr_t)s->row[i].name);
        mr__free((char *)(uintptr_t)s->row[i].type);
    }
    mr__free((char *)(uintptr_t)s->total.type);
    mr__free(s->row);
    mr__free(s->text);
    mr__free(s);
}

const char *mr_summary_text(const mr_summary *summary)
{
    return summary ? summary->text : "";
}

const mr_summary_row *mr_summary_rows(const mr_summary *summary, size_t *count)
{
    if (count)
        *count = summary ? summary->count : 0;
    return summary ? summary->row : NULL;
}

const mr_summary_row *mr_summary_total(const mr_summary *summary)
{
    return summary ? &summary->total : NULL;
}

mr_status mr__summary_log(mr_module *model, const mr_summary_opts *opts)
{
    mr_summary *s = mr_summary_new(model, opts);
    if (!s)
        return mr_error_status();
    mr__log(MR_LOG_INFO, "%s", "");
    for (char *at = s->text, *end; at; at = end) {
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        mr__log(MR_LOG_INFO, "%s", at);
    }
    mr_summary_free(s);
    return MR_OK;
}
