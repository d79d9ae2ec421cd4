/* Which folders a walk has been in. */
#ifndef MILLRACE_SOURCES_ENTERED_H
#define MILLRACE_SOURCES_ENTERED_H

#include <millrace/base.h>

#include <sys/types.h>

typedef struct mr__entered_folder {
    dev_t device;
    ino_t number;
    bool there;
} mr__entered_folder;

typedef struct mr__entered {
    mr__entered_folder *at; /* a hash table, of a power of two; owned */
    size_t count, room;
} mr__entered;

/* Notes a folder; *again: it was there already. */
mr_status mr__entered_add(mr__entered *entered, dev_t device, ino_t number, bool *again);

#endif
