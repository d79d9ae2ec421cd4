/* torchvision's ImageFolder. */
#include <millrace/sources/image_folder.h>

#include "listing.h"
#include "pipeline.h"
#include "read_file.h"

#include <millrace/ragged.h>
#include <millrace/random.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { IMAGE, LABEL, KEY, FIELDS };

typedef struct folder {
    mr__listing listing;
    mr__pipeline pipeline;
    bool bytes;  /* of files, without a pipeline */
    size_t root; /* of a path, before the class: bytes */
    uint64_t seed;
    mr_rng *rng;        /* of the user's */
    atomic_int readers; /* threads */
} folder;

/* ---- callbacks ---- */

static int64_t len(void *self)
{
    return (*(folder **)self)->listing.count;
}

static int path_of(const folder *f, int64_t index, char *path, size_t room)
{
    const mr__listed *file = &f->listing.file[index];
    return snprintf(path, room, "%s/%s", f->listing.folders.at[file->folder], file->name);
}

static mr_status read_image(const folder *f, int64_t index, const mr_sample *sample, const char *path)
{
    mr__bench *bench = sample->worker;
    size_t size;
    if (mr__read_file(path, &bench->file, &size) < 0)
        return mr_error_status();
    if (!f->rng && f->pipeline.draws) {
        mr_random random = mr_random_at(f->seed, sample->epoch, index);
        mr_rng_seed(bench->rng, mr_random_u64(&random));
    }
    mr_rng *rng = f->rng ? f->rng : bench->rng;
    if (mr__pipeline_decode(&f->pipeline, bench, bench->file.at, size, rng, sample->field[IMAGE]) == MR_OK)
        return MR_OK;
    mr_fail_context("'%s'", path);
    return mr_error_status();
}

/* Its path from the class on, as the name of a sample: the last part without its extension, and without points. */
static mr_status put_key(const folder *f, const char *path, mr_ragged *to)
{
    const char *at = path + f->root, *last = strrchr(at, '/') + 1, *point = strrchr(last, '.');
    const size_t length = point > last ? (size_t)(point - at) : strlen(at);
    char *key = mr_ragged_resize(to, (int64_t)length);
    if (!key)
        return mr_error_status();
    memcpy(key, at, length);
    for (char *p = key + (last - at); p < key + length; p++)
        if (*p == '.')
            *p = '_';
    return MR_OK;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    const folder *f = *(folder **)self;
    char path[4096];
    if (path_of(f, index, path, sizeof path) >= (int)sizeof path)
        return mr_fail(MR_ERR_IO, "'%s/…': a path of more than %zu bytes", f->listing.folders.at[0],
                       sizeof path);
    *(int64_t *)sample->field[LABEL] = f->listing.file[index].label;
    if (!f->bytes)
        return read_image(f, index, sample, path);
    mr_status s = put_key(f, path, sample->field[KEY]);
    return s == MR_OK ? mr__read_file_items(path, sample->field[IMAGE]) : s;
}

static int origin(void *self, int64_t index, int field, char *text, size_t room)
{
    const mr__listing *l = &(*(folder **)self)->listing;
    const mr__listed *file = &l->file[index];
    (void)field;
    return snprintf(text, room, "'%s/%s'", l->folders.at[file->folder], file->name);
}

static void *worker_open(void *self)
{
    folder *f = *(folder **)self;
    const int readers = atomic_fetch_add(&f->readers, 1) + 1;
    mr__bench *bench = NULL;
    if (f->rng && readers > 1)
        mr_fail(MR_ERR_STATE,
                "image_folder: draws from one generator in order are made by one thread, not by workers");
    else
        bench = mr__bench_new();
    if (!bench)
        atomic_fetch_sub(&f->readers, 1);
    return bench;
}

static void worker_close(void *self, void *worker)
{
    atomic_fetch_sub(&(*(folder **)self)->readers, 1);
    mr__bench_free(worker);
}

static void folder_free(folder *f)
{
    mr__listing_free(&f->listing);
    mr__pipeline_free(&f->pipeline);
    mr_free(f);
}

static void destroy(void *self)
{
    folder_free(*(folder **)self);
}

static const mr_dataset_vtable vtable = { .len = len,
                                          .get = get,
                                          .destroy = destroy,
                                          .worker_open = worker_open,
                                          .worker_close = worker_close,
                                          .origin = origin };

/* ---- making ---- */

static mr_status list(folder *f, const char *path, const mr_image_folder_opts *opts)
{
    static const char *const torchvision[] = { ".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                               ".pgm", ".tif",  ".tiff", ".webp" };
    const char *const *extensions = torchvision;
    int extension_count = sizeof torchvision / sizeof *torchvision;
    if (opts && opts->extensions) {
        extensions = opts->extensions;
        extension_count = opts->extension_count;
    }
    if (extension_count < 1)
        return mr_fail(MR_ERR_ARGUMENT, "%d extensions", extension_count);
    const size_t length = strlen(path);
    f->root = length + (length && path[length - 1] != '/');
    return mr__listing_make(&f->listing, path, extensions, extension_count);
}

static mr_status open_folder(folder *f, const char *path, const mr_transform *steps, int step_count,
                             const mr_image_folder_opts *opts)
{
    if (!path)
        return mr_fail(MR_ERR_ARGUMENT, "path is NULL");
    f->bytes = opts && opts->bytes;
    if (f->bytes && step_count)
        return mr_fail(MR_ERR_ARGUMENT, "%d steps, and bytes are as they are in the files", step_count);
    if (!f->bytes && mr__pipeline_make(&f->pipeline, steps, step_count, NULL, opts ? &opts->image : NULL,
                                       opts && opts->draft) < 0)
        return mr_error_status();
    f->seed = opts ? opts->seed : 0;
    f->rng = opts && !f->bytes ? opts->rng : NULL;
    return list(f, path, opts);
}

mr_dataset *mr_image_folder_new(const char *path, const mr_transform *steps, int step_count,
                                const mr_image_folder_opts *opts)
{
    static const mr_field bytes = { "image", MR_UINT8, { 1, { -1 } } };
    folder *f = mr_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    mr_dataset *dataset = NULL;
    if (open_folder(f, path, steps, step_count, opts) == MR_OK) {
        const mr_field fields[FIELDS] = { f->bytes ? bytes : mr__pipeline_field(&f->pipeline, "image"),
                                          { "label", MR_INT64, { 0 } },
                                          { "key", MR_UINT8, { 1, { -1 } } } };
        dataset = mr_dataset_new(&vtable, &f, sizeof f, fields, f->bytes ? FIELDS : KEY);
    } else {
        mr_fail_context("image_folder_new");
    }
    if (!dataset)
        folder_free(f);
    return dataset;
}

/* ---- looking into it ---- */

static folder *folder_of(const char *call, mr_dataset *dataset)
{
    folder *const *self = mr_dataset_self(dataset, &vtable);
    if (self)
        return *self;
    mr_fail(MR_ERR_ARGUMENT, "%s: this is no dataset of mr_image_folder_new", call);
    return NULL;
}

const char *const *mr_image_folder_classes(mr_dataset *dataset, int *count)
{
    const folder *f = folder_of("image_folder_classes", dataset);
    *count = f ? (int)f->listing.classes.count : 0;
    return f ? (const char *const *)f->listing.classes.at : NULL;
}

int mr_image_folder_path(mr_dataset *dataset, int64_t index, char *path, size_t room)
{
    const folder *f = folder_of("image_folder_path", dataset);
    if (!f)
        return -1;
    if (index < 0 || index >= f->listing.count) {
        mr_fail(MR_ERR_ARGUMENT, "image_folder_path: sample %lld of %lld", (long long)index,
                (long long)f->listing.count);
        return -1;
    }
    return path_of(f, index, path, room);
}
