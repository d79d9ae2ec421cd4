/* The rows of ragged fields: each is an mr_ragged, with memory of its own or lent by the batch, where a dense field has
 * its elements. */
#ifndef MILLRACE_DATA_RAGGED_H
#define MILLRACE_DATA_RAGGED_H

#include <millrace/ragged.h>

/* `count` rows without items; NULL after a failure. */
mr_ragged *mr__ragged_rows(int64_t count, size_t item_bytes);
void mr__ragged_rows_free(mr_ragged *rows, int64_t count);

/* In memory that is there already. */
void mr__ragged_init(mr_ragged *row, size_t item_bytes);
void mr__ragged_clear(mr_ragged *row);

/* An empty row in memory that is not its own, as long as that is enough. */
void mr__ragged_lend(mr_ragged *row, void *data, size_t room);

/* Bytes of memory that a copy of it takes for its items. */
size_t mr__ragged_bytes(const mr_ragged *row);

mr_status mr__ragged_copy(mr_ragged *to, const mr_ragged *from);

/* The tensor that has the offsets of field f of a batch; NULL: that field is not ragged. */
const mr_tensor *mr__offsets_of(const mr_batch *batch, int f);

#endif
