/*
 * A slot of the loader's ring: memory for one batch, made once and filled again and again. The tensors of a
 * batch are its views of the slot; each refill counts up their version, so that a backward that still
 * needs the old rows is told.
 */
#ifndef MILLRACE_DATA_SLOT_H
#define MILLRACE_DATA_SLOT_H

#include "mark.h"
#include "ragged.h"

#include "base/arena.h"

typedef struct mr__slot_batch {
    mr_batch batch;
    int64_t capacity; /* rows */
    int field_count;  /* of the dataset; the batch has one more for the offsets of each ragged one */
    mr_tensor **tensor;
    int ragged_count;
    mr_ragged **ragged;   /* the rows of each ragged field; NULL: it is dense */
    int64_t *ragged_room; /* items that there is room for in its tensor */
    bool lends;           /* mr__slot_lend does so: of a stream, whose rows are written in order */
    const char **name;
    void **base; /* where each field's rows begin */
    void **row;  /* where the sample being written goes; what callbacks see */
    int64_t *index;
    bool *valid;
    mr__mark mark;                      /* of a stream: where its lane stands, */
    int lane;                           /* and which that is */
    const size_t *row_bytes;            /* the dataset's */
    _Atomic(struct mr__fault *) faults; /* samples that could not be had: faults.h */
} mr__slot_batch;

/* A slot for `capacity` rows of a dataset's fields. With `single`, for one sample without the dimension of
 * rows. NULL after a failure. */
mr__slot_batch *mr__slot_new(const mr_dataset *dataset, int64_t capacity, bool single);
void mr__slot_free(mr__slot_batch *slot);

/* Moves `count` rows of fields from `first` on to `row` of another slot, or of the same one towards the front; what is there
 * afterwards where they were is nobody's. Ragged rows change places with their memory; to another slot that lends they
 * are copied, in order, which fails for want of memory. */
mr_status mr__slot_move_rows(mr__slot_batch *to, int64_t row, const mr__slot_batch *from, int64_t first,
                             int64_t count);

/* After `rows` rows were written: sets the tensors' sizes, and counts up their versions. Fails for want of memory for ragged
 * fields. */
mr_status mr__slot_finish(mr__slot_batch *slot, int64_t rows);

/* Bytes of the items of ragged fields, after that. */
int64_t mr__slot_item_bytes(const mr__slot_batch *slot);

/* ---- ragged fields: slot_ragged.c ---- */

/* Before row `row` of a slot that lends is written, behind those before it: what is left of each ragged field's tensor is lent
 * to the row. So its items are written where the batch has them. Fails for want of memory. */
mr_status mr__slot_lend(mr__slot_batch *slot, int64_t row);

/* After rows at the front have gone: what was lent to the first `rows` ones moves to the front of the tensors, too. */
void mr__slot_close_up(mr__slot_batch *slot, int64_t rows);

/* A part of mr__slot_finish: puts the items of all rows behind each other, where they are not. */
mr_status mr__slot_gather(mr__slot_batch *slot, int64_t rows);

/* Gives a tensor another first size. */
void mr__slot_set_rows(mr_tensor *x, int64_t rows);

#endif
