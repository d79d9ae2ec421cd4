/*
 * A dataset on its way to files: a loader reads it, and where writing stands is in a file beside them: the loader's
 * state before a batch, how many rows of that have been written, and some numbers of the writer's own.
 */
#ifndef MILLRACE_SOURCES_WRITING_H
#define MILLRACE_SOURCES_WRITING_H

#include <millrace/sources/writers.h>

typedef struct mr__writing {
    char *path;      /* of the state */
    char *temporary; /* while it is written */
    uint64_t plan;
    mr_rng *rng;
    mr_loader *loader;
    double save_every, saved; /* seconds; when */

    const mr_batch *batch; /* NULL: none has been asked for */
    int64_t row;           /* of it is to be written next */
    int64_t rows;          /* of the dataset have been written */
    bool resumed;          /* it goes on where another stood */

    void *before; /* the loader's state before the batch */
    size_t before_size, before_room;

    void (*left_out)(void *user, int64_t count, const mr_bad_sample *list,
                     int64_t listed); /* mr_write_opts */
    void *user;
} mr__writing;

/* Begins, or goes on: then `numbers` are those that were saved. `target` is the path that the state lies beside;
 * `plan`, made by mr__writing_plan, differs where anything is to be written differently. */
mr_status mr__writing_open(mr__writing *writing, const char *call, mr_dataset *dataset, const char *target,
                           uint64_t plan, const mr_write_opts *opts, int64_t *numbers, int count);

/* A hash that goes on; begins with 0. */
uint64_t mr__writing_plan(uint64_t plan, const void *bytes, size_t size);
uint64_t mr__writing_plan_text(uint64_t plan, const char *text);

/* Which sample of the dataset the row is. */
int64_t mr__writing_sample(const mr__writing *writing);

/* Makes writing->batch one that has rows to be written, from writing->row on: whoever writes them moves `row` on, and
 * `rows`. MR_OK, MR_END, or a failure. */
mr_status mr__writing_next(mr__writing *writing);

/* Whether it is time to save again. */
bool mr__writing_is_due(const mr__writing *writing);

/* Keeps where it stands: the rows that were written are on the disk. */
mr_status mr__writing_save(mr__writing *writing, const int64_t *numbers, int count);

/* The end; if all is written, the state is removed, and what was left out is told. */
void mr__writing_close(mr__writing *writing, bool complete);

/* The place of a field of a dataset; -1 after a failure. */
int mr__writing_field(const char *call, mr_dataset *dataset, const char *name);

#endif
