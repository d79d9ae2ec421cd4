#include "draws.h"

#include "transform.h"

#include <math.h>

bool mr__draws(const mr_transform *step)
{
    switch (step->kind) {
    case MR__RANDOM_CROP:
    case MR__RANDOM_RESIZED_CROP:
    case MR__FLIP_ACROSS:
    case MR__FLIP_DOWN:
    case MR__COLOR_JITTER:
        return true;
    default:
        return false;
    }
}

/* torch.empty(1).uniform_(low, high) */
static float uniform(mr_rng *rng, double low, double high)
{
    float value;
    mr_rng_fill_uniform(rng, &value, 1, low, high);
    return value;
}

/* torch.randint(0, count, (1,)) */
static int64_t below(mr_rng *rng, int64_t count)
{
    return (int64_t)(mr_rng_u32(rng) % (uint32_t)count);
}

bool mr__draw_chance(mr_rng *rng, double p)
{
    return uniform(rng, 0, 1) < (float)p;
}

mr__region mr__draw_crop(mr_rng *rng, const mr_transform *step, int64_t height, int64_t width)
{
    mr__region r = { .height = step->height, .width = step->width };
    if (height == r.height && width == r.width)
        return r;
    r.top = below(rng, height - r.height + 1);
    r.left = below(rng, width - r.width + 1);
    return r;
}

/* The middle, in the nearest ratio that is allowed. */
static mr__region middle(const mr_transform *step, int64_t height, int64_t width)
{
    const double ratio = (double)width / (double)height;
    mr__region r = { .height = height, .width = width };
    if (ratio < step->low[1])
        r.height = (int64_t)rint((double)width / step->low[1]);
    else if (ratio > step->high[1])
        r.width = (int64_t)rint((double)height * step->high[1]);
    r.top = (height - r.height) / 2;
    r.left = (width - r.width) / 2;
    return r;
}

/* torchvision takes the logarithm and the exponential in float32. Its own are off by at most one in the last place,
 * which is far too little to change a size but where it lies halfway between two. */
mr__region mr__draw_resized_crop(mr_rng *rng, const mr_transform *step, int64_t height, int64_t width)
{
    const double low = (float)log((double)(float)step->low[1]),
                 high = (float)log((double)(float)step->high[1]);
    for (int i = 0; i < 10; i++) {
        const double area = (double)(height * width) * (double)uniform(rng, step->low[0], step->high[0]);
        const double ratio = (float)exp((double)uniform(rng, low, high));
        mr__region r = { .height = (int64_t)rint(sqrt(area / ratio)),
                         .width = (int64_t)rint(sqrt(area * ratio)) };
        if (r.width > 0 && r.width <= width && r.height > 0 && r.height <= height) {
            r.top = below(rng, height - r.height + 1);
            r.left = below(rng, width - r.width + 1);
            return r;
        }
    }
    return middle(step, height, width);
}

void mr__draw_jitter(mr_rng *rng, const mr_transform *step, mr__jitter *jitter)
{
    int64_t order[4];
    mr_rng_permutation(rng, order, 4);
    for (int i = 0; i < 4; i++) {
        jitter->order[i] = (int)order[i];
        jitter->wanted[i] = step->low[i] != step->high[i];
        jitter->factor[i] = jitter->wanted[i] ? uniform(rng, step->low[i], step->high[i]) : 0;
    }
}
