/*
 * The walk over a strided tensor that all reductions, and their gradients, share.
 *
 * Dimensions are joined where their strides allow it. What is left is handed out in blocks of rows and
 * columns: each column belongs to one result, the rows are elements to be reduced. A column may come in
 * several blocks; the block function keeps what it has so far in memory of its own, MR__COLUMNS values.
 */
#ifndef MILLRACE_TENSOR_REDUCTION_H
#define MILLRACE_TENSOR_REDUCTION_H

#include "tensor/tape.h"

enum { MR__COLUMNS = 256 };

typedef struct mr__axes {
    int count;
    int64_t size[MR_MAX_DIMS];
    int64_t step[MR_MAX_DIMS];
} mr__axes;

typedef struct mr__reduction {
    uint32_t mask;   /* bit d: dimension d is reduced */
    int64_t results; /* how many */
    int64_t count;   /* elements behind each */
    mr_shape shape;  /* of the results */
    mr__axes kept, reduced;
} mr__reduction;

typedef struct mr__block {
    int64_t offset;               /* of the first element, from the tensor's first one */
    int64_t rows, row_step;       /* no rows: there is nothing to reduce */
    int64_t columns, column_step; /* at most MR__COLUMNS */
    int64_t result;               /* the first column's; the others follow */
    bool first, last;             /* of these columns' blocks */
} mr__block;

typedef void (*mr__block_fn)(void *self, const mr__block *block);

/* Plans to reduce x, of a type that is computed with, over `dims` (none: all). False when that cannot be; the tape has
 * stopped then. */
bool mr__reduction_plan(mr_tape *tape, const char *op, const mr_tensor *x, mr_dims dims, bool keepdim,
                        mr__reduction *r);

/* The same walk over a dense array of x's shape, such as x's gradient. */
void mr__reduction_dense(const mr_tensor *x, uint32_t mask, mr__reduction *r);

/* Calls `fn` for all blocks, in the order of the results. */
void mr__reduce(const mr__reduction *r, mr__block_fn fn, void *self);

/* Whether the elements of a column lie closer together than those of a row. */
static inline bool mr__by_columns(const mr__block *b)
{
    return b->columns == 1 || (b->row_step < b->column_step && b->rows > 1);
}

/* x's elements as a dense array: its own, or a copy that lives until the end of this backward. NULL when
 * memory is out (the tape has stopped then). */
const void *mr__dense_scratch(mr_tape *tape, const mr_tensor *x);

#endif
