/* Runs the cases of a golden file: each operation forward and backward, forward again without recording,
 * and those that must fail. A test program has a table of its operations and calls golden_run.
 *
 * Results must have exactly the type and shape of PyTorch's. Integers and bool must be equal. Of floats,
 * NaN equals NaN, and otherwise |value - expected| may be `forward` (`gradient` for gradients) times the
 * type's epsilon times |expected|, or times `floor` where that is more. With a `forward` of 0 the sign of a
 * zero must be right, too; SAME is so little that it allows nothing but a zero of the other sign. */
#ifndef GOLDEN_RUN_H
#define GOLDEN_RUN_H

#include "golden.h"

#include <millrace/ops.h>

#include <float.h>

/* Runs the operation of a case; *second is for the second output of those that have two. */
typedef mr_tensor *(*golden_call)(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second);

typedef struct golden_op {
    const char *name;
    golden_call call;
    double forward, gradient; /* allowed, in units of the last place */
    double floor;             /* below this size, an error is measured against it */
    const char *why;          /* why anything is allowed */
    double worst[2];          /* measured: forward and gradient */
} golden_op;

/* Defines run_OP, which calls mr_OP with the tape and what else is given: of c, in and second. */
#define GOLDEN_CALL(op, ...)                                                                            \
    static mr_tensor *run_##op(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second) \
    {                                                                                                   \
        (void)c, (void)in, (void)second;                                                                \
        return mr_##op(tape, __VA_ARGS__);                                                              \
    }

/* Its line in the table. */
#define GOLDEN_OP(op, forward, gradient, floor, why)          \
    {                                                         \
#op, run_##op, (forward), (gradient), (floor), (why), \
        {                                                     \
            0, 0                                              \
        }                                                     \
    }
#define GOLDEN_EXACT(op) GOLDEN_OP(op, 0, SAME, 0, NULL)
#define SAME 1e-3

/* ---- comparing ---- */

static inline double golden_float(const golden_tensor *t, const void *values, int64_t i)
{
    return t->dtype == MR_FLOAT64 ? ((const double *)values)[i] : (double)((const float *)values)[i];
}

/* Whether value i is as it should be; for floats *units becomes the error. */
static inline bool golden_equal(const golden_tensor *want, const void *got, int64_t i, double allowed,
                                double floor, double *units)
{
    mr_dtype dtype = golden_storage(want->dtype);
    size_t size = mr_dtype_size(dtype);
    bool bits = memcmp((const char *)got + (size_t)i * size, (const char *)want->values + (size_t)i * size,
                       size) == 0;
    if (bits || (dtype != MR_FLOAT32 && dtype != MR_FLOAT64))
        return bits;
    double a = golden_float(want, got, i), b = golden_float(want, want->values, i);
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (a == b) /* zeros of either sign are equal: torch's depend on the order of its sums */
        return true;
    if (isinf(a) || isinf(b))
        return false;
    double epsilon = dtype == MR_FLOAT32 ? FLT_EPSILON : DBL_EPSILON;
    /* Numbers too small for all their digits have the absolute error of the smallest that has them. */
    double size_of_b = fmax(fmax(fabs(b), floor), dtype == MR_FLOAT32 ? FLT_MIN : DBL_MIN);
    double error = fabs(a - b) / (epsilon * size_of_b);
    *units = fmax(*units, error);
    return allowed > 0 && error <= allowed;
}

static inline void golden_print_value(const golden_tensor *t, const void *values, int64_t i)
{
    mr_dtype dtype = golden_storage(t->dtype);
    if (dtype == MR_FLOAT32 || dtype == MR_FLOAT64)
        printf("%.*g", dtype == MR_FLOAT32 ? 9 : 17, golden_float(t, values, i));
    else if (dtype == MR_INT64)
        printf("%lld", (long long)((const int64_t *)values)[i]);
    else if (dtype == MR_INT32)
        printf("%d", ((const int32_t *)values)[i]);
    else if (dtype == MR_INT16)
        printf("%d", ((const int16_t *)values)[i]);
    else
        printf("%d", dtype == MR_INT8 ? ((const int8_t *)values)[i] : ((const uint8_t *)values)[i]);
}

/* Begins the line of a failed case and counts it. */
static inline bool golden_failed(const golden_case *c, const char *what)
{
    check_failed++;
    printf("%s.txt: case %d: %s", c->file, c->number, c->op);
    for (int i = 0; i < c->parameters; i++) {
        printf(" %s=", c->parameter[i].key);
        for (int k = 0; k < c->parameter[i].count; k++)
            printf(k ? ",%g" : "%g", c->parameter[i].value[k]);
    }
    for (int i = 0; i < c->inputs; i++) {
        const golden_tensor *t = &c->in[i];
        printf(t->same >= 0 ? " same" : " %s[", mr_dtype_name(t->dtype));
        for (int d = 0; t->same < 0 && d < t->shape.ndim; d++)
            printf(d ? ",%lld" : "%lld", (long long)t->shape.dim[d]);
        printf(t->same < 0 ? "]" : "");
        if (t->layout)
            printf("%c", t->layout);
    }
    printf(": %s", what);
    return false;
}

static inline bool golden_same_shape(const mr_shape *a, const mr_shape *b)
{
    bool same = a->ndim == b->ndim;
    for (int i = 0; same && i < a->ndim; i++)
        same = a->dim[i] == b->dim[i];
    return same;
}

/* Compares a tensor with what is expected of it. `what` names it; `gradient` chooses the tolerance. */
static inline bool golden_compare(const golden_case *c, golden_op *op, const char *what,
                                  const golden_tensor *want, const mr_tensor *got, bool gradient)
{
    mr_shape shape = mr_tensor_shape(got);
    if (!got) {
        golden_failed(c, what);
        printf(" is NULL: %s\n", mr_error());
        return false;
    }
    if (mr_tensor_dtype(got) != want->dtype || !golden_same_shape(&shape, &want->shape)) {
        golden_failed(c, what);
        printf(" is %s with %d dimensions [", mr_dtype_name(mr_tensor_dtype(got)), shape.ndim);
        for (int d = 0; d < shape.ndim; d++)
            printf(" %lld", (long long)shape.dim[d]);
        printf(" ], expected %s with %d [", mr_dtype_name(want->dtype), want->shape.ndim);
        for (int d = 0; d < want->shape.ndim; d++)
            printf(" %lld", (long long)want->shape.dim[d]);
        printf(" ]\n");
        return false;
    }
    void *values = malloc((size_t)want->numel * 8 + 1);
    bool ok = values && mr_copy_out(got, golden_storage(want->dtype), values, want->numel) == MR_OK;
    if (!ok) {
        golden_failed(c, what);
        printf(" cannot be read: %s\n", mr_error());
    }
    int64_t wrong = 0, first = 0;
    double *worst = &op->worst[gradient];
    for (int64_t i = 0; ok && i < want->numel; i++)
        if (!golden_equal(want, values, i, gradient ? op->gradient : op->forward, op->floor, worst) &&
            !wrong++)
            first = i;
    if (wrong) {
        ok = golden_failed(c, what);
        printf(" has %lld of %lld wrong; [%lld] is ", (long long)wrong, (long long)want->numel,
               (long long)first);
        golden_print_value(want, values, first);
        printf(", expected ");
        golden_print_value(want, want->values, first);
        printf("\n");
    }
    free(values);
    check_passed += ok;
    return ok;
}

/* ---- inputs ---- */

/* The tensor that an input is made from: its own, or for a layout one that it is a view of. */
static inline mr_tensor *golden_base(const golden_tensor *t)
{
    if (!t->layout)
        return mr_tensor_from(t->dtype, t->shape, t->values);
    mr_shape shape = t->shape;
    int i = t->where[0], j = t->where[1];
    if (t->layout == 't') {
        shape.dim[i] = t->shape.dim[j];
        shape.dim[j] = t->shape.dim[i];
    } else {
        shape.dim[i] = t->layout == 's' ? 2 * shape.dim[i] + 1 : t->layout == 'o' ? shape.dim[i] + 2 : 1;
    }
    mr_tensor *base = mr_tensor_full(t->dtype, shape, t->dtype == MR_BOOL ? 1 : 77);
    size_t size = mr_dtype_size(t->dtype);
    char *to = mr_tensor_data(base);
    for (int64_t n = 0; n < t->numel && base; n++) {
        int64_t index[MR_MAX_DIMS], rest = n, at = 0;
        for (int d = t->shape.ndim - 1; d >= 0; d--) {
            index[d] = rest % t->shape.dim[d];
            rest /= t->shape.dim[d];
        }
        int64_t old = index[i];
        if (t->layout == 't') {
            index[i] = index[j];
            index[j] = old;
        } else {
            index[i] = t->layout == 's' ? 2 * old + 1 : t->layout == 'o' ? old + 1 : 0;
        }
        for (int d = 0; d < t->shape.ndim; d++)
            at = at * shape.dim[d] + index[d];
        memcpy(to + (size_t)at * size, (const char *)t->values + (size_t)n * size, size);
    }
    return base;
}

/* The input itself, on the tape if it has a layout. */
static inline mr_tensor *golden_view(mr_tape *tape, const golden_tensor *t, mr_tensor *base)
{
    int i = t->where[0];
    mr_tensor *x = base;
    switch (t->layout) {
    case 't':
        x = mr_transpose(tape, base, i, t->where[1]);
        break;
    case 's':
        x = mr_slice(tape, base, i, 1, 1 + 2 * t->shape.dim[i], 2);
        break;
    case 'o':
        x = mr_slice(tape, base, i, 1, 1 + t->shape.dim[i], 1);
        break;
    case 'e':
        x = mr_expand(tape, base, t->shape);
        break;
    default:
        break;
    }
    if (x != base && mr_tensor_requires_grad(x))
        CHECK(mr_tensor_retain_grad(x) == MR_OK);
    return x;
}

/* ---- a case ---- */

typedef struct golden_state {
    mr_tape *tape;
    golden_op *op;
    const golden_case *c;
    mr_tensor *base[GOLDEN_INPUTS], *in[GOLDEN_INPUTS];
} golden_state;

static inline mr_tensor *golden_forward(golden_state *s, mr_tensor **second)
{
    const golden_case *c = s->c;
    *second = NULL;
    for (int i = 0; i < c->inputs; i++)
        s->in[i] = c->in[i].same >= 0 ? s->in[c->in[i].same] : golden_view(s->tape, &c->in[i], s->base[i]);
    return s->op->call(s->tape, c, s->in, second);
}

/* How a view must lie: on its input's memory, with torch's strides (sizes of 1 have any). */
static inline void golden_check_view(golden_state *s, const mr_tensor *y, const golden_tensor *want)
{
    if (want->numel == 0)
        return;
    int64_t size = (int64_t)mr_dtype_size(want->dtype);
    bool ok = (char *)mr_tensor_data(y) == (char *)mr_tensor_data(s->in[0]) + want->offset * size;
    for (int d = 0; d < want->shape.ndim; d++)
        ok = ok && (want->shape.dim[d] == 1 || mr_tensor_stride(y, d) == want->stride.dim[d]);
    check_passed += ok;
    if (!ok) {
        golden_failed(s->c, "does not lie on its input as torch's does");
        printf("\n");
    }
}

static inline bool golden_compare_outputs(golden_state *s, mr_tensor *y, mr_tensor *second, const char *what)
{
    const golden_case *c = s->c;
    bool ok = golden_compare(c, s->op, what, &c->out[0], y, false);
    if (ok && c->out[0].view)
        golden_check_view(s, y, &c->out[0]);
    if (ok && c->outputs > 1)
        ok = golden_compare(c, s->op, "second output", &c->out[1], second, false);
    return ok;
}

static inline bool golden_all_zero(const golden_tensor *t)
{
    bool zero = true;
    for (int64_t i = 0; i < t->numel; i++)
        zero = zero && golden_float(t, t->values, i) == 0;
    return zero;
}

static inline void golden_check_gradients(golden_state *s, mr_tensor *y)
{
    const golden_case *c = s->c;
    if (mr_tensor_requires_grad(y) != (c->up.values != NULL)) {
        golden_failed(c, c->up.values ? "requires no gradient\n" : "requires a gradient\n");
        return;
    }
    if (!c->up.values)
        return;
    mr_tensor *up = mr_tensor_from(c->up.dtype, c->up.shape, c->up.values);
    bool ok = mr_backward_from(s->tape, y, up) == MR_OK;
    mr_tensor_free(up);
    if (!ok) {
        golden_failed(c, "backward");
        printf(": %s\n", mr_error());
        return;
    }
    for (int i = 0; i < c->inputs; i++) {
        char what[32];
        snprintf(what, sizeof what, "gradient of input %d", i);
        if (!c->grad[i].values || (!mr_tensor_has_grad(s->in[i]) && golden_all_zero(&c->grad[i])))
            continue;
        golden_compare(c, s->op, what, &c->grad[i], mr_tensor_grad(s->in[i]), true);
    }
}

static inline void golden_check_failure(golden_state *s, const mr_tensor *y)
{
    const golden_case *c = s->c;
    if (y || mr_tape_status(s->tape) >= 0) {
        golden_failed(c, "does not fail\n");
        return;
    }
    const char *text = mr_error();
    bool ok = *text && !strchr(text, '\n') && text[strlen(text) - 1] != '.';
    check_passed += ok;
    if (!ok) {
        golden_failed(c, "has no proper message");
        printf(": '%s'\n", text);
    }
}

static inline void golden_check_case(golden_state *s)
{
    const golden_case *c = s->c;
    mr_tensor *second;
    mr_tensor *y = golden_forward(s, &second);
    if (c->fails) {
        golden_check_failure(s, y);
        return;
    }
    if (!golden_compare_outputs(s, y, second, "output"))
        return;
    golden_check_gradients(s, y);
    /* Without recording the numbers are the same. */
    mr_tape_reset(s->tape);
    bool was = mr_tape_set_grad(s->tape, false);
    y = golden_forward(s, &second);
    golden_compare_outputs(s, y, second, "output without recording");
    mr_tape_set_grad(s->tape, was);
    if (mr_tape_status(s->tape) != MR_OK)
        golden_failed(c, "leaves a failed tape\n");
    for (int i = 0; i < c->inputs; i++)
        if (c->in[i].same < 0 && !c->in[i].layout &&
            memcmp(mr_tensor_data(s->base[i]), c->in[i].values,
                   (size_t)c->in[i].numel * mr_dtype_size(c->in[i].dtype)))
            golden_failed(c, "has changed an input\n");
}

static inline void golden_run_case(mr_tape *tape, const golden_case *c, golden_op *op)
{
    golden_state s = { .tape = tape, .op = op, .c = c };
    bool ready = true;
    for (int i = 0; i < c->inputs; i++) {
        if (c->in[i].same >= 0)
            continue;
        s.base[i] = golden_base(&c->in[i]);
        ready =
            ready && s.base[i] && (!c->in[i].grad || mr_tensor_set_requires_grad(s.base[i], true) == MR_OK);
    }
    if (CHECK(ready))
        golden_check_case(&s);
    mr_tape_reset(tape);
    mr_error_clear();
    for (int i = 0; i < c->inputs; i++)
        mr_tensor_free(s.base[i]);
}

/* ---- a file ---- */

static inline golden_op *golden_find_op(golden_op *ops, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    return NULL;
}

/* Runs all cases of NAME.txt. With MR_GOLDEN_WORST set, prints the largest errors of each operation. */
static inline void golden_run(const char *name, golden_op *ops, int count)
{
    golden_file f;
    golden_case c = { 0 };
    if (!golden_open(&f, name))
        return;
    mr_rng *rng = mr_rng_new(1);
    mr_tape *tape = mr_tape_new(rng);
    while (CHECK(tape != NULL) && golden_next(&f, &c)) {
        golden_op *op = golden_find_op(ops, count, c.op);
        if (op)
            golden_run_case(tape, &c, op);
        else
            golden_failed(&c, "is in no table\n");
    }
    golden_free_case(&c);
    golden_close(&f);
    mr_tape_free(tape);
    mr_rng_free(rng);
    for (int i = 0; getenv("MR_GOLDEN_WORST") && i < count; i++)
        printf("%-16s forward %8.3f of %g, gradient %8.3f of %g\n", ops[i].name, ops[i].worst[0],
               ops[i].forward, ops[i].worst[1], ops[i].gradient);
}

#define GOLDEN_RUN(name, ops) golden_run(name, ops, (int)(sizeof(ops) / sizeof *(ops)))

#endif
