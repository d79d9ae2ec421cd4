/* What a schedule keeps between steps, as a list of named tensors, and loading it back. */
#include "schedule.h"

#include <stdio.h>

static bool list_all(mr__state *state, mr_schedule *s, const char *key)
{
    const mr_shape groups = MR_SHAPE((int64_t)s->groups);
    if (!mr__state_add(state, key, "last_epoch", MR_INT64, MR_SCALAR, &s->last_epoch) ||
        !mr__state_add(state, key, "last_lr", MR_FLOAT64, groups, s->last))
        return false;
    if (s->kind->rate && !mr__state_add(state, key, "base_lrs", MR_FLOAT64, groups, s->base))
        return false;
    for (int i = 0; i < 3 && s->kind->own[i].name; i++) {
        const mr__schedule_entry *own = &s->kind->own[i];
        if (!mr__state_add(state, key, own->name, own->dtype, MR_SCALAR, (char *)s + own->offset))
            return false;
    }
    for (size_t i = 0; s->kind->step && i < s->of.list.count; i++) {
        mr__text inner;
        snprintf(inner.text, sizeof inner.text, "%.120s%sschedules.%zu", key, *key ? "." : "", i);
        if (!list_all(state, s->of.list.child[i], inner.text))
            return false;
    }
    return true;
}

void mr__schedule_text(const mr_schedule *s, mr__strbuf *out)
{
    mr__strbuf_append(out, s ? s->kind->name : "none");
    for (size_t i = 0; s && s->kind->step && i < s->of.list.count; i++) {
        mr__strbuf_append(out, i ? ", " : "(");
        mr__schedule_text(s->of.list.child[i], out);
    }
    if (s && s->kind->step)
        mr__strbuf_append(out, ")");
}

mr_params mr_schedule_state(mr_schedule *schedule)
{
    if (!schedule) {
        mr__null("schedule_state", "schedule");
        return (mr_params){ 0 };
    }
    mr__state *state = &schedule->state;
    if (!state->count && !list_all(state, schedule, "")) {
        mr__state_drop(state);
        return (mr_params){ 0 };
    }
    return (mr_params){ state->item, state->count };
}

mr_status mr_schedule_load_state(mr_schedule *schedule, mr_params state)
{
    static const char call[] = "schedule_load_state";
    if (!schedule)
        return mr__settle(mr__null(call, "schedule"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    if (!state.item)
        return mr__settle(mr__null(call, "state"));
    mr_params own = mr_schedule_state(schedule);
    mr_status status = own.item ? mr__state_check(call, schedule->kind->name, own, state) : mr_error_status();
    for (size_t i = 0; status == MR_OK && i < own.count; i++)
        status = mr_tensor_copy(own.item[i].tensor, mr__state_find(state, own.item[i].name, i)->tensor);
    return mr__settle(status);
}
