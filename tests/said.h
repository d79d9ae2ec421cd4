/* What the library said last. */
#ifndef SAID_H
#define SAID_H

#include "check.h"

#include <millrace/base.h>

/* The text is in it; afterwards it is forgotten. */
static inline void check_said(const char *wanted)
{
    if (!CHECK(strstr(mr_error(), wanted) != NULL))
        printf("    '%s', not '%s'\n", mr_error(), wanted);
    mr_error_clear();
}

#endif
