/*
 * torch.matmul. A vector counts as a matrix of one row (on the left) or one column (on the right), whose dimension is
 * then left out of the result. Dimensions before the last two are batches, which broadcast.
 */
#include "gemm.h"
#include "iterate.h"

/* ---- planning ---- */

typedef struct product {
    int64_t m, n, k;
    mr_shape batch;
    mr_shape shape; /* of the result */
} product;

/* A matrix for each batch. */
typedef struct operand {
    mr__matrix matrix;
    int64_t batch_step[MR_MAX_DIMS]; /* 0 where it is broadcast */
} operand;

static bool check_types(mr_tape *tape, const mr_tensor *a, const mr_tensor *b)
{
    if (!mr__check_computes(tape, "matmul", a) || !mr__check_computes(tape, "matmul", b))
        return false;
    if (a->dtype == b->dtype && a->dtype != MR_BOOL)
        return true;
    mr__fail(tape, MR_ERR_DTYPE,
             "matmul: %s is %s and %s is %s; both must be of one type of number, not bool",
             mr__tensor_text(a).text, mr_dtype_name((mr_dtype)a->dtype), mr__tensor_text(b).text,
             mr_dtype_name((mr_dtype)b->dtype));
    return false;
}

static bool join_batches(const mr_tensor *a, const mr_tensor *b, mr_shape *batch)
{
    int of_a = a->ndim > 2 ? a->ndim - 2 : 0, of_b = b->ndim > 2 ? b->ndim - 2 : 0;
    batch->ndim = of_a > of_b ? of_a : of_b;
    for (int d = batch->ndim - 1, i = of_a - 1, j = of_b - 1; d >= 0; d--, i--, j--) {
        int64_t s = i < 0 ? 1 : a->shape[i], t = j < 0 ? 1 : b->shape[j];
        if (s != t && s != 1 && t != 1)
            return false;
        batch->dim[d] = s == 1 ? t : s;
    }
    return true;
}

/* False with a failure raised when the shapes of a and b do not go together. */
static bool plan(const mr_tensor *a, const mr_tensor *b, product *p)
{
    const char *wrong = NULL;
    if (a->ndim == 0 || b->ndim == 0)
        wrong = "a scalar is no vector or matrix";
    else if (a->shape[a->ndim - 1] != b->shape[b->ndim > 1 ? b->ndim - 2 : 0])
        wrong = "inner sizes differ";
    else if (!join_batches(a, b, &p->batch))
        wrong = "batch sizes do not broadcast";
    if (wrong) {
        mr__raise(MR_ERR_SHAPE, "matmul: %s: %s x %s", wrong, mr__tensor_text(a).text,
                  mr__tensor_text(b).text);
        return false;
    }
    p->m = a->ndim > 1 ? a->shape[a->ndim - 2] : 1;
    p->n = b->ndim > 1 ? b->shape[b->ndim - 1] : 1;
    p->k = a->shape[a->ndim - 1];
    p->shape = p->batch;
    if (a->ndim > 1)
        p->shape.dim[p->shape.ndim++] = p->m;
    if (b->ndim > 1)
        p->shape.dim[p->shape.ndim++] = p->n;
    return mr__numel("matmul", &p->shape, (mr_dtype)a->dtype) >= 0;
}

/* An operand of `ndim` dimensions, of which the last two (or one) are the matrix. */
static operand operand_of(const product *p, const void *data, int ndim, const int64_t *shape,
                          const int64_t *stride, bool left)
{
    operand o = { .matrix.data = data };
    int last = ndim - 1;
    if (ndim == 1)
        o.matrix = (mr__matrix){ data, left ? 0 : stride[0], left ? stride[0] : 0 };
    else
        o.matrix = (mr__matrix){ data, stride[last - 1], stride[last] };
    for (int d = p->batch.ndim - 1, e = ndim - 3; d >= 0; d--, e--)
        o.batch_step[d] = e < 0 || shape[e] == 1 ? 0 : stride[e];
    return o;
}

/* x where it lies; and `data` as x's elements if they were dense. */
static operand strided(const product *p, const mr_tensor *x, bool left)
{
    return operand_of(p, x->data, x->ndim, x->shape, x->stride, left);
}

static operand dense(const product *p, const mr_tensor *x, const void *data, bool left)
{
    int64_t stride[MR_MAX_DIMS], n = 1;
    for (int d = x->ndim - 1; d >= 0; d--) {
        stride[d] = n;
        n *= x->shape[d];
    }
    return operand_of(p, data, x->ndim, x->shape, stride, left);
}

/* The result, or its gradient. */
static operand result_of(const product *p, const void *data)
{
    operand o = { .matrix = { data, p->n, 1 } };
    int64_t n = p->m * p->n;
    for (int d = p->batch.ndim - 1; d >= 0; d--) {
        o.batch_step[d] = n;
        n *= p->batch.dim[d];
    }
    return o;
}

static operand transposed(operand o)
{
    o.matrix = mr__transposed(o.matrix);
    return o;
}

/* Batches of a that lie one after the other are one tall matrix, when b is the same for all. */
static void join_rows(const mr_tensor *a, const mr_tensor *b, product *p)
{
    product joined = *p;
    if (b->ndim > 2 || a->ndim < 3)
        return;
    for (int d = 0; d + 2 < a->ndim; d++) {
        if (a->stride[d] != a->shape[d + 1] * a->stride[d + 1])
            return;
        joined.m *= a->shape[d];
    }
    joined.batch.ndim = 0;
    if (mr__gemm_takes((mr_dtype)a->dtype, strided(&joined, a, true).matrix, joined.m, joined.k))
        *p = joined;
}

/* ---- multiplying ---- */

typedef struct sizes {
    int64_t m, n, k;
} sizes;

static mr__matrix moved(mr__matrix x, int64_t bytes)
{
    x.data += bytes;
    return x;
}

/* c = a b for each batch. c's matrices are dense; its batches lie `c_step` elements apart. */
static void multiply(mr_dtype dtype, const mr_shape *batch, sizes s, operand a, operand b, void *c,
                     const int64_t *c_step, bool add)
{
    int64_t size = (int64_t)mr_dtype_size(dtype), index[MR_MAX_DIMS] = { 0 };
    for (int d = 0; d < batch->ndim; d++)
        if (batch->dim[d] == 0)
            return;
    for (;;) {
        int64_t at_a = 0, at_b = 0, at_c = 0;
        for (int d = 0; d < batch->ndim; d++) {
            at_a += index[d] * a.batch_step[d] * size;
            at_b += index[d] * b.batch_step[d] * size;
            at_c += index[d] * c_step[d] * size;
        }
        mr__gemm(dtype, s.m, s.n, s.k, moved(a.matrix, at_a), moved(b.matrix, at_b), (char *)c + at_c, add);
        int d = batch->ndim - 1;
        while (d >= 0 && ++index[d] == batch->dim[d])
            index[d--] = 0;
        if (d < 0)
            return;
    }
}

/* ---- backward: da = dy b^T, db = a^T dy ---- */

typedef struct matmul_node {
    mr__node node;
    product product;
} matmul_node;

/* The gradient of x, which is the left or the right operand of p: the product of left and right. */
static void add_gradient(mr_tape *tape, const product *p, mr_tensor *x, bool is_left, sizes s, operand left,
                         operand right)
{
    bool add = false;
    void *target = mr__grad_target(tape, x, &add);
    if (!target)
        return;
    int64_t products = s.m * s.n;
    for (int d = 0; d < p->batch.ndim; d++)
        products *= p->batch.dim[d];
    if (!add && products != x->numel) { /* x is broadcast, so that several products, or none, come together */
        memset(target, 0, (size_t)x->numel * mr_dtype_size((mr_dtype)x->dtype));
        add = true;
    }
    operand place = dense(p, x, target, is_left);
    multiply((mr_dtype)x->dtype, &p->batch, s, left, right, target, place.batch_step, add);
}

static void matmul_backward(mr_tape *tape, mr__node *node)
{
    const product *p = &((const matmul_node *)node)->product;
    mr_tensor *a = node->in[0], *b = node->in[1];
    operand dy = result_of(p, mr__grad_of(node->out));
    if (a->grad)
        add_gradient(tape, p, a, true, (sizes){ p->m, p->k, p->n }, dy, transposed(strided(p, b, false)));
    if (b->grad)
        add_gradient(tape, p, b, false, (sizes){ p->k, p->n, p->m }, transposed(strided(p, a, true)), dy);
}

/* ---- the operation ---- */

mr_tensor *mr_matmul(mr_tape *tape, mr_tensor *a, mr_tensor *b)
{
    product p;
    if (!mr__ready2(tape, "matmul", a, b))
        return NULL;
    if (!check_types(tape, a, b))
        return NULL;
    if (!plan(a, b, &p))
        return mr__stop(tape);
    mr_dtype dtype = (mr_dtype)a->dtype;
    if (!mr__gemm_takes(dtype, strided(&p, a, true).matrix, p.m, p.k))
        a = mr_contiguous(tape, a);
    if (!mr__gemm_takes(dtype, strided(&p, b, false).matrix, p.k, p.n))
        b = mr_contiguous(tape, b);
    if (!a || !b)
        return NULL;
    join_rows(a, b, &p);
    mr_tensor *y = mr__result(tape, dtype, p.shape.ndim, p.shape.dim);
    if (!y)
        return NULL;
    operand out = result_of(&p, y->data);
    multiply(dtype, &p.batch, (sizes){ p.m, p.n, p.k }, strided(&p, a, true), strided(&p, b, false), y->data,
             out.batch_step, false);
    if (!mr__tracks(tape, a) && !mr__tracks(tape, b))
        return y;
    matmul_node *node = mr__record(tape, sizeof *node, "matmul", y, matmul_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, a, b->grad != NULL);
    mr__add_input(&node->node, b, a->grad != NULL);
    node->product = p;
    return y;
}
