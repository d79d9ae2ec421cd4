/* The kernels of activations and normalisation, of every level that the machine can run: each against the formula in
 * double, for lengths around the widths of vectors, and nothing behind the end written. */
#include "check.h"

#include "kernels/kernels.h"

enum { MOST = 200, ROWS = 67 };

static const mr__kernels *k;
static float x[MOST * 8], dy[MOST * 8], weight[MOST], beta[MOST], out[MOST * 8], second[MOST];

static void fill(float *p, int n, double from, double to, unsigned seed)
{
    for (int i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(from + (to - from) * (double)(seed >> 8) / 16777216.0);
    }
}

static void begin(void)
{
    fill(x, MOST * 8, 1, 3, 1);
    fill(dy, MOST * 8, -2, 2, 2);
    fill(weight, MOST, -1, 1, 3);
    fill(beta, MOST, -1, 1, 4);
    fill(out, MOST * 8, 5, 6, 5);
    fill(second, MOST, 5, 6, 6);
}

static const float behind = 1234;

static void check_row(const char *what, const double *want, int64_t n, double allowed)
{
    for (int64_t i = 0; i < n; i++)
        if (!CHECK_NEAR((double)out[i], want[i], allowed)) {
            printf("    %s of %s, %lld of %lld\n", what, k->level, (long long)i, (long long)n);
            break;
        }
    CHECK(out[n] == behind);
}

/* ---- activations ---- */

static double sigmoid(double v)
{
    return 1 / (1 + exp(-v));
}

static double activation(mr__activation kind, double v, double a, double b)
{
    switch (kind) {
    case MR__LEAKY_RELU:
        return v > 0 ? v : a * v;
    case MR__ELU:
        return v > 0 ? b * v : a * b * expm1(v);
    case MR__GELU:
        return v * 0.5 * erfc(-v / sqrt(2));
    case MR__GELU_TANH:
        return 0.5 * v * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v)));
    case MR__SILU:
        return v * sigmoid(v);
    case MR__MISH:
        return v * tanh(log1p(exp(v)));
    case MR__SOFTPLUS:
        return a * v > b ? v : log1p(exp(a * v)) / a;
    case MR__HARDTANH:
        return fmin(fmax(v, a), b);
    case MR__HARDSWISH:
        break;
    }
    return v * fmin(fmax(v + 3, 0), 6) / 6;
}

static void test_activations(void)
{
    double want[MOST];
    for (int kind = MR__LEAKY_RELU; kind <= MR__HARDSWISH; kind++)
        for (int64_t n = 0; n < 70; n++) {
            double a = kind == MR__HARDTANH ? -1.25 : 0.75, b = 1.5, h = 1e-5;
            begin();
            fill(x, MOST, -6, 6, (unsigned)n + 7);
            for (int64_t i = 0; i < n; i++)
                want[i] = activation((mr__activation)kind, (double)x[i], a, b);
            out[n] = behind;
            k->activation((mr__activation)kind, out, x, (float)a, (float)b, n);
            check_row("value", want, n, 3e-6);
            for (int add = 0; add < 2; add++) {
                begin();
                fill(x, MOST, -6, 6, (unsigned)n + 7);
                for (int64_t i = 0; i < n; i++) {
                    double v = (double)x[i];
                    double up = activation((mr__activation)kind, v + h, a, b);
                    double down = activation((mr__activation)kind, v - h, a, b);
                    want[i] = (double)dy[i] * (up - down) / (2 * h) + (add ? (double)out[i] : 0);
                }
                out[n] = behind;
                k->activation_backward((mr__activation)kind, out, dy, x, (float)a, (float)b, n, add);
                check_row("slope", want, n, 1e-5);
            }
        }
}

/* ---- rows ---- */

static const double center = 2, scale = 0.5;

static void check_sums(int64_t n)
{
    double sums[2], squares = 0, g[2] = { 0, 0 }, plain[2] = { 0, 0 };
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i] - center, v = (double)dy[i] * (double)weight[i % MOST];
        squares += d * d;
        plain[0] += (double)dy[i];
        plain[1] += (double)dy[i] * d;
        g[0] += v;
        g[1] += v * d;
    }
    CHECK_CLOSE(k->norm_squares(x, (float)center, n), squares, 1e-5, 1e-6);
    k->norm_sums(sums, dy, NULL, x, (float)center, n);
    CHECK_NEAR(sums[0], plain[0], 1e-4);
    CHECK_NEAR(sums[1], plain[1], 1e-4);
    if (n > MOST)
        return;
    k->norm_sums(sums, dy, weight, x, (float)center, n);
    CHECK_NEAR(sums[0], g[0], 1e-4);
    CHECK_NEAR(sums[1], g[1], 1e-4);
}

static void check_apply(int64_t n)
{
    double want[MOST], more[MOST];
    begin();
    for (int64_t i = 0; i < n; i++) {
        want[i] = ((double)x[i] - center) * scale - 1;
        more[i] = ((double)x[i] - center) * scale * (double)weight[i] + (double)beta[i];
    }
    out[n] = behind;
    k->norm_apply(out, x, (float)center, (float)scale, -1, n);
    check_row("norm_apply", want, n, 1e-6);
    k->norm_apply_each(out, x, (float)center, (float)scale, weight, beta, n);
    check_row("norm_apply_each", more, n, 1e-6);
}

static void check_gradients(int64_t n)
{
    double want[MOST];
    for (int kind = 0; kind < 4; kind++) {
        bool add = kind & 1, weighted = kind & 2;
        begin();
        for (int64_t i = 0; i < n; i++)
            want[i] = (add ? (double)out[i] : 0) + 0.5 * (double)dy[i] * (weighted ? (double)weight[i] : 1) -
                      0.25 * ((double)x[i] - center) + 3;
        out[n] = behind;
        k->norm_dx(out, dy, weighted ? weight : NULL, x, (float)center, 0.5f, -0.25f, 3, n, add);
        check_row("norm_dx", want, n, 2e-6);
    }
    begin();
    for (int64_t i = 0; i < n; i++)
        want[i] = (double)out[i] + (double)dy[i] * ((double)x[i] - center) * scale;
    out[n] = second[n] = behind;
    k->norm_dw(out, second, dy, x, (float)center, (float)scale, n);
    check_row("norm_dw", want, n, 2e-6);
    CHECK(second[n] == behind);
    float before = second[0];
    begin();
    if (n)
        CHECK_NEAR((double)before, (double)second[0] + (double)dy[0], 1e-6);
}

static void test_rows(void)
{
    for (int64_t n = 0; n < 70; n++) {
        begin();
        check_sums(n);
        check_apply(n);
        check_gradients(n);
    }
    begin();
    check_sums(MOST * 8); /* more than a block */
    check_sums(MOST * 8 - 3);
}

/* ---- columns ---- */

static void check_columns(int64_t rows, int64_t n)
{
    enum { LD = 23 };
    double products[LD], squares[LD];
    float got[LD + 1], centers[LD], scales[LD], shifts[LD], b[LD];
    fill(centers, LD, 1, 3, 8);
    fill(scales, LD, -1, 1, 9);
    fill(shifts, LD, -1, 1, 10);
    fill(b, LD, -1, 1, 11);
    for (int64_t c = 0; c < n; c++) {
        products[c] = squares[c] = 0;
        for (int64_t r = 0; r < rows; r++) {
            double d = (double)x[r * LD + c] - (double)centers[c];
            products[c] += (double)dy[r * LD + c] * d;
            squares[c] += d * d;
        }
    }
    got[n] = behind;
    k->norm_column_products(got, dy, x, centers, LD, rows, n);
    for (int64_t c = 0; c < n; c++)
        CHECK_NEAR((double)got[c], products[c], 1e-4);
    k->norm_column_products(got, NULL, x, centers, LD, rows, n);
    for (int64_t c = 0; c < n; c++)
        CHECK_NEAR((double)got[c], squares[c], 1e-4);
    CHECK(got[n] == behind);
    for (int kind = 0; kind < 3; kind++) {
        bool add = kind == 2, ok = true;
        float old[MOST * 8];
        fill(out, MOST * 8, 5, 6, 5);
        memcpy(old, out, sizeof old);
        if (kind == 0)
            k->norm_column_apply(out, x, centers, scales, shifts, LD, rows, n);
        else
            k->norm_column_dx(out, dy, x, centers, scales, b, shifts, LD, rows, n, add);
        for (int64_t r = 0; r < rows && ok; r++)
            for (int64_t c = 0; c < LD && ok; c++) {
                int64_t at = r * LD + c;
                double d = (double)x[at] - (double)centers[c], want = (double)old[at];
                if (c < n && kind == 0)
                    want = d * (double)scales[c] + (double)shifts[c];
                else if (c < n)
                    want = (add ? want : 0) + (double)dy[at] * (double)scales[c] + d * (double)b[c] +
                           (double)shifts[c];
                ok = CHECK_NEAR((double)out[at], want, 2e-6);
            }
    }
}

static void test_columns(void)
{
    begin();
    for (int64_t n = 0; n < 23; n++) {
        check_columns(3, n);
        check_columns(ROWS, n);
    }
    check_columns(0, 5);
}

static void run_level(const mr__kernels *table)
{
    k = table;
    RUN(test_activations);
    RUN(test_rows);
    RUN(test_columns);
}

int main(void)
{
    run_level(&mr__kernels_plain);
#ifdef MR_HAVE_X86_LEVELS
    if (strcmp(mr__k->level, "plain") != 0)
        run_level(&mr__kernels_avx2);
    if (strcmp(mr__k->level, "avx512") == 0)
        run_level(&mr__kernels_avx512);
#endif
    return check_report();
}
