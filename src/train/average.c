#include "average.h"

#include "trainer.h"

/* ---- what is averaged ---- */

static bool is_listed(const mr__average *a, const mr_tensor *x)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->item[i].tensor == x)
            return true;
    return false;
}

static void list(mr__average *a, mr_params from)
{
    for (size_t i = 0; i < from.count; i++)
        if (mr__is_float(from.item[i].tensor->dtype) && !is_listed(a, from.item[i].tensor))
            a->item[a->count++] = from.item[i];
}

static mr_params all(const mr__average *a)
{
    return (mr_params){ a->item, a->count };
}

void mr__average_drop(mr__average *a)
{
    mr__state_drop(&a->state);
    mr__state_drop(&a->view);
    mr__free(a->item);
    mr__free(a->block);
    *a = (mr__average){ .item = NULL };
}

mr_status mr__average_begin(mr__average *a, mr_module *model, bool buffers)
{
    mr__average_drop(a);
    const mr_params params = mr_module_parameters(model), state = mr_module_state(model);
    if (!params.item || !state.item)
        return mr_error_status();
    a->item = mr__alloc_array(state.count + 1, sizeof *a->item);
    if (!a->item)
        return MR_ERR_MEMORY;
    list(a, params);
    if (buffers)
        list(a, state);
    a->block = mr__alloc_zeroed(mr__copies_bytes(all(a)));
    return a->block && mr__copies_list(&a->view, "", all(a), a->block) ? MR_OK : MR_ERR_MEMORY;
}

/* ---- updates ---- */

static void blend(const mr_tensor *x, void *average, double keep, double take)
{
    if (x->dtype == MR_FLOAT64) {
        double *a = average;
        for (int64_t i = 0; i < x->numel; i++)
            a[i] = keep * a[i] + take * ((const double *)x->data)[i];
    } else {
        float *a = average;
        for (int64_t i = 0; i < x->numel; i++)
            a[i] = (float)keep * a[i] + (float)take * ((const float *)x->data)[i];
    }
}

static void add_to_mean(const mr_tensor *x, void *average, double count)
{
    if (x->dtype == MR_FLOAT64) {
        double *a = average;
        for (int64_t i = 0; i < x->numel; i++)
            a[i] += (((const double *)x->data)[i] - a[i]) / count;
    } else {
        float *a = average;
        for (int64_t i = 0; i < x->numel; i++)
            a[i] += (((const float *)x->data)[i] - a[i]) / (float)count;
    }
}

static bool is_first(mr__average *a)
{
    if (a->n_averaged++)
        return false;
    mr__copies_take(all(a), a->block);
    return true;
}

void mr__average_update(mr__average *a, double keep, double take)
{
    char *at = a->block;
    if (is_first(a))
        return;
    for (size_t i = 0; i < a->count; i++) {
        blend(a->item[i].tensor, at, keep, take);
        at += mr__copy_room(a->item[i].tensor);
    }
}

void mr__average_update_mean(mr__average *a)
{
    char *at = a->block;
    if (is_first(a))
        return;
    for (size_t i = 0; i < a->count; i++) {
        add_to_mean(a->item[i].tensor, at, (double)a->n_averaged);
        at += mr__copy_room(a->item[i].tensor);
    }
}

/* ---- to the model and back ---- */

void mr__average_swap_in(mr__average *a)
{
    if (a->swapped || !a->n_averaged)
        return;
    mr__copies_swap(all(a), a->block);
    a->swapped = true;
}

void mr__average_swap_out(mr__average *a)
{
    if (a->swapped)
        mr__copies_swap(all(a), a->block);
    a->swapped = false;
}

void mr__average_put(const mr__average *a)
{
    if (a->n_averaged)
        mr__copies_put_back(all(a), a->block);
}

/* ---- looking at it ---- */

bool mr__average_list(mr__average *a, mr__state *list, const char *key)
{
    mr__text of;
    snprintf(of.text, sizeof of.text, "%.80s%saverage", key, *key ? "." : "");
    return mr__state_add(list, key, "n_averaged", MR_INT64, MR_SCALAR, &a->n_averaged) &&
           mr__copies_list(list, of.text, all(a), a->block);
}

mr_params mr__average_view(const mr__average *a)
{
    return a->n_averaged ? (mr_params){ a->view.item, a->view.count } : (mr_params){ NULL, 0 };
}

/* ---- several ---- */

mr_status mr__average_alone(const mr_trainer *trainer, const mr__average *average)
{
    const char *first = NULL;
    for (size_t i = 0; i < trainer->callbacks; i++) {
        const mr__average_use ema = mr__ema_use(trainer->callback[i]),
                              swa = mr__swa_use(trainer->callback[i]);
        if (first && (ema.average == average ? ema.at_end : swa.average == average && swa.at_end))
            return mr__raise(
                MR_ERR_ARGUMENT,
                "at the end the model gets the average of %s already, which not_at_end leaves out", first);
        if (ema.at_end || swa.at_end)
            first = trainer->callback[i]->vtable->name;
    }
    return MR_OK;
}
