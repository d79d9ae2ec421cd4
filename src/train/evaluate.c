/* Validation and test without a fit, and the table of what comes out. */
#include "validate.h"

#include "base/alloc.h"
#include "base/float_text.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "data/loader.h"

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

static void log_row(const char *left, const char *right, size_t width)
{
    mr__strbuf line = { 0 };
    centre(&line, left, width);
    centre(&line, right, width);
    while (line.length && line.text[line.length - 1] == ' ')
        line.text[--line.length] = '\0';
    mr__log(MR_LOG_INFO, "%s", mr__strbuf_text(&line));
    mr__strbuf_free(&line);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(**(char *const *const *)a, **(char *const *const *)b);
}

static void log_table(const mr__epoch_values *values, const char *title)
{
    char **order[MR__MAX_METRICS], bar[3 * TABLE_COLUMNS + 1] = "", text[MR__FLOAT_TEXT_BYTES];
    size_t count = 0, width = LEAST_COLUMN;
    for (size_t i = 0; i < values->count; i++)
        if (values->updated[i] == values->round) {
            const size_t length = strlen(values->name[i]);
            order[count++] = &values->name[i];
            width = width > length ? width : length;
        }
    if (!count)
        return;
    qsort(order, count, sizeof *order, by_name);
    width = width < TABLE_COLUMNS / 2 ? width : TABLE_COLUMNS / 2;
    for (int i = 0; i < TABLE_COLUMNS; i++)
        memcpy(bar + 3 * i, "─", 4);
    mr__log(MR_LOG_INFO, "%s", bar);
    log_row(title, "DataLoader 0", width);
    mr__log(MR_LOG_INFO, "%s", bar);
    for (size_t i = 0; i < count; i++)
        log_row(*order[i], mr__format_double(text, values->value[order[i] - values->name]), width);
    mr__log(MR_LOG_INFO, "%s", bar);
}

/* ---- running ---- */

typedef struct evaluation {
    const char *what, *title;
    mr_status (*step)(mr_step *step, const mr_batch *batch);
    mr_stage stage;
    mr__event pass;
} evaluation;

static mr_status run(mr__fit *fit, const char *title)
{
    fit->reporter = mr__reporter_new();
    if (!fit->reporter)
        return MR_ERR_MEMORY;
    mr_status status = mr__validate_open(fit);
    fit->step.tape = fit->tape = fit->val_tape;
    if (!status)
        status = mr__hooks(fit, MR__SETUP);
    if (!status)
        status = mr__validate_run(fit);
    if (!status && !fit->trainer->no_summary)
        log_table(&fit->trainer->epoch_values, title);
    return mr__hooks_behind(fit, MR__TEARDOWN, status);
}

static mr_status evaluate(mr_trainer *trainer, mr_task *task, mr_loader *loader, const evaluation *of)
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
    fit->loader = fit->val_loader = loader;
    fit->val_step = of->step;
    fit->val_what = of->what;
    fit->pass = of->pass;
    fit->step.model = task->model;
    fit->step.self = task->self;
    fit->step.trainer = trainer;
    fit->step.stage = of->stage;
    fit->events = mr__events_wanted(trainer, task) & ~MR__EVENT_BIT(MR__ON_METRICS);
    mr_status status = run(fit, of->title);
    mr__reporter_free(fit->reporter);
    mr_tape_free(fit->val_tape);
    mr__modes_free(&fit->modes);
    mr__log_free(&fit->log);
    mr__free(fit);
    return status;
}

/* MR_OK when there is all that a call needs. */
static mr_status check(const char *call, const mr_trainer *trainer, const mr_task *task,
                       const mr_loader *loader)
{
    if (!trainer || !task || !loader)
        return mr__null(call, !trainer ? "trainer" : !task ? "task" : "loader");
    return mr__pending_status();
}

mr_status mr_trainer_validate(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    mr_status status = check("validate", trainer, task, loader);
    if (!status)
        status = evaluate(trainer, task, loader,
                          &(evaluation){ "validation", "Validate metric", task->vtable->validation_step,
                                         MR_STAGE_VALIDATE, MR__ON_VALIDATION });
    return mr__settle(status);
}

mr_status mr_trainer_test(mr_trainer *trainer, mr_task *task, mr_loader *loader)
{
    mr_status status = check("test", trainer, task, loader);
    if (!status)
        status = evaluate(
            trainer, task, loader,
            &(evaluation){ "test", "Test metric", task->vtable->test_step, MR_STAGE_TEST, MR__ON_TEST });
    return mr__settle(status);
}
