/* The optimizers' vector kernels of every level against plain loops: sizes around a vector's, with guards behind. */
#include "check.h"

#include "kernels/kernels.h"

#include <stdlib.h>

enum { MOST = 70, GUARDS = 20, ARRAYS = 5 };

static const mr__kernels *k;

/* p, g and three arrays of state; b is what plain loops make of a copy. */
typedef struct arrays {
    float a[ARRAYS][MOST + GUARDS];
} arrays;
enum { P, G, A, B, C };

static float next(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)((double)(state >> 8) / (1 << 23) - 1);
}

static void fill(arrays *x)
{
    for (int j = 0; j < ARRAYS; j++)
        for (int i = 0; i < MOST + GUARDS; i++)
            x->a[j][i] = j < A ? next() : fabsf(next());
    for (int i = 0; i < MOST; i++)
        x->a[C][i] *= 0.1f; /* a mean, whose square is below the mean of squares, or not */
}

/* a * b + c as the level has it */
static float fused(float a, float b, float c)
{
    if (strcmp(k->level, "plain") != 0)
        return fmaf(a, b, c);
    const float product = a * b;
    return product + c;
}

static float decayed(const arrays *x, int i, float weight_decay)
{
    return weight_decay != 0 ? fused(x->a[P][i], weight_decay, x->a[G][i]) : x->a[G][i];
}

/* old * keep + g * take */
static float mean(float old, float keep, float take, float g)
{
    const float kept = old * keep;
    return fused(g, take, kept);
}

static float mean_square(float old, float keep, float take, float g)
{
    const float kept = old * keep, part = take * g;
    return fused(part, g, kept);
}

static void add_quotient(float *p, float factor, float x, float divisor)
{
    const float product = factor * x, quotient = product / divisor;
    *p += quotient;
}

/* ---- each kernel, and the plain loop for it; `which` chooses options ---- */

static void rmsprop(arrays *x, arrays *want, int n, int which)
{
    const mr__rmsprop_step s = { 0.9f, 0.1f, 1e-3f, -0.1f, which & 1 ? 0.2f : 0, 0.7f };
    const bool momentum = which & 2, centered = which & 4;
    k->rmsprop(x->a[P], x->a[G], x->a[A], momentum ? x->a[B] : NULL, centered ? x->a[C] : NULL, n, &s);
    for (int i = 0; i < n; i++) {
        const float g = decayed(want, i, s.weight_decay);
        float *a = &want->a[A][i], *b = &want->a[B][i], *c = &want->a[C][i], *p = &want->a[P][i];
        *a = mean_square(*a, s.alpha, s.one_minus_alpha, g);
        float square = *a;
        if (centered) {
            *c = mean(*c, s.alpha, s.one_minus_alpha, g);
            square = fused(-*c, *c, square);
            square = square < 0 ? 0 : square;
        }
        const float root = sqrtf(square) + s.eps;
        if (momentum) {
            const float kept = *b * s.momentum, quotient = g / root;
            *b = kept + quotient;
            *p = fused(*b, s.minus_lr, *p);
        } else {
            add_quotient(p, s.minus_lr, g, root);
        }
    }
}

static void adagrad(arrays *x, arrays *want, int n, int which)
{
    const mr__adagrad_step s = { -0.1f, 1e-3f, which & 1 ? 0.2f : 0 };
    k->adagrad(x->a[P], x->a[G], x->a[A], n, &s);
    for (int i = 0; i < n; i++) {
        const float g = decayed(want, i, s.weight_decay);
        want->a[A][i] = fused(g, g, want->a[A][i]);
        add_quotient(&want->a[P][i], s.minus_lr, g, sqrtf(want->a[A][i]) + s.eps);
    }
}

static void adadelta(arrays *x, arrays *want, int n, int which)
{
    const mr__adadelta_step s = { -0.5f, 0.9f, 0.1f, 1e-3f, which & 1 ? 0.2f : 0 };
    k->adadelta(x->a[P], x->a[G], x->a[A], x->a[B], n, &s);
    for (int i = 0; i < n; i++) {
        const float g = decayed(want, i, s.weight_decay);
        float *a = &want->a[A][i], *b = &want->a[B][i];
        *a = mean_square(*a, s.rho, s.one_minus_rho, g);
        const float quotient = sqrtf(*b + s.eps) / sqrtf(*a + s.eps), step = quotient * g;
        *b = mean_square(*b, s.rho, s.one_minus_rho, step);
        want->a[P][i] = fused(step, s.minus_lr, want->a[P][i]);
    }
}

static void adamax(arrays *x, arrays *want, int n, int which)
{
    const mr__adamax_step s = { 0.9f, 0.1f, 0.99f, 1e-3f, -0.2f, which & 1 ? 0.2f : 0 };
    k->adamax(x->a[P], x->a[G], x->a[A], x->a[B], n, &s);
    for (int i = 0; i < n; i++) {
        const float g = decayed(want, i, s.weight_decay);
        float *a = &want->a[A][i], *b = &want->a[B][i];
        *a = mean(*a, s.beta1, s.one_minus_beta1, g);
        const float old = *b * s.beta2, size = fabsf(g) + s.eps;
        *b = old > size ? old : size;
        add_quotient(&want->a[P][i], s.minus_step_size, *a, *b);
    }
}

static float advance(arrays *want, int i, const mr__moments *s)
{
    const float g = decayed(want, i, s->weight_decay);
    want->a[A][i] = mean(want->a[A][i], s->beta1, s->one_minus_beta1, g);
    want->a[B][i] = mean_square(want->a[B][i], s->beta2, s->one_minus_beta2, g);
    return g;
}

static void nadam(arrays *x, arrays *want, int n, int which)
{
    const mr__nadam_step s = {
        { 0.9f, 0.1f, 0.99f, 0.01f, 1e-3f, which & 1 ? 0.2f : 0 }, 0.05f, -0.1f, -0.2f
    };
    k->nadam(x->a[P], x->a[G], x->a[A], x->a[B], n, &s);
    for (int i = 0; i < n; i++) {
        const float g = advance(want, i, &s.moments);
        const float corrected = want->a[B][i] / s.correction2, root = sqrtf(corrected) + s.moments.eps;
        add_quotient(&want->a[P][i], s.gradient_step, g, root);
        add_quotient(&want->a[P][i], s.momentum_step, want->a[A][i], root);
    }
}

static void radam(arrays *x, arrays *want, int n, int which)
{
    const mr__radam_step s = {
        { 0.9f, 0.1f, 0.99f, 0.01f, 1e-3f, which & 1 ? 0.2f : 0 }, 0.3f, 0.1f, 0.4f, which & 2 ? 0.6f : 0
    };
    k->radam(x->a[P], x->a[G], x->a[A], x->a[B], n, &s);
    for (int i = 0; i < n; i++) {
        advance(want, i, &s.moments);
        float step = want->a[A][i] / s.correction1;
        step *= s.lr;
        if (which & 2) {
            float inverse = 1 / (sqrtf(want->a[B][i]) + s.moments.eps);
            inverse *= s.sqrt_correction2;
            step *= inverse;
            step *= s.rectification;
        }
        want->a[P][i] -= step;
    }
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    void (*run)(arrays *x, arrays *want, int n, int which);
    int choices;
} table[] = { { "rmsprop", rmsprop, 8 }, { "adagrad", adagrad, 2 }, { "adadelta", adadelta, 2 },
              { "adamax", adamax, 2 },   { "nadam", nadam, 2 },     { "radam", radam, 4 } };

static void test_level(void)
{
    for (size_t row = 0; row < sizeof table / sizeof *table; row++)
        for (int which = 0; which < table[row].choices; which++)
            for (int n = 0; n <= MOST; n++) {
                arrays x, want;
                fill(&x);
                want = x;
                table[row].run(&x, &want, n, which);
                if (!CHECK(memcmp(&x, &want, sizeof x) == 0)) /* guards included */
                    printf("    %s, %d elements, options %d, level %s\n", table[row].name, n, which,
                           k->level);
            }
}

/* A gradient that is NaN shows in the parameter, and in Adamax's maximum also later. */
static void test_nan(void)
{
    float p = 1, g = NAN, m = 0, u = 0;
    const mr__adamax_step s = { 0.9f, 0.1f, 0.99f, 1e-3f, -0.2f, 0 };
    k->adamax(&p, &g, &m, &u, 1, &s);
    CHECK(isnan(p) && isnan(u));
    p = m = 1;
    g = 0;
    k->adamax(&p, &g, &m, &u, 1, &s);
    CHECK(isnan(p) && isnan(u));
    float square = 0, average = 0;
    const mr__rmsprop_step r = { 0.9f, 0.1f, 1e-3f, -0.1f, 0, 0 };
    p = 1;
    g = NAN;
    k->rmsprop(&p, &g, &square, NULL, &average, 1, &r);
    CHECK(isnan(p) && isnan(square) && isnan(average));
}

int main(void)
{
    const mr__kernels *levels[3] = { &mr__kernels_plain };
    int count = 1;
#ifdef MR_HAVE_X86_LEVELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        levels[count++] = &mr__kernels_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        levels[count++] = &mr__kernels_avx512;
#endif
    for (int i = 0; i < count; i++) {
        k = levels[i];
        RUN(test_level);
        RUN(test_nan);
    }
    return check_report();
}
