/*
 * Which batches of an epoch were delivered: all below a number, and some above it when they do not come in order.
 */
#ifndef MILLRACE_DATA_DONE_H
#define MILLRACE_DATA_DONE_H

#include "bytes.h"

typedef struct mr__early {
    int64_t number, taken;
} mr__early;

typedef struct mr__done {
    int64_t below;    /* all of these were delivered */
    int64_t taken;    /* indices that they took */
    mr__early *early; /* by numbers, all above `below` */
    int64_t count, room;
} mr__done;

/* Room for so many that come early, so that none is asked for later. */
mr_status mr__done_reserve(mr__done *done, int64_t room);

void mr__done_clear(mr__done *done);
void mr__done_free(mr__done *done);

bool mr__done_has(const mr__done *done, int64_t number);

/* One more, after which the order had given `taken` indices. */
mr_status mr__done_add(mr__done *done, int64_t number, int64_t taken);

/* For a loader's state. After reading, a failure is pending if there was no memory. */
void mr__done_write(const mr__done *done, mr__strbuf *to);
void mr__done_read(mr__done *done, mr__reader *from);

#endif
