/* What was logged so far, saved and put back. */
#include "trainer.h"

#include "base/alloc.h"
#include "tensor/tape.h"

#include <jansson.h>

enum { IN_EPOCH = 1, ONLY_FLOATS = 2, IN_STEPS = 4 };

/* ---- saving ---- */

void mr__log_save(const mr__fit *fit, mr__log_state *state)
{
    const mr__fit_log *log = &fit->log;
    const mr__epoch_values *metrics = &fit->trainer->epoch_values;
    state->key = log->key;
    state->keys = log->key_count;
    for (size_t i = 0; i < log->key_count; i++) {
        const mr__log_key *k = &log->key[i];
        state->values[i][0] = k->in_epoch ? k->value : 0;
        state->values[i][1] = k->in_epoch ? k->weight : 0;
        state->values[i][2] = k->in_steps ? k->step_value : 0;
        state->flags[i] = (uint8_t)((k->in_epoch ? IN_EPOCH : 0) | (k->only_floats ? ONLY_FLOATS : 0) |
                                    (k->in_steps ? IN_STEPS : 0));
    }
    state->metrics = metrics->count;
    state->metric_names = metrics->name;
    for (size_t i = 0; i < metrics->count; i++)
        state->metric_values[i] = metrics->value[i];
}

static json_t *describe_key(const mr__log_key *key)
{
    const mr_log_opts *o = &key->opts;
    json_t *of_key =
        json_pack("{s:s,s:b,s:b,s:b,s:b,s:b,s:i}", "name", key->name, "validating", key->validating,
                  "prog_bar", o->prog_bar, "no_logger", o->no_logger, "on_epoch", o->on_epoch, "no_step",
                  o->no_step, "reduction", (int)o->reduction);
    const struct {
        const char *name;
        bool is;
    } rare[] = { { "no_loader_index", o->no_loader_index },
                 { "on_step", o->on_step },
                 { "no_epoch", o->no_epoch } };
    bool failed = of_key && key->loader && json_object_set_new(of_key, "loader", json_integer(key->loader));
    for (size_t i = 0; of_key && i < sizeof rare / sizeof *rare; i++)
        failed = failed || (rare[i].is && json_object_set_new(of_key, rare[i].name, json_true()));
    if (failed)
        json_decref(of_key);
    return failed ? NULL : of_key;
}

static int append_text(const char *text, size_t size, void *out)
{
    mr__strbuf_append_bytes(out, text, size);
    return ((const mr__strbuf *)out)->failed ? -1 : 0;
}

/* Whether it is the text's fault that it could not be made one of JSON, and not that memory was out. */
static bool is_no_utf8(const char *text)
{
    json_t *checked = json_string(text), *unchecked = json_string_nocheck(text);
    bool wrong = !checked && unchecked;
    json_decref(checked);
    json_decref(unchecked);
    return wrong;
}

/* The text of an array, which is taken over; NULL: the part of that name could not be made. */
static mr_status write_array(json_t *array, const char *name, mr__strbuf *out)
{
    mr_status status = MR_OK;
    if (!array && name && is_no_utf8(name))
        status =
            mr__raise(MR_ERR_ARGUMENT, "checkpoint: a name that was logged is not UTF-8: '%.100s'", name);
    else if (!array || json_dump_callback(array, append_text, out, JSON_COMPACT | JSON_SORT_KEYS))
        status = mr__raise(MR_ERR_MEMORY, "out of memory: the names of a checkpoint wanted");
    json_decref(array);
    return status;
}

mr_status mr__log_describe(const mr__log_state *state, mr__strbuf *keys, mr__strbuf *metrics)
{
    json_t *array = json_array();
    const char *wrong = NULL;
    for (size_t i = 0; array && i < state->keys; i++)
        if (json_array_append_new(array, describe_key(&state->key[i]))) {
            json_decref(array);
            array = NULL;
            wrong = state->key[i].name;
        }
    mr_status status = write_array(array, wrong, keys);
    if (status)
        return status;
    array = json_array();
    for (size_t i = 0; array && i < state->metrics; i++)
        if (json_array_append_new(array, json_string(state->metric_names[i]))) {
            json_decref(array);
            array = NULL;
            wrong = state->metric_names[i];
        }
    return write_array(array, wrong, metrics);
}

/* ---- putting back ---- */

static mr_status damaged(void)
{
    return mr__raise(MR_ERR_FORMAT, "what it says of logged names makes no sense");
}

static mr_status enter(mr__fit *fit, json_t *of_key, const double *values, uint8_t flags)
{
    const char *name;
    int validating, prog_bar, no_logger, on_epoch, no_step, reduction;
    int loader = 0, no_index = 0, on_step = 0, no_epoch = 0;
    if (json_unpack(of_key, "{s:s,s:b,s:b,s:b,s:b,s:b,s:i,s?i,s?b,s?b,s?b}", "name", &name, "validating",
                    &validating, "prog_bar", &prog_bar, "no_logger", &no_logger, "on_epoch", &on_epoch,
                    "no_step", &no_step, "reduction", &reduction, "loader", &loader, "no_loader_index",
                    &no_index, "on_step", &on_step, "no_epoch", &no_epoch) ||
        !*name || reduction < MR_OVER_EPOCH_MEAN || reduction > MR_OVER_EPOCH_MAX || loader < 0 ||
        loader > MR__MAX_LOADERS)
        return damaged();
    const mr_log_opts opts = { .prog_bar = prog_bar,
                               .no_logger = no_logger,
                               .on_epoch = on_epoch,
                               .no_step = no_step,
                               .reduction = (mr_over_epoch)reduction,
                               .no_loader_index = no_index,
                               .on_step = on_step,
                               .no_epoch = no_epoch };
    char *own = mr__strdup(name);
    if (!own)
        return MR_ERR_MEMORY;
    fit->log.validating = validating;
    mr__log_key *key = mr__log_enter(fit, fit->tape, own, loader, &opts);
    if (!key) {
        mr__free(own);
        return mr__pending() ? mr_error_status() : mr__failure_raise(&fit->tape->failure);
    }
    key->own_name = own;
    key->in_epoch = flags & IN_EPOCH;
    key->only_floats = flags & ONLY_FLOATS;
    key->in_steps = flags & IN_STEPS;
    key->value = values[0];
    key->weight = values[1];
    key->step_value = values[2];
    return MR_OK;
}

static mr_status enter_all(mr__fit *fit, json_t *keys, json_t *metrics, const mr__log_numbers *n)
{
    mr_status status = MR_OK;
    if (!json_is_array(keys) || json_array_size(keys) != n->keys || !json_is_array(metrics) ||
        json_array_size(metrics) != n->metric_count || n->metric_count > MR__MAX_METRICS)
        return damaged();
    for (size_t i = 0; i < n->keys && !status; i++)
        status = enter(fit, json_array_get(keys, i), n->values + MR__LOGGED_NUMBERS * i, n->flags[i]);
    for (size_t i = 0; i < n->metric_count && !status; i++) {
        const char *name = json_string_value(json_array_get(metrics, i));
        double value;
        memcpy(&value, n->metrics + i, sizeof value);
        status = name ? mr__epoch_value_set(&fit->trainer->epoch_values, name, value) : damaged();
    }
    return status;
}

/* The array of a text; NULL with a failure raised. */
static json_t *read_array(const char *text)
{
    json_error_t error = { .text = "none" };
    json_t *array = text ? json_loads(text, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (!array && !*error.text) /* the parser says nothing of memory */
        mr__raise(MR_ERR_MEMORY, "out of memory: the names of a checkpoint wanted");
    else if (!array)
        damaged();
    return array;
}

mr_status mr__log_restore(mr__fit *fit, const char *keys, const char *metrics, const mr__log_numbers *numbers)
{
    json_t *key_array = read_array(keys), *metric_array = key_array ? read_array(metrics) : NULL;
    mr_status status = metric_array ? enter_all(fit, key_array, metric_array, numbers) : mr_error_status();
    json_decref(key_array);
    json_decref(metric_array);
    return status;
}
