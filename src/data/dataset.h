/* The inside of a dataset: fields and callbacks, by index or as a stream. */
#ifndef MILLRACE_DATA_DATASET_H
#define MILLRACE_DATA_DATASET_H

#include "base/error.h"

#include <millrace/data.h>

#include <pthread.h>
#include <stdatomic.h>

/* Somebody who must let go of a dataset before it is freed: a loader whose threads may be reading it. */
typedef struct mr__user {
    struct mr__user *next;
    void (*gone)(struct mr__user *user);
} mr__user;

struct mr_dataset {
    const mr_dataset_vtable *map; /* one of the two is NULL */
    const mr_stream_vtable *stream;
    void *self;
    int field_count;
    mr_field *fields;   /* with their names, which are owned here */
    size_t *row_bytes;  /* of one sample of each field; of a ragged one, of its mr_ragged */
    size_t *item_bytes; /* of one item of a ragged field; 0: it is dense */
    char **offsets;     /* "x.offsets" of a ragged field; NULL: it is dense */
    int ragged;         /* how many are */
    char *about;        /* of a stream that is one replica's part of another: which; NULL: it is none */
    atomic_int holders;
    pthread_mutex_t lock; /* of the list */
    mr__user *users;
};

/* Before `count` samples are written from field[i] on: a callback that writes nothing to a ragged row has given no items. */
void mr__empty_ragged(const mr_dataset *dataset, void *const *field, int64_t count);

static inline void mr__empty_rows(const mr_dataset *dataset, void *const *field, int64_t count)
{
    if (MR__UNLIKELY(dataset->ragged))
        mr__empty_ragged(dataset, field, count);
}

void mr__dataset_attach(mr_dataset *dataset, mr__user *user);
void mr__dataset_detach(mr_dataset *dataset, mr__user *user);

/* For a thread that cannot be stopped: what is held outlives mr_dataset_free. */
void mr__dataset_hold(mr_dataset *dataset);
void mr__dataset_release(mr_dataset *dataset);

/* What became of a callback: one that has raised a failure has failed, whatever it gave back. */
static inline mr_status mr__outcome(mr_status status)
{
    return MR__UNLIKELY(mr__pending()) && status >= 0 ? mr_error_status() : status;
}

/* "loader: sample 17: " is put before a callback's text; one that failed without a text gets one. */
mr_status mr__sample_failed(const char *call, mr_status status, int64_t index);

#endif
