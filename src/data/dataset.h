/* The inside of a dataset: fields and callbacks, by index or as a stream. */
#ifndef MILLRACE_DATA_DATASET_H
#define MILLRACE_DATA_DATASET_H

#include "base/error.h"

#include <millrace/data.h>

struct mr_dataset {
    const mr_dataset_vtable *map; /* one of the two is NULL */
    const mr_stream_vtable *stream;
    void *self;
    int field_count;
    mr_field *fields;  /* with their names, which are owned here */
    size_t *row_bytes; /* of one sample of each field */
};

/* "loader: sample 17: " is put before a callback's text; one that failed without a text gets one. */
mr_status mr__sample_failed(const char *call, mr_status status, int64_t index);

#endif
