/* Millrace, sources: what those of rows share. */
#ifndef MILLRACE_SOURCES_ROWS_H
#define MILLRACE_SOURCES_ROWS_H

#include <millrace/data.h>
#include <millrace/storage.h>

/* What to do where a row has no value for a field. */
typedef enum mr_missing {
    MR_MISSING_FAIL = 0, /* the sample is a bad one */
    MR_MISSING_FILL,     /* the field's `fill` stands in for it */
    MR_MISSING_NAN,      /* it is NaN; for floating types */
    MR_MISSING_SKIP      /* the row is left out */
} mr_missing;

/* One field of the samples of a table or a query, whose columns have names and types. */
typedef struct mr_table_field {
    const char *name;
    /* Its columns, with commas between them; default: the column of the field's name. One column makes a number, several an
     * array of as many. Blanks around the names of several are none of theirs. */
    const char *columns;
    mr_dtype dtype; /* default float32; with words int64 */
    /* Of one column of bytes, which hold the elements row-major in this machine's order of bytes, also of a type that is no
     * number. A first dimension of -1: as many as there are (<millrace/ragged.h>); of uint8 these may also be a text's bytes. */
    mr_shape shape;
    mr_missing missing; /* of NULL; an array is filled, one of any length then empty */
    double fill;
    const char *const *words; /* texts count as their places in this list */
    int word_count;
} mr_table_field;

#endif
