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

typedef struct parts {
    mr__update_f32 *update;
    const mr__arrays *arrays;
    const void *settings;
} parts;

static void update_part(void *work, int64_t begin, int64_t end)
{
    const parts *w = work;
    mr__arrays a = { (float *)w->arrays->p + begin, (float *)w->arrays->g + begin, { 0 } };
    for (int s = 0; s < MR__MAX_STATE; s++)
        a.state[s] = w->arrays->state[s] ? (float *)w->arrays->state[s] + begin : NULL;
    w->update(&a, end - begin, w->settings);
}

void mr__update_by_threads(mr__update_f32 *update, const mr__arrays *arrays, int64_t count,
                           const void *settings)
{
    parts w = { update, arrays, settings };
    mr__parallel(update_part, &w, count, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
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

static mr_status prepare_all(mr_optim *optim)
{
    for (mr__group *group = &optim->first; group; group = group->next) {
        mr_status status = prepare(optim->kind, group);
        if (MR__UNLIKELY(status))
            return status;
    }
    return MR_OK;
}

mr_status mr_optim_step(mr_optim *optim)
{
    if (!optim)
        return mr__settle(mr__null("optim_step", "optim"));
    if (mr__pending()) /* an earlier failure of this step: do not train on what it left */
        return mr__settle(mr_error_status());
    if (MR__UNLIKELY(optim->kind->step != NULL))
        return mr__settle(mr__raise(MR_ERR_STATE, "optim_step: %s needs a closure: call optim_step_closure",
                                    optim->kind->name));
    mr_status status = prepare_all(optim);
    if (MR__UNLIKELY(status))
        return mr__settle(status);
    optim->steps++;
    for (mr__group *group = &optim->first; group; group = group->next)
        update(optim->kind, group);
    return MR_OK;
}

/* ---- with a closure ---- */

mr_status mr__optim_closure(mr_closure closure, void *user, double *loss)
{
    mr_status status = closure(user, loss);
    if (mr__pending())
        return mr_error_status();
    if (status < 0 && mr_error_status() != status)
        return mr__raise(MR_ERR_CALLBACK, "optim_step_closure: the closure failed with status %d",
                         (int)status);
    return status;
}

mr_status mr_optim_step_closure(mr_optim *optim, mr_closure closure, void *user, double *loss)
{
    double value = NAN;
    loss = loss ? loss : &value;
    *loss = NAN;
    if (!optim || !closure)
        return mr__settle(mr__null("optim_step_closure", optim ? "closure" : "optim"));
    if (mr__pending())
        return mr__settle(mr_error_status());
    if (optim->kind->step) {
        mr_status status = prepare_all(optim);
        return mr__settle(status ? status : optim->kind->step(optim, closure, user, loss));
    }
    mr_status status = mr__optim_closure(closure, user, loss);
    return status ? mr__settle(status) : mr_optim_step(optim);
}

void mr_optim_zero_grad(mr_optim *optim)
{
    for (mr__group *group = optim ? &optim->first : NULL; group; group = group->next)
        for (size_t i = 0; i < group->count; i++)
            mr_tensor_zero_grad(group->slots[i].tensor);
}
