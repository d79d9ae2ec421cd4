/* Validation and test without a fit, and the table of what comes out. */
#include "evaluation_log.h"
#include "validate.h"

#include "base/alloc.h"
#include "base/float_text.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "data/loader.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the table, as Lightning prints it where there is no terminal: 120 columns ---- */

enum { TABLE_COLUMNS = 120, LEAST_COLUMN = 25 };

/* Centres as Python's str.format does: what is left over goes to the right. */
static void centre(mr__strbuf *line, const char *text, size_t width)
{
    size_t length = strlen(text), before = length < width ? (width - length) / 2 : 0;
    for (size_t i = 0; i < before; i++)
        mr__strbuf_append(line, " ");
    mr__strbuf_append(line, text);
    for (size_t i = before + length; i < width; i++)
        mr__strbuf_append(line, " ");
}

static void log_line(mr__strbuf *line)
{
    while (line->length && line->text[line->length - 1] == ' ')
        line->text[--line->length] = '\0';
    mr__log(MR_LOG_INFO, "%s", mr__strbuf_text(line));
    mr__strbuf_clear(line);
}

/* A value of the table: its name without the loader, and which loader's it is. */
typedef struct cell {
    const char *name;
    size_t length;
    int loader;
    double value;
} cell;

static int by_name(const void *a, const void *b)
{
    const cell *x = a, *y = b;
    const size_t least = x->length < y->length ? x->length : y->length;
    const int order = memcmp(x->name, y->name, least);
    if (order || x->length != y->length)
        return order ? order : x->length < y->length ? -1 : 1;
    return x->loader - y->loader;
}

static size_t list_cells(const mr__fit *fit, cell cells[MR__MAX_METRICS])
{
    const mr__epoch_values *values = &fit->trainer->epoch_values;
    size_t count = 0;
    for (size_t i = 0; i < fit->log.key_count; i++) {
        const mr__log_key *key = &fit->log.key[i];
        const char *name = key->epoch_metric >= 0 ? fit->reporter->metric[key->epoch_metric].name : NULL;
        const double *value = name ? mr__epoch_value(values, name) : NULL;
        const size_t suffix = key->full_name ? strlen(key->full_name) - strlen(key->name) : 0;
        if (value && values->updated[value - values->value] == values->round)
            cells[count++] = (cell){ name, strlen(name) - suffix, key->loader ? key->loader - 1 : 0, *value };
    }
    qsort(cells, count, sizeof *cells, by_name);
    return count;
}

/* The row of a name, from its first cell on: which cell comes behind it. */
static size_t log_row(const cell *cells, size_t at, size_t count, int from, int to, size_t width)
{
    mr__strbuf line = { 0 };
    char name[200], text[MR__FLOAT_TEXT_BYTES];
    const cell first = cells[at];
    snprintf(name, sizeof name, "%.*s", (int)first.length, first.name);
    centre(&line, name, width);
    for (int loader = 0; at < count && cells[at].length == first.length &&
                         memcmp(cells[at].name, first.name, first.length) == 0;
         at++) {
        for (; loader < cells[at].loader; loader++)
            if (loader >= from && loader < to)
                centre(&line, " ", width);
        if (loader >= from && loader < to)
            centre(&line, mr__format_double(text, cells[at].value), width);
        loader++;
    }
    log_line(&line);
    mr__strbuf_free(&line);
    return at;
}

/* Loaders from `from` to `to`, which fit beside each other. */
static void log_part(const cell *cells, size_t count, const char *title, int from, int to, size_t width)
{
    char bar[3 * TABLE_COLUMNS + 1] = "", head[32];
    mr__strbuf line = { 0 };
    for (int i = 0; i < TABLE_COLUMNS; i++)
        memcpy(bar + 3 * i, "─", 4);
    mr__log(MR_LOG_INFO, "%s", bar);
    centre(&line, title, width);
    for (int i = from; i < to; i++) {
        snprintf(head, sizeof head, "DataLoader %d", i);
        centre(&line, head, width);
    }
    log_line(&line);
    mr__strbuf_free(&line);
    mr__log(MR_LOG_INFO, "%s", bar);
    for (size_t i = 0; i < count;)
        i = log_row(cells, i, count, from, to, width);
    mr__log(MR_LOG_INFO, "%s", bar);
}

static void log_table(const mr__fit *fit, const char *title)
{
    cell cells[MR__MAX_METRICS];
    size_t width = LEAST_COLUMN;
    const int loaders = fit->val.count;
    const size_t count = list_cells(fit, cells);
    for (size_t i = 0; i < count; i++)
        width = width > cells[i].length ? width : cells[i].length;
    width = width < TABLE_COLUMNS / 2 ? width : TABLE_COLUMNS / 2;
    const int beside = (int)((TABLE_COLUMNS - width) / width);
    for (int i = 0; count && i < loaders; i += beside)
        log_part(cells, count, title, i, i + beside < loaders ? i + beside : loaders, width);
}

/* ---- running ---- */

typedef struct evaluation {
    const char *what, *title;
    mr_status (*step)(mr_step *step, const mr_batch *batch);
    mr_stage stage;
    mr__event pass;
    const mr__limit *limit;
} evaluation;

static mr_status run(mr__fit *fit, const evaluation *of)
{
    fit->reporter = mr__reporter_new();
    if (!fit->reporter)
        return MR_ERR_MEMORY;
    mr_status status = mr__validate_limit(fit, of->limit, of->what);
    if (!status)
        status = mr__validate_open(fit);
    if (status)
        return status;
    fit->step.tape = fit->tape = fit->val_tape;
    status = mr__hooks(fit, MR__SETUP);
    if (!status) {
        status = mr__evaluation_log_begin(fit);
        if (!status)
            status = mr__validate_run(fit);
        status = mr__evaluation_log_end(fit, status);
    }
    if (!status && !fit->trainer->no_summary)
        log_table(fit, of->title);
    return mr__hooks_behind(fit, MR__TEARDOWN, status);
}

static mr_status evaluate(mr_trainer *trainer, mr_task *task, const mr__loaders *loaders,
                          const evaluation *of)
{
    if (!of->step)
        return mr__raise(MR_ERR_ARGUMENT, "%s: the task has no %s_step", of->what, of->what);
    if (trainer->fit)
        return mr__raise(MR_ERR_STATE, "%s: the trainer is in a fit", of->what);
    mr__fit *fit = mr__alloc_zeroed(sizeof *fit);
    if (!fit)
        return MR_ERR_MEMORY;
    fit->trainer = trainer;
    fit->task = task;
    fit->val = *loaders;
    fit->loader = loaders->item[0];
    fit->val_step = of->step;
    fit->val_what = of->what;
    fit->pass = of->pass;
    fit->step.model = task->model;
    fit->step.self = task->self;
    fit->step.trainer = trainer;
    fit->step.stage = of->stage;
    fit->step.epoch = trainer->epochs;
    fit->step.global_step = trainer->global_step;
    fit->events = mr__events_wanted(trainer, task) & ~MR__EVENT_BIT(MR__ON_METRICS);
    mr_status status = run(fit, of);
    mr__reporter_free(fit->reporter);
    mr_tape_free(fit->val_tape);
    mr__modes_free(&fit->modes);
    mr__log_free(&fit->log);
    mr__free(fit);
    return status;
}

/* MR_OK when there is all that a call needs. */
static mr_status check(const char *call, const mr_trainer *trainer, const mr_task *task)
{
    if (!trainer || !task)
        return mr__null(call, trainer ? "task" : "trainer");
    return mr__pending_status();
}

static mr_status validate(mr_trainer *trainer, mr_task *task, const mr__loaders *loaders)
{
    return evaluate(trainer, task, loaders,
                    &(evaluation){ "validation", "Validate metric", task->vtable->validation_step,
                                   MR_STAGE_VALIDATE, MR__ON_VALIDATION, &trainer->limit_val });
}

static mr_status test(mr_trainer *trainer, mr_task *task, const mr__loaders *loaders)
{
    return evaluate(trainer, task, loaders,
                    &(evaluation){ "test", "Test metric", task->vtable->test_step, MR_STAGE_TEST, MR__ON_TEST,
                                   &trainer->limit_test });
}

mr_status mr_trainer_validate(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    mr_status status = check("validate", trainer, task);
    if (!status && !loader)
        status = mr__null("validate", "loader");
    return mr__settle(status ? status : validate(trainer, task, &(mr__loaders){ { loader }, 1 }));
}

mr_status mr_trainer_test(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    mr_status status = check("test", trainer, task);
    if (!status && !loader)
        status = mr__null("test", "loader");
    return mr__settle(status ? status : test(trainer, task, &(mr__loaders){ { loader }, 1 }));
}

mr_status mr_trainer_validate_loaders(mr_trainer *trainer, mr_task *task, mr_loader *const *loaders,
                                      int count)
{
    mr__loaders list;
    mr_status status = check("validate_loaders", trainer, task);
    if (!status)
        status = mr__loaders_of("validate_loaders", loaders, count, &list);
    return mr__settle(status ? status : validate(trainer, task, &list));
}

mr_status mr_trainer_test_loaders(mr_trainer *trainer, mr_task *task, mr_loader *const *loaders, int count)
{
    mr__loaders list;
    mr_status status = check("test_loaders", trainer, task);
    if (!status)
        status = mr__loaders_of("test_loaders", loaders, count, &list);
    return mr__settle(status ? status : test(trainer, task, &list));
}
