/* What the elementwise operations of two and three inputs share: bringing the inputs to one type, and the
 * loop over operands that are broadcast or strided. */
#ifndef MILLRACE_TENSOR_ITERATE_H
#define MILLRACE_TENSOR_ITERATE_H

#include "tensor/tape.h"

enum { MR__MAX_OPERANDS = 3 };

/* Elements to be read: those at `data`, which lie as the elements of `layout` do. */
typedef struct mr__operand {
    const void *data;
    const mr_tensor *layout;
} mr__operand;

static inline mr__operand mr__elements_of(const mr_tensor *x)
{
    return (mr__operand){ x->data, x };
}

static inline mr__operand mr__gradient_of(const mr_tensor *out)
{
    return (mr__operand){ mr__grad_of(out), out };
}

/* Computes a dense row of n results. Operand k begins at in[k] and goes on in steps of step[k] elements; a
 * step of 0 repeats the one element. */
typedef void (*mr__loop)(void *out, const void *const *in, const int64_t *step, int64_t n);

/* Runs `loop` over all elements of a dense tensor at `out` of the given type and shape, to which the operands
 * broadcast. */
void mr__each(mr__loop loop, void *out, mr_dtype dtype, const mr_shape *shape, const mr__operand *in,
              int count);

/* The same for a and b of y's shape, all dense (mr__alike). */
void mr__each_alike(mr__loop loop, mr_tensor *y, const mr_tensor *a, const mr_tensor *b);

/* In backward: adds to the gradient of x, which was broadcast to the shape of `out`, what `loop` computes for
 * each element of `out`, in the type of both. */
void mr__each_to_grad(mr_tape *tape, mr_tensor *x, const mr_tensor *out, mr__loop loop, const mr__operand *in,
                      int count);

/* Casts two inputs to the type that torch would compute in (recorded, so that gradients are cast back). False
 * when there is none or memory is out; the tape has stopped then. */
bool mr__to_one_type(mr_tape *tape, const char *op, mr_tensor **a, mr_tensor **b);

/* False, and the tape has stopped, when x is of a type that is only for loading. */
bool mr__check_computes(mr_tape *tape, const char *op, const mr_tensor *x);

/* A result of the shape that a and b broadcast to. NULL when they do not. */
mr_tensor *mr__broadcast_result(mr_tape *tape, const char *op, mr_dtype dtype, const mr_tensor *a,
                                const mr_tensor *b);

/* Both dense and of one shape: their elements correspond one to one in memory. */
bool mr__alike(const mr_tensor *a, const mr_tensor *b);

/* Defines an mr__loop of two operands; `value` is an expression of their elements a and b. Dense rows and
 * a row with one number are loops of their own so that the compiler can vectorise them. */
#define MR__DEFINE_LOOP2(name, in_type, out_type, value)                               \
    static void name(void *out, const void *const *in, const int64_t *step, int64_t n) \
    {                                                                                  \
        out_type *restrict o = out;                                                    \
        const in_type *p = in[0], *q = in[1];                                          \
        const int64_t s = step[0], t = step[1];                                        \
        if (s == 1 && t == 1) {                                                        \
            for (int64_t i = 0; i < n; i++) {                                          \
                const in_type a = p[i], b = q[i];                                      \
                o[i] = (out_type)(value);                                              \
            }                                                                          \
        } else if (s == 1 && t == 0) {                                                 \
            const in_type b = *q;                                                      \
            for (int64_t i = 0; i < n; i++) {                                          \
                const in_type a = p[i];                                                \
                o[i] = (out_type)(value);                                              \
            }                                                                          \
        } else {                                                                       \
            for (int64_t i = 0; i < n; i++) {                                          \
                const in_type a = p[i * s], b = q[i * t];                              \
                o[i] = (out_type)(value);                                              \
            }                                                                          \
        }                                                                              \
    }

/* The same of three operands: the gradient dy, which is always dense, and elements a and b. */
#define MR__DEFINE_GRADIENT_LOOP(name, type, value)                                    \
    static void name(void *out, const void *const *in, const int64_t *step, int64_t n) \
    {                                                                                  \
        type *restrict o = out;                                                        \
        const type *g = in[0], *p = in[1], *q = in[2];                                 \
        const int64_t s = step[1], t = step[2];                                        \
        for (int64_t i = 0; i < n; i++) {                                              \
            const type dy = g[i], a = p[i * s], b = q[i * t];                          \
            o[i] = (type)(value);                                                      \
        }                                                                              \
    }

#endif
