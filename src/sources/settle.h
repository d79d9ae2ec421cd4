/* The end of a call whose status must be checked (MR_CHECKED): who gets the status deals with the failure, which is
 * then no longer pending. */
#ifndef MILLRACE_SOURCES_SETTLE_H
#define MILLRACE_SOURCES_SETTLE_H

#include <millrace/base.h>

static inline mr_status mr__settled(mr_status status)
{
    if (status < 0)
        mr_error();
    return status;
}

#endif
