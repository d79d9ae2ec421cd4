#include "monitor.h"

#include "base/strbuf.h"

/* With those that are there. */
static mr_status missing(const mr_step *step, const char *name)
{
    const mr__epoch_values *values = &step->trainer->epoch_values;
    mr__strbuf list = { 0 };
    for (size_t i = 0; i < values->count; i++)
        mr__strbuf_appendf(&list, "%s%.60s", i ? ", " : "", values->name[i]);
    mr_status status =
        mr__raise(MR_ERR_ARGUMENT, "there is no metric '%.60s' of an epoch or a validation, but %.200s", name,
                  values->count ? mr__strbuf_text(&list) : "none");
    mr__strbuf_free(&list);
    return status;
}

mr_status mr__monitor_look(mr__monitor *monitor, mr_step *step, const char *name, bool strict, double *value)
{
    const mr__fit *fit = (const mr__fit *)step;
    const mr__epoch_values *values = &step->trainer->epoch_values;
    const double *found = mr__epoch_value(values, name);
    if (found && values->updated[found - values->value] == values->round) {
        monitor->count++;
        *value = *found;
        return MR_OK;
    }
    const bool must_be = !fit->log.validating && step->batch_index && (fit->validated || !fit->val_tape);
    return strict && must_be && !monitor->count ? missing(step, name) : MR_END;
}

const double *mr__monitor_now(const mr_step *step, const char *name)
{
    const double *of_step = step->batch ? mr__log_step_value((const mr__fit *)step, name) : NULL;
    return of_step ? of_step : mr__epoch_value(&step->trainer->epoch_values, name);
}
