/*
 * Pictures out of a field of bytes, by a map of the dataset. A map has no memory for each thread: so the benches lie in
 * a pile, from which a thread takes one for a sample.
 */
#include <millrace/sources/image_folder.h>

#include "pipeline.h"

#include <millrace/datasets.h>
#include <millrace/ragged.h>
#include <pthread.h>
#include <string.h>

enum { MOST_FIELDS = 64 };

typedef struct pile {
    mr__bench *bench;
    struct pile *below;
} pile;

typedef struct decoding {
    mr__pipeline pipeline;
    int field_count, image; /* which field is the picture's */
    bool ragged[MOST_FIELDS];
    size_t bytes[MOST_FIELDS]; /* of the others */
    pthread_mutex_t lock;
    pile *free;
} decoding;

/* ---- the pile ---- */

static void pile_free(pile *p)
{
    mr__bench_free(p->bench);
    mr_free(p);
}

static pile *take(decoding *d)
{
    pthread_mutex_lock(&d->lock);
    pile *top = d->free;
    if (top)
        d->free = top->below;
    pthread_mutex_unlock(&d->lock);
    if (top)
        return top;
    top = mr_calloc(1, sizeof *top);
    if (top && (top->bench = mr__bench_new()))
        return top;
    mr_free(top);
    return NULL;
}

static void put_back(decoding *d, pile *top)
{
    pthread_mutex_lock(&d->lock);
    top->below = d->free;
    d->free = top;
    pthread_mutex_unlock(&d->lock);
}

static void release(void *user)
{
    decoding *d = user;
    while (d->free) {
        pile *top = d->free;
        d->free = top->below;
        pile_free(top);
    }
    pthread_mutex_destroy(&d->lock);
    mr__pipeline_free(&d->pipeline);
    mr_free(d);
}

/* ---- samples ---- */

static mr_status copy_field(bool ragged, size_t bytes, const void *in, void *out)
{
    if (!ragged) {
        memcpy(out, in, bytes);
        return MR_OK;
    }
    const mr_ragged *from = in;
    void *to = mr_ragged_resize(out, from->count);
    if (!to)
        return mr_error_status();
    if (from->count)
        memcpy(to, from->data, (size_t)from->count * from->item_bytes);
    return MR_OK;
}

static mr_status change(void *user, void *const *in, void *const *out, int64_t index, mr_random *random)
{
    decoding *d = user;
    (void)index;
    for (int f = 0; f < d->field_count; f++)
        if (f != d->image && copy_field(d->ragged[f], d->bytes[f], in[f], out[f]) < 0)
            return mr_error_status();
    pile *top = take(d);
    if (!top)
        return mr_error_status();
    const mr_ragged *file = in[d->image];
    if (d->pipeline.draws)
        mr_rng_seed(top->bench->rng, mr_random_u64(random));
    mr_status s = mr__pipeline_decode(&d->pipeline, top->bench, file->data, (size_t)file->count,
                                      top->bench->rng, out[d->image]);
    put_back(d, top);
    return s;
}

/* ---- making ---- */

static mr_status find_field(decoding *d, mr_dataset *dataset, const char *field, mr_field *fields)
{
    if (!dataset || !field)
        return mr_fail(MR_ERR_ARGUMENT, "%s is NULL", dataset ? "field" : "dataset");
    d->field_count = mr_dataset_field_count(dataset);
    d->image = -1;
    for (int f = 0; f < d->field_count && f < MOST_FIELDS; f++) {
        fields[f] = mr_dataset_fields(dataset)[f];
        const mr_shape *shape = &fields[f].shape;
        d->bytes[f] = mr_dtype_size(fields[f].dtype);
        d->ragged[f] = shape->ndim && shape->dim[0] == -1;
        for (int i = 0; !d->ragged[f] && i < shape->ndim; i++)
            d->bytes[f] *= (size_t)shape->dim[i];
        if (strcmp(fields[f].name, field) != 0)
            continue;
        if (fields[f].dtype != MR_UINT8 || shape->ndim != 1 || shape->dim[0] != -1)
            return mr_fail(MR_ERR_SHAPE, "field '%s' is none of bytes of any number, uint8 (-1)", field);
        d->image = f;
    }
    return d->image >= 0 ? MR_OK : mr_fail(MR_ERR_ARGUMENT, "there is no field '%s'", field);
}

static decoding *decoding_new(mr_dataset *dataset, const char *field, const mr_transform *steps,
                              int step_count, const mr_decode_images_opts *opts, mr_field *fields)
{
    decoding *d = mr_calloc(1, sizeof *d);
    if (!d)
        return NULL;
    pthread_mutex_init(&d->lock, NULL);
    if (find_field(d, dataset, field, fields) == MR_OK &&
        mr__pipeline_make(&d->pipeline, steps, step_count, NULL, opts ? &opts->image : NULL,
                          opts && opts->draft) == MR_OK) {
        fields[d->image] = mr__pipeline_field(&d->pipeline, opts && opts->name ? opts->name : field);
        return d;
    }
    mr_fail_context("decode_images_new");
    release(d);
    return NULL;
}

mr_dataset *mr_decode_images_new(mr_dataset *dataset, const char *field, const mr_transform *steps,
                                 int step_count, const mr_decode_images_opts *opts)
{
    mr_field fields[MOST_FIELDS];
    decoding *d = decoding_new(dataset, field, steps, step_count, opts, fields);
    return d ? mr_map_new(dataset, change, d,
                          &(mr_map_opts){ .seed = opts ? opts->seed : 0,
                                          .fields = fields,
                                          .field_count = d->field_count,
                                          .release = release,
                                          .reads = field })
             : NULL;
}
