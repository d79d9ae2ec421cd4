#include "saved.h"

#include "copies.h"
#include "feed.h"
#include "parts.h"
#include "rollback.h"
#include "trainer.h"
#include "window.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "data/loader.h"
#include "data/sampler.h"

#include <stdio.h>

enum { HAD_GRADIENT = 1, REQUIRES_GRADIENT = 2 };

/* ---- generators ---- */

typedef struct user {
    char name[48];
    mr_rng *rng;
} user;

static void add_user(user *users, size_t *count, const char *name, const char *of, mr_rng *rng)
{
    if (!rng)
        return;
    snprintf(users[*count].name, sizeof users->name, "%s%s", name, of);
    users[(*count)++].rng = rng;
}

static size_t list_users(const mr__fit *fit, user users[MR__MAX_USERS])
{
    const mr_trainer *t = fit->trainer;
    const mr__saved *s = &fit->saved;
    size_t count = 0;
    for (size_t i = 0; i < s->loaders; i++) {
        const mr__order *order = &s->loader[i].loader->order;
        mr_rng *of_sampler = order->sampler ? mr__sampler_generator(order->sampler) : NULL;
        add_user(users, &count, s->loader[i].name, "", order->shared);
        add_user(users, &count, s->loader[i].name, ".generator", order->generator);
        add_user(users, &count, s->loader[i].name, ".sampler",
                 of_sampler == order->shared ? NULL : of_sampler);
    }
    for (size_t i = 0; i < t->rngs; i++)
        add_user(users, &count, t->rng[i].name, "", t->rng[i].rng);
    return count;
}

static void list_loaders(mr__saved *s, const char *name, const mr__loaders *loaders)
{
    for (int i = 0; i < loaders->count; i++) {
        mr__saved_loader *l = &s->loader[s->loaders++];
        l->loader = loaders->item[i];
        if (i)
            snprintf(l->name, sizeof l->name, "%s.%d", name, i);
        else
            snprintf(l->name, sizeof l->name, "%s", name);
    }
}

/* Names come from mr_trainer_add_rng, which takes none that JSON would have to escape. */
static mr_status list_rngs(mr__fit *fit)
{
    user users[MR__MAX_USERS];
    mr__saved *s = &fit->saved;
    mr__strbuf text = { 0 };
    const size_t count = list_users(fit, users);
    mr__strbuf_append(&text, "[");
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t j = 0; j < i; j++)
            known = known || users[j].rng == users[i].rng;
        if (known)
            continue;
        mr__strbuf_append(&text, s->rngs ? ",[" : "[");
        for (size_t j = i; j < count; j++)
            if (users[j].rng == users[i].rng)
                mr__strbuf_appendf(&text, "%s\"%s\"", j == i ? "" : ",", users[j].name);
        mr__strbuf_append(&text, "]");
        if (s->rngs == MR__MAX_RNGS) {
            mr__strbuf_free(&text);
            return mr__raise(MR_ERR_ARGUMENT, "fit: there are more than %d generators", MR__MAX_RNGS);
        }
        s->rng[s->rngs++] = users[i].rng;
    }
    mr__strbuf_append(&text, "]");
    s->rng_users = mr__strbuf_take(&text);
    return s->rng_users ? MR_OK : MR_ERR_MEMORY;
}

static bool is_plain(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_'))
            return false;
    return *name;
}

mr_status mr_trainer_add_rng(mr_trainer *trainer, const char *name, mr_rng *rng)
{
    static const char call[] = "trainer_add_rng";
    if (!trainer || !name || !rng)
        return mr__null(call, !trainer ? "trainer" : !name ? "name" : "rng");
    if (!is_plain(name) || strcmp(name, "loader") == 0 || strcmp(name, "val_loader") == 0)
        return mr__raise(MR_ERR_ARGUMENT, "%s: '%.60s' is no name of letters and digits of its own", call,
                         name);
    for (size_t i = 0; i < trainer->rngs; i++)
        if (strcmp(trainer->rng[i].name, name) == 0)
            return mr__raise(MR_ERR_ARGUMENT, "%s: '%.60s' has been added before", call, name);
    if (trainer->rngs == MR__MAX_RNGS - 4)
        return mr__raise(MR_ERR_ARGUMENT, "%s: '%.60s' is one more than the %d that a trainer can have", call,
                         name, MR__MAX_RNGS - 4);
    char *copy = mr__strdup(name);
    if (!copy)
        return MR_ERR_MEMORY;
    trainer->rng[trainer->rngs++] = (mr__named_rng){ copy, rng };
    return MR_OK;
}

/* ---- gradients ---- */

/* A parameter that has had a gradient is moved by momentum and decay also where it has none in a step. */
void mr__saved_gradients(mr_params params, uint8_t *flags)
{
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        flags[i] = (uint8_t)((x->own_grad.state != MR__GRAD_NONE ? HAD_GRADIENT : 0) |
                             (x->grad ? REQUIRES_GRADIENT : 0));
    }
}

void mr__restore_gradients(mr_params params, const uint8_t *flags)
{
    for (size_t i = 0; i < params.count; i++) {
        mr_tensor *x = params.item[i].tensor;
        if (mr_tensor_requires_grad(x) != !!(flags[i] & REQUIRES_GRADIENT))
            (void)mr_tensor_set_requires_grad(x, flags[i] & REQUIRES_GRADIENT);
        if (!(flags[i] & HAD_GRADIENT)) {
            x->own_grad.state = MR__GRAD_NONE;
        } else if (x->own_grad.data) {
            memset(x->own_grad.data, 0, (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype));
            x->own_grad.state = MR__GRAD_WRITTEN;
        }
    }
}

void mr__gradients_take(mr_params params, void *block)
{
    char *to = block;
    for (size_t i = 0; i < params.count; i++) {
        const mr_tensor *x = params.item[i].tensor;
        if (x->own_grad.state == MR__GRAD_WRITTEN)
            memcpy(to, x->own_grad.data, mr__bytes_of(x));
        else
            memset(to, 0, mr__bytes_of(x));
        to += mr__copy_room(x);
    }
}

void mr__gradients_put_back(mr_params params, const void *block)
{
    const char *from = block;
    for (size_t i = 0; i < params.count; i++) {
        mr_tensor *x = params.item[i].tensor;
        if (x->own_grad.state == MR__GRAD_WRITTEN)
            memcpy(x->own_grad.data, from, mr__bytes_of(x));
        from += mr__copy_room(x);
    }
}

/* Between two batches gradients count if it is the task that zeroes them. */
static mr_status list_gradients(mr__fit *fit)
{
    mr__saved *s = &fit->saved;
    const mr_task_vtable *task = fit->task->vtable;
    if (!task->configure_manual && !task->optimizer_zero_grad)
        return MR_OK;
    s->gradients = mr__alloc_zeroed(mr__copies_bytes(fit->params));
    return s->gradients && mr__copies_list(&s->list, "trainer.gradient", fit->params, s->gradients)
               ? MR_OK
               : MR_ERR_MEMORY;
}

/* ---- the list ---- */

static mr_status add_all(mr__state *list, const char *key, mr_params params)
{
    if (!params.item)
        return mr_error_status();
    for (size_t i = 0; i < params.count; i++) {
        mr_tensor *x = params.item[i].tensor;
        if (!x || !x->contiguous)
            return mr__raise(MR_ERR_ARGUMENT, "fit: %.100s.%.60s, which is to be saved, is %s", key,
                             params.item[i].name, x ? "not contiguous" : "NULL");
        if (!mr__state_add(list, key, params.item[i].name, (mr_dtype)x->dtype, mr__shape_of(x), x->data))
            return MR_ERR_MEMORY;
    }
    return MR_OK;
}

static mr_status list_counters(mr__fit *fit)
{
    const struct {
        const char *name;
        int64_t *at;
    } counters[] = { { "epoch", &fit->step.epoch }, { "batch_index", &fit->step.batch_index },
                     { "batches", &fit->batches },  { "samples", &fit->samples },
                     { "phase", &fit->phase },      { "global_step", &fit->step.global_step },
                     { "stop", &fit->stop },        { "finished", &fit->finished } };
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        if (!mr__state_add(&fit->saved.list, "trainer", counters[i].name, MR_INT64, MR_SCALAR,
                           counters[i].at))
            return MR_ERR_MEMORY;
    if (fit->trainer->max_time.unit &&
        !(mr__state_add(&fit->saved.list, "trainer", "elapsed", MR_FLOAT64, MR_SCALAR, &fit->elapsed) &&
          mr__state_add(&fit->saved.list, "trainer", "time_over", MR_INT64, MR_SCALAR, &fit->time_over)))
        return MR_ERR_MEMORY;
    if (fit->val.count && !mr__state_add(&fit->saved.list, "trainer", "val_batches", MR_INT64,
                                         MR_SHAPE(fit->val.count), fit->val_batches))
        return MR_ERR_MEMORY;
    return MR_OK;
}

static mr_status add_callback(mr__state *list, mr_callback *callback, size_t number)
{
    const mr_callback_vtable *vtable = callback->vtable;
    char key[120];
    snprintf(key, sizeof key, "trainer.callback.%zu.%.80s", number, vtable->name);
    mr__error_mark();
    mr_status status = add_all(list, key, vtable->state(callback->self));
    if (status && !mr__has_cause(MR_OK))
        mr__raise(MR_ERR_CALLBACK, "fit: the state of %.80s failed without a message", vtable->name);
    return status;
}

bool mr__saved_keep(const mr__saved *saved, char **memory)
{
    const mr_params list = { saved->list.item, saved->list.count };
    if (!*memory && !(*memory = mr__alloc(mr__copies_bytes(list))))
        return false;
    mr__copies_take(list, *memory);
    return true;
}

void mr__saved_put_back(const mr__saved *saved, const char *memory)
{
    mr__copies_put_back((mr_params){ saved->list.item, saved->list.count }, memory);
}

static mr_status add_schedules(mr__state *list, const mr__fit *fit)
{
    mr_status status = MR_OK;
    for (int i = 0; i < MR_MAX_OPTIMIZERS && !status; i++) {
        char key[40] = "trainer.schedule";
        if (fit->manual)
            snprintf(key, sizeof key, "trainer.schedules.%d", i);
        if (fit->made.schedule[i])
            status = add_all(list, key, mr_schedule_state(fit->made.schedule[i]));
    }
    return status;
}

mr_status mr__saved_init(mr__fit *fit)
{
    mr__state *list = &fit->saved.list;
    const mr_task_vtable *task = fit->task->vtable;
    list_loaders(&fit->saved, "loader", &fit->train);
    list_loaders(&fit->saved, "val_loader", &fit->val);
    mr_status status = list_counters(fit);
    if (!status)
        status = mr__feed_saved(fit);
    if (!status)
        status = add_schedules(list, fit);
    mr__error_mark();
    if (!status && task->state)
        status = add_all(list, "trainer.task", task->state(fit->task->self));
    if (status && !mr__has_cause(MR_OK))
        status = mr__raise(MR_ERR_CALLBACK, "fit: the task's state failed without a message");
    for (size_t i = 0, kept = 0; i < fit->trainer->callbacks && !status; i++)
        if (fit->trainer->callback[i]->vtable->state)
            status = add_callback(list, fit->trainer->callback[i], kept++);
    if (!status)
        status = mr__rollback_begin(fit);
    if (!status)
        status = list_gradients(fit);
    if (!status)
        status = mr__parts_describe(fit);
    return status ? status : list_rngs(fit);
}

void mr__optimizer_prefix(const mr__fit *fit, int index, char prefix[MR__PREFIX_BYTES])
{
    if (fit->manual)
        snprintf(prefix, MR__PREFIX_BYTES, MR__SAVED_OPTIMIZERS ".%d.", index);
    else
        snprintf(prefix, MR__PREFIX_BYTES, MR__SAVED_OPTIMIZER ".");
}

void mr__saved_free(mr__saved *saved)
{
    mr__state_drop(&saved->list);
    mr__free(saved->rng_users);
    mr__free(saved->parts);
    mr__free(saved->gradients);
    mr__window_drop(saved);
}
