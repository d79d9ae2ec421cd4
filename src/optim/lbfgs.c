/* L-BFGS, with torch.optim.LBFGS's algorithm and defaults. */
#include "lbfgs.h"

#include "base/alloc.h"

#include <math.h>
#include <stdio.h>

static mr__vector *new_vector(const mr__lbfgs *l)
{
    return mr__alloc_zeroed(mr__mul_size((size_t)l->n, mr_dtype_size(l->dtype)));
}

/* ---- the parameters ---- */

static void bump(mr__group *group)
{
    for (size_t i = 0; i < group->count; i++)
        mr__bump(group->slots[i].tensor);
}

void mr__lbfgs_move(mr_optim *optim, double t)
{
    mr__range *range = optim->first.slots[0].range;
    mr__vector_add(optim->lbfgs, mr__memory_data(range->values), t, optim->lbfgs->d);
    bump(&optim->first);
}

void mr__lbfgs_put_back(mr_optim *optim)
{
    mr__vector_copy(optim->lbfgs, mr__memory_data(optim->first.slots[0].range->values), optim->lbfgs->x_init);
    bump(&optim->first);
}

/* Gradients of parameters that have none count as zero. */
static void gather(mr_optim *optim, mr__vector *gradient)
{
    mr__group *group = &optim->first;
    const mr__range *range = group->slots[0].range;
    size_t size = mr_dtype_size(range->dtype);
    mr__vector_copy(optim->lbfgs, gradient, mr__memory_data(range->gradients));
    for (size_t i = 0; i < group->count; i++) {
        const mr__slot *slot = &group->slots[i];
        if (slot->tensor->own_grad.state != MR__GRAD_WRITTEN || !slot->tensor->grad)
            memset((char *)gradient + (size_t)slot->offset * size, 0, (size_t)slot->numel * size);
    }
}

bool mr__lbfgs_evaluate(mr_optim *optim, double *loss, mr__vector *gradient)
{
    mr__lbfgs *l = optim->lbfgs;
    l->status = mr__optim_closure(l->closure, l->user, loss);
    l->func_evals++;
    if (l->status)
        return false;
    gather(optim, gradient);
    return true;
}

/* ---- an iteration ---- */

/* Makes sure of room for pair i of the history. */
static bool make_pair(mr__lbfgs *l, int64_t i)
{
    if (i < l->room)
        return true;
    l->old_dirs[i] = new_vector(l);
    l->old_stps[i] = l->old_dirs[i] ? new_vector(l) : NULL;
    if (!l->old_stps[i]) {
        mr__free(l->old_dirs[i]);
        return false;
    }
    l->room++;
    return true;
}

/* The oldest pair becomes the place for another. */
static void forget_oldest(mr__lbfgs *l)
{
    mr__vector *y = l->old_dirs[0], *s = l->old_stps[0];
    size_t rest = (size_t)l->history_size;
    memmove(l->old_dirs, l->old_dirs + 1, rest * sizeof *l->old_dirs);
    memmove(l->old_stps, l->old_stps + 1, rest * sizeof *l->old_stps);
    memmove(l->ro, l->ro + 1, rest * sizeof *l->ro);
    l->old_dirs[rest] = y;
    l->old_stps[rest] = s;
    l->count--;
}

/* Adds the last step, and how the gradient has changed by it, to the history, if it tells of a curvature. */
static bool remember(mr__lbfgs *l)
{
    if (!make_pair(l, l->count))
        return false;
    mr__vector *y = l->old_dirs[l->count], *s = l->old_stps[l->count];
    mr__vector_copy(l, y, l->flat_grad);
    mr__vector_add(l, y, -1, l->prev_flat_grad);
    mr__vector_scale(l, s, l->d, l->t);
    double ys = mr__vector_dot(l, y, s);
    if (!(ys > 1e-10))
        return true;
    l->H_diag = ys / mr__vector_dot(l, y, y);
    l->ro[l->count++] = 1 / ys;
    if (l->count > l->history_size)
        forget_oldest(l);
    return true;
}

/* d = -H g by the two loops over the history. */
static void find_direction(mr__lbfgs *l)
{
    mr__vector_scale(l, l->d, l->flat_grad, -1);
    for (int64_t i = l->count - 1; i >= 0; i--) {
        l->al[i] = mr__vector_dot(l, l->old_stps[i], l->d) * l->ro[i];
        mr__vector_add(l, l->d, -l->al[i], l->old_dirs[i]);
    }
    mr__vector_scale(l, l->d, l->d, l->H_diag);
    for (int64_t i = 0; i < l->count; i++) {
        double be = mr__vector_dot(l, l->old_dirs[i], l->d) * l->ro[i];
        mr__vector_add(l, l->d, l->al[i] - be, l->old_stps[i]);
    }
}

/* The direction and the first guess of the step. */
static bool begin_iteration(mr_optim *optim, double loss)
{
    mr__lbfgs *l = optim->lbfgs;
    double lr = optim->first.lr;
    l->n_iter++;
    if (l->n_iter == 1) {
        l->count = 0;
        l->H_diag = 1;
        mr__vector_scale(l, l->d, l->flat_grad, -1);
        l->t = fmin(1, 1 / mr__vector_sum(l, l->flat_grad)) * lr;
    } else {
        if (!remember(l))
            return false;
        find_direction(l);
        l->t = lr;
    }
    mr__vector_copy(l, l->prev_flat_grad, l->flat_grad);
    l->prev_loss = loss;
    l->started = true;
    return true;
}

static bool at_optimum(const mr__lbfgs *l)
{
    return mr__vector_largest(l, l->flat_grad) <= l->tolerance_grad;
}

/* Goes along d. `last`: this is the last iteration, after which nobody asks for the loss. */
static bool go(mr_optim *optim, double *loss, double gtd, bool last, int64_t *evaluations)
{
    mr__lbfgs *l = optim->lbfgs;
    if (l->strong_wolfe) {
        if (!mr__lbfgs_search(optim, loss, gtd, evaluations))
            return false;
        mr__lbfgs_move(optim, l->t);
        return true;
    }
    mr__lbfgs_move(optim, l->t);
    *evaluations = !last;
    return last || mr__lbfgs_evaluate(optim, loss, l->flat_grad);
}

static mr_status iterate(mr_optim *optim, double loss)
{
    mr__lbfgs *l = optim->lbfgs;
    int64_t evaluations = 1;
    for (int64_t i = 1; i <= l->max_iter; i++) {
        if (!begin_iteration(optim, loss))
            return mr_error_status();
        double before = loss, gtd = mr__vector_dot(l, l->flat_grad, l->d);
        int64_t more;
        if (gtd > -l->tolerance_change)
            break;
        if (!go(optim, &loss, gtd, i == l->max_iter, &more))
            return l->status;
        evaluations += more;
        if (evaluations >= l->max_eval || at_optimum(l) ||
            mr__vector_largest(l, l->d) * fabs(l->t) <= l->tolerance_change ||
            fabs(loss - before) < l->tolerance_change)
            break;
    }
    return MR_OK;
}

static mr_status step(mr_optim *optim, mr_closure closure, void *user, double *loss)
{
    mr__lbfgs *l = optim->lbfgs;
    l->closure = closure;
    l->user = user;
    mr__state_drop(&optim->state); /* the history grows */
    if (!mr__lbfgs_evaluate(optim, loss, l->flat_grad))
        return l->status;
    optim->steps++;
    return at_optimum(l) ? MR_OK : iterate(optim, *loss);
}

/* ---- state: torch's names; what belongs to no parameter goes by the first one, as in torch ---- */

static bool list_vector(mr_optim *optim, const mr__slot *slot, const char *key, const char *name,
                        mr__vector *v)
{
    char *data = (char *)v + (size_t)slot->offset * mr_dtype_size(slot->range->dtype);
    return mr__state_add(&optim->state, key, name, slot->range->dtype, slot->shape, data);
}

static bool list_numbers(mr_optim *optim, const char *key)
{
    mr__lbfgs *l = optim->lbfgs;
    mr__state *state = &optim->state;
    if (!mr__state_add(state, key, "func_evals", MR_INT64, MR_SCALAR, &l->func_evals) ||
        !mr__state_add(state, key, "n_iter", MR_INT64, MR_SCALAR, &l->n_iter))
        return false;
    return !l->started || (mr__state_add(state, key, "t", MR_FLOAT64, MR_SCALAR, &l->t) &&
                           mr__state_add(state, key, "H_diag", MR_FLOAT64, MR_SCALAR, &l->H_diag) &&
                           mr__state_add(state, key, "prev_loss", MR_FLOAT64, MR_SCALAR, &l->prev_loss) &&
                           mr__state_add(state, key, "ro", MR_FLOAT64, MR_SHAPE(l->count), l->ro));
}

static bool list_slot(mr_optim *optim, mr__slot *slot, const char *key)
{
    mr__lbfgs *l = optim->lbfgs;
    if (slot == optim->first.slots && !list_numbers(optim, key))
        return false;
    if (!l->started)
        return true;
    if (!list_vector(optim, slot, key, "d", l->d) ||
        !list_vector(optim, slot, key, "prev_flat_grad", l->prev_flat_grad))
        return false;
    for (int64_t i = 0; i < l->count; i++) {
        char name[40];
        snprintf(name, sizeof name, "old_dirs.%lld", (long long)i);
        if (!list_vector(optim, slot, key, name, l->old_dirs[i]))
            return false;
        snprintf(name, sizeof name, "old_stps.%lld", (long long)i);
        if (!list_vector(optim, slot, key, name, l->old_stps[i]))
            return false;
    }
    return true;
}

/* Makes the list as long as the one that is given. */
static bool make_room(mr_optim *optim, mr_params given)
{
    mr__lbfgs *l = optim->lbfgs;
    mr__text text;
    char name[200];
    const char *key = mr__state_key(optim, optim->first.slots, 0, &text);
    snprintf(name, sizeof name, "%s.ro", key);
    const mr_param *ro = mr__state_find(given, name, 5);
    int64_t count = ro && ro->tensor && ro->tensor->ndim == 1 ? ro->tensor->numel : 0;
    l->count_before = l->count;
    l->started_before = l->started;
    mr__state_drop(&optim->state);
    l->started = ro != NULL;
    l->count = 0;
    for (; l->count < count && l->count < l->history_size; l->count++)
        if (!make_pair(l, l->count))
            return false;
    return true;
}

static void undo_room(mr_optim *optim)
{
    optim->lbfgs->count = optim->lbfgs->count_before;
    optim->lbfgs->started = optim->lbfgs->started_before;
    mr__state_drop(&optim->state);
}

/* ---- making and freeing ---- */

static void destroy(mr_optim *optim)
{
    mr__lbfgs *l = optim->lbfgs;
    if (!l)
        return;
    for (int64_t i = 0; i < l->room; i++) {
        mr__free(l->old_dirs[i]);
        mr__free(l->old_stps[i]);
    }
    mr__vector *all[] = { l->old_dirs,  l->old_stps, l->ro,       l->al,       l->d,       l->prev_flat_grad,
                          l->flat_grad, l->x_init,   l->spare[0], l->spare[1], l->spare[2] };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mr__free(all[i]);
    mr__free(l);
}

static const mr__optim_kind lbfgs_kind = { .name = "lbfgs",
                                           .step = step,
                                           .list_slot = list_slot,
                                           .make_room = make_room,
                                           .undo_room = undo_room,
                                           .destroy = destroy };

static bool make_vectors(mr__lbfgs *l)
{
    size_t pairs = (size_t)l->history_size + 1; /* one more to work in */
    l->old_dirs = mr__alloc_zeroed(mr__mul_size(pairs, sizeof *l->old_dirs));
    l->old_stps = mr__alloc_zeroed(mr__mul_size(pairs, sizeof *l->old_stps));
    l->ro = mr__alloc_zeroed(mr__mul_size(pairs, sizeof *l->ro));
    l->al = mr__alloc_zeroed(mr__mul_size(pairs, sizeof *l->al));
    mr__vector **vectors[] = { &l->d,        &l->prev_flat_grad, &l->flat_grad, &l->x_init,
                               &l->spare[0], &l->spare[1],       &l->spare[2] };
    bool ok = l->old_dirs && l->old_stps && l->ro && l->al;
    size_t wanted = l->strong_wolfe ? sizeof vectors / sizeof *vectors : 3;
    for (size_t i = 0; ok && i < wanted; i++)
        ok = (*vectors[i] = new_vector(l)) != NULL;
    return ok;
}

static bool check_count(const char *name, int64_t value)
{
    if (value >= 1)
        return true;
    mr__raise(MR_ERR_ARGUMENT, "lbfgs: %s %lld is less than 1", name, (long long)value);
    return false;
}

static int64_t count_option(int64_t value, int64_t fallback)
{
    return value == 0 ? fallback : value == MR_ZERO_INT ? 0 : value;
}

static bool fill_options(mr__lbfgs *l, const mr_lbfgs_opts *opts)
{
    static const mr_lbfgs_opts defaults = { 0 };
    const mr_lbfgs_opts *o = opts ? opts : &defaults;
    l->max_iter = count_option(o->max_iter, 20);
    l->max_eval = count_option(o->max_eval, l->max_iter <= INT64_MAX / 5 ? l->max_iter * 5 / 4 : INT64_MAX);
    l->history_size = count_option(o->history_size, 100);
    l->tolerance_grad = mr__option(o->tolerance_grad, 1e-7);
    l->tolerance_change = mr__option(o->tolerance_change, 1e-9);
    l->strong_wolfe = o->strong_wolfe;
    return check_count("max_iter", l->max_iter) &&
           (o->max_eval == 0 || check_count("max_eval", l->max_eval)) &&
           check_count("history_size", l->history_size) &&
           mr__option_within("lbfgs", "tolerance_grad", l->tolerance_grad, 0, INFINITY) &&
           mr__option_within("lbfgs", "tolerance_change", l->tolerance_change, 0, INFINITY);
}

static bool of_one_type(mr_params params)
{
    for (size_t i = 1; params.item && i < params.count; i++) {
        const mr_param *a = &params.item[0], *b = &params.item[i];
        if (!a->tensor || !b->tensor || a->tensor->dtype == b->tensor->dtype)
            continue;
        mr__raise(MR_ERR_DTYPE, "lbfgs: %s is %s, %s is %s: it takes one type",
                  mr__param_text(a->name, a->tensor).text, mr_dtype_name((mr_dtype)a->tensor->dtype),
                  mr__param_text(b->name, b->tensor).text, mr_dtype_name((mr_dtype)b->tensor->dtype));
        return false;
    }
    return true;
}

mr_optim *mr_lbfgs_new(mr_params params, double lr, const mr_lbfgs_opts *opts)
{
    const mr__setup setup = { .kind = &lbfgs_kind };
    mr__lbfgs options = { 0 };
    if (!fill_options(&options, opts))
        return NULL;
    if (!of_one_type(params))
        return NULL;
    mr_optim *optim = mr__optim_new("lbfgs", params, lr, &setup);
    mr__lbfgs *l = optim ? mr__alloc_zeroed(sizeof *l) : NULL;
    if (l) {
        optim->lbfgs = l;
        *l = options;
        l->dtype = optim->first.slots[0].range->dtype;
        l->n = optim->first.slots[0].range->count;
        if (make_vectors(l))
            return optim;
    }
    mr_optim_free(optim);
    return NULL;
}
