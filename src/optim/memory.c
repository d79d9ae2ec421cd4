/* How much memory training takes. Looking allocates nothing. */
#include "lbfgs.h"

#include "nn/module.h"

static size_t bytes_of(const mr_tensor *x)
{
    return (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype);
}

/* ---- of a model: a walk over its tensors, in which one that is shared comes more than once ---- */

typedef struct walk {
    const mr_module *root;
    size_t at;              /* tensors that were met */
    const mr_tensor *until; /* the walk ends there; NULL: nowhere */
    mr_memory *memory;      /* NULL: only looks for `until` */
} walk;

static bool go(walk *w, const mr_module *module);

/* Whether the walk comes to x here for the first time. */
static bool is_first(const walk *w, const mr_tensor *x)
{
    walk look = { .root = w->root, .until = x };
    go(&look, w->root);
    return look.at == w->at;
}

static bool go_over(walk *w, const mr__tensors *tensors, bool trained)
{
    for (size_t i = 0; i < tensors->count; i++, w->at++) {
        const mr_tensor *x = tensors->item[i].tensor;
        if (x == w->until)
            return false;
        if (!w->memory || !is_first(w, x))
            continue;
        *(trained ? &w->memory->parameters : &w->memory->buffers) += bytes_of(x);
        w->memory->gradients += trained && x->own_grad.data ? bytes_of(x) : 0;
    }
    return true;
}

static bool go(walk *w, const mr_module *module)
{
    if (!go_over(w, &module->parameters, true) || !go_over(w, &module->buffers, false))
        return false;
    for (size_t i = 0; i < module->child_count; i++)
        if (!go(w, module->children[i].module))
            return false;
    return true;
}

/* ---- of an optimizer ---- */

static size_t state_bytes(const mr_optim *optim)
{
    enum { LBFGS_VECTORS = 7 };
    size_t bytes = 0;
    for (const mr__group *group = &optim->first; group; group = group->next)
        for (int i = 0; i < 2; i++)
            for (int s = 0; s < MR__MAX_STATE; s++)
                if (group->range[i].state[s])
                    bytes += (size_t)group->range[i].count * mr_dtype_size(group->range[i].dtype);
    const mr__lbfgs *l = optim->lbfgs;
    if (l)
        bytes += (size_t)(LBFGS_VECTORS + 2 * l->room) * (size_t)l->n * mr_dtype_size(l->dtype);
    return bytes;
}

mr_memory mr_memory_of(const mr_module *model, const mr_optim *optim, const mr_tape *tape)
{
    mr_memory m = { 0 };
    if (model)
        go(&(walk){ .root = model, .memory = &m }, model);
    if (optim)
        m.optimizer = state_bytes(optim);
    m.step = mr_tape_peak_bytes(tape);
    m.total = m.parameters + m.gradients + m.buffers + m.optimizer + m.step;
    return m;
}
