/* The kernels of softmax and of losses, in every level that this machine can run, against plain loops in double. */
#include "check.h"
#include "kernels/kernels.h"
#include "nn/losses.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const mr__kernels *k; /* the level under test */

/* ---- arrays with marks before and after them ---- */

enum { SPARE = 16 };
#define MARK 12345.678f

static float *array(int64_t n)
{
    float *all = malloc((size_t)(n + 2 * SPARE) * sizeof *all);
    if (!all)
        abort();
    for (int64_t i = 0; i < n + 2 * SPARE; i++)
        all[i] = i < SPARE || i >= n + SPARE ? MARK : NAN;
    return all + SPARE;
}

static void drop(float *a, int64_t n)
{
    bool kept = true;
    for (int i = 1; i <= SPARE; i++)
        kept = kept && a[-i] == MARK && a[n - 1 + i] == MARK;
    CHECK(kept);
    free(a - SPARE);
}

static uint32_t state = 1;

static float number(float low, float high)
{
    state = state * 1664525u + 1013904223u;
    return low + (high - low) * (float)(state >> 8) * 0x1p-24f;
}

static float *numbers(int64_t n, float low, float high)
{
    float *a = array(n);
    for (int64_t i = 0; i < n; i++)
        a[i] = number(low, high);
    return a;
}

static float *copy_of(const float *a, int64_t n)
{
    float *b = array(n);
    memcpy(b, a, (size_t)n * sizeof *a);
    return b;
}

static bool near(float got, double want, double allowed)
{
    return fabs((double)got - want) <= allowed;
}

/* ---- the logarithm ---- */

static double ulps(float got, double want)
{
    if (isnan(want) || isinf(want) || isnan(got))
        return isnan(want) == (isnan(got) != 0) && (isnan(want) || (double)got == want) ? 0 : INFINITY;
    int e;
    frexp(want, &e);
    return fabs((double)got - want) / ldexp(1, (e < -125 ? -125 : e) - 24);
}

static void test_log(void)
{
    enum { CHUNK = 1021 };
    float x[CHUNK], y[CHUNK];
    double worst = 0;
    uint64_t bits = 0;
    while (bits < UINT64_C(1) << 32) {
        int n = 0;
        for (; n < CHUNK && bits < UINT64_C(1) << 32; n++, bits += 9973) {
            uint32_t b = (uint32_t)bits;
            memcpy(&x[n], &b, sizeof b);
        }
        k->log(y, x, n);
        for (int i = 0; i < n; i++)
            worst = fmax(worst, ulps(y[i], log((double)x[i])));
    }
    for (int i = 0; i < 200000; i++) { /* near 1, where the result is small */
        float one = 0.98f + 0.04f * (float)i / 200000, got;
        k->log(&got, &one, 1);
        worst = fmax(worst, ulps(got, log((double)one)));
    }
    if (!CHECK(worst <= 2))
        printf("    log: %g units in the last place\n", worst);
    const float some[] = { 0, -0.0f, -1, 1, INFINITY, -INFINITY, NAN, 1e-45f, 1e-40f, FLT_MIN, FLT_MAX };
    k->log(y, some, 11);
    for (int i = 0; i < 11; i++)
        CHECK(ulps(y[i], log((double)some[i])) <= 2);
}

/* ---- softmax ---- */

/* One row of softmax in double: its powers, its greatest element and its sum. */
static double row_parts(const float *x, int64_t n, int64_t step, double *powers, float *top)
{
    double sum = 0;
    *top = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        *top = x[i * step] > *top ? x[i * step] : *top;
    for (int64_t i = 0; i < n; i++)
        sum += powers[i] = exp((double)(x[i * step] - *top));
    return sum;
}

static bool check_rows(const float *x, float *const out[3], const float *top, const float *total,
                       int64_t outer, int64_t n, int64_t inner)
{
    bool right = true;
    double *e = calloc((size_t)n + 1, sizeof *e);
    for (int64_t r = 0; e && r < outer * inner; r++) {
        const int64_t at = r / inner * n * inner + r % inner;
        float t;
        const double sum = row_parts(x + at, n, inner, e, &t);
        right = right && top[r] == t && near(total[r], sum, 2e-6 * sum);
        for (int64_t i = 0; i < n; i++) {
            const int64_t j = at + i * inner;
            right = right && near(out[0][j], e[i], 4e-7 * e[i]) &&
                    near(out[1][j], e[i] / sum, 3e-6 * e[i] / sum) &&
                    near(out[2][j], (double)(x[j] - t) - log(sum), 4e-6);
        }
    }
    free(e);
    return right;
}

static void check_softmax(int64_t outer, int64_t n, int64_t inner)
{
    const int64_t count = outer * n * inner, rows = outer * inner;
    float *x = numbers(count, -8, 8), *out[3] = { array(count), array(count), array(count) };
    float *top = array(rows), *total = array(rows), *again = array(rows), *sum = array(rows);
    k->softmax_parts(out[0], top, total, x, outer, n, inner);
    k->softmax(out[1], x, outer, n, inner);
    k->log_softmax(out[2], x, outer, n, inner);
    k->softmax_parts(NULL, again, sum, x, outer, n, inner);
    bool right = check_rows(x, out, top, total, outer, n, inner);
    for (int64_t r = 0; r < rows; r++)
        right = right && again[r] == top[r] && sum[r] == total[r];
    if (inner == 1) /* a row alone has the same bits */
        for (int64_t r = 0; r < rows && n; r++) {
            float *one = array(n);
            k->log_softmax(one, x + r * n, 1, n, 1);
            right = right && memcmp(one, out[2] + r * n, (size_t)n * sizeof *one) == 0;
            k->softmax(one, x + r * n, 1, n, 1);
            right = right && memcmp(one, out[1] + r * n, (size_t)n * sizeof *one) == 0;
            drop(one, n);
        }
    if (!CHECK(right))
        printf("    outer %d, n %d, inner %d\n", (int)outer, (int)n, (int)inner);
    for (int i = 0; i < 3; i++)
        drop(out[i], count);
    drop(x, count);
    drop(top, rows);
    drop(total, rows);
    drop(again, rows);
    drop(sum, rows);
}

/* dx = y (dy - sum of dy y) and dy - exp(y) sum of dy. */
static bool gradient_right(const float *dx, const float *old, const float *dy, const float *y, int64_t n,
                           int64_t step, bool logarithm)
{
    double sum = 0, size = 1;
    bool right = true;
    for (int64_t i = 0; i < n * step; i += step) {
        sum += (double)dy[i] * (logarithm ? 1 : (double)y[i]);
        size += fabs((double)dy[i]);
    }
    for (int64_t i = 0; i < n * step; i += step) {
        const double g = (double)dy[i], v = (double)y[i];
        const double d = logarithm ? g - exp(v) * sum : v * (g - sum);
        right = right && near(dx[i], d + (old ? (double)old[i] : 0), 1e-6 * size);
    }
    return right;
}

static void check_softmax_backward(int64_t outer, int64_t n, int64_t inner, bool logarithm, bool add)
{
    const int64_t count = outer * n * inner;
    float *y = logarithm ? numbers(count, -6, 0) : numbers(count, 0, 1), *dy = numbers(count, -1, 1);
    float *dx = add ? numbers(count, -1, 1) : array(count), *old = copy_of(dx, count);
    bool right = true;
    if (logarithm)
        k->log_softmax_backward(dx, dy, y, outer, n, inner, add);
    else
        k->softmax_backward(dx, dy, y, outer, n, inner, add);
    for (int64_t r = 0; r < outer * inner && n; r++) {
        const int64_t at = r / inner * n * inner + r % inner;
        right = right && gradient_right(dx + at, add ? old + at : NULL, dy + at, y + at, n, inner, logarithm);
    }
    if (!CHECK(right))
        printf("    outer %d, n %d, inner %d, log %d, add %d\n", (int)outer, (int)n, (int)inner, logarithm,
               add);
    drop(y, count);
    drop(dy, count);
    drop(dx, count);
    drop(old, count);
}

static void check_scale_rows(int64_t outer, int64_t n, int64_t inner, bool add)
{
    const int64_t count = outer * n * inner, rows = outer * inner;
    float *x = numbers(count, -1, 1), *f = numbers(rows, -2, 2);
    float *out = add ? numbers(count, -1, 1) : array(count), *old = copy_of(out, count);
    bool right = true;
    k->scale_rows(out, x, f, outer, n, inner, add);
    for (int64_t i = 0; i < count; i++) {
        const float d = x[i] * f[i / (n * inner) * inner + i % inner];
        right = right && out[i] == (add ? old[i] + d : d);
    }
    if (!CHECK(right))
        printf("    outer %d, n %d, inner %d, add %d\n", (int)outer, (int)n, (int)inner, add);
    drop(x, count);
    drop(f, rows);
    drop(out, count);
    drop(old, count);
}

static void test_softmax(void)
{
    static const int64_t outers[] = { 0, 1, 3, 7, 8, 9, 16, 17, 21 };
    static const int64_t sizes[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 65, 130 };
    static const int64_t inners[] = { 1, 2, 4, 15, 16, 17, 40 };
    for (size_t i = 0; i < sizeof inners / sizeof *inners; i++)
        for (size_t o = 0; o < sizeof outers / sizeof *outers; o++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                if (inners[i] > 1 && o > 2)
                    continue;
                check_softmax(outers[o], sizes[s], inners[i]);
                check_scale_rows(outers[o], sizes[s], inners[i], s & 1);
                check_softmax_backward(outers[o], sizes[s], inners[i], false, (s + o) & 1);
                check_softmax_backward(outers[o], sizes[s], inners[i], true, (s + o) & 1);
            }
    check_softmax(3, 5000, 1);
    check_softmax(1, 1000, 3);
    check_softmax(0, 3, 0);
    check_scale_rows(3, 1000, 1, true);
    check_softmax_backward(2, 5000, 1, true, true);
    check_softmax_backward(2, 1000, 3, false, false);
}

/* Far below the greatest element are zeros, also where a row ends within a vector, and NaN fills its row. */
static void test_softmax_extremes(void)
{
    for (int n = 2; n < 40; n++) {
        float x[40], y[40], z[40];
        for (int i = 0; i < n; i++)
            x[i] = i == n / 2 ? 3.0f : i % 3 == 0 ? -INFINITY : i % 3 == 1 ? -90 : -1e30f;
        k->softmax(y, x, 1, n, 1);
        k->softmax(z, x, 1, n, 1);
        for (int i = 0; i < n; i++)
            CHECK(y[i] == (i == n / 2 ? 1 : 0) && z[i] == y[i]);
        x[n - 1] = NAN;
        k->softmax(y, x, 1, n, 1);
        k->log_softmax(z, x, 1, n, 1);
        for (int i = 0; i < n; i++)
            CHECK(isnan(y[i]) && isnan(z[i]));
    }
}

/* ---- losses ---- */

static void check_loss(mr__loss_kind kind, float low, float high, float low_b, float high_b, float p,
                       int64_t n)
{
    float *a = numbers(n, low, high), *b = numbers(n, low_b, high_b), *c = numbers(n, 0, 3), *out[3];
    double *x = calloc((size_t)(6 * n + 1), sizeof *x);
    if (!x)
        abort();
    for (int64_t i = 0; i < n; i++) {
        x[i] = (double)a[i];
        x[n + i] = (double)b[i];
        x[2 * n + i] = (double)c[i];
    }
    for (int i = 0; i < 3; i++)
        out[i] = array(n);
    const float *third = kind == MR__LOSS_BCE_LOGITS_POS ? c : NULL;
    k->loss_terms(kind, out[0], a, b, third, p, n);
    k->loss_slopes(kind, false, out[1], a, b, third, p, n);
    k->loss_slopes(kind, true, out[2], a, b, third, p, n);
    mr__loss_terms_f64(kind, x + 3 * n, x, x + n, x + 2 * n, (double)p, n);
    mr__loss_slopes_f64(kind, false, x + 4 * n, x, x + n, x + 2 * n, (double)p, n);
    mr__loss_slopes_f64(kind, true, x + 5 * n, x, x + n, x + 2 * n, (double)p, n);
    for (int w = 0; w < 3; w++) {
        bool right = true;
        for (int64_t i = 0; i < n; i++) {
            const double want = x[(3 + w) * n + i];
            right = right && near(out[w][i], want, 2e-6 * (2 + fabs(want)));
        }
        if (!CHECK(right))
            printf("    loss %d, n %d, which %d\n", (int)kind, (int)n, w);
        drop(out[w], n);
    }
    drop(a, n);
    drop(b, n);
    drop(c, n);
    free(x);
}

static void test_losses(void)
{
    for (int64_t n = 0; n < 70; n++) {
        check_loss(MR__LOSS_L1, -2, 2, -2, 2, 0, n);
        check_loss(MR__LOSS_SMOOTH_L1, -2, 2, -2, 2, 0.75f, n);
        check_loss(MR__LOSS_HUBER, -2, 2, -2, 2, 0.75f, n);
        check_loss(MR__LOSS_BCE, 0.01f, 0.99f, 0, 1, 0, n);
        check_loss(MR__LOSS_BCE_LOGITS, -9, 9, 0, 1, 0, n);
        check_loss(MR__LOSS_BCE_LOGITS_POS, -9, 9, 0, 1, 0, n);
        check_loss(MR__LOSS_KL, -3, 0, 0.01f, 1, 0, n);
        check_loss(MR__LOSS_KL_LOG, -3, 0, -3, 0, 0, n);
        check_loss(MR__LOSS_POISSON, 0.1f, 3, 0, 4, 1e-8f, n);
        check_loss(MR__LOSS_POISSON_LOG, -2, 2, 0, 4, 0, n);
        check_loss(MR__LOSS_STIRLING, 0, 1, 0, 4, 0, n);
        check_loss(MR__LOSS_GAUSSIAN, 0, 3, 0.2f, 2, 0.5f, n);
        check_loss(MR__LOSS_HINGE, -2, 2, -1, 1, 0.5f, n);
    }
}

/* A confident right answer has a loss that is small but not zero: 1 - exp(-20) is 1 in float32. */
static void test_small_losses(void)
{
    const float x[] = { 20, 30, 80, 17 }, one[] = { 1, 1, 1, 1 };
    float y[4];
    k->loss_terms(MR__LOSS_BCE_LOGITS, y, x, one, NULL, 0, 4);
    for (int i = 0; i < 4; i++)
        CHECK_CLOSE(y[i], exp(-(double)x[i]), 1e-6, 0);
}

static void test_level(void)
{
    RUN(test_log);
    RUN(test_softmax);
    RUN(test_softmax_extremes);
    RUN(test_losses);
    RUN(test_small_losses);
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
        const int before = check_failed;
        k = levels[i];
        test_level();
        if (check_failed > before)
            printf("in level %s\n", k->level);
    }
    return check_report();
}
