/*
 * Loops divided among the threads of the one OpenMP team.
 *
 * Results never depend on the number of threads: a loop is cut into parts only where an element does not know in
 * which part it lies. Threads that are not OpenMP's (loader workers, the trainer's reporter) do no such work.
 */
#ifndef MILLRACE_KERNELS_PARALLEL_H
#define MILLRACE_KERNELS_PARALLEL_H

#include <stdint.h>

typedef void mr__part(void *work, int64_t begin, int64_t end);

/* Calls part(work, begin, end) for ranges that make up [0, count), side by side when there are at least two of
 * `grain` elements, on the calling thread alone when there are not or when it is one of a team already. Ranges
 * begin at multiples of `unit`. */
void mr__parallel(mr__part *part, void *work, int64_t count, int64_t grain, int64_t unit);

/* From now on this thread never divides a loop: it is one of several that do the same work side by side already. */
void mr__parallel_never(void);

/* How many threads mr__parallel takes at the most. */
int mr__threads(void);

/* What is worth a second thread: elements of a pass over memory, and multiply-adds of a product. */
enum { MR__GRAIN_ELEMENTS = 16 * 1024, MR__GRAIN_PRODUCTS = 256 * 1024 };

#endif
