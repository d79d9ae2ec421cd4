/* Windows of a sequence: x is `length` of its elements, y the same one step on. */
#ifndef MILLRACE_SOURCES_WINDOWS_H
#define MILLRACE_SOURCES_WINDOWS_H

#include "input.h"

#include <millrace/data.h>

typedef struct mr__windows {
    mr__bytes bytes;
    char *path; /* owned */
    const char *data;
    mr_dtype dtype; /* of an element in memory */
    int64_t count;  /* of elements */
    int64_t length, stride;
    uint32_t *code_points; /* of text by characters: which each number is; owned, as is `numbers` */
    int64_t characters;
    uint32_t *numbers;
} mr__windows;

/* Makes the dataset; adopts what `windows` holds, also when it fails. `call` and `path` are for messages. */
mr_dataset *mr__windows_new(const char *call, const char *path, mr__windows *windows, int64_t length,
                            int64_t stride);

/* Tokens out of a file's elements of that type; those of MR_INT32 have no sign. */
void mr__tokens_read(mr_dtype dtype, const char *from, int64_t count, int64_t *to);

/* Of a dataset made so; NULL of another. */
const mr__windows *mr__windows_of(mr_dataset *dataset);

void mr__windows_close(mr__windows *windows);

#endif
