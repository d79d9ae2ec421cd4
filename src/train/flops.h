/* What operations cost that are on a tape's record. */
#ifndef MILLRACE_TRAIN_FLOPS_H
#define MILLRACE_TRAIN_FLOPS_H

#include "tensor/tape.h"

/* Multiplications and additions; 0 of operations that are no products. */
double mr__node_flops(const mr__node *node);

/* Bytes of its result; 0 if that is a view of an input. */
double mr__node_bytes(const mr__node *node);

#endif
