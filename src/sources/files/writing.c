#include "writing.h"

#include "input.h"

#include "sources/new_file.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_NUMBERS = 8 };

/* What a state's file begins with; behind it are `size` bytes of the loader's. */
typedef struct head {
    char magic[8];
    uint64_t sum, plan; /* the first of all behind it */
    int64_t numbers[MOST_NUMBERS];
    int64_t row, rows, size;
} head;

static const char magic[8] = "mrwrite";

uint64_t mr__writing_plan(uint64_t h, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    h ^= 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ at[i]) * 1099511628211u;
    return h;
}

uint64_t mr__writing_plan_text(uint64_t h, const char *text)
{
    return mr__writing_plan(h, text ? text : "", text ? strlen(text) + 1 : 1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t sum_of(const head *h, const void *state)
{
    const size_t before = offsetof(head, plan);
    const uint64_t sum = mr__writing_plan(0, (const char *)h + before, sizeof *h - before);
    return mr__writing_plan(sum, state, (size_t)h->size);
}

/* ---- going on ---- */

static mr_status wrong_state(const mr__writing *w, const char *what)
{
    return mr_fail(MR_ERR_STATE, "'%s' %s: remove it to begin anew", w->path, what);
}

static mr_status restore(mr__writing *w, const char *bytes, size_t size, int64_t *numbers, int count)
{
    head h;
    if (size < sizeof h)
        return wrong_state(w, "is damaged");
    memcpy(&h, bytes, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.size < 0 || (uint64_t)h.size != size - sizeof h ||
        h.sum != sum_of(&h, bytes + sizeof h))
        return wrong_state(w, "is damaged");
    if (h.plan != w->plan)
        return wrong_state(w, "is of another writing");
    if (mr_loader_restore(w->loader, bytes + sizeof h, (size_t)h.size) != MR_OK) {
        mr_fail(MR_ERR_STATE, "'%s' is of another writing: %s", w->path, mr_error());
        return mr_error_status();
    }
    memcpy(numbers, h.numbers, (size_t)count * sizeof *numbers);
    w->row = h.row;
    w->rows = h.rows;
    w->resumed = true;
    return MR_OK;
}

static mr_status look_for_state(mr__writing *w, int64_t *numbers, int count)
{
    struct stat about;
    mr__bytes bytes;
    if (stat(w->path, &about) < 0)
        return MR_OK;
    if (mr__bytes_open(&bytes, NULL, w->path, NULL) < 0)
        return mr_error_status();
    mr_status s = restore(w, bytes.at, bytes.size, numbers, count);
    mr__bytes_close(&bytes);
    return s;
}

mr_status mr__writing_open(mr__writing *w, const char *call, mr_dataset *dataset, const char *target,
                           uint64_t plan, const mr_write_opts *opts, int64_t *numbers, int count)
{
    static const mr_write_opts defaults = { 0 };
    opts = opts ? opts : &defaults;
    const size_t room = strlen(target) + sizeof ".state.tmp";
    *w = (mr__writing){ .save_every = opts->save_every > 0 ? opts->save_every : 10, .saved = now() };
    const mr_loader_opts loader = { .batch_size = opts->batch_size ? opts->batch_size : 64,
                                    .workers = opts->workers,
                                    .shards = opts->shards,
                                    .on_bad_sample = opts->on_bad_sample,
                                    .max_bad_samples = opts->max_bad_samples };
    w->left_out = opts->left_out;
    w->user = opts->user;
    w->plan = mr__writing_plan_text(plan, call);
    for (int i = 0; i < mr_dataset_field_count(dataset); i++)
        w->plan = mr__writing_plan_text(w->plan, mr_dataset_fields(dataset)[i].name);
    w->path = mr_alloc(room);
    w->temporary = mr_alloc(room);
    w->rng = mr_rng_new(0);
    w->loader = w->path && w->temporary && w->rng ? mr_loader_new(dataset, w->rng, &loader) : NULL;
    if (!w->loader)
        return mr_error_status();
    snprintf(w->path, room, "%s.state", target);
    snprintf(w->temporary, room, "%s.state.tmp", target);
    return look_for_state(w, numbers, count);
}

/* ---- reading ---- */

static mr_status keep_before(mr__writing *w)
{
    const void *state;
    size_t size;
    if (mr_loader_save(w->loader, &state, &size) != MR_OK)
        return mr_fail(mr_error_status(), "%s", mr_error());
    if (size > w->before_room) {
        void *larger = mr_grow(w->before, 0, size);
        if (!larger)
            return mr_error_status();
        w->before = larger;
        w->before_room = size;
    }
    memcpy(w->before, state, size);
    w->before_size = size;
    return MR_OK;
}

mr_status mr__writing_next(mr__writing *w)
{
    while (!w->batch || w->row >= w->batch->rows) {
        const bool first = !w->batch; /* of one that goes on, some rows may have been written */
        if (keep_before(w) < 0)
            return mr_error_status();
        mr_status s = mr_loader_next(w->loader, &w->batch);
        if (s < 0)
            return mr_fail(s, "%s", mr_error());
        if (s == MR_END)
            return s;
        w->row = first ? w->row : 0;
    }
    return MR_OK;
}

int64_t mr__writing_sample(const mr__writing *w)
{
    return w->batch->indices[w->row];
}

/* ---- saving ---- */

bool mr__writing_is_due(const mr__writing *w)
{
    return now() - w->saved >= w->save_every;
}

mr_status mr__writing_save(mr__writing *w, const int64_t *numbers, int count)
{
    head h = { .plan = w->plan, .row = w->row, .rows = w->rows, .size = (int64_t)w->before_size };
    mr__new_file file;
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.numbers, numbers, (size_t)count * sizeof *numbers);
    h.sum = sum_of(&h, w->before);
    mr_status s = mr__new_file_open_as(&file, w->path, w->temporary);
    if (s == MR_OK)
        s = mr__new_file_write(&file, &h, sizeof h);
    if (s == MR_OK)
        s = mr__new_file_write(&file, w->before, w->before_size);
    w->saved = now();
    return mr__new_file_close(&file, s);
}

void mr__writing_close(mr__writing *w, bool complete)
{
    const mr_bad_sample *list = NULL;
    int64_t listed = 0, count = 0;
    if (complete && w->path) {
        unlink(w->path);
        unlink(w->temporary); /* of one that died while it noted where it stood */
    }
    if (complete && w->left_out && (count = mr_loader_bad_samples(w->loader, &list, &listed)) > 0)
        w->left_out(w->user, count, list, listed);
    mr_loader_free(w->loader);
    mr_rng_free(w->rng);
    mr_free(w->path);
    mr_free(w->temporary);
    mr_free(w->before);
}

int mr__writing_field(const char *call, mr_dataset *dataset, const char *name)
{
    if (!dataset) {
        mr_fail(MR_ERR_ARGUMENT, "%s: dataset is NULL", call);
        return -1;
    }
    for (int i = 0; name && i < mr_dataset_field_count(dataset); i++)
        if (strcmp(mr_dataset_fields(dataset)[i].name, name) == 0)
            return i;
    mr_fail(MR_ERR_ARGUMENT, "%s: the dataset has no field '%s'", call, name ? name : "");
    return -1;
}
