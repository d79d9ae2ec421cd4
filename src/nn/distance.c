#include "nn/distance.h"

#include "nn/losses.h"

#include <math.h>

typedef struct distance_node {
    mr__node node;
    double p, eps;
    int64_t rows, n;
} distance_node;

/* Norms are made in double, which costs no more than the powers and roots in them. */
static double norm_term(double d, double p)
{
    return p == 2 ? d * d : p == 1 ? fabs(d) : p == 0 ? (d != 0) : pow(fabs(d), p);
}

static double norm_end(double sum, double p)
{
    return p == 2 ? sqrt(sum) : p == 1 || p == 0 ? sum : pow(sum, 1 / p);
}

/* The derivative of the norm y by the element d; `ties` have the greatest magnitude. */
static double slope(double d, double y, double p, double ties)
{
    double sign = (double)((d > 0) - (d < 0));
    if (y == 0 || p == 0 || d == 0)
        return 0;
    if (isinf(p))
        return fabs(d) == y ? sign / ties : 0;
    return p == 2 ? d / y : p == 1 ? sign : sign * pow(fabs(d) / y, p - 1);
}

#define DEFINE_TYPED(type)                                                                           \
    static void distance_##type(type *y, const type *a, const type *b, const distance_node *s)       \
    {                                                                                                \
        const type eps = (type)s->eps;                                                               \
        for (int64_t i = 0; i < s->rows; i++, a += s->n, b += s->n) {                                \
            double sum = 0, top = 0;                                                                 \
            for (int64_t k = 0; k < s->n; k++) {                                                     \
                const double d = (double)(a[k] - b[k] + eps);                                        \
                if (isinf(s->p))                                                                     \
                    top = fabs(d) <= top ? top : fabs(d);                                            \
                else                                                                                 \
                    sum += norm_term(d, s->p);                                                       \
            }                                                                                        \
            y[i] = (type)(isinf(s->p) ? top : norm_end(sum, s->p));                                  \
        }                                                                                            \
    }                                                                                                \
    static void gradient_##type(type *dx, double sign, const type *dy, const type *y, const type *a, \
                                const type *b, const distance_node *s, bool add)                     \
    {                                                                                                \
        const type eps = (type)s->eps;                                                               \
        for (int64_t i = 0; i < s->rows; i++, a += s->n, b += s->n, dx += s->n) {                    \
            double ties = 0;                                                                         \
            for (int64_t k = 0; isinf(s->p) && k < s->n; k++)                                        \
                ties += fabs((double)(a[k] - b[k] + eps)) == (double)y[i];                           \
            for (int64_t k = 0; k < s->n; k++) {                                                     \
                const double d = (double)(a[k] - b[k] + eps);                                        \
                const type g = (type)(sign * (double)dy[i] * slope(d, (double)y[i], s->p, ties));    \
                dx[k] = add ? dx[k] + g : g;                                                         \
            }                                                                                        \
        }                                                                                            \
    }
DEFINE_TYPED(float)
DEFINE_TYPED(double)

static void distance_backward(mr_tape *tape, mr__node *node)
{
    const distance_node *s = (const distance_node *)node;
    const mr_tensor *y = node->out, *a = node->in[0], *b = node->in[1];
    for (int i = 0; i < 2; i++) {
        bool add = false;
        void *dx = mr__grad_target(tape, node->in[i], &add);
        const double sign = i ? -1 : 1;
        if (dx && y->dtype == MR_FLOAT32)
            gradient_float(dx, sign, mr__grad_of(y), (const float *)y->data, (const float *)a->data,
                           (const float *)b->data, s, add);
        else if (dx)
            gradient_double(dx, sign, mr__grad_of(y), (const double *)y->data, (const double *)a->data,
                            (const double *)b->data, s, add);
    }
}

mr_tensor *mr__distance(mr_tape *tape, const char *op, mr_tensor *a, mr_tensor *b, double p, double eps)
{
    if (!mr__ready2(tape, op, a, b) || !mr__loss_operands(tape, &a, &b))
        return NULL;
    distance_node s = { .p = p, .eps = eps, .rows = 1, .n = a->shape[a->ndim - 1] };
    for (int d = 0; d < a->ndim - 1; d++)
        s.rows *= a->shape[d];
    mr_tensor *y = mr__result(tape, (mr_dtype)a->dtype, a->ndim - 1, a->shape);
    if (!y)
        return NULL;
    if (a->dtype == MR_FLOAT32)
        distance_float((float *)y->data, (const float *)a->data, (const float *)b->data, &s);
    else
        distance_double((double *)y->data, (const double *)a->data, (const double *)b->data, &s);
    if (!mr__tracks(tape, a) && !mr__tracks(tape, b))
        return y;
    distance_node *node = mr__record(tape, sizeof *node, op, y, distance_backward);
    if (!node)
        return NULL;
    mr__add_input(&node->node, a, true);
    mr__add_input(&node->node, b, true);
    node->p = s.p;
    node->eps = s.eps;
    node->rows = s.rows;
    node->n = s.n;
    return y;
}
