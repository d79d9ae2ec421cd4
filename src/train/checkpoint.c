#include "checkpoint.h"

#include "parts.h"
#include "saved.h"

#include "base/alloc.h"
#include "base/rng.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* ---- names ---- */

void mr__checkpoint_name(char *name, size_t room, int64_t epoch, int64_t step)
{
    snprintf(name, room, "epoch=%lld-step=%lld.safetensors", (long long)epoch, (long long)step);
}

/* A number without needless zeros, and what stands behind it. */
static bool read_number(const char **text, int64_t *number)
{
    enum { MOST_DIGITS = 18 };
    size_t digits = strspn(*text, "0123456789");
    if (digits == 0 || digits > MOST_DIGITS || (**text == '0' && digits > 1))
        return false;
    for (*number = 0; digits; digits--)
        *number = 10 * *number + (*(*text)++ - '0');
    return true;
}

static bool read_text(const char **text, const char *wanted)
{
    size_t length = strlen(wanted);
    if (strncmp(*text, wanted, length) != 0)
        return false;
    *text += length;
    return true;
}

bool mr__checkpoint_step(const char *name, int64_t *epoch, int64_t *step)
{
    return read_text(&name, "epoch=") && read_number(&name, epoch) && read_text(&name, "-step=") &&
           read_number(&name, step) && strcmp(name, ".safetensors") == 0;
}

void mr__checkpoint_remove_others(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? mr__strdup(path) : NULL;
    if (!dir)
        return;
    dir[slash - path] = '\0';
    int64_t epoch, step;
    DIR *folder = opendir(dir);
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        if (mr__checkpoint_step(entry->d_name, &epoch, &step) && strcmp(entry->d_name, slash + 1) != 0)
            unlinkat(dirfd(folder), entry->d_name, 0); /* one that stays does no harm */
    if (folder)
        closedir(folder);
    mr__free(dir);
}

/* ---- what is not a tensor yet ---- */

typedef struct file {
    mr__safetensor *tensor;
    size_t count;
    char rng_names[MR__MAX_RNGS][40];
    char loader_names[MR__MAX_SAVED_LOADERS][40];
    char log_names[2][MR__MAX_LOGGERS][sizeof MR__SAVED_LOG_END + MR__LOGGER_NAME];
    uint8_t *rng_states;
    char epoch[24], step[24], version[24];
} file;

static void add(file *f, const char *name, mr_dtype dtype, mr_shape shape, const void *data)
{
    f->tensor[f->count++] = (mr__safetensor){ .name = name, .dtype = dtype, .shape = shape, .data = data };
}

static void add_bytes(file *f, const char *name, const void *data, size_t size)
{
    add(f, name, MR_UINT8, MR_SHAPE((int64_t)size), data);
}

static bool add_rngs(file *f, const mr__checkpoint *c)
{
    f->rng_states = mr__alloc(mr__mul_size(c->rngs, MR_RNG_STATE_BYTES));
    if (!f->rng_states)
        return false;
    for (size_t i = 0; i < c->rngs; i++) {
        uint8_t *state = f->rng_states + i * MR_RNG_STATE_BYTES;
        mr_rng_get_state(&c->rng[i], state);
        snprintf(f->rng_names[i], sizeof f->rng_names[i], MR__SAVED_PREFIX "rng.%zu", i);
        add_bytes(f, f->rng_names[i], state, MR_RNG_STATE_BYTES);
    }
    return true;
}

static void add_position(file *f, char *text, const char *prefix, const char *logger,
                         const mr__position *position)
{
    snprintf(text, sizeof *f->log_names[0], "%s%s", prefix, logger);
    if (position->bytes)
        add_bytes(f, text, position->data, position->bytes);
}

static void add_rest(file *f, const mr__checkpoint *c)
{
    const mr__log_state *l = c->logged;
    add_bytes(f, MR__SAVED_PREFIX "gradients", c->gradients, c->params);
    for (size_t i = 0; i < c->loaders->loaders; i++) {
        snprintf(f->loader_names[i], sizeof *f->loader_names, MR__SAVED_PREFIX "%s",
                 c->loaders->loader[i].name);
        add_bytes(f, f->loader_names[i], c->loader[i].data, c->loader[i].size);
    }
    if (l->keys) {
        add(f, MR__SAVED_PREFIX "logged", MR_FLOAT64, MR_SHAPE((int64_t)l->keys, MR__LOGGED_NUMBERS),
            l->values);
        add_bytes(f, MR__SAVED_PREFIX "logged_flags", l->flags, l->keys);
    }
    if (l->metrics)
        add(f, MR__SAVED_PREFIX "metrics", MR_FLOAT64, MR_SHAPE((int64_t)l->metrics), l->metric_values);
    for (size_t i = 0; i < c->loggers->count; i++) {
        const char *name = c->loggers->item[i]->vtable->name;
        add_position(f, f->log_names[0][i], MR__SAVED_LOG, name, &c->position[i]);
        add_position(f, f->log_names[1][i], MR__SAVED_LOG_END, name, &c->end[i]);
    }
}

static mr_status write_file(file *f, const char *path, const mr__checkpoint *c)
{
    mr__strbuf keys = { 0 }, metrics = { 0 };
    mr_status status = mr__log_describe(c->logged, &keys, &metrics);
    const mr__metadata metadata[] = { { MR__SAFETENSORS_CHECKSUM, MR__SAFETENSORS_NO_CHECKSUM },
                                      { "epoch", f->epoch },
                                      { "format", "pt" },
                                      { "global_step", f->step },
                                      { "logged", mr__strbuf_text(&keys) },
                                      { "metrics", mr__strbuf_text(&metrics) },
                                      { "millrace.checkpoint", f->version },
                                      { MR__PARTS_KEY, c->parts },
                                      { "rng", c->rng_users } };
    if (!status)
        status =
            mr__safetensors_write(path, f->tensor, f->count, metadata, sizeof metadata / sizeof *metadata);
    mr__strbuf_free(&keys);
    mr__strbuf_free(&metrics);
    return status;
}

mr_status mr__checkpoint_write(const char *path, const mr__checkpoint *c)
{
    enum { MORE = 4 + MR__MAX_SAVED_LOADERS + 2 * MR__MAX_LOGGERS };
    file f = { .count = c->count };
    f.tensor = mr__alloc_array(c->count + c->rngs + MORE, sizeof *f.tensor);
    mr_status status = MR_ERR_MEMORY;
    snprintf(f.epoch, sizeof f.epoch, "%lld", (long long)c->epoch);
    snprintf(f.step, sizeof f.step, "%lld", (long long)c->step);
    snprintf(f.version, sizeof f.version, "%d", MR__CHECKPOINT_VERSION);
    if (f.tensor) {
        memcpy(f.tensor, c->entries, c->count * sizeof *f.tensor);
        if (add_rngs(&f, c)) {
            add_rest(&f, c);
            status = write_file(&f, path, c);
        }
    }
    mr__free(f.tensor);
    mr__free(f.rng_states);
    return status;
}
