/* The chapter's curve model trained by one loop fused by hand in explicit vectors: the peer `by-hand-simd` of
 * step/curve, an upper bound on what by_hand_curve.c leaves to the compiler.
 *
 * It differs from that one in three things. A vector holds eight samples and everything is written with such
 * vectors; sums over samples are kept as vectors until the optimizer adds up the lanes of eight of them at a
 * time; the remainders of the shuffle are taken without dividing, apart from the swaps. Built with
 * -ffast-math, hence two rules below: no rounding by magic numbers, which -ffast-math removes, and no float
 * expression whose meaning hangs on the order of its operations.
 */
#include "curve_peer.h"
#ifdef __AVX__
#include <immintrin.h>
#endif

enum { LANES = 8, MAX_PARAMS = 3 * MAX_HIDDEN + LANES };

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

/* ---- vectors ------------------------------------------------------------------------------------------- */

static inline vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

static inline vec splat(float x)
{
    return (vec){ x, x, x, x, x, x, x, x };
}

static inline vec clamp(vec x, float low, float high)
{
#ifdef __AVX__
    return _mm256_max_ps(_mm256_min_ps(x, splat(high)), splat(low));
#else
    for (int i = 0; i < LANES; i++)
        x[i] = x[i] < low ? low : x[i] > high ? high : x[i];
    return x;
#endif
}

static inline float sum(vec v)
{
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

/* The sums of eight vectors as one vector: three levels, each adding parts of neighbours and halving the
 * number of vectors. */
static inline vec sum_each(const vec v[LANES])
{
    vec a[4], b[2];
    for (int i = 0; i < 4; i++)
        a[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
               __builtin_shufflevector(v[2 * i], v[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    for (int i = 0; i < 2; i++)
        b[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
    return __builtin_shufflevector(b[0], b[1], 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(b[0], b[1], 4, 5, 6, 7, 12, 13, 14, 15);
}

/* 1 / (1 + 2^t). The whole part of t is found by truncating a positive number and goes back through integers,
 * so that -ffast-math finds nothing to reorder; the rest is a polynomial of degree 5 on [-0.5, 0.5], 1e-7 at
 * worst. */
static inline vec sigmoid_of_negative_log2(vec t)
{
    t = clamp(t, -126.0f, 126.0f);
    const ivec biased = __builtin_convertvector(t + 127.5f, ivec);
    const vec f = t - __builtin_convertvector(biased - 127, vec), scale = (vec)(biased << 23);
    vec p = splat(1.3264700e-3f);
    p = p * f + 9.6715100e-3f;
    p = p * f + 5.5507340e-2f;
    p = p * f + 2.4022242e-1f;
    p = p * f + 6.9314698e-1f;
    p = p * f + 1.0f;
    return 1.0f / (1.0f + p * scale);
}

/* ---- the shuffle --------------------------------------------------------------------------------------- */

static void shuffle(point *samples, int n, uint32_t seed)
{
    static generator g; /* static only because it is large */
    static uint32_t jump[WORDS];
    static double *inverse; /* 1 / (n - i) */
    if (!inverse) {
        inverse = zeroed((size_t)n * sizeof *inverse);
        for (int i = 0; i < n; i++)
            inverse[i] = 1.0 / (n - i);
    }
    seed_generator(&g, seed);
    for (int from = 0; from < n - 1; from += WORDS) {
        const int count = n - 1 - from < WORDS ? n - 1 - from : WORDS;
        refill(&g);
        /* out[i] % (n - from - i): the quotient by the inverse is right or one too small */
        for (int i = 0; i < count; i++) {
            const uint32_t range = (uint32_t)(n - from - i);
            const uint32_t rest = g.out[i] - (uint32_t)((double)g.out[i] * inverse[from + i]) * range;
            jump[i] = rest >= range ? rest - range : rest;
        }
        for (int i = 0; i < count; i++) {
            point *a = samples + from + i, *b = a + jump[i];
            const point keep = *a;
            *a = *b;
            *b = keep;
        }
    }
}

/* ---- model and optimizer ------------------------------------------------------------------------------- */

static struct {
    int hidden, params;
    float *p;              /* weight 1, bias 1, weight 2, bias 2, then zeros up to a multiple of LANES */
    float *m, *v;          /* Adam's moments, in the same order */
    vec *partial;          /* the gradient of each parameter, before its lanes are added up */
    vec *s, *dy, *x;       /* of the batch: sigmoids (block by unit), the loss's gradient, inputs */
    double power1, power2; /* beta^t */
} model;

static void make_model(generator *g, int hidden, int batch_size)
{
    const size_t blocks = (size_t)(batch_size + LANES - 1) / LANES;
    model.hidden = hidden, model.params = 3 * hidden + 1;
    model.p = zeroed(MAX_PARAMS * sizeof(float));
    model.m = zeroed(MAX_PARAMS * sizeof(float));
    model.v = zeroed(MAX_PARAMS * sizeof(float));
    model.partial = zeroed(MAX_PARAMS * sizeof(vec));
    model.s = zeroed(blocks * (size_t)hidden * sizeof(vec));
    model.dy = zeroed(blocks * sizeof(vec));
    model.x = zeroed(blocks * sizeof(vec));
    model.power1 = model.power2 = 1;
    uniform(g, model.p, 2 * hidden, 1);
    uniform(g, model.p + 2 * hidden, hidden + 1, 1 / sqrt((double)hidden));
}

/* Returns the batch's mean loss, leaves the sigmoids and the gradient of the loss by the outputs. */
static float forward(const float *x, const float *t, int rows)
{
    static const float tail[2 * LANES] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    const int hidden = model.hidden;
    const float *w1 = model.p, *b1 = w1 + hidden, *w2 = b1 + hidden, b2 = w2[hidden];
    const float mean = 1.0f / (float)rows;
    float a[MAX_HIDDEN], c[MAX_HIDDEN];
    for (int h = 0; h < hidden; h++) {
        a[h] = -1.44269504f * w1[h];
        c[h] = -1.44269504f * b1[h];
    }
    vec loss = { 0 };
    for (int i = 0; i * LANES < rows; i++) {
        const vec xi = load(x + i * LANES);
        vec *s = model.s + i * hidden, y = splat(b2);
        for (int h = 0; h < hidden; h++) {
            s[h] = sigmoid_of_negative_log2(a[h] * xi + c[h]);
            y += w2[h] * s[h];
        }
        vec e = y - load(t + i * LANES);
        if (rows - i * LANES < LANES)
            e *= load(tail + LANES - (rows - i * LANES));
        loss += e * e;
        model.x[i] = xi;
        model.dy[i] = (2 * mean) * e;
    }
    return sum(loss) * mean;
}

static void backward(int rows)
{
    const int hidden = model.hidden, blocks = (rows + LANES - 1) / LANES;
    const float *w2 = model.p + 2 * hidden;
    vec *dw1 = model.partial, *db1 = dw1 + hidden, *dw2 = db1 + hidden, *db2 = dw2 + hidden;
    for (int h = 0; h < hidden; h++) {
        vec w1_sum = { 0 }, b1_sum = { 0 }, w2_sum = { 0 };
        for (int i = 0; i < blocks; i++) {
            const vec s = model.s[i * hidden + h];
            const vec g = model.dy[i] * s, d = g - g * s;
            w2_sum += g;
            b1_sum += d;
            w1_sum += d * model.x[i];
        }
        dw1[h] = w2[h] * w1_sum;
        db1[h] = w2[h] * b1_sum;
        dw2[h] = w2_sum;
    }
    vec b2_sum = { 0 };
    for (int i = 0; i < blocks; i++)
        b2_sum += model.dy[i];
    *db2 = b2_sum;
}

/* Adds up the lanes of eight gradients at a time and steps these eight parameters. 1 - beta is taken in
 * double, as torch does. */
static void adam(void)
{
    const float beta1 = (float)0.9, beta2 = (float)0.999, rest1 = (float)(1 - 0.9),
                rest2 = (float)(1 - 0.999);
    model.power1 *= 0.9;
    model.power2 *= 0.999;
    const float step = (float)(1e-3 / (1 - model.power1)), scale = (float)(1 / sqrt(1 - model.power2));
    for (int i = 0; i < model.params; i += LANES) {
        const vec g = sum_each(model.partial + i);
        const vec m = beta1 * load(model.m + i) + rest1 * g;
        const vec v = beta2 * load(model.v + i) + rest2 * (g * g);
        vec root;
        for (int l = 0; l < LANES; l++)
            root[l] = sqrtf(v[l]);
        store(model.m + i, m);
        store(model.v + i, v);
        store(model.p + i, load(model.p + i) - step * m / (root * scale + 1e-8f));
    }
}

static float train_step(const float *x, const float *t, int rows)
{
    const float loss = forward(x, t, rows);
    backward(rows);
    adam();
    return loss;
}

int main(int argc, char **argv)
{
    return run_peer(&(peer){ make_model, shuffle, train_step }, argc, argv);
}
