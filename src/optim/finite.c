/* Whether gradients are numbers. */
#include "optim.h"

#include <math.h>
#include <stdatomic.h>

typedef struct search {
    const float *x;
    atomic_bool found;
} search;

static void search_part(void *work, int64_t begin, int64_t end)
{
    search *s = work;
    if (!mr__k->all_finite(s->x + begin, end - begin))
        atomic_store_explicit(&s->found, true, memory_order_relaxed);
}

static bool all_finite(mr_dtype dtype, const void *x, int64_t n)
{
    if (dtype == MR_FLOAT32 && n < 2 * MR__GRAIN_ELEMENTS)
        return mr__k->all_finite(x, n);
    if (dtype == MR_FLOAT32) {
        search s = { .x = x };
        mr__parallel(search_part, &s, n, MR__GRAIN_ELEMENTS, MR__ALIGNMENT);
        return !atomic_load_explicit(&s.found, memory_order_relaxed);
    }
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(((const double *)x)[i]))
            return false;
    return true;
}

bool mr__gradient_finite(const mr_tensor *x)
{
    return !x->grad || x->own_grad.state != MR__GRAD_WRITTEN ||
           all_finite((mr_dtype)x->dtype, x->own_grad.data, x->numel);
}

/* Where none has a gradient in this step, an old one may lie, which was not finite. */
static bool each_finite(const mr__group *group)
{
    for (size_t i = 0; i < group->count; i++)
        if (!mr__gradient_finite(group->slots[i].tensor))
            return false;
    return true;
}

bool mr__gradients_finite(const mr_optim *optim)
{
    for (const mr__group *group = &optim->first; group; group = group->next)
        for (int r = 0; r < 2; r++) {
            const mr__range *range = &group->range[r];
            if (MR__UNLIKELY(
                    range->count &&
                    !all_finite(range->dtype, mr__range_at(range, range->gradients, 0), range->count) &&
                    !each_finite(group)))
                return false;
        }
    return true;
}
