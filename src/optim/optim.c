/* Making and freeing optimizers, and their groups. */
#include "optim.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>

enum { SMALL_BYTES = 1024, SMALL_ALIGNMENT = 16 };

static int64_t round_up(int64_t count, size_t alignment, mr_dtype dtype)
{
    return (int64_t)(mr__round_up((size_t)count * mr_dtype_size(dtype), alignment) / mr_dtype_size(dtype));
}

/* Where a parameter goes in a range of `count` elements so far. Small ones lie close together, since a step goes
 * over the padding too; large ones begin cache lines. */
static int64_t place_for(const mr_tensor *x, int64_t count)
{
    size_t bytes = (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype);
    return round_up(count, bytes < SMALL_BYTES ? SMALL_ALIGNMENT : MR__ALIGNMENT, (mr_dtype)x->dtype);
}

/* ---- which parameters are taken ---- */

mr__text mr__param_text(const char *name, const mr_tensor *x)
{
    mr__text t = mr__tensor_text(x);
    mr_shape shape = mr__shape_of(x);
    if (name && *name)
        snprintf(t.text, sizeof t.text, "%.90s%.69s", name, mr__shape_text(&shape).text);
    return t;
}

static bool in_a_group(const mr_optim *optim, const mr_tensor *x)
{
    for (const mr__group *group = optim ? &optim->first : NULL; group; group = group->next)
        for (size_t i = 0; i < group->count; i++)
            if (group->slots[i].tensor == x && group->slots[i].range->values == x->memory)
                return true;
    return false;
}

static bool acceptable(const char *call, const mr_optim *optim, mr_params params, size_t i)
{
    const mr_tensor *x = params.item[i].tensor;
    const char *name = params.item[i].name;
    if (!x) {
        mr__null(call, name && *name ? name : "a parameter");
        return false;
    }
    const char *wrong = NULL;
    if (x->tape || !mr__is_float(x->dtype))
        wrong = "is no parameter: it is not of a floating type, or lives on a tape";
    else if (!x->memory)
        wrong = "wraps memory of the caller's, which cannot be moved";
    for (size_t j = 0; !wrong && j < i; j++)
        wrong = params.item[j].tensor == x ? "is in the list twice" : NULL;
    if (!wrong && in_a_group(optim, x))
        wrong = "is in another group already";
    if (wrong)
        mr__raise(MR_ERR_ARGUMENT, "%s: %s %s", call, mr__param_text(name, x).text, wrong);
    return !wrong;
}

static bool check(const char *call, const mr_optim *optim, mr_params params, double lr)
{
    if (!params.item) {
        mr__null(call, "params");
        return false;
    }
    if (!params.count) {
        mr__raise(MR_ERR_ARGUMENT, "%s: the list of parameters is empty", call);
        return false;
    }
    if (!(lr >= 0) || isinf(lr)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: learning rate %g is negative or not finite", call, lr);
        return false;
    }
    for (size_t i = 0; i < params.count; i++)
        if (!acceptable(call, optim, params, i))
            return false;
    return true;
}

/* ---- groups ---- */

static void drop_group(mr__group *group)
{
    for (int r = 0; r < 2; r++) {
        mr__memory_drop(group->range[r].values);
        mr__memory_drop(group->range[r].gradients);
        for (int s = 0; s < MR__MAX_STATE; s++)
            mr__memory_drop(group->range[r].state[s]);
    }
    for (size_t i = 0; i < group->count; i++)
        mr__free(group->slots[i].name);
    mr__free(group->slots);
}

static bool make_slots(mr__group *group, mr_params params)
{
    group->slots = mr__alloc_zeroed(mr__mul_size(params.count, sizeof *group->slots));
    if (!group->slots)
        return false;
    group->count = params.count;
    for (size_t i = 0; i < params.count; i++) {
        mr_tensor *x = params.item[i].tensor;
        mr__range *range = &group->range[x->dtype == MR_FLOAT64];
        int64_t offset = place_for(x, range->count);
        group->slots[i] = (mr__slot){ .tensor = x,
                                      .range = range,
                                      .offset = offset,
                                      .numel = x->numel,
                                      .factor = 1,
                                      .shape = mr__shape_of(x) };
        range->count = offset + (x->numel ? x->numel : 1); /* one without elements has a place, too */
        group->slots[i].name = mr__strdup(params.item[i].name ? params.item[i].name : mr_tensor_name(x));
        if (!group->slots[i].name)
            return false;
    }
    return true;
}

static mr__memory *make_array(const mr__range *range)
{
    return mr__memory_new(mr__mul_size((size_t)range->count, mr_dtype_size(range->dtype)));
}

static void fill(const mr__range *range, mr__memory *array, double value)
{
    void *data = mr__memory_data(array);
    for (int64_t i = 0; i < range->count; i++)
        if (range->dtype == MR_FLOAT64)
            ((double *)data)[i] = value;
        else
            ((float *)data)[i] = (float)value;
}

static bool make_arrays(mr__group *group, unsigned states, double initial)
{
    for (int r = 0; r < 2; r++) {
        mr__range *range = &group->range[r];
        range->count = round_up(range->count, MR__ALIGNMENT, range->dtype);
        if (!range->count)
            continue;
        range->values = make_array(range);
        range->gradients = range->values ? make_array(range) : NULL;
        if (!range->gradients)
            return false;
        for (int s = 0; s < MR__MAX_STATE; s++)
            if (states & 1u << s && !(range->state[s] = make_array(range)))
                return false;
        if (initial != 0)
            fill(range, range->state[0], initial);
    }
    return true;
}

static bool make_group(mr__group *group, mr_params params, double lr, const mr__setup *setup)
{
    group->lr = lr;
    group->opts = setup->opts;
    group->counting = !setup->kind->counts_momentum || setup->states & 1u;
    group->powers_at = -1;
    group->range[1].dtype = MR_FLOAT64;
    if (make_slots(group, params) && make_arrays(group, setup->states, setup->initial))
        return true;
    drop_group(group);
    return false;
}

/* The last step of taking parameters, which cannot fail. */
static void move_parameters(mr__group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        mr__slot *slot = &group->slots[i];
        mr__range *range = slot->range;
        mr__tensor_move(slot->tensor, range->values, mr__range_at(range, range->values, slot->offset),
                        range->gradients, mr__range_at(range, range->gradients, slot->offset));
    }
}

mr_optim *mr__optim_new(const char *call, mr_params params, double lr, const mr__setup *setup)
{
    mr_optim *optim = check(call, NULL, params, lr) ? mr__alloc_zeroed(sizeof *optim) : NULL;
    if (!optim)
        return NULL;
    optim->kind = setup->kind;
    optim->last = &optim->first;
    optim->groups = 1;
    if (!make_group(&optim->first, params, lr, setup)) {
        mr__free(optim);
        return NULL;
    }
    move_parameters(&optim->first);
    return optim;
}

mr_status mr__optim_add(const char *call, mr_optim *optim, mr_params params, double lr,
                        const mr__setup *setup)
{
    if (!optim)
        return mr__null(call, "optim");
    if (optim->kind != setup->kind)
        return mr__raise(MR_ERR_ARGUMENT, "%s: the optimizer is of the kind %s", call, optim->kind->name);
    mr__group *group = check(call, optim, params, lr) ? mr__alloc_zeroed(sizeof *group) : NULL;
    if (!group)
        return mr_error_status();
    if (!make_group(group, params, lr, setup)) {
        mr__free(group);
        return mr_error_status();
    }
    move_parameters(group);
    optim->last = optim->last->next = group;
    optim->groups++;
    mr__state_drop(&optim->state);
    return MR_OK;
}

void mr_optim_free(mr_optim *optim)
{
    if (!optim)
        return;
    if (optim->kind->destroy)
        optim->kind->destroy(optim);
    for (mr__group *group = optim->first.next, *next; group; group = next) {
        next = group->next;
        drop_group(group);
        mr__free(group);
    }
    drop_group(&optim->first);
    mr__state_drop(&optim->state);
    mr__free(optim);
}

bool mr__option_within(const char *call, const char *name, double value, double low, double high)
{
    if (value >= low && value < high)
        return true;
    mr__raise(MR_ERR_ARGUMENT, "%s: %s %g is not in [%g, %g)", call, name, value, low, high);
    return false;
}

/* ---- what schedules read and write ---- */

static mr__group *find_group(const char *call, const mr_optim *optim, int index)
{
    if (!optim) {
        mr__null(call, "optim");
        return NULL;
    }
    if (index < 0 || (size_t)index >= optim->groups) {
        mr__raise(MR_ERR_ARGUMENT, "%s: there is no group %d of %zu", call, index, optim->groups);
        return NULL;
    }
    const mr__group *group = &optim->first;
    for (int i = 0; i < index; i++)
        group = group->next;
    return (mr__group *)(uintptr_t)group;
}

int mr_optim_group_count(const mr_optim *optim)
{
    return optim ? (int)optim->groups : 0;
}

double mr_optim_group_lr(const mr_optim *optim, int group)
{
    const mr__group *found = find_group("optim_group_lr", optim, group);
    return found ? found->lr : NAN;
}

static bool is_rate(const char *call, double lr)
{
    if (lr >= 0 && !isinf(lr))
        return true;
    mr__raise(MR_ERR_ARGUMENT, "%s: learning rate %g is negative or not finite", call, lr);
    return false;
}

void mr_optim_set_group_lr(mr_optim *optim, int group, double lr)
{
    mr__group *found = find_group("optim_set_group_lr", optim, group);
    if (found && is_rate("optim_set_group_lr", lr))
        found->lr = lr;
}

double mr_optim_lr(const mr_optim *optim)
{
    return optim ? optim->first.lr : 0;
}

void mr_optim_set_lr(mr_optim *optim, double lr)
{
    if (optim && !is_rate("optim_set_lr", lr))
        return;
    for (mr__group *group = optim ? &optim->first : NULL; group; group = group->next)
        group->lr = lr;
}

void mr__optim_scale_rates(mr_optim *optim, double factor)
{
    for (mr__group *group = &optim->first; group; group = group->next) {
        group->own_lr = group->lr;
        group->lr *= factor;
    }
}

void mr__optim_rates_back(mr_optim *optim)
{
    for (mr__group *group = &optim->first; group; group = group->next)
        group->lr = group->own_lr;
}

double mr_optim_group_momentum(const mr_optim *optim, int group)
{
    mr__group *found = find_group("optim_group_momentum", optim, group);
    return found && optim->kind->momentum ? *mr__momentum_of(optim, found) : NAN;
}

bool mr__optim_make_buffer(mr_optim *optim, mr__group *group)
{
    for (int r = 0; r < 2; r++) {
        mr__range *range = &group->range[r];
        for (int s = 0; s < MR__MAX_STATE; s++) {
            if (!(optim->kind->buffer & 1u << s) || !range->count || range->state[s])
                continue;
            range->state[s] = make_array(range);
            mr__state_drop(&optim->state);
            if (!range->state[s])
                return false;
        }
    }
    return true;
}

void mr__group_loaded(const mr_optim *optim, mr__group *group)
{
    if (optim->kind->counts_momentum)
        group->counting = *mr__momentum_of(optim, group) > 0;
}

void mr__group_changed(const mr_optim *optim, mr__group *group)
{
    mr__group_loaded(optim, group);
    group->powers_at = -1;
}

bool mr_optim_set_group_momentum(mr_optim *optim, int group, double momentum)
{
    mr__group *found = find_group("optim_set_group_momentum", optim, group);
    if (!found || !optim->kind->momentum)
        return false;
    if (!mr__option_within("optim_set_group_momentum", optim->kind->momentum_name, momentum, 0,
                           optim->kind->momentum_below))
        return false;
    if (momentum > 0 && !mr__optim_make_buffer(optim, found))
        return false;
    *mr__momentum_of(optim, found) = momentum;
    mr__group_changed(optim, found);
    return true;
}

int64_t mr_optim_steps(const mr_optim *optim)
{
    return optim ? optim->steps : 0;
}
