/* What an optimizer keeps between steps, as a list of named tensors, and loading it back. */
#include "optim.h"

#include "base/alloc.h"

#include <stdio.h>

/* ---- the list ---- */

void mr__state_drop(mr__state *state)
{
    for (size_t i = 0; i < state->count; i++) {
        mr__free((char *)(uintptr_t)state->item[i].name);
        mr_tensor_free(state->item[i].tensor);
    }
    mr__free(state->item);
    *state = (mr__state){ 0 };
}

bool mr__state_add(mr__state *state, const char *key, const char *what, mr_dtype dtype, mr_shape shape,
                   void *data)
{
    if (state->count == state->room) {
        size_t room = state->room ? 2 * state->room : 32;
        mr_param *more = mr__grow(state->item, state->count * sizeof *more, mr__mul_size(room, sizeof *more));
        if (!more)
            return false;
        state->item = more;
        state->room = room;
    }
    size_t length = strlen(key) + strlen(what) + 2;
    char *name = mr__alloc(length);
    mr_tensor *view = name ? mr_tensor_wrap(dtype, shape, data) : NULL;
    if (!view) {
        mr__free(name);
        return false;
    }
    snprintf(name, length, "%s%s%s", key, *key ? "." : "", what);
    state->item[state->count++] = (mr_param){ name, view };
    return true;
}

/* Whether a slot has a name, and no slot before it has the same. */
static bool has_own_name(const mr_optim *optim, const mr__slot *slot)
{
    if (!*slot->name)
        return false;
    for (const mr__group *group = &optim->first; group; group = group->next)
        for (size_t i = 0; i < group->count; i++) {
            if (&group->slots[i] == slot)
                return true;
            if (strcmp(group->slots[i].name, slot->name) == 0)
                return false;
        }
    return true;
}

const char *mr__state_key(const mr_optim *optim, const mr__slot *slot, size_t index, mr__text *text)
{
    if (has_own_name(optim, slot))
        return slot->name;
    snprintf(text->text, sizeof text->text, "%zu", index);
    return text->text;
}

static bool list_slot(mr_optim *optim, mr__slot *slot, size_t index)
{
    const mr__optim_kind *kind = optim->kind;
    const mr__range *range = slot->range;
    mr__text text;
    const char *key = mr__state_key(optim, slot, index, &text);
    mr__state *state = &optim->state;
    if (kind->list_slot)
        return kind->list_slot(optim, slot, key);
    if (!mr__state_add(state, key, "step", MR_INT64, MR_SCALAR, &slot->steps))
        return false;
    if (kind->factor_name &&
        !mr__state_add(state, key, kind->factor_name, MR_FLOAT64, MR_SCALAR, &slot->factor))
        return false;
    for (int k = 0; k < kind->state_count; k++)
        if (range->state[k] && !mr__state_add(state, key, kind->state_name[k], range->dtype, slot->shape,
                                              mr__range_at(range, range->state[k], slot->offset)))
            return false;
    return true;
}

/* Multiplied up step by step, they are not to the last bit what pow gives. */
static const char powers_at[] = "powers_at", *const power_names[] = { "beta1_power", "beta2_power" };

static bool list_group(mr_optim *optim, mr__group *group, size_t number)
{
    mr__state *state = &optim->state;
    mr__text key;
    snprintf(key.text, sizeof key.text, "param_groups.%zu", number);
    if (!mr__state_add(state, key.text, "lr", MR_FLOAT64, MR_SCALAR, &group->lr))
        return false;
    if (optim->kind->momentum && !mr__state_add(state, key.text, optim->kind->momentum_name, MR_FLOAT64,
                                                MR_SCALAR, mr__momentum_of(optim, group)))
        return false;
    return !optim->kind->powers ||
           (mr__state_add(state, key.text, power_names[0], MR_FLOAT64, MR_SCALAR, &group->power1) &&
            mr__state_add(state, key.text, power_names[1], MR_FLOAT64, MR_SCALAR, &group->power2) &&
            mr__state_add(state, key.text, powers_at, MR_INT64, MR_SCALAR, &group->powers_at));
}

static bool list_all(mr_optim *optim)
{
    size_t index = 0, number = 0;
    for (mr__group *group = &optim->first; group; group = group->next)
        for (size_t i = 0; i < group->count; i++)
            if (!list_slot(optim, &group->slots[i], index++))
                return false;
    for (mr__group *group = &optim->first; group; group = group->next)
        if (!list_group(optim, group, number++))
            return false;
    return mr__state_add(&optim->state, "", "steps", MR_INT64, MR_SCALAR, &optim->steps);
}

mr_params mr_optim_state(mr_optim *optim)
{
    if (!optim) {
        mr__null("optim_state", "optim");
        return (mr_params){ 0 };
    }
    if (!optim->state.count && !list_all(optim)) {
        mr__state_drop(&optim->state);
        return (mr_params){ 0 };
    }
    return (mr_params){ optim->state.item, optim->state.count };
}

/* ---- loading ---- */

const mr_param *mr__state_find(mr_params list, const char *name, size_t guess)
{
    if (guess < list.count && list.item[guess].name && strcmp(list.item[guess].name, name) == 0)
        return &list.item[guess];
    for (size_t i = 0; i < list.count; i++)
        if (list.item[i].name && strcmp(list.item[i].name, name) == 0)
            return &list.item[i];
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), last = strlen(end);
    return length > last && text[length - last - 1] == '.' && strcmp(text + length - last, end) == 0;
}

/* What lists of torch's, and of older versions, lack: it can be worked out, to the last bit or two. */
static bool is_optional(const char *name)
{
    return strncmp(name, "param_groups.", strlen("param_groups.")) == 0 &&
           (ends_with(name, powers_at) || ends_with(name, power_names[0]) || ends_with(name, power_names[1]));
}

static bool same_shape(const mr_tensor *a, const mr_tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, a->ndim * sizeof *a->shape) == 0;
}

static mr_status check_entry(const char *call, const mr_param *own, const mr_param *given)
{
    if (!given)
        return mr__raise(MR_ERR_ARGUMENT, "%s: %s is missing", call, own->name);
    if (!given->tensor)
        return mr__null(call, given->name);
    if (!same_shape(own->tensor, given->tensor))
        return mr__raise(MR_ERR_SHAPE, "%s: %s is %s, not %s", call, own->name,
                         mr__tensor_text(given->tensor).text, mr__tensor_text(own->tensor).text);
    return MR_OK;
}

mr_status mr__state_check(const char *call, const char *keeper, mr_params own, mr_params given)
{
    for (size_t i = 0; i < own.count; i++) {
        const mr_param *entry = mr__state_find(given, own.item[i].name, i);
        mr_status status =
            !entry && is_optional(own.item[i].name) ? MR_OK : check_entry(call, &own.item[i], entry);
        if (status)
            return status;
    }
    for (size_t i = 0; i < given.count; i++)
        if (given.item[i].name && !mr__state_find(own, given.item[i].name, i))
            return mr__raise(MR_ERR_ARGUMENT, "%s: this %s keeps no %s", call, keeper, given.item[i].name);
    return MR_OK;
}

/* That of a group in a list; -1: it is not there. */
static double momentum_in(const mr_optim *optim, mr_params given, size_t number)
{
    mr__text key;
    snprintf(key.text, sizeof key.text, "param_groups.%zu.%s", number, optim->kind->momentum_name);
    const mr_param *momentum = mr__state_find(given, key.text, 0);
    return momentum && momentum->tensor && momentum->tensor->numel == 1 ? mr_item(momentum->tensor) : -1;
}

static bool is_state(const char *name, const char *key, const char *what)
{
    const size_t length = strlen(key);
    return strncmp(name, key, length) == 0 && name[length] == '.' && strcmp(name + length + 1, what) == 0;
}

/* Whether a list has the momentum's buffer of a slot of this group, the first of which is the index-th of all. */
static bool has_buffers(const mr_optim *optim, const mr__group *group, size_t index, mr_params given)
{
    const mr__optim_kind *kind = optim->kind;
    for (size_t i = 0; i < group->count; i++) {
        mr__text text;
        const char *key = mr__state_key(optim, &group->slots[i], index + i, &text);
        for (size_t n = 0; n < given.count; n++)
            for (int k = 0; given.item[n].name && k < kind->state_count; k++)
                if (kind->buffer & 1u << k && is_state(given.item[n].name, key, kind->state_name[k]))
                    return true;
    }
    return false;
}

static void set_aside(mr_optim *optim, mr__group *group)
{
    for (int r = 0; r < 2; r++)
        for (int k = 0; k < optim->kind->state_count; k++)
            if (optim->kind->buffer & 1u << k && group->range[r].state[k]) {
                group->range[r].aside = group->range[r].state[k];
                group->range[r].state[k] = NULL;
                mr__state_drop(&optim->state);
            }
}

/* The momentum that counts is the list's. A group that has one there has buffers, too; those of a group that has none
 * there, and no buffers, are set aside. */
static bool fit_buffers(mr_optim *optim, mr_params given)
{
    size_t number = 0, index = 0;
    for (mr__group *group = &optim->first; group && optim->kind->buffer; group = group->next) {
        const double momentum = momentum_in(optim, given, number++);
        if (momentum > 0 && !mr__optim_make_buffer(optim, group))
            return false;
        if (momentum == 0 && !has_buffers(optim, group, index, given))
            set_aside(optim, group);
        index += group->count;
    }
    return true;
}

/* Frees what was set aside, or puts it back. */
static void settle_buffers(mr_optim *optim, bool loaded)
{
    for (mr__group *group = &optim->first; group; group = group->next)
        for (int r = 0; r < 2; r++) {
            mr__range *range = &group->range[r];
            for (int k = 0; range->aside && !loaded && k < optim->kind->state_count; k++)
                if (optim->kind->buffer & 1u << k) {
                    range->state[k] = range->aside;
                    mr__state_drop(&optim->state);
                }
            if (range->aside && loaded)
                mr__memory_drop(range->aside);
            range->aside = NULL;
        }
}

mr_status mr_optim_load_state(mr_optim *optim, mr_params state)
{
    if (!optim)
        return mr__settle(mr__null("optim_load_state", "optim"));
    if (!state.item)
        return mr__settle(mr__null("optim_load_state", "state"));
    bool room =
        fit_buffers(optim, state) && (!optim->kind->make_room || optim->kind->make_room(optim, state));
    mr_params own = { 0 };
    if (room)
        own = mr_optim_state(optim);
    mr__text keeper;
    snprintf(keeper.text, sizeof keeper.text, "%s optimizer", optim->kind->name);
    mr_status status =
        own.item ? mr__state_check("optim_load_state", keeper.text, own, state) : mr_error_status();
    for (mr__group *group = &optim->first; status == MR_OK && group; group = group->next)
        mr__group_changed(optim, group);
    for (size_t i = 0; status == MR_OK && i < own.count; i++) {
        const mr_param *entry = mr__state_find(state, own.item[i].name, i);
        status = entry ? mr_tensor_copy(own.item[i].tensor, entry->tensor) : MR_OK;
    }
    settle_buffers(optim, status == MR_OK);
    if (status && optim->kind->undo_room)
        optim->kind->undo_room(optim);
    for (mr__group *group = &optim->first; group; group = group->next)
        mr__group_loaded(optim, group);
    return mr__settle(status);
}
