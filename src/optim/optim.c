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

/* "layer1.weight[16,1]": by the name in the list, or else the tensor's own. */
static mr__text text_of(const mr_param *param)
{
    mr__text t = mr__tensor_text(param->tensor);
    mr_shape shape = mr__shape_of(param->tensor);
    if (param->name && *param->name)
        snprintf(t.text, sizeof t.text, "%.90s%.69s", param->name, mr__shape_text(&shape).text);
    return t;
}

static bool acceptable(const char *call, mr_params params, size_t i)
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
    if (wrong)
        mr__raise(MR_ERR_ARGUMENT, "%s: %s %s", call, text_of(&params.item[i]).text, wrong);
    return !wrong;
}

static bool make_slots(mr_optim *optim, mr_params params)
{
    optim->slots = mr__alloc_zeroed(mr__mul_size(params.count, sizeof *optim->slots));
    if (!optim->slots)
        return false;
    optim->count = params.count;
    for (size_t i = 0; i < params.count; i++) {
        mr_tensor *x = params.item[i].tensor;
        mr__range *range = &optim->range[x->dtype == MR_FLOAT64];
        int64_t offset = place_for(x, range->count);
        optim->slots[i] = (mr__slot){ .tensor = x, .range = range, .offset = offset, .numel = x->numel };
        range->count = offset + (x->numel ? x->numel : 1); /* one without elements has a place, too */
        optim->slots[i].name = mr__strdup(params.item[i].name ? params.item[i].name : mr_tensor_name(x));
        if (!optim->slots[i].name)
            return false;
    }
    return true;
}

static bool make_arrays(mr_optim *optim)
{
    for (int r = 0; r < 2; r++) {
        mr__range *range = &optim->range[r];
        range->count = round_up(range->count, MR__ALIGNMENT, range->dtype);
        size_t bytes = mr__mul_size((size_t)range->count, mr_dtype_size(range->dtype));
        if (!range->count)
            continue;
        range->values = mr__memory_new(bytes);
        range->gradients = range->values ? mr__memory_new(bytes) : NULL;
        if (!range->gradients)
            return false;
        for (int s = 0; s < optim->kind->state_count; s++) {
            range->state[s] = mr__memory_new(bytes);
            if (!range->state[s])
                return false;
        }
    }
    return true;
}

mr_optim *mr__optim_new(const char *call, mr_params params, double lr, const mr__optim_kind *kind)
{
    if (!params.item) {
        mr__null(call, "params");
        return NULL;
    }
    if (!params.count) {
        mr__raise(MR_ERR_ARGUMENT, "%s: the list of parameters is empty", call);
        return NULL;
    }
    if (!(lr >= 0) || isinf(lr)) {
        mr__raise(MR_ERR_ARGUMENT, "%s: learning rate %g is negative or not finite", call, lr);
        return NULL;
    }
    for (size_t i = 0; i < params.count; i++)
        if (!acceptable(call, params, i))
            return NULL;
    mr_optim *optim = mr__alloc_zeroed(sizeof *optim);
    if (!optim)
        return NULL;
    optim->kind = kind;
    optim->lr = lr;
    optim->range[1].dtype = MR_FLOAT64;
    if (!make_slots(optim, params) || !make_arrays(optim)) {
        mr_optim_free(optim);
        return NULL;
    }
    for (size_t i = 0; i < optim->count; i++) { /* nothing can fail from here on */
        mr__slot *slot = &optim->slots[i];
        mr__range *range = slot->range;
        mr__tensor_move(slot->tensor, range->values, mr__range_at(range, range->values, slot->offset),
                        range->gradients, mr__range_at(range, range->gradients, slot->offset));
    }
    return optim;
}

void mr_optim_free(mr_optim *optim)
{
    if (!optim)
        return;
    for (int r = 0; r < 2; r++) {
        mr__memory_drop(optim->range[r].values);
        mr__memory_drop(optim->range[r].gradients);
        for (int s = 0; s < MR__MAX_STATE; s++)
            mr__memory_drop(optim->range[r].state[s]);
    }
    for (size_t i = 0; i < optim->count; i++)
        mr__free(optim->slots[i].name);
    mr__free(optim->slots);
    mr__free(optim);
}

bool mr__option_within(const char *call, const char *name, double value, double low, double high)
{
    if (value >= low && value < high)
        return true;
    mr__raise(MR_ERR_ARGUMENT, "%s: %s %g is not in [%g, %g)", call, name, value, low, high);
    return false;
}

/* ---- a step ---- */

/* A zeroed gradient is a flag until somebody needs the zeros. */
static void make_zeros(mr__slot *slot)
{
    mr_tensor *x = slot->tensor;
    if (x->own_grad.state != MR__GRAD_ZERO)
        return;
    memset(x->own_grad.data, 0, (size_t)slot->numel * mr_dtype_size((mr_dtype)x->dtype));
    x->own_grad.state = MR__GRAD_WRITTEN;
}

static bool moved_away(const mr__slot *slot)
{
    return slot->tensor->memory != slot->range->values;
}

/* Whether all parameters have gradients and have been updated equally often, so that ranges can be updated
 * whole. */
static bool uniform(const mr_optim *optim)
{
    for (size_t i = 0; i < optim->count; i++)
        if (optim->slots[i].tensor->own_grad.state == MR__GRAD_NONE ||
            optim->slots[i].steps != optim->slots[0].steps || !optim->slots[i].tensor->grad)
            return false;
    return true;
}

mr_status mr_optim_step(mr_optim *optim)
{
    if (!optim)
        return mr__settle(mr__null("optim_step", "optim"));
    if (mr__pending()) /* an earlier failure of this step: do not train on what it left */
        return mr__settle(mr_error_status());
    for (size_t i = 0; i < optim->count; i++) {
        mr__slot *slot = &optim->slots[i];
        if (MR__UNLIKELY(moved_away(slot)))
            return mr__settle(mr__raise(MR_ERR_STATE, "optim_step: %s belongs to another optimizer by now",
                                        text_of(&(mr_param){ slot->name, slot->tensor }).text));
        make_zeros(slot);
    }
    bool whole = uniform(optim);
    optim->steps++;
    for (int r = 0; whole && r < 2; r++)
        if (optim->range[r].count)
            optim->kind->update(optim, &optim->range[r], 0, optim->range[r].count, optim->slots[0].steps + 1);
    for (size_t i = 0; i < optim->count; i++) {
        mr__slot *slot = &optim->slots[i];
        if (slot->tensor->own_grad.state == MR__GRAD_NONE || !slot->tensor->grad)
            continue;
        slot->steps++;
        mr__bump(slot->tensor);
        if (!whole)
            optim->kind->update(optim, slot->range, slot->offset, slot->numel, slot->steps);
    }
    return MR_OK;
}

void mr_optim_zero_grad(mr_optim *optim)
{
    for (size_t i = 0; optim && i < optim->count; i++)
        mr_tensor_zero_grad(optim->slots[i].tensor);
}

double mr_optim_lr(const mr_optim *optim)
{
    return optim ? optim->lr : 0;
}

void mr_optim_set_lr(mr_optim *optim, double lr)
{
    if (optim)
        optim->lr = lr;
}

int64_t mr_optim_steps(const mr_optim *optim)
{
    return optim ? optim->steps : 0;
}
