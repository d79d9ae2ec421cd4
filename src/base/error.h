/* The one choke point for failures: see the comments at mr_error in base.h for the rules. */
#ifndef MILLRACE_BASE_ERROR_H
#define MILLRACE_BASE_ERROR_H

#include <millrace/base.h>

#include <stdarg.h>

#define MR__ERROR_BYTES 512

/* Tells a compiler which way a branch almost always goes. */
#define MR__LIKELY(x) __builtin_expect(!!(x), 1)
#define MR__UNLIKELY(x) __builtin_expect(!!(x), 0)

/* A failure that crosses threads or waits for its turn: a tape's, a worker's, a logger's. */
typedef struct mr__failure {
    mr_status status;
    char text[MR__ERROR_BYTES];
} mr__failure;

/* Raises a failure. Keeps the text of a pending one. Returns `status`. */
mr_status mr__raise(mr_status status, const char *format, ...) MR_PRINTF(2, 3);
mr_status mr__raise_va(mr_status status, const char *format, va_list args) MR_PRINTF(2, 0);

/* Puts "context: " before the pending text, once the place that knows the context is reached. */
void mr__add_context(const char *format, ...) MR_PRINTF(1, 2);

/* Whether a failure is pending on this thread. */
bool mr__pending(void);

/* The status of the pending failure, MR_OK when there is none. Calls that must be checked begin with it: what went
 * wrong before is what the user is to hear, and what follows from it is not to be seen or kept. */
mr_status mr__pending_status(void);

/* For a NULL handle named `what` in `call`: silent when a failure is pending, a failure of its own
 * otherwise. Returns the status to pass on. */
mr_status mr__null(const char *call, const char *what);

/* What a status call returns to the user: settles a pending failure if `status` is one. */
mr_status mr__settle(mr_status status);

/* Whether words are there for a callback that has failed with `status`, MR_OK for one that only gave NULL: those of a
 * failure that is pending, or of one that a checked call has settled since mr__error_mark, with that status, which is
 * then pending again. For the path of failure only: what a callback passes on is what its caller says. */
bool mr__has_cause(mr_status status);

/* What was settled before is not the cause of what follows: where a fit, an epoch or a callback that makes something
 * begins. */
void mr__error_mark(void);

/* Copies the pending (or last) failure out, and raises a copied one again on this thread. */
void mr__failure_take(mr__failure *to);
mr_status mr__failure_raise(const mr__failure *from);

#endif
