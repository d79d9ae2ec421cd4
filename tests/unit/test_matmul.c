/* Matrix products against a plain loop, for every type, number of dimensions and layout; their gradients against
 * differences; what they refuse. */
#include "check.h"

#include "tensor/tape.h"

static mr_rng *rng;
static mr_tape *tape;

enum { MOST = 1 << 16 };

static int64_t draw(int64_t n) /* 0 … n - 1 */
{
    return (int64_t)(mr_rng_u32(rng) % (uint32_t)n);
}

#define FAILS(call, text)                \
    do {                                 \
        CHECK((call) == NULL);           \
        CHECK(mr_tape_status(tape) < 0); \
        CHECK_EQ_STR(mr_error(), text);  \
        mr_tape_reset(tape);             \
    } while (0)

/* ---- against a plain loop ---- */

/* An operand: a leaf, and how the product sees it. */
typedef enum layout { AS_IS, TRANSPOSED, EVERY_OTHER, EXPANDED, LAYOUTS } layout;

static mr_tensor *leaf(mr_dtype dtype, mr_shape shape, layout l)
{
    if (l == TRANSPOSED && shape.ndim > 1) {
        int64_t t = shape.dim[shape.ndim - 1];
        shape.dim[shape.ndim - 1] = shape.dim[shape.ndim - 2];
        shape.dim[shape.ndim - 2] = t;
    }
    if (l == EVERY_OTHER)
        shape.dim[shape.ndim - 1] *= 2;
    if (l == EXPANDED)
        shape.dim[0] = shape.dim[0] ? 1 : 0;
    if (dtype != MR_FLOAT64)
        return mr_tensor_randint(rng, dtype, dtype == MR_UINT8 ? 0 : -9, 10, shape);
    mr_tensor *x = mr_tensor_randn(rng, dtype, shape);
    CHECK(mr_tensor_set_requires_grad(x, true) == MR_OK);
    return x;
}

static mr_tensor *seen(mr_tape *t, mr_tensor *x, layout l, int64_t first)
{
    if (l == TRANSPOSED && mr_tensor_ndim(x) > 1)
        return mr_transpose(t, x, -1, -2);
    if (l == EVERY_OTHER)
        return mr_slice(t, x, -1, 0, MR_TO_END, 2);
    if (l == EXPANDED) {
        mr_shape shape = mr_tensor_shape(x);
        shape.dim[0] = first;
        return mr_expand(t, x, shape);
    }
    return x;
}

/* The offset of a batch's matrix in an operand's elements, which are row-major; sizes of 1 repeat. */
static int64_t batch_offset(const mr_shape *x, const mr_shape *batch, const int64_t *index)
{
    int64_t offset = 0, size = 1;
    for (int d = x->ndim < 2 ? 0 : x->ndim - 2; d < x->ndim; d++)
        size *= x->dim[d];
    for (int e = x->ndim - 3, d = batch->ndim - 1; e >= 0; e--, d--) {
        offset += x->dim[e] == 1 ? 0 : index[d] * size;
        size *= x->dim[e];
    }
    return offset;
}

/* What the product must be; false when the result has another shape. */
static bool multiply(const mr_tensor *a, const mr_tensor *b, const mr_tensor *result, double *c)
{
    static double va[MOST], vb[MOST];
    mr_shape sa = mr__shape_of(a), sb = mr__shape_of(b), batch = { .ndim = 0 }, shape;
    int64_t m = sa.ndim > 1 ? sa.dim[sa.ndim - 2] : 1, k = sa.dim[sa.ndim - 1];
    int64_t n = sb.ndim > 1 ? sb.dim[sb.ndim - 1] : 1, index[MR_MAX_DIMS] = { 0 }, batches = 1;
    const mr_shape *longer = sa.ndim > sb.ndim ? &sa : &sb, *shorter = longer == &sa ? &sb : &sa;
    for (int d = 0; d + 2 < longer->ndim; d++) {
        int e = d - (longer->ndim - shorter->ndim);
        int64_t s = longer->dim[d], t = e >= 0 && shorter->ndim > 2 ? shorter->dim[e] : 1;
        batch.dim[batch.ndim++] = s == 1 ? t : s;
        batches *= batch.dim[d];
    }
    shape = batch;
    if (sa.ndim > 1)
        shape.dim[shape.ndim++] = m;
    if (sb.ndim > 1)
        shape.dim[shape.ndim++] = n;
    if (shape.ndim != result->ndim ||
        memcmp(shape.dim, result->shape, sizeof(int64_t) * (size_t)shape.ndim) != 0)
        return false;
    if (mr_copy_out(a, MR_FLOAT64, va, a->numel) != MR_OK ||
        mr_copy_out(b, MR_FLOAT64, vb, b->numel) != MR_OK)
        return false;
    for (int64_t at = 0; at < batches; at++, c += m * n) {
        const double *pa = va + batch_offset(&sa, &batch, index), *pb = vb + batch_offset(&sb, &batch, index);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t l = 0; l < k; l++)
                    sum += pa[i * k + l] * pb[l * n + j];
                c[i * n + j] = sum;
            }
        for (int d = batch.ndim - 1; d >= 0 && ++index[d] == batch.dim[d]; d--)
            index[d] = 0;
    }
    return true;
}

typedef struct pair {
    mr_tensor *leaf[2];
    layout layout[2];
    int64_t first[2]; /* size of the first dimension, for those that are expanded */
} pair;

/* Shapes that can be multiplied, of 1 to 4 dimensions, sizes at most `most`. */
static pair random_pair(mr_dtype dtype, int64_t most)
{
    pair p;
    mr_shape s[2] = { { .ndim = 1 + (int)draw(4) }, { .ndim = 1 + (int)draw(4) } };
    int64_t k = draw(8) ? 1 + draw(most) : 0, batch[2] = { 1 + draw(3), 1 + draw(3) };
    for (int i = 0; i < 2; i++) {
        int n = s[i].ndim;
        for (int d = 0; d < n - 2; d++)
            s[i].dim[d] = draw(3) ? batch[n - 3 - d] : 1;
        if (n > 1)
            s[i].dim[i ? n - 1 : n - 2] = draw(20) ? 1 + draw(most) : 0;
        s[i].dim[i && n > 1 ? n - 2 : n - 1] = k;
    }
    for (int i = 0; i < 2; i++) {
        p.layout[i] = (layout)draw(LAYOUTS);
        p.first[i] = s[i].dim[0];
        p.leaf[i] = leaf(dtype, s[i], p.layout[i]);
    }
    return p;
}

static void free_pair(pair *p)
{
    mr_tensor_free(p->leaf[0]);
    mr_tensor_free(p->leaf[1]);
}

static mr_tensor *product(void *user, mr_tape *t, mr_tensor *const *inputs, int count)
{
    const pair *p = user;
    (void)count;
    return mr_matmul(t, seen(t, inputs[0], p->layout[0], p->first[0]),
                     seen(t, inputs[1], p->layout[1], p->first[1]));
}

static void test_against_loop(void)
{
    static double expected[MOST], values[MOST];
    for (int i = 0; i < 2000; i++) {
        mr_dtype dtype = (mr_dtype)(i % 5);
        pair p = random_pair(dtype, i % 10 ? 6 : 40);
        mr_tensor *a = seen(tape, p.leaf[0], p.layout[0], p.first[0]);
        mr_tensor *b = seen(tape, p.leaf[1], p.layout[1], p.first[1]), *c = mr_matmul(tape, a, b);
        if (!CHECK(c && mr_tensor_dtype(c) == dtype && multiply(a, b, c, expected)))
            printf("    %s: %s x %s\n", mr_error(), mr__tensor_text(a).text, mr__tensor_text(b).text);
        bool same = c && mr_copy_out(c, MR_FLOAT64, values, c->numel) == MR_OK;
        for (int64_t j = 0; same && j < c->numel; j++) {
            if (dtype == MR_UINT8)
                expected[j] = fmod(expected[j], 256);
            same = fabs(values[j] - expected[j]) <= (dtype == MR_FLOAT64 ? 1e-12 : 0); /* integers: exact */
        }
        CHECK(same);
        mr_tape_reset(tape);
        free_pair(&p);
    }
}

static void test_gradcheck(void)
{
    for (int i = 0; i < 250; i++) {
        pair p = random_pair(MR_FLOAT64, 3);
        if (!CHECK(mr_gradcheck(product, &p, p.leaf, 2, NULL) == MR_OK))
            printf("    %s: %s x %s\n", mr_error(), mr__tensor_text(p.leaf[0]).text,
                   mr__tensor_text(p.leaf[1]).text);
        CHECK(mr_tensor_set_requires_grad(p.leaf[i & 1], false) == MR_OK);
        CHECK(mr_gradcheck(product, &p, p.leaf, 2, NULL) == MR_OK);
        free_pair(&p);
    }
}

/* float32 gradients are those of float64: all are small integers. */
static void test_float32_gradients(void)
{
    for (int i = 0; i < 400; i++) {
        pair p = random_pair(MR_FLOAT32, 5), q = p;
        mr_tensor *c = NULL, *d = NULL;
        for (int j = 0; j < 2; j++) {
            q.leaf[j] = mr_tensor_zeros(MR_FLOAT64, mr_tensor_shape(p.leaf[j]));
            CHECK(mr_tensor_copy(q.leaf[j], p.leaf[j]) == MR_OK);
            CHECK(mr_tensor_set_requires_grad(p.leaf[j], true) == MR_OK);
            CHECK(mr_tensor_set_requires_grad(q.leaf[j], true) == MR_OK);
        }
        for (int twice = 0; twice < 2; twice++) { /* the second time is added */
            c = product(&p, tape, p.leaf, 2);
            d = product(&q, tape, q.leaf, 2);
            mr_tensor *g = mr_tensor_randint(rng, MR_FLOAT32, -4, 5, mr_tensor_shape(c));
            mr_tensor *h = mr_tensor_zeros(MR_FLOAT64, mr_tensor_shape(c));
            CHECK(mr_tensor_copy(h, g) == MR_OK);
            CHECK(mr_backward_from(tape, c, g) == MR_OK);
            mr_tape_reset(tape);
            d = product(&q, tape, q.leaf, 2);
            CHECK(mr_backward_from(tape, d, h) == MR_OK);
            mr_tape_reset(tape);
            mr_tensor_free(h);
            mr_tensor_free(g);
        }
        for (int j = 0; j < 2; j++) {
            const float *single = mr_tensor_data(mr_tensor_grad(p.leaf[j]));
            const double *wide = mr_tensor_data(mr_tensor_grad(q.leaf[j]));
            bool same = true;
            for (int64_t e = 0; e < p.leaf[j]->numel; e++)
                same = same && (double)single[e] == wide[e];
            CHECK(same);
        }
        free_pair(&p);
        free_pair(&q);
    }
}

/* ---- no copies where none are needed ---- */

static size_t bytes_taken(mr_tensor *a, mr_tensor *b)
{
    size_t before = (size_t)((uintptr_t)tape->arena.next);
    CHECK(mr_matmul(tape, a, b) != NULL);
    return (size_t)((uintptr_t)tape->arena.next) - before;
}

static void test_views_are_not_copied(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(40, 30)),
              *v = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(40));
    CHECK(mr_matmul(tape, v, v) != NULL); /* so that the arena has its first block */
    mr_tensor *transposed = mr_transpose(tape, x, 0, 1), *part = mr_slice(tape, x, 1, 3, 20, 1);
    size_t header = bytes_taken(v, v); /* a header and one number */
    CHECK(bytes_taken(transposed, v) < header + 30 * 4 + 64);
    CHECK(bytes_taken(mr_transpose(tape, part, 0, 1), v) < header + 17 * 4 + 64);
    CHECK(bytes_taken(v, part) < header + 17 * 4 + 64);
    CHECK(bytes_taken(mr_slice(tape, x, 1, 0, 30, 2), mr_slice(tape, v, 0, 0, 15, 1)) > header + 40 * 15 * 4);
    mr_tape_reset(tape);
    mr_tensor_free(v);
    mr_tensor_free(x);
}

/* ---- failures ---- */

static void test_changed_input(void)
{
    mr_tensor *a = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 2)), *b = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    mr_tensor_set_name(a, "w");
    CHECK(mr_tensor_set_requires_grad(a, true) == MR_OK);
    mr_tensor *c = mr_matmul(tape, a, b), *ones = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    CHECK(mr_tensor_fill(a, 3) == MR_OK); /* not needed: b takes no gradient */
    CHECK(mr_backward_from(tape, c, ones) == MR_OK);
    mr_tape_reset(tape);
    CHECK(mr_tensor_set_requires_grad(b, true) == MR_OK);
    c = mr_matmul(tape, a, b);
    CHECK(mr_tensor_fill(a, 4) == MR_OK);
    CHECK(mr_backward_from(tape, c, ones) == MR_ERR_STATE);
    CHECK_EQ_STR(
        mr_error(),
        "backward: matmul needs the elements of w[2,2] as they were, but they have been changed since");
    mr_tape_reset(tape);
    mr_tensor_free(ones);
    mr_tensor_free(b);
    mr_tensor_free(a);
}

static void test_failures(void)
{
    mr_tensor *x = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(16, 8)),
              *w = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(9, 1));
    mr_tensor *s = mr_tensor_ones(MR_FLOAT32, MR_SCALAR), *v = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(8));
    mr_tensor *d = mr_tensor_ones(MR_FLOAT64, MR_SHAPE(8, 2)), *t = mr_tensor_ones(MR_BOOL, MR_SHAPE(2, 2));
    mr_tensor *h = mr_tensor_ones(MR_FLOAT16, MR_SHAPE(2, 2));
    mr_tensor *p = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2, 3, 4)),
              *q = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(3, 4, 5));
    mr_tensor_set_name(w, "layer2.weight");
    FAILS(mr_matmul(tape, x, w), "matmul: inner sizes differ: [16,8] x layer2.weight[9,1]");
    FAILS(mr_matmul(tape, v, w), "matmul: inner sizes differ: [8] x layer2.weight[9,1]");
    FAILS(mr_matmul(tape, w, v), "matmul: inner sizes differ: layer2.weight[9,1] x [8]");
    FAILS(mr_matmul(tape, s, v), "matmul: a scalar is no vector or matrix: [] x [8]");
    FAILS(mr_matmul(tape, x, s), "matmul: a scalar is no vector or matrix: [16,8] x []");
    FAILS(mr_matmul(tape, p, q), "matmul: batch sizes do not broadcast: [2,3,4] x [3,4,5]");
    FAILS(mr_matmul(tape, x, d),
          "matmul: [16,8] is float32 and [8,2] is float64; both must be of one type of number, not bool");
    FAILS(mr_matmul(tape, t, t),
          "matmul: [2,2] is bool and [2,2] is bool; both must be of one type of number, not bool");
    FAILS(mr_matmul(tape, h, h), "matmul: [2,2] is float16, which is for loading only; cast it first");
    FAILS(mr_matmul(tape, NULL, x), "matmul: first input is NULL");
    FAILS(mr_matmul(tape, x, NULL), "matmul: second input is NULL");
    mr_tensor *tall = mr_expand(tape, s, MR_SHAPE(INT64_MAX / 64, 1)),
              *wide = mr_expand(tape, s, MR_SHAPE(1, 1000));
    FAILS(mr_matmul(tape, tall, wide), "matmul: shape [144115188075855871,1000] has too many elements");
    mr_tensor *all[] = { x, w, s, v, d, t, h, p, q };
    for (int i = 0; i < 9; i++)
        mr_tensor_free(all[i]);
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_against_loop);
    RUN(test_gradcheck);
    RUN(test_float32_gradients);
    RUN(test_views_are_not_copied);
    RUN(test_changed_input);
    RUN(test_failures);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
