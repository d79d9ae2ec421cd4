/*
 * Names that were given to files, each with the first version that is still free of it, in a fixed piece of memory, for
 * checkpoints. Of the names only a hash is kept, and of them the latest.
 */
#ifndef MILLRACE_TRAIN_USED_NAMES_H
#define MILLRACE_TRAIN_USED_NAMES_H

#include <millrace/base.h>

typedef struct mr__used_names {
    int64_t *item; /* hash and version, the latest last */
    int64_t count, room;
} mr__used_names;

/* Room for so many; false without memory. One that has none knows nothing. */
bool mr__used_names_init(mr__used_names *used, int64_t room);
void mr__used_names_free(mr__used_names *used);
void mr__used_names_clear(mr__used_names *used);

/* The first version that a name has not been given with; 0 of a new one. */
int64_t mr__used_names_next(const mr__used_names *used, const char *name);

/* It has been given with that version, less than 2^20. */
void mr__used_names_add(mr__used_names *used, const char *name, int64_t version);

#endif
