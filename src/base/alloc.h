/* Memory through the hook of base.h; sizes multiplied with a check for overflow. */
#ifndef MILLRACE_BASE_ALLOC_H
#define MILLRACE_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every block of numbers starts on a cache line, which is also the width of the widest vector. */
#define MR__ALIGNMENT 64

/* Aligned to MR__ALIGNMENT; NULL with a failure raised when there is no memory. The second is zeroed. */
void *mr__alloc(size_t bytes);
void *mr__alloc_zeroed(size_t bytes);
void *mr__alloc_array(size_t count, size_t size);

/* The same without a failure: for memory that can be done without. */
void *mr__try_alloc(size_t bytes);

/* A larger block with the first `used` bytes of the old one, which is freed; on failure the old one stays. */
void *mr__grow(void *memory, size_t used, size_t bytes);

/* A copy of a string; NULL gives NULL. */
char *mr__strdup(const char *text);

/* Copies the struct of a user's that a constructor was given, `size` bytes, to *copy (size 0: NULL). False with a
 * failure raised in the name of `call`. */
bool mr__copy_self(const char *call, const void *self, size_t size, void **copy);

void mr__free(void *memory);

/* a * b, or SIZE_MAX when that does not fit, which no allocation survives. */
static inline size_t mr__mul_size(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static inline size_t mr__round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

#endif
