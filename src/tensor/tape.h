/*
 * The tape: results in an arena, and a chain of nodes that backward walks from the last to the first.
 *
 * How an operation is written (see unary.c for the shortest one):
 *
 *     if (!mr__ready1(tape, "sigmoid", x)) return NULL;      NULL, failed tape, stale tensor
 *     … check shapes and types, mr__fail(tape, …) on error …
 *     mr_tensor *y = mr__result(tape, dtype, ndim, shape);    on the tape, elements not set
 *     if (!y) return NULL;
 *     … kernel …
 *     if (mr__tracks(tape, x)) mr__record1(tape, "sigmoid", y, sigmoid_backward, x, MR__SAVES_NONE);
 *     return y;
 *
 * and its backward adds to mr__grad_target(tape, x, &add) what follows from mr__grad_of(node->out).
 */
#ifndef MILLRACE_TENSOR_TAPE_H
#define MILLRACE_TENSOR_TAPE_H

#include "tensor/tensor.h"

typedef struct mr__node mr__node;
typedef void (*mr__backward_fn)(mr_tape *tape, mr__node *node);

enum { MR__MAX_INPUTS = 8 }; /* those of an LSTM layer, the most, are 7 */

/* Which inputs backward reads the elements of: they must not have changed by then. */
enum {
    MR__SAVES_NONE = 0,
    MR__SAVES_FIRST = 1,
    MR__SAVES_SECOND = 2,
    MR__SAVES_BOTH = 3,
    MR__SAVES_THIRD = 4
};

/* A step of the record. Operations that must remember more embed it as their first member. */
struct mr__node {
    mr__node *previous;
    mr__backward_fn backward;
    const char *op;
    mr_tensor *out;
    mr_tensor *in[MR__MAX_INPUTS];
    uint32_t version[MR__MAX_INPUTS];
    uint8_t count; /* of inputs in `in`; an operation of many inputs keeps and checks its own list */
    uint8_t saves;
};

#ifdef NDEBUG
enum { MR__GENERATIONS = 1 };
#else
enum { MR__GENERATIONS = 3 }; /* stale tensors stay recognisable for two more resets */
#endif

struct mr_tape {
    bool failed;
    bool grad_enabled;
    bool used_up;      /* backward has consumed the record */
    bool located;      /* the text of the failure says in which module it began */
    bool watching;     /* results of modules are looked at, for the first that is not finite */
    const void *wrong; /* the module that gave it; NULL: none yet */
    /* Or, in place of that, called when a module is entered, with y NULL, and when it has given y. */
    void (*watch)(void *user, const void *module, const mr_tensor *x, const mr_tensor *y);
    void *watch_user;
    mr__node *last;
    mr__arena arena; /* results and nodes */
    mr__arena grads; /* gradients of intermediates and scratch memory, during backward */
    void *work;      /* memory for the inside of one operation, which the next takes over */
    size_t work_bytes;
    mr_rng *rng;
    size_t max_bytes;
    size_t backward_bytes; /* the most of `grads` that a backward since the last reset has used */
    size_t peak_bytes;     /* of both, between any two resets before */
    mr__failure failure;
#ifndef NDEBUG
    mr_tensor **alive; /* headers of this generation, to be marked at reset */
    size_t alive_count, alive_room;
    struct {
        mr__arena arena;
    } older[MR__GENERATIONS - 1];
#endif
};

/* What a tape may take unless told otherwise: three quarters of the machine's memory. */
size_t mr__tape_default_bytes(void);

/* ---- failures ---- */

/* Raises a failure, stops the tape until its reset, and returns NULL. */
mr_tensor *mr__fail(mr_tape *tape, mr_status status, const char *format, ...) MR_PRINTF(3, 4);

/* The slow path of the checks below: says what is wrong. Returns NULL. */
mr_tensor *mr__not_ready(mr_tape *tape, const char *op, const mr_tensor *x, const char *name);

/* Stops the tape after something else has raised a failure. Returns NULL. */
mr_tensor *mr__stop(mr_tape *tape);

static inline bool mr__ready1(mr_tape *tape, const char *op, const mr_tensor *x)
{
    if (MR__LIKELY(tape && !tape->failed && mr__usable(x)))
        return true;
    mr__not_ready(tape, op, x, "input");
    return false;
}

static inline bool mr__ready2(mr_tape *tape, const char *op, const mr_tensor *a, const mr_tensor *b)
{
    if (MR__LIKELY(tape && !tape->failed && mr__usable(a) && mr__usable(b)))
        return true;
    if (mr__usable(a))
        mr__not_ready(tape, op, b, "second input");
    else
        mr__not_ready(tape, op, a, "first input");
    return false;
}

/* Of layers: the weight stands for a bias that there is none of. */
static inline bool mr__ready_layer(mr_tape *tape, const char *op, const mr_tensor *x, const mr_tensor *weight,
                                   const mr_tensor *bias)
{
    if (MR__LIKELY(tape && !tape->failed && mr__usable(x) && mr__usable(weight) && mr__usable(bias)))
        return true;
    if (!mr__usable(x))
        mr__not_ready(tape, op, x, "input");
    else if (!mr__usable(weight))
        mr__not_ready(tape, op, weight, "weight");
    else
        mr__not_ready(tape, op, bias, "bias");
    return false;
}

/* ---- results ---- */

#ifdef NDEBUG
static inline void mr__remember(mr_tape *tape, mr_tensor *x)
{
    (void)tape;
    (void)x;
}
#else
void mr__remember(mr_tape *tape, mr_tensor *x);
#endif

/* A header on the tape without shape or elements; NULL when memory is out (the tape has stopped then). */
static inline mr_tensor *mr__header(mr_tape *tape, mr_dtype dtype)
{
    mr_tensor *x = mr__arena_alloc(&tape->arena, MR__TAPE_HEADER_BYTES);
    if (MR__UNLIKELY(!x))
        return mr__stop(tape);
    x->grad = NULL;
    x->version = NULL;
    x->tape = tape;
    x->dtype = (uint8_t)dtype;
    x->mark = MR__ALIVE;
    mr__remember(tape, x);
    return x;
}

/* A contiguous result with its elements not set. The shape is one that was checked: its product fits. */
static inline mr_tensor *mr__result(mr_tape *tape, mr_dtype dtype, int ndim, const int64_t *shape)
{
    mr_tensor *x = mr__header(tape, dtype);
    if (MR__UNLIKELY(!x))
        return NULL;
    mr__set_shape(x, ndim, shape);
    size_t size = dtype == MR_FLOAT32 ? 4 : mr_dtype_size(dtype);
    x->data = mr__arena_alloc(&tape->arena, mr__mul_size((size_t)x->numel, size));
    return MR__LIKELY(x->data != NULL) ? x : mr__stop(tape);
}

static inline mr_tensor *mr__result_like(mr_tape *tape, mr_dtype dtype, const mr_tensor *x)
{
    return mr__result(tape, dtype, x->ndim, x->shape);
}

/* A view of x: its memory, version and (until somebody records a node) no gradient. Shape to be set. */
mr_tensor *mr__view_header(mr_tape *tape, const mr_tensor *x);

/* x itself if it is contiguous, else a contiguous copy on the tape (not recorded). */
mr_tensor *mr__dense(mr_tape *tape, mr_tensor *x);

/* x itself if it has the type and is contiguous, else such a copy on the tape (not recorded). */
mr_tensor *mr__dense_as(mr_tape *tape, mr_tensor *x, mr_dtype dtype);

/* ---- recording ---- */

static inline bool mr__tracks(const mr_tape *tape, const mr_tensor *x)
{
    return x->grad && tape->grad_enabled;
}

/* A node of `bytes` bytes for `out`, which from now on takes a gradient; the caller adds the inputs. NULL
 * when memory is out (the tape has stopped then). */
static inline void *mr__record(mr_tape *tape, size_t bytes, const char *op, mr_tensor *out,
                               mr__backward_fn backward)
{
    mr__node *node = mr__arena_alloc(&tape->arena, bytes);
    if (MR__UNLIKELY(!node))
        return mr__stop(tape);
    node->previous = tape->last;
    node->backward = backward;
    node->op = op;
    node->out = out;
    node->count = 0;
    node->saves = 0;
    out->own_grad = (mr__grad){ NULL, MR__GRAD_NONE, false, NULL };
    out->grad = &out->own_grad;
    tape->last = node;
    return node;
}

/* Says that an input's record is on another tape. */
void mr__other_tape(mr__node *node, const mr_tensor *x);

static inline void mr__add_input(mr__node *node, mr_tensor *x, int saved)
{
    if (MR__UNLIKELY(x->tape != node->out->tape && x->tape && x->grad))
        mr__other_tape(node, x);
    int i = node->count++;
    node->in[i] = x;
    node->version[i] = x->version ? *x->version : 0;
    if (saved)
        node->saves |= (uint8_t)(1 << i);
}

static inline bool mr__record1(mr_tape *tape, const char *op, mr_tensor *out, mr__backward_fn backward,
                               mr_tensor *x, int saves)
{
    mr__node *node = mr__record(tape, sizeof *node, op, out, backward);
    if (MR__UNLIKELY(!node))
        return false;
    mr__add_input(node, x, saves & MR__SAVES_FIRST);
    return true;
}

static inline bool mr__record2(mr_tape *tape, const char *op, mr_tensor *out, mr__backward_fn backward,
                               mr_tensor *a, mr_tensor *b, int saves)
{
    mr__node *node = mr__record(tape, sizeof *node, op, out, backward);
    if (MR__UNLIKELY(!node))
        return false;
    mr__add_input(node, a, saves & MR__SAVES_FIRST);
    mr__add_input(node, b, saves & MR__SAVES_SECOND);
    return true;
}

/* ---- in backward ---- */

/* The dense gradient of a node's result. */
static inline void *mr__grad_of(const mr_tensor *out)
{
    return out->grad->data;
}

void *mr__grad_memory(mr_tape *tape, mr_tensor *x);

/* Where to put the gradient of x, dense and of x's type; *add tells whether to add to it or to store. NULL
 * when memory is out (the tape has stopped then), or when x takes none. */
static inline void *mr__grad_target(mr_tape *tape, mr_tensor *x, bool *add)
{
    mr__grad *g = x->grad;
    if (MR__UNLIKELY(!g))
        return NULL;
    *add = g->state == MR__GRAD_WRITTEN;
    if (MR__UNLIKELY(!g->data && !mr__grad_memory(tape, x)))
        return NULL;
    g->state = MR__GRAD_WRITTEN;
    return g->data;
}

/* Scratch memory until the end of this backward. NULL when memory is out (the tape has stopped then). */
void *mr__scratch(mr_tape *tape, mr_dtype dtype, int64_t count);

/* relu(x w^T + b) as one operation; bias NULL: none. The results are those of mr_linear and mr_relu, to the bit. */
mr_tensor *mr__linear_then_relu(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias);

/* Room for `count` elements inside one operation, or inside its backward: until the next call on this tape, which gets the
 * same memory. NULL, with the tape stopped, when there is none. */
void *mr__work(mr_tape *tape, mr_dtype dtype, int64_t count);

/* Adds a dense gradient of shape `shape` to x's, summing over the dimensions that x was broadcast along. */
void mr__grad_add(mr_tape *tape, mr_tensor *x, const void *gradient, const mr_shape *shape);

#endif
