/*
 * The inside of a tensor and of the tape, for the files of this room and those that stand on it.
 *
 * A tensor is a header and elements. Headers and elements of an operation's result lie in the tape's
 * arena; those of a tensor of the user's own on the heap. Gradients are always dense and row-major,
 * whatever the strides of their tensor.
 */
#ifndef MILLRACE_TENSOR_TENSOR_H
#define MILLRACE_TENSOR_TENSOR_H

#include "base/alloc.h"
#include "base/arena.h"
#include "base/error.h"

#include <millrace/ops.h>

#include <stdatomic.h>
#include <string.h>

/* ---- gradients ---- */

typedef enum mr__grad_state {
    MR__GRAD_NONE,   /* nothing has arrived yet, since ever */
    MR__GRAD_ZERO,   /* zeroed: the memory may hold anything, its value is zero */
    MR__GRAD_WRITTEN /* the memory holds the sum so far */
} mr__grad_state;

/* Where a tensor's gradient is summed up. Contiguous views of a whole tensor share their base's. */
typedef struct mr__grad {
    void *data; /* NULL until the first gradient arrives */
    mr__grad_state state;
    bool retain;     /* keep it after backward (results only; leaves always keep theirs) */
    mr_tensor *view; /* of a leaf: what mr_tensor_grad returns; made when first asked for */
} mr__grad;

/* ---- memory of tensors off the tape ---- */

/* A block that several tensors may share: the parameters that an optimizer has moved into one range. */
typedef struct mr__memory {
    atomic_int holders;
} mr__memory;

mr__memory *mr__memory_new(size_t bytes); /* zeroed; one holder */

/* With anything in it, for whoever writes it from front to back: a large block begins on a page of 2 MB, and the system
 * is asked for such pages, each of which costs as much as one of 4 KB. What is never written costs none. `data`: where
 * the bytes begin. */
mr__memory *mr__memory_untouched(size_t bytes, void **data);

void mr__memory_hold(mr__memory *memory);
void mr__memory_drop(mr__memory *memory);

/* What it holds begins behind the count, on a line of its own. */
static inline void *mr__memory_data(mr__memory *memory)
{
    return (char *)memory + MR__ALIGNMENT;
}

/* ---- tensors ---- */

struct mr_tensor {
    char *data;        /* the first element */
    mr__grad *grad;    /* NULL: no gradient flows here */
    uint32_t *version; /* counts rewrites of the elements; NULL: never rewritten (results on a tape) */
    mr_tape *tape;     /* where it lives; NULL: the user's own */
    int64_t numel;
    uint8_t dtype;
    uint8_t ndim;
    bool contiguous; /* row-major without gaps; true for every tensor of at most one element */
    uint32_t mark;   /* MR__ALIVE, or MR__STALE after its tape's reset (Debug) */
    int64_t shape[MR_MAX_DIMS];
    int64_t stride[MR_MAX_DIMS]; /* in elements */

    /* Set in tensors off the tape; `own_grad` also where a result's gradient starts. */
    mr__grad own_grad;
    uint32_t own_version;
    mr__memory *memory; /* held; NULL when the elements are borrowed */
    mr__memory *grad_memory;
    char *name;       /* for messages */
    bool adopted;     /* by a module, or as the view of a gradient: not the user's to free */
    int holders;      /* modules that have it; the last one frees it */
    const void *home; /* the module that named it */
};

#define MR__ALIVE 0x6d726c6cu
#define MR__STALE 0x6d727374u

/* The size of a header on the tape: what comes behind own_grad is only for tensors off it. */
#define MR__TAPE_HEADER_BYTES offsetof(mr_tensor, own_version)

static inline bool mr__is_float(uint8_t dtype)
{
    return dtype == MR_FLOAT32 || dtype == MR_FLOAT64;
}

static inline bool mr__computes(uint8_t dtype)
{
    return dtype <= MR_BOOL;
}

static inline void mr__bump(mr_tensor *x)
{
    if (x->version)
        ++*x->version;
}

static inline mr_shape mr__shape_of(const mr_tensor *x)
{
    mr_shape s = { .ndim = x->ndim };
    for (int i = 0; i < s.ndim; i++)
        s.dim[i] = x->shape[i];
    return s;
}

static inline bool mr__usable(const mr_tensor *x)
{
#ifdef NDEBUG
    return x != NULL;
#else
    return x != NULL && x->mark == MR__ALIVE;
#endif
}

/* Whether x, the `name` of a call, can be read. When it is NULL or (seen in Debug) from before its tape's reset,
 * a failure is raised. */
bool mr__live(const char *call, const mr_tensor *x, const char *name);

/* Number of elements; -1 with a failure raised in the name of `call` when a size is negative, there are too
 * many dimensions or the product overflows. */
int64_t mr__numel(const char *call, const mr_shape *shape, mr_dtype dtype);

/* "[32,1]", or "layer1.weight[16,1]" for a tensor with a name; for messages. */
typedef struct mr__text {
    char text[160];
} mr__text;
mr__text mr__shape_text(const mr_shape *shape);
mr__text mr__tensor_text(const mr_tensor *x);

/* A dimension counted from the front; -1 with a failure raised. With no dimensions, 0 and -1 are taken. */
int mr__dim(const char *call, const mr_tensor *x, int dim);

/* Frees a tensor off the tape, also one that is adopted. */
void mr__tensor_free(mr_tensor *x);

/* The address of elements that a caller gave; if there are none, at NULL, another one: zero may not be added to NULL. */
static inline char *mr__address(const void *data)
{
    static _Alignas(8) char none;
    return data ? (char *)(uintptr_t)data : &none;
}

/* A tensor off the tape, zeroed; dtype may be any. */
mr_tensor *mr__tensor_alloc(const char *call, mr_dtype dtype, const mr_shape *shape);

/* The same in memory by mr__memory_untouched. */
mr_tensor *mr__tensor_untouched(const char *call, mr_dtype dtype, const mr_shape *shape);

/* Puts a tensor's elements, and its gradient, into memory shared with others (an optimizer's flat range).
 * Values and gradient are copied; the old memory goes. */
void mr__tensor_move(mr_tensor *x, mr__memory *memory, void *data, mr__memory *grad_memory, void *grad);

/* Fills shape, row-major strides and numel. */
static inline void mr__set_shape(mr_tensor *x, int ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = ndim - 1; i >= 0; i--) {
        x->shape[i] = shape[i];
        x->stride[i] = n;
        n *= shape[i];
    }
    if (MR__UNLIKELY(n == 0)) /* the strides of an empty tensor are those of one with 1 for 0, as torch's */
        for (int64_t i = ndim - 1, s = 1; i >= 0; i--) {
            x->stride[i] = s;
            s *= shape[i] ? shape[i] : 1;
        }
    x->ndim = (uint8_t)ndim;
    x->numel = n;
    x->contiguous = true;
}

/* Casts n elements, `from_stride` elements apart, to a dense row. Any types. */
void mr__cast_elements(mr_dtype to, void *out, mr_dtype from, const void *x, int64_t from_stride, int64_t n);

/* Writes x's elements row-major and cast to `dtype`, whatever its strides. */
void mr__gather_elements(mr_dtype dtype, void *out, const mr_tensor *x);

#endif
