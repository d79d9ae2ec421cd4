/* A step of an optimizer. */
#include "optim.h"

#include <math.h>

/* beta^steps by one multiplication a step; torch's pow differs in the last bits of a double only. Powers that
 * 1 - power no longer sees become 0: on numbers that are too small for all their digits processors are slow. */
static double next_power(double power, double beta)
{
    power *= beta;
    return power < 1e-30 ? 0 : power;
}

void mr__advance_powers(mr__group *group, double beta1, double beta2, int64_t steps)
{
    if (group->powers_at + 1 == steps && group->powers_at >= 0) {
        group->power1 = next_power(group->power1, beta1);
        group->power2 = next_power(group->power2, beta2);
    } else if (group->powers_at != steps) {
        group->power1 = pow(beta1, (double)steps);
        group->power2 = pow(beta2, (double)steps);
    }
    group->powers_at = steps;
}

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

static bool has_gradient(const mr__slot *slot)
{
    return slot->tensor->own_grad.state != MR__GRAD_NONE && slot->tensor->grad;
}

static mr_status prepare(const mr__optim_kind *kind, mr__group *group)
{
    const mr__slot *first = &group->slots[0];
    bool whole = true;
    for (mr__slot *slot = group->slots; slot < group->slots + group->count; slot++) {
        if (MR__UNLIKELY(moved_away(slot)))
            return mr__raise(MR_ERR_STATE, "optim_step: %s belongs to another optimizer by now",
                             mr__param_text(slot->name, slot->tensor).text);
        make_zeros(slot);
        whole = whole && has_gradient(slot) && slot->steps == first->steps;
    }
    if (kind->advance)
        for (size_t i = 0; i < group->count; i++)
            whole = whole && group->slots[i].factor == first->factor;
    group->whole = whole;
    return MR_OK;
}

static void advance(const mr__optim_kind *kind, const mr__group *group, mr__slot *slot)
{
    slot->steps += group->counting;
    mr__bump(slot->tensor);
    if (kind->advance)
        kind->advance(group, slot);
}

static void update(const mr__optim_kind *kind, mr__group *group)
{
    for (mr__slot *slot = group->slots; slot < group->slots + group->count; slot++) {
        if (group->whole) {
            advance(kind, group, slot);
        } else if (has_gradient(slot)) {
            advance(kind, group, slot);
            kind->update(group, slot->range, slot->offset, slot->numel, slot);
        }
    }
    for (int r = 0; group->whole && r < 2; r++)
        if (group->range[r].count)
            kind->update(group, &group->range[r], 0, group->range[r].count, group->slots);
}

mr_status mr_optim_step(mr_optim *optim)
{
    if (!optim)
        return mr__settle(mr__null("optim_step", "optim"));
    if (mr__pending()) /* an earlier failure of this step: do not train on what it left */
        return mr__settle(mr_error_status());
    for (mr__group *group = &optim->first; group; group = group->next) {
        mr_status status = prepare(optim->kind, group);
        if (MR__UNLIKELY(status))
            return mr__settle(status);
    }
    optim->steps++;
    for (mr__group *group = &optim->first; group; group = group->next)
        update(optim->kind, group);
    return MR_OK;
}

void mr_optim_zero_grad(mr_optim *optim)
{
    for (mr__group *group = optim ? &optim->first : NULL; group; group = group->next)
        for (size_t i = 0; i < group->count; i++)
            mr_tensor_zero_grad(group->slots[i].tensor);
}
