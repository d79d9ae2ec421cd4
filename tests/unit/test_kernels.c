/* Every kernel of every level that this machine can run, against plain loops in double. */
#include "check.h"
#include "kernels/kernels.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const mr__kernels *k; /* the level under test */

/* ---- arrays: with marks before and after them, and behind their end nothing at all under AddressSanitizer ---- */

#if defined(__SANITIZE_ADDRESS__)
enum { BEFORE = 16, AFTER = 0 };
#else
enum { BEFORE = 16, AFTER = 16 };
#endif

#define MARK 12345.678f

static float *array(int64_t n)
{
    float *all = malloc((size_t)(BEFORE + n + AFTER) * sizeof *all);
    if (!all)
        abort();
    for (int64_t i = 0; i < BEFORE; i++)
        all[i] = MARK;
    for (int64_t i = 0; i < AFTER; i++)
        all[BEFORE + n + i] = MARK;
    for (int64_t i = 0; i < n; i++)
        all[BEFORE + i] = NAN;
    return all + BEFORE;
}

static void drop(float *a, int64_t n)
{
    bool kept = true;
    for (int64_t i = 0; i < BEFORE; i++)
        kept = kept && a[i - BEFORE] == MARK;
    for (int64_t i = 0; i < AFTER; i++)
        kept = kept && a[n + i] == MARK;
    CHECK(kept);
    free(a - BEFORE);
}

static uint32_t state = 1;

static float number(void) /* from -1 to 1 */
{
    state = state * 1664525u + 1013904223u;
    return (float)((int32_t)state >> 8) * 0x1p-23f;
}

static float *numbers(int64_t n)
{
    float *a = array(n);
    for (int64_t i = 0; i < n; i++)
        a[i] = number();
    return a;
}

static float *copy_of(const float *a, int64_t n)
{
    float *b = array(n);
    for (int64_t i = 0; i < n; i++)
        b[i] = a[i];
    return b;
}

/* An output: uninitialised, or, if it is added to, numbers. */
static float *output(int64_t n, bool add)
{
    return add ? numbers(n) : array(n);
}

static bool equal(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* 0, 1, ... 70, and some longer ones */
static int64_t next_size(int64_t n)
{
    static const int64_t more[] = { 127, 128, 129, 255, 511, 1000, 2049, 10007, -1 };
    if (n < 70)
        return n + 1;
    for (int i = 0;; i++)
        if (more[i] > n || more[i] < 0)
            return more[i];
}

#define FOR_SIZES(n) for (int64_t n = 0; n >= 0; n = next_size(n))

/* ---- products ---- */

static double element(bool transposed, const float *a, int64_t ld, int64_t i, int64_t j)
{
    return transposed ? (double)a[j * ld + i] : (double)a[i * ld + j];
}

/* Every rounding of k products is at most half a unit in the last place of the sum of their magnitudes. */
static bool product_right(float got, double sum, double magnitude, int64_t depth)
{
    return fabs((double)got - sum) <= (double)(depth + 4) * 0x1p-24 * magnitude;
}

static void check_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t depth, int64_t spare, bool add)
{
    const int64_t a_rows = ta ? depth : m, b_rows = tb ? n : depth;
    const int64_t lda = (ta ? m : depth) + spare, ldb = (tb ? depth : n) + spare, ldc = n + spare;
    float *a = numbers(a_rows * lda), *b = numbers(b_rows * ldb), *c = output(m * ldc, add);
    float *old = copy_of(c, m * ldc);
    k->gemm(ta, tb, m, n, depth, a, lda, b, ldb, c, ldc, add);
    bool right = true, kept = true;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = add ? (double)old[i * ldc + j] : 0, magnitude = fabs(sum);
            for (int64_t l = 0; l < depth; l++) {
                const double term = element(ta, a, lda, i, l) * element(tb, b, ldb, l, j);
                sum += term;
                magnitude += fabs(term);
            }
            right = right && product_right(c[i * ldc + j], sum, magnitude, depth);
        }
        for (int64_t j = n; j < ldc; j++)
            kept = kept && equal(c[i * ldc + j], old[i * ldc + j]);
    }
    if (!CHECK(right) || !CHECK(kept))
        printf("    gemm %s %s, m %d, n %d, k %d, spare %d, add %d\n", ta ? "T" : "N", tb ? "T" : "N", (int)m,
               (int)n, (int)depth, (int)spare, add);
    drop(a, a_rows * lda);
    drop(b, b_rows * ldb);
    drop(c, m * ldc);
    drop(old, m * ldc);
}

static void test_gemm(void)
{
    static const int64_t sizes[] = { 0, 1, 2, 3, 5, 7, 8, 13, 16, 17, 33, 64, 70 };
    enum { COUNT = sizeof sizes / sizeof *sizes };
    for (int s = 0; s < COUNT * COUNT * COUNT; s++) {
        const int64_t m = sizes[s % COUNT], n = sizes[s / COUNT % COUNT], depth = sizes[s / COUNT / COUNT];
        check_gemm(s & 1, s & 2, m, n, depth, s % 3, s % 5 > 2);
        check_gemm(s & 2, !(s & 1), m, n, depth, 0, s % 5 < 2);
    }
    for (int s = 0; s < 16; s++) {
        check_gemm(s & 1, s & 2, 97, 131, 300, s & 4 ? 5 : 0, s & 8);
        check_gemm(s & 1, s & 2, 131, 66, 520, s & 4 ? 5 : 0, s & 8);
        check_gemm(s & 1, s & 2, 3, 400, 777, s & 4 ? 5 : 0, s & 8);
        check_gemm(s & 1, s & 2, 400, 2, 65, s & 4 ? 5 : 0, s & 8);
    }
}

/* linear and its two gradients for one shape, in the interface's letters */
static void check_linear(int64_t m, int64_t depth, int64_t n, bool with_bias, bool add)
{
    float *x = numbers(m * depth), *w = numbers(n * depth), *b = numbers(n), *y = array(m * n),
          *dy = numbers(m * n);
    k->linear(y, x, w, with_bias ? b : NULL, m, depth, n);
    bool right = true;
    for (int64_t i = 0; i < m * n; i++) {
        double sum = with_bias ? (double)b[i % n] : 0, magnitude = fabs(sum);
        for (int64_t l = 0; l < depth; l++) {
            const double term = (double)x[i / n * depth + l] * (double)w[i % n * depth + l];
            sum += term;
            magnitude += fabs(term);
        }
        right = right && product_right(y[i], sum, magnitude, depth);
    }

    float *dx = output(m * depth, add), *old = copy_of(dx, m * depth);
    k->linear_dx(dx, dy, w, m, depth, n, add);
    bool dx_right = true;
    for (int64_t i = 0; i < m * depth; i++) {
        double sum = add ? (double)old[i] : 0, magnitude = fabs(sum);
        for (int64_t j = 0; j < n; j++) {
            const double term = (double)dy[i / depth * n + j] * (double)w[j * depth + i % depth];
            sum += term;
            magnitude += fabs(term);
        }
        dx_right = dx_right && product_right(dx[i], sum, magnitude, n);
    }
    drop(old, m * depth);

    const bool add_db = !add;
    float *dw = output(n * depth, add), *db = output(n, add_db), *old_db = copy_of(db, n);
    old = copy_of(dw, n * depth);
    k->linear_dw(dw, with_bias ? db : NULL, dy, x, m, depth, n, add, add_db);
    bool dw_right = true, db_right = true;
    for (int64_t i = 0; i < n * depth; i++) {
        double sum = add ? (double)old[i] : 0, magnitude = fabs(sum);
        for (int64_t r = 0; r < m; r++) {
            const double term = (double)dy[r * n + i / depth] * (double)x[r * depth + i % depth];
            sum += term;
            magnitude += fabs(term);
        }
        dw_right = dw_right && product_right(dw[i], sum, magnitude, m);
    }
    for (int64_t j = 0; j < n && with_bias; j++) {
        double sum = add_db ? (double)old_db[j] : 0, magnitude = fabs(sum);
        for (int64_t r = 0; r < m; r++) {
            sum += (double)dy[r * n + j];
            magnitude += fabs((double)dy[r * n + j]);
        }
        db_right = db_right && product_right(db[j], sum, magnitude, m);
    }
    if (!CHECK(right && dx_right && dw_right && db_right))
        printf("    y %d, dx %d, dw %d, db %d; m %d, k %d, n %d, bias %d, add %d\n", right, dx_right,
               dw_right, db_right, (int)m, (int)depth, (int)n, with_bias, add);
    drop(x, m * depth);
    drop(w, n * depth);
    drop(b, n);
    drop(y, m * n);
    drop(dy, m * n);
    drop(dx, m * depth);
    drop(dw, n * depth);
    drop(old, n * depth);
    drop(db, n);
    drop(old_db, n);
}

static void test_linear(void)
{
    static const int64_t rows[] = { 0, 1, 2, 3, 4, 7, 31, 32, 33, 48 };
    static const int64_t sizes[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20, 32, 33, 65 };
    enum { ROWS = sizeof rows / sizeof *rows, SIZES = sizeof sizes / sizeof *sizes };
    for (int s = 0; s < ROWS * SIZES * SIZES; s++) {
        const int64_t m = rows[s % ROWS], depth = sizes[s / ROWS % SIZES], n = sizes[s / ROWS / SIZES];
        check_linear(m, depth, n, true, s & 1);
        check_linear(m, depth, n, false, !(s & 1));
    }
    check_linear(129, 300, 10, true, true);
    check_linear(130, 100, 140, true, false);
    check_linear(5000, 3, 2, true, true);
    check_linear(5000, 1, 9, true, false);
    check_linear(5000, 9, 1, true, true);
}

/* An element of a product does not depend on the other rows and columns, nor on the arrays' alignment. */
static void test_linear_by_rows(void)
{
    enum { M = 37, K = 45, N = 70 };
    float *x = numbers(M * K), *w = numbers(N * K), *b = numbers(N), *y = array(M * N), *z = array(M * N + 1);
    k->linear(y, x, w, b, M, K, N);
    for (int64_t first = 0; first < M; first += 9) {
        const int64_t i = first < M - 9 ? first : M - 9;
        k->linear(z + 1 + i * N, x + i * K, w, b, 9, K, N);
    }
    bool same = true;
    for (int64_t i = 0; i < M * N; i++)
        same = same && y[i] == z[i + 1];
    CHECK(same);
    drop(x, M * K);
    drop(w, N * K);
    drop(b, N);
    drop(y, M * N);
    drop(z, M * N + 1);
}

/* ---- elementwise ---- */

static void test_elementwise(void)
{
    FOR_SIZES(n)
    {
        float *a = numbers(n), *b = numbers(n), *out[8];
        bool right = true;
        for (int i = 0; i < 8; i++)
            out[i] = i == 5 ? copy_of(b, n) : array(n);
        k->add(out[0], a, b, n);
        k->sub(out[1], a, b, n);
        k->mul(out[2], a, b, n);
        k->div(out[3], a, b, n);
        k->affine(out[4], a, 1.7f, 0.3f, n);
        k->add_scaled(out[5], 0.7f, a, n);
        k->fill(out[6], 2.5f, n);
        k->relu(out[7], a, n);
        for (int64_t i = 0; i < n; i++) {
            const float product = a[i] * 1.7f;
            const double added = (double)b[i] + (double)0.7f * (double)a[i];
            right = right && out[0][i] == a[i] + b[i] && out[1][i] == a[i] - b[i] &&
                    out[2][i] == a[i] * b[i] && out[3][i] == a[i] / b[i] && out[4][i] == product + 0.3f &&
                    fabs((double)out[5][i] - added) <= 0x1p-23 && out[6][i] == 2.5f &&
                    out[7][i] == (a[i] > 0 ? a[i] : 0);
        }
        k->add(a, a, b, n); /* in place */
        for (int64_t i = 0; i < n; i++)
            right = right && a[i] == out[0][i];
        if (!CHECK(right))
            printf("    n %d\n", (int)n);
        for (int i = 0; i < 8; i++)
            drop(out[i], n);
        drop(a, n);
        drop(b, n);
    }
}

typedef void backward(float *dx, const float *dy, const float *y, int64_t n, bool add);

static float expected_gradient(int which, float dy, float y)
{
    const float square = y * y;
    switch (which) {
    case 0:
        return y <= 0 ? 0 : dy;
    case 1:
        return dy * (1 - y) * y;
    case 2:
        return dy * (1 - square);
    case 3:
        return dy * y;
    default:
        return dy * 0.7f;
    }
}

static void test_backward(void)
{
    backward *const kernels[] = { k->relu_backward, k->sigmoid_backward, k->tanh_backward, k->mul_backward };
    FOR_SIZES(n)
    {
        float *y = numbers(n), *dy = numbers(n);
        if (n > 3)
            y[n - 1] = NAN, y[n - 2] = 0, y[n - 3] = INFINITY;
        for (int which = 0; which < 10; which++) {
            const bool add = which & 1;
            float *dx = output(n, add), *old = copy_of(dx, n);
            if (which < 8)
                kernels[which / 2](dx, dy, y, n, add);
            else
                k->scale(dx, dy, 0.7f, n, add);
            bool right = true;
            for (int64_t i = 0; i < n; i++) {
                const float gradient = expected_gradient(which / 2, dy[i], y[i]);
                right = right && equal(dx[i], add ? old[i] + gradient : gradient);
            }
            if (!CHECK(right))
                printf("    n %d, which %d\n", (int)n, which);
            drop(dx, n);
            drop(old, n);
        }
        drop(y, n);
        drop(dy, n);
    }
}

/* ---- exp, sigmoid, tanh, sin, cos ---- */

typedef void function(float *out, const float *x, int64_t n);

static double true_exp(double x)
{
    return exp(x);
}

static double true_sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double true_tanh(double x)
{
    return tanh(x);
}

/* How far `got` is from `want` in units in the last place of a float as great as `want`. */
static double ulps(float got, double want)
{
    if (isnan(want) || isinf(got) || isnan(got))
        return equal(got, (float)want) ? 0 : INFINITY;
    if ((double)got == want)
        return 0;
    int e;
    frexp(want, &e);
    return fabs((double)got - want) / ldexp(1, (e < -125 ? -125 : e) - 24);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* All floats but for a stride, in chunks of an odd size, so that tails are seen too. */
static double worst(function *f, double (*want)(double), float *at)
{
    enum { CHUNK = 1021 };
    float x[CHUNK], y[CHUNK];
    double most = 0;
    int n = 0;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 4999) {
        x[n++] = float_of((uint32_t)bits);
        if (n < CHUNK)
            continue;
        f(y, x, n);
        for (int i = 0; i < n; i++) {
            const double u = ulps(y[i], want((double)x[i]));
            if (!(u <= most)) {
                most = u;
                *at = x[i];
            }
        }
        n = 0;
    }
    return most;
}

static void check_worst(const char *name, function *f, double (*want)(double), double allowed)
{
    float at = 0;
    const double most = worst(f, want, &at);
    if (!CHECK(most <= allowed))
        printf("    %s(%a): %g units in the last place\n", name, (double)at, most);
}

/* The values near 0 and where results overflow or leave the normal numbers, closely. */
static double worst_between(function *f, double (*want)(double), float low, float high)
{
    double most = 0;
    for (int i = 0; i <= 200000; i++) {
        const float x = low + (high - low) * (float)i / 200000;
        float y;
        f(&y, &x, 1);
        most = fmax(most, ulps(y, want((double)x)));
    }
    return most;
}

static void test_exp(void)
{
    check_worst("exp", k->exp, true_exp, 2);
    CHECK(worst_between(k->exp, true_exp, -104.5f, -86) <= 2);
    CHECK(worst_between(k->exp, true_exp, 88, 89) <= 2);
    const float x[] = { NAN,  INFINITY, -INFINITY, 0,     -0.0f,  100,
                        -100, 1e-40f,   -1e-40f,   1e38f, -1e38f, -103.97f };
    float y[12];
    k->exp(y, x, 12);
    CHECK(isnan(y[0]) && isinf(y[1]) && y[2] == 0 && y[3] == 1 && y[4] == 1 && isinf(y[5]));
    CHECK(y[6] > 0 && y[6] < 1e-43f && y[7] == 1 && y[8] == 1 && isinf(y[9]) && y[10] == 0 && y[11] > 0);
}

static void test_sigmoid(void)
{
    check_worst("sigmoid", k->sigmoid, true_sigmoid, 3);
    CHECK(worst_between(k->sigmoid, true_sigmoid, -104.5f, -86) <= 3);
    CHECK(worst_between(k->sigmoid, true_sigmoid, -8, 8) <= 3);
    const float x[] = { NAN, INFINITY, -INFINITY, 0, -0.0f, 100, -100, 1e-40f, -1e-40f, 1e38f, -1e38f };
    float y[11];
    k->sigmoid(y, x, 11);
    CHECK(isnan(y[0]) && y[1] == 1 && y[2] == 0 && y[3] == 0.5f && y[4] == 0.5f && y[5] == 1);
    CHECK(y[6] >= 0 && y[6] < 1e-43f && y[7] == 0.5f && y[8] == 0.5f && y[9] == 1 && y[10] == 0);
}

static void test_tanh(void)
{
    check_worst("tanh", k->tanh, true_tanh, 3);
    CHECK(worst_between(k->tanh, true_tanh, 0, 10) <= 3);
    const float x[] = { NAN, INFINITY, -INFINITY, 0, -0.0f, 100, -100, 1e-40f, -1e-40f, 1e-5f, -1e-5f };
    float y[11];
    k->tanh(y, x, 11);
    CHECK(isnan(y[0]) && y[1] == 1 && y[2] == -1 && y[3] == 0 && y[4] == 0 && signbit(y[4]) &&
          !signbit(y[3]));
    CHECK(y[5] == 1 && y[6] == -1 && y[7] == x[7] && y[8] == x[8] && y[9] == x[9] && y[10] == x[10]);
    for (int i = 0; i < 2000; i++) {
        const float z[2] = { 6 * number(), 0 }, minus_z[2] = { -z[0], 0 };
        float t[2], minus_t[2];
        k->tanh(t, z, 2);
        k->tanh(minus_t, minus_z, 2);
        CHECK(t[0] == -minus_t[0]);
    }
}

/* Near multiples of pi, where the result is small, and where the C library takes over. */
static void test_sin_and_cos(void)
{
    check_worst("sin", k->sin, sin, 3);
    check_worst("cos", k->cos, cos, 3);
    for (int turn = -4; turn <= 4; turn++) {
        const float at = (float)(turn * 1.57079632679489661923);
        CHECK(worst_between(k->sin, sin, at - 0.01f, at + 0.01f) <= 3);
        CHECK(worst_between(k->cos, cos, at - 0.01f, at + 0.01f) <= 3);
    }
    CHECK(worst_between(k->sin, sin, 11990, 12010) <= 3);
    CHECK(worst_between(k->cos, cos, -12010, -11990) <= 3);
    const float x[] = { NAN, INFINITY, -INFINITY, 0, -0.0f, 1e-40f, -1e-40f, 1e38f, 1 };
    float y[9], z[9];
    k->sin(y, x, 9);
    k->cos(z, x, 9);
    CHECK(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && y[3] == 0 && y[4] == 0 && signbit(y[4]) &&
          !signbit(y[3]));
    CHECK(y[5] == x[5] && y[6] == x[6] && y[7] == sinf(1e38f));
    CHECK(isnan(z[0]) && isnan(z[1]) && isnan(z[2]) && z[3] == 1 && z[4] == 1 && z[5] == 1 &&
          z[7] == cosf(1e38f));
}

/* A value's result does not depend on where it stands in the array. */
static void test_positions(void)
{
    function *const functions[] = { k->exp, k->sigmoid, k->tanh, k->relu, k->sin, k->cos };
    for (int f = 0; f < 6; f++) {
        FOR_SIZES(n)
        {
            float *x = numbers(n), *y = array(n);
            for (int64_t i = 0; i < n; i++)
                x[i] *= 20;
            if (n > 2)
                x[n / 2] = NAN;
            functions[f](y, x, n);
            bool same = true;
            for (int64_t i = 0; i < n; i++) {
                float one;
                functions[f](&one, x + i, 1);
                same = same && equal(one, y[i]);
            }
            functions[f](x, x, n);
            for (int64_t i = 0; i < n; i++)
                same = same && equal(x[i], y[i]);
            CHECK(same);
            drop(x, n);
            drop(y, n);
        }
    }
    const float x[] = { NAN, -0.0f, -1e-40f, 1e-40f, INFINITY, -INFINITY };
    float y[6];
    k->relu(y, x, 6);
    CHECK(isnan(y[0]) && y[1] == 0 && y[2] == 0 && y[3] == x[3] && isinf(y[4]) && y[5] == 0);
}

/* ---- reductions ---- */

static void test_sums(void)
{
    FOR_SIZES(n)
    {
        float *a = numbers(n), *b = numbers(n);
        double sum = 0, magnitude = 0, squares = 0;
        for (int64_t i = 0; i < n; i++) {
            const float d = a[i] - b[i];
            sum += (double)a[i];
            magnitude += fabs((double)a[i]);
            squares += (double)d * (double)d;
        }
        CHECK_NEAR(k->sum(a, n), sum, 40 * 0x1p-24 * magnitude);
        CHECK_NEAR(k->sum_squared_difference(a, b, n), squares, 40 * 0x1p-24 * squares);
        CHECK(k->all_finite(a, n));
        for (int64_t i = 0; i<n; i += n> 100 ? 37 : 1) {
            const float old = a[i], bad[] = { NAN, INFINITY, -INFINITY };
            a[i] = bad[i % 3];
            CHECK(!k->all_finite(a, n));
            a[i] = FLT_MAX;
            CHECK(k->all_finite(a, n));
            a[i] = old;
        }
        drop(a, n);
        drop(b, n);
    }
}

/* The error must not grow with n: ten million times 0.1, which one running sum makes 1087937. */
static void test_long_sum(void)
{
    enum { N = 10000000 };
    float *a = array(N);
    k->fill(a, 0.1f, N);
    CHECK_CLOSE(k->sum(a, N), N * (double)0.1f, 1e-6, 0);
    CHECK(k->all_finite(a, N));
    drop(a, N);

    a = numbers(5001); /* the same wherever the array begins */
    float *b = array(5002);
    for (int i = 0; i < 5001; i++)
        b[i + 1] = a[i];
    CHECK(k->sum(a, 5001) == k->sum(b + 1, 5001));
    drop(a, 5001);
    drop(b, 5002);
}

static void test_mse_backward(void)
{
    FOR_SIZES(n)
    {
        float *a = numbers(n), *b = numbers(n);
        for (int which = 0; which < 16; which++) {
            const bool add_da = which & 1, add_db = which & 2;
            float *da = output(n, add_da), *db = output(n, add_db), *old_a = copy_of(da, n),
                  *old_b = copy_of(db, n);
            k->mse_backward(which & 4 ? NULL : da, which & 8 ? NULL : db, a, b, 0.3f, n, add_da, add_db);
            bool right = true;
            for (int64_t i = 0; i < n; i++) {
                const float d = 0.3f * (a[i] - b[i]);
                const float want_a = add_da ? old_a[i] + d : d, want_b = add_db ? old_b[i] - d : -d;
                right = right && equal(da[i], which & 4 ? old_a[i] : want_a) &&
                        equal(db[i], which & 8 ? old_b[i] : want_b);
            }
            CHECK(right);
            drop(da, n);
            drop(db, n);
            drop(old_a, n);
            drop(old_b, n);
        }
        drop(a, n);
        drop(b, n);
    }
}

/* ---- optimizers ---- */

/* a * b + c as the level has it */
static float fused(float a, float b, float c)
{
    if (strcmp(k->level, "plain") != 0)
        return fmaf(a, b, c);
    const float product = a * b;
    return product + c;
}

static void expect_adam(float *p, float g, float *m, float *v, float *top, const mr__adam_step *s,
                        bool amsgrad)
{
    if (s->decay_factor != 1)
        *p *= s->decay_factor;
    if (s->weight_decay != 0)
        g = fused(*p, s->weight_decay, g);
    *m = *m * s->beta1;
    *m = fused(g, s->one_minus_beta1, *m);
    *v = *v * s->beta2;
    *v = fused(s->one_minus_beta2 * g, g, *v);
    *top = *v > *top ? *v : *top;
    float denominator = sqrtf(amsgrad ? *top : *v) / s->sqrt_correction2;
    denominator += s->eps;
    const float step = s->minus_step_size * *m / denominator;
    *p += step;
}

static void test_adam(void)
{
    for (int which = 0; which < 8; which++) {
        const bool amsgrad = which & 1;
        const mr__adam_step s = {
            0.9f, 0.1f, 0.999f, 0.001f, 0.0547f, 1e-8f, -3e-3f, which & 2 ? 0.02f : 0, which & 4 ? 0.9997f : 1
        };
        FOR_SIZES(n)
        {
            float *p = numbers(n), *g = numbers(n), *m = numbers(n), *v = numbers(n), *top = numbers(n);
            for (int64_t i = 0; i < n; i++) {
                v[i] = i % 7 ? v[i] * v[i] : 0;
                top[i] = i % 7 ? top[i] * top[i] : 0;
                g[i] = i % 5 ? g[i] : 0;
            }
            float *p1 = copy_of(p, n), *m1 = copy_of(m, n), *v1 = copy_of(v, n), *top1 = copy_of(top, n);
            k->adam(p, g, m, v, amsgrad ? top : NULL, n, &s);
            bool right = true;
            for (int64_t i = 0; i < n; i++) {
                expect_adam(&p1[i], g[i], &m1[i], &v1[i], &top1[i], &s, amsgrad);
                right = right && equal(p[i], p1[i]) && equal(m[i], m1[i]) && equal(v[i], v1[i]) &&
                        (!amsgrad || equal(top[i], top1[i]));
            }
            if (!CHECK(right))
                printf("    n %d, which %d\n", (int)n, which);
            float *all[] = { p, g, m, v, top, p1, m1, v1, top1 };
            for (int i = 0; i < 9; i++)
                drop(all[i], n);
        }
    }
}

/* Numbers at the ends of the range go through the division and the root as they do in scalar code. */
static void test_adam_extremes(void)
{
    const mr__adam_step s = { 0.9f, 0.1f, 0.999f, 0.001f, 0.0316f, 1e-8f, -1e-2f, 0, 1 };
    const float extremes[] = { 0,     1e-45f, -1e-38f, 1e-20f, 1e-12f,   1,
                               1e15f, -1e18f, 1e20f,   3e38f,  INFINITY, NAN };
    for (int i = 0; i < 12 * 12; i++) {
        float p = 1, m = extremes[i % 12] * 1e-3f, v = fabsf(extremes[i / 12]), top = 0;
        float p1 = p, m1 = m, v1 = v;
        k->adam(&p, &extremes[i % 12], &m, &v, NULL, 1, &s);
        expect_adam(&p1, extremes[i % 12], &m1, &v1, &top, &s, false);
        CHECK(equal(p, p1) && equal(m, m1) && equal(v, v1));
    }
}

static void test_sgd(void)
{
    for (int which = 0; which < 16; which++) {
        const bool with_momentum = which & 1, l2 = which & 2, nesterov = which & 4, first = which & 8;
        const mr__sgd_step s = { -0.1f, 0.9f, 0.8f, l2 ? 0.02f : 0, nesterov, first };
        FOR_SIZES(n)
        {
            float *p = numbers(n), *g = numbers(n), *buffer = output(n, !first);
            float *p1 = copy_of(p, n), *buffer1 = copy_of(buffer, n);
            k->sgd(p, g, with_momentum ? buffer : NULL, n, &s);
            bool right = true;
            for (int64_t i = 0; i < n; i++) {
                float d = l2 ? fused(p1[i], s.weight_decay, g[i]) : g[i];
                if (with_momentum) {
                    const float kept = buffer1[i] * s.momentum;
                    buffer1[i] = first ? d : fused(d, s.one_minus_dampening, kept);
                    d = nesterov ? fused(buffer1[i], s.momentum, d) : buffer1[i];
                }
                p1[i] = fused(d, s.minus_lr, p1[i]);
                right = right && equal(p[i], p1[i]) && equal(buffer[i], buffer1[i]);
            }
            if (!CHECK(right))
                printf("    n %d, which %d\n", (int)n, which);
            float *all[] = { p, g, buffer, p1, buffer1 };
            for (int i = 0; i < 5; i++)
                drop(all[i], n);
        }
    }
}

/* ---- the levels ---- */

static void test_level(void)
{
    RUN(test_gemm);
    RUN(test_linear);
    RUN(test_linear_by_rows);
    RUN(test_elementwise);
    RUN(test_backward);
    RUN(test_exp);
    RUN(test_sigmoid);
    RUN(test_tanh);
    RUN(test_sin_and_cos);
    RUN(test_positions);
    RUN(test_sums);
    RUN(test_long_sum);
    RUN(test_mse_backward);
    RUN(test_adam);
    RUN(test_adam_extremes);
    RUN(test_sgd);
}

static void test_choice(void)
{
    const char *wanted = getenv("MILLRACE_CPU");
    CHECK(mr__k != NULL);
    if (wanted && strcmp(wanted, "plain") == 0)
        CHECK_EQ_STR(mr__k->level, "plain");
    CHECK_EQ_STR(mr__kernels_plain.level, "plain");
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
    RUN(test_choice);
    for (int i = 0; i < count; i++) {
        const int before = check_failed;
        k = levels[i];
        test_level();
        if (check_failed > before)
            printf("in level %s\n", k->level);
    }
    return check_report();
}
