/*
 * Millrace, base layer: status codes, the error message, memory and log hooks, random numbers.
 *
 * Four words say who owns what, in every header:
 *   makes    the caller frees what is returned;
 *   adopts   the callee frees what it is given, also when the call fails;
 *   borrows  what is given must outlive its user;
 *   views    what is returned belongs to somebody else and is valid until stated.
 */
#ifndef MILLRACE_BASE_H
#define MILLRACE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MR_API __attribute__((visibility("default")))
#define MR_CHECKED __attribute__((warn_unused_result))
#define MR_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define MR_API
#define MR_CHECKED
#define MR_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is running, "major.minor.patch". Never NULL; static storage. */
MR_API const char *mr_version(void);

/* ---- status ---------------------------------------------------------------------------------- */

/* What a call that does something visible returns: zero is success, a negative value is a failure
 * whose text is in mr_error(), a positive value is a normal other outcome. */
typedef enum mr_status {
    MR_OK = 0,
    MR_END = 1,            /* no more batches in this epoch, no more samples in this stream */
    MR_INTERRUPTED = 2,    /* a signal asked for an orderly end */
    MR_ERR_ARGUMENT = -1,  /* a value out of range, a NULL handle, options that exclude each other */
    MR_ERR_SHAPE = -2,     /* sizes that do not fit each other */
    MR_ERR_DTYPE = -3,     /* an element type that the call does not take */
    MR_ERR_STATE = -4,     /* the right call at the wrong time: backward twice, a changed tensor */
    MR_ERR_MEMORY = -5,    /* out of memory, or over a limit the caller has set */
    MR_ERR_IO = -6,        /* the operating system refused to open, read, write or sync */
    MR_ERR_FORMAT = -7,    /* a file whose contents are not what its format demands */
    MR_ERR_NONFINITE = -8, /* a loss that is NaN or infinite */
    MR_ERR_CALLBACK = -9,  /* a user's callback failed without a message of its own */
    MR_ERR_MISSING = -10   /* a component or program that is not there */
} mr_status;

/* The text of the thread's first failure that nobody has dealt with yet, or of the last one that was
 * dealt with; "" when there has been none. One line, lower case, without a full stop.
 *
 * A failure is *pending* until a call whose status must be checked (MR_CHECKED in the headers) returns it, or until it
 * is read here or cleared. A status that may be ignored (mr_tensor_fill's) leaves it pending, so that it is not lost.
 * While one is pending, NULL handles pass silently through every call, so that the first cause survives; and the next
 * call whose status must be checked (mr_backward, mr_loader_next, mr_module_save, …) returns it and does nothing else.
 * Views per-thread storage, valid until the thread's next failure. A callback may pass a status on: its text stays. */
MR_API const char *mr_error(void);

/* The status that belongs to the text of mr_error(); MR_OK when there has been no failure. Does not
 * settle a pending one. */
MR_API mr_status mr_error_status(void);

/* Forgets the thread's message, pending or not. */
MR_API void mr_error_clear(void);

/* Raises a failure with a printf-style text, for use in callbacks (`return mr_fail(MR_ERR_FORMAT, "…")`).
 * Returns `status`, MR_ERR_CALLBACK for one that is no failure. When a failure is pending already its text is kept:
 * the first cause wins. */
MR_API mr_status mr_fail(mr_status status, const char *format, ...) MR_PRINTF(2, 3);

/* Puts "context: " before the text of the failure that is pending, in a callback that knows where it happened. */
MR_API void mr_fail_context(const char *format, ...) MR_PRINTF(1, 2);

/* ---- memory ---------------------------------------------------------------------------------- */

/* Where the library gets its memory. `allocate` returns `bytes` bytes aligned to `alignment` (a power of
 * two, at most 4096) or NULL; `release` gets what `allocate` returned. Both may be called from several
 * threads at once. */
typedef struct mr_allocator {
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    void (*release)(void *user, void *memory);
    void *user;
} mr_allocator;

/* Replaces the allocator (copied); NULL restores the C library's. Call it before anything else has been
 * made, from one thread: memory made by one allocator must not be released by another. */
MR_API void mr_set_allocator(const mr_allocator *allocator);

/* Memory from there, for datasets and operations of your own: aligned to 64 bytes; NULL with a failure raised when there
 * is none. mr_calloc's is zeroed; mr_grow makes a larger block of one with `used` bytes in it, which is freed unless
 * it fails. A copy of a string; of NULL, NULL. mr_free takes NULL as well. */
MR_API void *mr_alloc(size_t bytes);
MR_API void *mr_calloc(size_t count, size_t size);
MR_API void *mr_grow(void *memory, size_t used, size_t bytes);
MR_API char *mr_strdup(const char *text);
MR_API void mr_free(void *memory);

/* ---- log ------------------------------------------------------------------------------------- */

typedef enum mr_log_level { MR_LOG_INFO = 0, MR_LOG_WARNING = 1 } mr_log_level;

/* Gets every line that the library has to say (without a newline). May be called from any thread. */
typedef void (*mr_log_hook)(void *user, mr_log_level level, const char *line);

/* Replaces the log hook; NULL restores the default, which writes each line to stderr. Call it from one
 * thread while nothing else runs. `user` is borrowed. */
MR_API void mr_set_log_hook(mr_log_hook hook, void *user);

/* Gives the hook a line with a printf-style text, of up to 1023 bytes, for datasets and callbacks of one's own. */
MR_API void mr_log_line(mr_log_level level, const char *format, ...) MR_PRINTF(2, 3);

/* ---- threads --------------------------------------------------------------------------------- */

/* How many threads large operations are divided among, at most 1024; 0 restores the default, the processors that are there (or
 * OMP_NUM_THREADS). Results do not depend on it. A build without OpenMP has one. Call it while nothing computes. */
MR_API mr_status mr_set_num_threads(int count);
MR_API int mr_num_threads(void);

/* ---- zero in options ------------------------------------------------------------------------- */

/* In an options struct a zero field means its default. For a field whose default is not zero, these mean
 * zero itself: `&(mr_adamw_opts){ .weight_decay = MR_ZERO }`. */
#define MR_ZERO 4.9406564584124654e-324
#define MR_ZERO_INT INT64_MIN

/* ---- random numbers -------------------------------------------------------------------------- */

/* A generator of random numbers whose draws are those of PyTorch's CPU generator, bit for bit: mt19937
 * seeded with the low 32 bits of the seed. Not for use by two threads at once. */
typedef struct mr_rng mr_rng;

/* Makes a generator, as torch.Generator().manual_seed(seed). */
MR_API mr_rng *mr_rng_new(uint64_t seed);
MR_API void mr_rng_free(mr_rng *rng);

/* Starts again from `seed`, and forgets a cached normal draw. */
MR_API void mr_rng_seed(mr_rng *rng, uint64_t seed);

/* The seed it was last given, all 64 bits. */
MR_API uint64_t mr_rng_initial_seed(const mr_rng *rng);

/* Makes the generator `to` stand where `from` stands. */
MR_API void mr_rng_copy(mr_rng *to, const mr_rng *from);

/* The next 32 bits; the next 64, first word high (torch's random64). NULL gives 0. */
MR_API uint32_t mr_rng_u32(mr_rng *rng);
MR_API uint64_t mr_rng_u64(mr_rng *rng);

/* Uniform in [0, 1) with 53 bits (two words), as torch draws for bernoulli_ and dropout. */
MR_API double mr_rng_uniform(mr_rng *rng);

/* One standard normal draw, as torch.randn with fewer than 16 elements: Box and Muller in double; the
 * second value is kept for the next call. */
MR_API double mr_rng_normal(mr_rng *rng);

/* Fill `count` values as tensor.uniform_(low, high) and tensor.normal_(mean, std) fill a contiguous
 * tensor; normal draws of 16 and more float values follow torch's AVX2 build. */
MR_API void mr_rng_fill_uniform(mr_rng *rng, float *values, int64_t count, double low, double high);
MR_API void mr_rng_fill_uniform_f64(mr_rng *rng, double *values, int64_t count, double low, double high);
MR_API void mr_rng_fill_normal(mr_rng *rng, float *values, int64_t count, double mean, double std);
MR_API void mr_rng_fill_normal_f64(mr_rng *rng, double *values, int64_t count, double mean, double std);

/* Writes torch.randperm(count) to `order`. `count` is at most 2^32-1. */
MR_API void mr_rng_permutation(mr_rng *rng, int64_t *order, int64_t count);

/* The generator's whole state in torch.get_rng_state()'s layout, MR_RNG_STATE_BYTES bytes. Setting fails
 * with MR_ERR_FORMAT when the bytes are no such state. */
#define MR_RNG_STATE_BYTES 5056
MR_API void mr_rng_get_state(const mr_rng *rng, void *bytes);
MR_API MR_CHECKED mr_status mr_rng_set_state(mr_rng *rng, const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif
#endif
