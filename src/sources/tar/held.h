/* A sample's members in memory, for whoever will read them. */
#ifndef MILLRACE_SOURCES_TAR_HELD_H
#define MILLRACE_SOURCES_TAR_HELD_H

#include "samples.h"

typedef struct mr__held_member {
    size_t name, key,
        extension; /* where in `bytes` the name is, how long the sample's is, where in the name the extension is */
    size_t content; /* where in `bytes` */
    int64_t at, size;
} mr__held_member;

typedef struct mr__held {
    struct mr__held *next; /* of a list of the user's */
    int64_t number;        /* of the sample */
    int64_t behind;        /* where the next one's head begins; -1: there is none */
    mr__sample_read read;  /* but for `more`: */
    mr__said more;         /* why there is none: MR_END, or a failure */
    bool too_large;        /* it is not here */
    mr__held_member *member;
    size_t member_count, member_room;
    char *bytes;
    size_t used, room, most; /* more than `most` are too many */
} mr__held;

mr__held *mr__held_new(int64_t most);
void mr__held_free(mr__held *held);

/* Before it is used again: gives large memory back. */
void mr__held_clear(mr__held *held);

/* An mr__take: keeps the member. */
mr_status mr__held_take(void *held, mr__tar *tar, const mr__member *member);

/* Writes the sample: as mr__target_finish. `path` is the file's. */
mr_status mr__held_write(mr__held *held, const char *path, mr__target *target);

#endif
