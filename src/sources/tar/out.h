/* What a sample's members have in them, when they are written. */
#ifndef MILLRACE_SOURCES_TAR_OUT_H
#define MILLRACE_SOURCES_TAR_OUT_H

#include <millrace/sources/tar.h>

/* Bytes in the making. */
typedef struct mr__content {
    char *bytes;
    size_t used, room;
} mr__content;

mr_status mr__content_add(mr__content *content, const void *bytes, size_t count);

/* A field of the dataset, as batches have it. */
typedef struct mr__out {
    const mr_field *field;       /* borrowed from the dataset */
    const char *extension, *key; /* borrowed */
    mr_member content;
    int place, offsets; /* in a batch; the second -1: it is not ragged */
    size_t item;        /* bytes of an item, or of a sample */
} mr__out;

mr_status mr__out_plan(mr__out *out, mr_dataset *dataset, const mr_tar_out *from);

/* The bytes of a row's elements, and how many items it has: 1 of a field that is not ragged. */
const char *mr__out_row(const mr__out *out, const mr_batch *batch, int64_t row, int64_t *items);

/* Adds what a row's member has: all of it, or of JSON a pair, behind `{` or `, `. */
mr_status mr__out_add(const mr__out *out, const mr_batch *batch, int64_t row, mr__content *content);

#endif
