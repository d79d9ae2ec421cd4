/* The batch that a collate function of the user's makes. Its tensors are kept from batch to batch and only
 * made anew when one must be larger. */
#ifndef MILLRACE_DATA_COLLATE_H
#define MILLRACE_DATA_COLLATE_H

#include "base/error.h"

#include <millrace/data.h>

struct mr_collated {
    mr_collate_function function; /* NULL: none */
    void *user;
    mr_batch batch;
    mr_tensor **tensor;
    const char **name;
    size_t *room; /* bytes of each tensor's memory */
    int made, capacity;
    int64_t *scratch; /* of functions of the library's: scratch_room of them */
    int64_t scratch_room;
};

/* Lets the function make a batch of `samples`. */
mr_status mr__collate(mr_collated *collated, const mr_batch *samples);
void mr__collated_free(mr_collated *collated);

#endif
