/* Millrace, sources: what those of rows share. */
#ifndef MILLRACE_SOURCES_ROWS_H
#define MILLRACE_SOURCES_ROWS_H

#include <millrace/data.h>

/* What to do where a row has no value for a field. */
typedef enum mr_missing {
    MR_MISSING_FAIL = 0, /* the sample is a bad one */
    MR_MISSING_FILL,     /* the field's `fill` stands in for it */
    MR_MISSING_NAN,      /* it is NaN; for floating types */
    MR_MISSING_SKIP      /* the row is left out */
} mr_missing;

#endif
