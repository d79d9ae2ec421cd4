/* Steps as values. */
#include "transform.h"

#include <math.h>
#include <string.h>

/* ---- size ---- */

mr_transform mr_transform_resize(int64_t height, int64_t width, const mr_resize_opts *opts)
{
    mr_transform t = { .kind = MR__RESIZE, .height = height, .width = width };
    if (opts) {
        t.interpolation = opts->interpolation;
        t.most = opts->max_size;
    }
    return t;
}

mr_transform mr_transform_center_crop(int64_t height, int64_t width)
{
    return (mr_transform){ .kind = MR__CENTER_CROP, .height = height, .width = width };
}

mr_transform mr_transform_random_crop(int64_t height, int64_t width, const mr_random_crop_opts *opts)
{
    mr_transform t = { .kind = MR__RANDOM_CROP, .height = height, .width = width };
    if (opts) {
        memcpy(t.padding, opts->padding, sizeof t.padding);
        t.pad_if_needed = opts->pad_if_needed;
        t.mode = opts->mode;
        for (int c = 0; c < 3; c++)
            t.low[c] = opts->fill[c];
    }
    return t;
}

mr_transform mr_transform_random_resized_crop(int64_t height, int64_t width,
                                              const mr_random_resized_crop_opts *opts)
{
    mr_transform t = { .kind = MR__RANDOM_RESIZED_CROP,
                       .height = height,
                       .width = width,
                       .low = { 0.08, 3.0 / 4 },
                       .high = { 1, 4.0 / 3 } };
    if (opts) {
        t.interpolation = opts->interpolation;
        if (opts->scale[0] != 0 || opts->scale[1] != 0) {
            t.low[0] = opts->scale[0];
            t.high[0] = opts->scale[1];
        }
        if (opts->ratio[0] != 0 || opts->ratio[1] != 0) {
            t.low[1] = opts->ratio[0];
            t.high[1] = opts->ratio[1];
        }
    }
    return t;
}

/* ---- pixels ---- */

mr_transform mr_transform_random_horizontal_flip(double p)
{
    return (mr_transform){ .kind = MR__FLIP_ACROSS, .low = { p } };
}

mr_transform mr_transform_random_vertical_flip(double p)
{
    return (mr_transform){ .kind = MR__FLIP_DOWN, .low = { p } };
}

mr_transform mr_transform_color_jitter(const mr_color_jitter_opts *opts)
{
    mr_transform t = { .kind = MR__COLOR_JITTER, .low = { 1, 1, 1, 0 }, .high = { 1, 1, 1, 0 } };
    if (opts) {
        const double by[] = { opts->brightness, opts->contrast, opts->saturation, opts->hue };
        for (int i = 0; i < 4; i++) {
            t.low[i] -= by[i];
            t.high[i] += by[i];
            if (i < 3 && t.low[i] < 0)
                t.low[i] = 0;
        }
    }
    return t;
}

mr_transform mr_transform_grayscale(int64_t channels)
{
    return (mr_transform){ .kind = MR__GRAYSCALE, .most = channels };
}

mr_transform mr_transform_custom(mr_transform_function function, void *user)
{
    return (mr_transform){ .kind = MR__CUSTOM, .function = function, .user = user };
}

/* ---- what comes out ---- */

mr_transform mr_transform_to_tensor(void)
{
    return (mr_transform){ .kind = MR__TO_TENSOR };
}

mr_transform mr_transform_to_planes(void)
{
    return (mr_transform){ .kind = MR__TO_PLANES };
}

mr_transform mr_transform_normalize(const double mean[3], const double std[3])
{
    mr_transform t = { .kind = MR__NORMALIZE };
    for (int c = 0; c < 3; c++) {
        t.low[c] = mean ? mean[c] : 0;
        t.high[c] = std ? std[c] : 0; /* which is refused */
    }
    return t;
}

/* ---- checks ---- */

const char *mr__transform_name(const mr_transform *step)
{
    static const char *const names[] = { "no step of mr_transform_…",
                                         "resize",
                                         "center_crop",
                                         "random_crop",
                                         "random_resized_crop",
                                         "random_horizontal_flip",
                                         "random_vertical_flip",
                                         "color_jitter",
                                         "grayscale",
                                         "custom",
                                         "to_tensor",
                                         "to_planes",
                                         "normalize" };
    return names[step->kind > 0 && step->kind <= MR__NORMALIZE ? step->kind : 0];
}

enum { LARGEST_SIDE = 1 << 20 };

static bool is_size(int64_t size)
{
    return size >= 1 && size <= LARGEST_SIDE;
}

static mr_status check_size(const mr_transform *t)
{
    const bool shorter = t->kind == MR__RESIZE && t->width == 0;
    if (!is_size(t->height) || !(shorter || is_size(t->width)))
        return mr_fail(MR_ERR_ARGUMENT, "%s: a size of %lld x %lld", mr__transform_name(t),
                       (long long)t->height, (long long)t->width);
    if (t->most && !shorter)
        return mr_fail(MR_ERR_ARGUMENT, "resize: max_size is for a width of 0");
    if (t->most && t->most <= t->height)
        return mr_fail(MR_ERR_ARGUMENT,
                       "resize: max_size %lld is not above the size of the shorter side, %lld",
                       (long long)t->most, (long long)t->height);
    for (int i = 0; i < 4; i++)
        if (t->padding[i] < 0 || t->padding[i] > LARGEST_SIDE)
            return mr_fail(MR_ERR_ARGUMENT, "random_crop: padding of %lld pixels", (long long)t->padding[i]);
    return MR_OK;
}

static mr_status check_numbers(const mr_transform *t)
{
    switch (t->kind) {
    case MR__RANDOM_RESIZED_CROP:
        for (int i = 0; i < 2; i++)
            if (!(t->low[i] > 0 && t->low[i] <= t->high[i] && t->high[i] < 1e6))
                return mr_fail(MR_ERR_ARGUMENT, "random_resized_crop: %s from %g to %g",
                               i ? "ratio" : "scale", t->low[i], t->high[i]);
        return MR_OK;
    case MR__FLIP_ACROSS:
    case MR__FLIP_DOWN:
        if (t->low[0] >= 0 && t->low[0] <= 1)
            return MR_OK;
        return mr_fail(MR_ERR_ARGUMENT, "%s: probability %g", mr__transform_name(t), t->low[0]);
    case MR__COLOR_JITTER:
        for (int i = 0; i < 4; i++)
            if (!(t->low[i] <= t->high[i] && t->high[i] < (i < 3 ? 1e6 : 0.5 + 1e-12)))
                return mr_fail(MR_ERR_ARGUMENT, "color_jitter: %s from %g to %g",
                               (const char *[]){ "brightness", "contrast", "saturation", "hue" }[i],
                               t->low[i], t->high[i]);
        return MR_OK;
    case MR__GRAYSCALE:
        if (t->most == 1 || t->most == 3)
            return MR_OK;
        return mr_fail(MR_ERR_ARGUMENT, "grayscale: %lld channels, not 1 or 3", (long long)t->most);
    case MR__CUSTOM:
        return t->function ? MR_OK : mr_fail(MR_ERR_ARGUMENT, "custom: function is NULL");
    case MR__NORMALIZE:
        for (int c = 0; c < 3; c++)
            if (!(fabs((double)(float)t->high[c]) > 0)) /* NaN, too */
                return mr_fail(MR_ERR_ARGUMENT, "normalize: the std of channel %d is %g", c, t->high[c]);
        return MR_OK;
    default:
        return MR_OK;
    }
}

mr_status mr__transform_check(const mr_transform *t)
{
    if (t->kind <= 0 || t->kind > MR__NORMALIZE)
        return mr_fail(MR_ERR_ARGUMENT, "it was made by none of the functions mr_transform_…");
    if ((unsigned)t->interpolation > MR_NEAREST)
        return mr_fail(MR_ERR_ARGUMENT, "%s: interpolation %d", mr__transform_name(t), (int)t->interpolation);
    if ((unsigned)t->mode > MR_PADDING_SYMMETRIC)
        return mr_fail(MR_ERR_ARGUMENT, "random_crop: padding of mode %d", (int)t->mode);
    if (t->kind <= MR__RANDOM_RESIZED_CROP)
        if (check_size(t) < 0)
            return mr_error_status();
    return check_numbers(t);
}
