/* The chapter's curve model trained by loops fused by hand, in plain C that the compiler vectorises: the
 * opponent `by-hand` of step/curve and process/curve.
 *
 * Linear(1, H), sigmoid, Linear(H, 1), mean squared error, Adam with torch's defaults. It makes torch's draws
 * (weights, order of samples) and so torch's numbers, but nothing in it is general: no tensors, no tape,
 * targets tabulated once. Sizes are read at run time. The inner loops run over the samples of the batch,
 * padded to full vectors, so that an odd hidden size wastes nothing and an odd batch little.
 */
#include "curve_peer.h"

static struct {
    int hidden, params, stride; /* stride: a batch's samples, padded */
    float *p, *g, *m, *v;       /* weight 1, bias 1, weight 2, bias 2; their gradients; Adam's moments */
    float *s, *y, *dy;          /* of the batch: sigmoids (unit by sample), outputs, the loss's gradient */
    double power1, power2;      /* beta^t */
} model;

static void make_model(generator *g, int hidden, int batch_size)
{
    const int params = 3 * hidden + 1, stride = padded(batch_size);
    const size_t each = (size_t)padded(params) * sizeof(float), row = (size_t)stride * sizeof(float);
    model.hidden = hidden, model.params = params, model.stride = stride;
    model.p = zeroed(each), model.g = zeroed(each), model.m = zeroed(each), model.v = zeroed(each);
    model.s = zeroed((size_t)hidden * row), model.y = zeroed(row), model.dy = zeroed(row);
    model.power1 = model.power2 = 1;
    uniform(g, model.p, 2 * hidden, 1);
    uniform(g, model.p + 2 * hidden, hidden + 1, 1 / sqrt((double)hidden));
}

static void shuffle(point *samples, int n, uint32_t seed)
{
    static generator g; /* static only because it is large */
    seed_generator(&g, seed);
    for (int i = 0; i < n - 1; i++) {
        const int j = i + (int)(draw(&g) % (uint32_t)(n - i));
        const point keep = samples[i];
        samples[i] = samples[j];
        samples[j] = keep;
    }
}

/* 1 / (1 + e^-z), e^-z as 2^t. The whole part of t is found by truncating a positive number and goes back
 * through integers, since -ffast-math removes rounding by magic numbers; the rest is a polynomial of degree 5
 * on [-0.5, 0.5], 1e-7 at worst. */
static inline float sigmoid(float z)
{
    float t = -1.44269504f * z, scale;
    t = t > 126.0f ? 126.0f : t;
    t = t < -126.0f ? -126.0f : t;
    const int biased = (int)(t + 127.5f), bits = biased << 23;
    const float f = t - (float)(biased - 127);
    memcpy(&scale, &bits, sizeof scale);
    float p = 1.3264700e-3f;
    p = p * f + 9.6715100e-3f;
    p = p * f + 5.5507340e-2f;
    p = p * f + 2.4022242e-1f;
    p = p * f + 6.9314698e-1f;
    p = p * f + 1.0f;
    return 1.0f / (1.0f + p * scale);
}

/* Returns the batch's mean loss, leaves the sigmoids and the gradient of the loss by the outputs. */
static float forward(const float *restrict x, const float *restrict t, int rows)
{
    const int hidden = model.hidden, n = padded(rows);
    const float *w1 = model.p, *b1 = w1 + hidden, *w2 = b1 + hidden;
    float *restrict y = model.y, *restrict dy = model.dy;
    for (int r = 0; r < n; r++)
        y[r] = w2[hidden];
    for (int h = 0; h < hidden; h++) {
        const float w = w1[h], b = b1[h], out = w2[h];
        float *restrict s = model.s + h * model.stride;
        for (int r = 0; r < n; r++) {
            s[r] = sigmoid(w * x[r] + b);
            y[r] += out * s[r];
        }
    }
    const float mean = 1.0f / (float)rows;
    float loss = 0;
    for (int r = 0; r < n; r++)
        dy[r] = y[r] - t[r];
    for (int r = rows; r < n; r++)
        dy[r] = 0;
    for (int r = 0; r < n; r++) {
        loss += dy[r] * dy[r];
        dy[r] *= 2 * mean;
    }
    return loss * mean;
}

static void backward(const float *restrict x, int rows)
{
    const int hidden = model.hidden, n = padded(rows);
    const float *w2 = model.p + 2 * hidden, *restrict dy = model.dy;
    float *restrict g = model.g;
    for (int h = 0; h < hidden; h++) {
        const float *restrict s = model.s + h * model.stride;
        float dw1 = 0, db1 = 0, dw2 = 0;
        for (int r = 0; r < n; r++) {
            const float ds = dy[r] * s[r], dz = ds - ds * s[r];
            dw2 += ds;
            db1 += dz;
            dw1 += dz * x[r];
        }
        g[h] = w2[h] * dw1;
        g[hidden + h] = w2[h] * db1;
        g[2 * hidden + h] = dw2;
    }
    float db2 = 0;
    for (int r = 0; r < n; r++)
        db2 += dy[r];
    g[3 * hidden] = db2;
}

/* Over the padded parameters: where the gradient is always zero, nothing moves. 1 - beta is taken in double,
 * as torch does. */
static void adam(void)
{
    const float beta1 = (float)0.9, beta2 = (float)0.999, rest1 = (float)(1 - 0.9),
                rest2 = (float)(1 - 0.999);
    model.power1 *= 0.9;
    model.power2 *= 0.999;
    const float step = (float)(1e-3 / (1 - model.power1)), scale = (float)(1 / sqrt(1 - model.power2));
    float *restrict p = model.p, *restrict m = model.m, *restrict v = model.v;
    const float *restrict g = model.g;
    for (int i = 0; i < padded(model.params); i++) {
        m[i] = beta1 * m[i] + rest1 * g[i];
        v[i] = beta2 * v[i] + rest2 * (g[i] * g[i]);
        p[i] -= step * m[i] / (sqrtf(v[i]) * scale + 1e-8f);
    }
}

static float train_step(const float *x, const float *t, int rows)
{
    const float loss = forward(x, t, rows);
    backward(x, rows);
    adam();
    return loss;
}

int main(int argc, char **argv)
{
    return run_peer(&(peer){ make_model, shuffle, train_step }, argc, argv);
}
