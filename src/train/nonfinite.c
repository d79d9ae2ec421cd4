#include "nonfinite.h"

#include "base/log.h"
#include "base/strbuf.h"
#include "tensor/tape.h"

static void say_samples(const mr_batch *batch)
{
    enum { SHOWN = 16 };
    mr__strbuf list = { 0 };
    for (int64_t i = 0; i < batch->rows && i < SHOWN; i++)
        mr__strbuf_appendf(&list, "%s%lld", i ? ", " : "", (long long)batch->indices[i]);
    if (batch->rows > SHOWN)
        mr__strbuf_appendf(&list, ", and %lld more", (long long)(batch->rows - SHOWN));
    mr__log(MR_LOG_WARNING, "fit: the batch has the samples %s", mr__strbuf_text(&list));
    mr__strbuf_free(&list);
}

/* The last loss was of a finite batch and model: so the step is done again, with an eye on the modules. */
static void say_module(mr__fit *fit, const mr_batch *batch)
{
    mr_tape *tape = fit->tape;
    mr_tape_reset(tape);
    tape->wrong = NULL;
    tape->watching = fit->log.muted = true;
    (void)fit->task->vtable->training_step(&fit->step, batch);
    tape->watching = fit->log.muted = false;
    mr_error_clear();
    const mr_module *wrong = tape->wrong;
    if (wrong)
        mr__log(MR_LOG_WARNING, "fit: the first module with a result that is not finite is %s (%s)",
                mr__module_path(wrong).text, mr_module_type(wrong));
    else
        mr__log(MR_LOG_WARNING, "fit: the results of all modules are finite");
}

void mr__explain_nonfinite(mr__fit *fit, const mr_batch *batch)
{
    say_samples(batch);
    for (int i = 0; i < batch->field_count; i++)
        if (!mr__all_finite(batch->field[i])) {
            mr__log(MR_LOG_WARNING, "fit: field %s of the batch is not finite", batch->name[i]);
            return;
        }
    for (size_t i = 0; i < fit->params.count; i++)
        if (!mr__all_finite(fit->params.item[i].tensor)) {
            mr__log(MR_LOG_WARNING, "fit: parameter %s is not finite", fit->params.item[i].name);
            return;
        }
    say_module(fit, batch);
}
