#include "conv_tail.h"

#include "kernels.h"

#include <string.h>

void mr__pool_pairs(float *y, float *which, const float *x, int64_t height, int64_t width)
{
    const int64_t out = width / 2;
    for (int64_t row = 0; row < height / 2; row++, x += 2 * width, y += out, which += out)
        mr__k->pool_max_pairs(y, which, x, x + width, out);
}

void mr__pool_pairs_dx(float *dx, const float *dy, const float *which, int64_t height, int64_t width,
                       bool add)
{
    const int64_t out = width / 2;
    for (int64_t row = 0; row < height / 2; row++, dx += 2 * width, dy += out, which += out) {
        mr__k->pool_spread_pairs(dx, dx + width, dy, which, out, add);
        if (!add && width % 2)
            dx[width - 1] = dx[2 * width - 1] = 0;
    }
    if (!add && height % 2)
        memset(dx, 0, (size_t)width * sizeof *dx);
}

float *mr__tail_target(const mr__conv_tail *t, float *y, int64_t plane, int64_t height, int64_t width,
                       float *room)
{
    return t->kind == MR__TAIL_RELU_POOL ? room : y + plane * height * width;
}

void mr__tail_finish(const mr__conv_tail *t, float *y, int64_t plane, int64_t height, int64_t width,
                     const float *room)
{
    if (t->kind == MR__TAIL_RELU) {
        float *here = y + plane * height * width;
        mr__k->relu(here, here, height * width);
    } else if (t->kind == MR__TAIL_RELU_POOL) {
        const int64_t pooled = (height / 2) * (width / 2);
        mr__pool_pairs(y + plane * pooled, t->which + plane * pooled, room, height, width);
        mr__k->pool_relu(y + plane * pooled, t->which + plane * pooled, pooled);
    }
}

const float *mr__tail_gradient(const mr__conv_tail *t, const float *dy, int64_t plane, int64_t height,
                               int64_t width, float *room)
{
    const int64_t pixels = height * width, pooled = (height / 2) * (width / 2);
    if (t->kind == MR__TAIL_NONE)
        return dy + plane * pixels;
    if (t->kind == MR__TAIL_RELU)
        mr__k->relu_backward(room, dy + plane * pixels, t->y + plane * pixels, pixels, false);
    else
        mr__pool_pairs_dx(room, dy + plane * pooled, t->which + plane * pooled, height, width, false);
    return room;
}
