/* torchvision's ImageFolder. */
#include <millrace/sources/image_folder.h>

#include "listing.h"
#include "pipeline.h"
#include "read_file.h"

#include <millrace/random.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { IMAGE, LABEL, FIELDS };

typedef struct folder {
    mr__listing listing;
    mr__pipeline pipeline;
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

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    const folder *f = *(folder **)self;
    char path[4096];
    if (path_of(f, index, path, sizeof path) >= (int)sizeof path)
        return mr_fail(MR_ERR_IO, "'%s/…': a path of more than %zu bytes", f->listing.folders.at[0],
                       sizeof path);
    *(int64_t *)sample->field[LABEL] = f->listing.file[index].label;
    return read_image(f, index, sample, path);
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

static const mr_dataset_vtable vtable = {
    .len = len, .get = get, .destroy = destroy, .worker_open = worker_open, .worker_close = worker_close
};

/* ---- making ---- */

static mr_status open_folder(folder *f, const char *path, const mr_transform *steps, int step_count,
                             const mr_image_folder_opts *opts)
{
    static const char *const torchvision[] = { ".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                               ".pgm", ".tif",  ".tiff", ".webp" };
    const char *const *extensions = torchvision;
    int extension_count = sizeof torchvision / sizeof *torchvision;
    if (!path)
        return mr_fail(MR_ERR_ARGUMENT, "path is NULL");
    if (opts && opts->extensions) {
        extensions = opts->extensions;
        extension_count = opts->extension_count;
    }
    if (extension_count < 1)
        return mr_fail(MR_ERR_ARGUMENT, "%d extensions", extension_count);
    if (mr__pipeline_make(&f->pipeline, steps, step_count, NULL, opts ? &opts->image : NULL,
                          opts && opts->draft) < 0 ||
        mr__listing_make(&f->listing, path, extensions, extension_count) < 0)
        return mr_error_status();
    f->seed = opts ? opts->seed : 0;
    f->rng = opts ? opts->rng : NULL;
    return MR_OK;
}

mr_dataset *mr_image_folder_new(const char *path, const mr_transform *steps, int step_count,
                                const mr_image_folder_opts *opts)
{
    folder *f = mr_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    mr_dataset *dataset = NULL;
    if (open_folder(f, path, steps, step_count, opts) == MR_OK) {
        const mr_field fields[FIELDS] = { mr__pipeline_field(&f->pipeline, "image"),
                                          { "label", MR_INT64, { 0 } } };
        dataset = mr_dataset_new(&vtable, &f, sizeof f, fields, FIELDS);
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
