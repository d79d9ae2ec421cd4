#include "pipeline.h"

#include "canvas.h"
#include "color.h"
#include "draws.h"
#include "output.h"
#include "transform.h"

#include <math.h>
#include <string.h>

/* ---- the bench ---- */

mr__bench *mr__bench_new(void)
{
    mr__bench *b = mr_calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->decoder = mr__decoder_new();
    b->rng = b->decoder ? mr_rng_new(0) : NULL;
    if (b->rng)
        return b;
    mr__bench_free(b);
    return NULL;
}

void mr__bench_free(mr__bench *b)
{
    if (!b)
        return;
    mr__decoder_free(b->decoder);
    mr_rng_free(b->rng);
    mr_free(b->file.at);
    mr_free(b->decoded.at);
    mr_free(b->between.at);
    mr_free(b->pixels[0].at);
    mr_free(b->pixels[1].at);
    mr__weights_free(&b->rows);
    mr__weights_free(&b->columns);
    mr_free(b);
}

/* What was needed for an uncommonly large picture is not kept for those behind it. */
static void shrink(mr__bench *b)
{
    mr__room *const rooms[] = { &b->file,      &b->decoded,      &b->between,
                                &b->pixels[0], &b->pixels[1],    &b->rows.room,
                                &b->rows.wide, &b->columns.room, &b->columns.wide };
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        if (rooms[i]->bytes > MR__KEPT_ROOM) {
            mr_free(rooms[i]->at);
            *rooms[i] = (mr__room){ 0 };
        }
}

/* ---- what comes out ---- */

/* The size of a picture that is resized; one side of it is given, or both. torchvision computes the other one in doubles. */
static void resized_size(const mr_transform *t, int64_t *height, int64_t *width)
{
    if (t->width) {
        *height = t->height;
        *width = t->width;
        return;
    }
    int64_t shorter = *height < *width ? *height : *width, longer = *height < *width ? *width : *height;
    longer = (int64_t)((double)(t->height * longer) / (double)shorter);
    shorter = t->height;
    if (t->most && longer > t->most) {
        shorter = (int64_t)((double)(t->most * shorter) / (double)longer);
        longer = t->most;
    }
    const bool upright = *width <= *height;
    *height = upright ? longer : shorter;
    *width = upright ? shorter : longer;
}

/* Follows the size and the kind of pixels through a step; a size of 0 is one that is not known. */
static mr_status follow(mr__pipeline *p, const mr_transform *t)
{
    if ((p->planes && t->kind != MR__NORMALIZE) || (t->kind == MR__NORMALIZE && !p->floats))
        return mr_fail(MR_ERR_ARGUMENT, "%s comes %s", mr__transform_name(t),
                       p->planes && t->kind != MR__NORMALIZE ? "before to_tensor and to_planes"
                                                             : "behind to_tensor");
    switch (t->kind) {
    case MR__RESIZE:
        if (t->width || p->height)
            resized_size(t, &p->height, &p->width);
        return MR_OK;
    case MR__CENTER_CROP:
    case MR__RANDOM_CROP:
    case MR__RANDOM_RESIZED_CROP:
        p->height = t->height;
        p->width = t->width;
        return MR_OK;
    case MR__GRAYSCALE:
        p->channels = t->most;
        return MR_OK;
    case MR__TO_TENSOR:
        p->floats = true;
        p->planes = true;
        mr__bytes_table(p->table);
        p->normal = (mr__normal){ .std = { 1, 1, 1 } };
        return MR_OK;
    case MR__TO_PLANES:
        p->planes = true;
        return MR_OK;
    case MR__NORMALIZE:
        mr__table_normalize(p->table, t->low, t->high);
        for (int c = 0; c < 3; c++) {
            p->normal.mean[c] = (float)t->low[c];
            p->normal.std[c] = (float)t->high[c];
        }
        return MR_OK;
    default:
        return MR_OK;
    }
}

static mr_status check_steps(mr__pipeline *p)
{
    for (int i = 0; i < p->count; i++) {
        if (mr__transform_check(&p->step[i]) < 0 || follow(p, &p->step[i]) < 0) {
            mr_fail_context("step %d", i);
            return mr_error_status();
        }
        p->draws = p->draws || mr__draws(&p->step[i]) || p->step[i].kind == MR__CUSTOM;
    }
    p->quick = p->floats && p->channels == 3 && mr__quick_output(p->table, &p->normal);
    if (!p->height)
        return mr_fail(
            MR_ERR_SHAPE,
            "pictures of many sizes make no batch: a crop, or a resize to height x width, is missing");
    return MR_OK;
}

mr_status mr__pipeline_make(mr__pipeline *p, const mr_transform *steps, int count, const mr_image *of,
                            const mr_image_opts *image, bool draft)
{
    *p = (mr__pipeline){ .count = count, .channels = 3, .draft = draft };
    if (of) {
        p->height = of->height;
        p->width = of->width;
        p->channels = of->channels;
    }
    if (image)
        p->image = *image;
    if (count < 0 || (count && !steps))
        return mr_fail(MR_ERR_ARGUMENT, "%d steps%s", count, steps ? "" : " at NULL");
    p->step = mr_calloc((size_t)count + 1, sizeof *p->step);
    if (!p->step)
        return mr_error_status();
    if (count)
        memcpy(p->step, steps, (size_t)count * sizeof *p->step);
    return check_steps(p);
}

void mr__pipeline_free(mr__pipeline *p)
{
    mr_free(p->step);
    *p = (mr__pipeline){ 0 };
}

mr_field mr__pipeline_field(const mr__pipeline *p, const char *name)
{
    return (mr_field){ .name = name,
                       .dtype = p->floats ? MR_FLOAT32 : MR_UINT8,
                       .shape = p->planes ? MR_SHAPE(p->channels, p->height, p->width)
                                          : MR_SHAPE(p->height, p->width, p->channels) };
}

/* ---- steps ---- */

static mr_status center_crop(mr__canvas *c, const mr_transform *t)
{
    const int64_t wide = t->width > c->width ? t->width - c->width : 0,
                  high = t->height > c->height ? t->height - c->height : 0;
    if (mr__canvas_pad(c, (int64_t[]){ wide / 2, high / 2, (wide + 1) / 2, (high + 1) / 2 },
                       MR_PADDING_CONSTANT, (double[3]){ 0 }) < 0)
        return mr_error_status();
    mr__canvas_crop(c,
                    &(mr__region){ (int64_t)rint((double)(c->height - t->height) / 2),
                                   (int64_t)rint((double)(c->width - t->width) / 2), t->height, t->width });
    return MR_OK;
}

static mr_status random_crop(mr__canvas *c, const mr_transform *t, mr_rng *rng)
{
    mr_status s = mr__canvas_pad(c, t->padding, t->mode, t->low);
    int64_t missing = t->width - c->width;
    if (s == MR_OK && t->pad_if_needed && missing > 0)
        s = mr__canvas_pad(c, (int64_t[]){ missing, 0, missing, 0 }, t->mode, t->low);
    missing = t->height - c->height;
    if (s == MR_OK && t->pad_if_needed && missing > 0)
        s = mr__canvas_pad(c, (int64_t[]){ 0, missing, 0, missing }, t->mode, t->low);
    if (s < 0)
        return s;
    if (c->height < t->height || c->width < t->width)
        return mr_fail(MR_ERR_SHAPE,
                       "random_crop: a picture of %lld x %lld pixels is too small for %lld x %lld",
                       (long long)c->height, (long long)c->width, (long long)t->height, (long long)t->width);
    const mr__region region = mr__draw_crop(rng, t, c->height, c->width);
    mr__canvas_crop(c, &region);
    return MR_OK;
}

static mr_status random_resized_crop(mr__canvas *c, const mr_transform *t, mr_rng *rng)
{
    const mr__region region = mr__draw_resized_crop(rng, t, c->height, c->width);
    if (region.height < 1 || region.width < 1)
        return mr_fail(
            MR_ERR_SHAPE,
            "random_resized_crop: a picture of %lld x %lld pixels has no part with a ratio from %g "
            "to %g",
            (long long)c->height, (long long)c->width, t->low[1], t->high[1]);
    mr__canvas_crop(c, &region);
    return mr__canvas_resize(c, t->height, t->width, t->interpolation);
}

static mr_status resize(mr__canvas *c, const mr_transform *t)
{
    int64_t height = c->height, width = c->width;
    resized_size(t, &height, &width);
    if (height < 1 || width < 1)
        return mr_fail(MR_ERR_SHAPE, "resize: a picture of %lld x %lld pixels would have %lld x %lld",
                       (long long)c->height, (long long)c->width, (long long)height, (long long)width);
    return mr__canvas_resize(c, height, width, t->interpolation);
}

static mr_status color_jitter(mr__canvas *c, const mr_transform *t, mr_rng *rng)
{
    mr__jitter jitter;
    mr__draw_jitter(rng, t, &jitter);
    if (mr__canvas_own(c) < 0)
        return mr_error_status();
    mr__jitter_colors(c->view.at, c->height * c->width, c->channels, &jitter);
    return MR_OK;
}

static mr_status custom(mr__canvas *c, const mr_transform *t, mr_rng *rng)
{
    if (mr__canvas_own(c) < 0)
        return mr_error_status();
    mr_image image = { c->height, c->width, c->channels, c->view.at };
    mr_status s = t->function(t->user, &image, rng);
    return s == MR_OK ? MR_OK : mr_fail(s, "custom: the function failed");
}

static mr_status take_step(mr__canvas *c, const mr_transform *t, mr_rng *rng)
{
    switch (t->kind) {
    case MR__RESIZE:
        return resize(c, t);
    case MR__CENTER_CROP:
        return center_crop(c, t);
    case MR__RANDOM_CROP:
        return random_crop(c, t, rng);
    case MR__RANDOM_RESIZED_CROP:
        return random_resized_crop(c, t, rng);
    case MR__FLIP_ACROSS:
        c->across ^= mr__draw_chance(rng, t->low[0]);
        return MR_OK;
    case MR__FLIP_DOWN:
        c->down ^= mr__draw_chance(rng, t->low[0]);
        return MR_OK;
    case MR__COLOR_JITTER:
        return color_jitter(c, t, rng);
    case MR__GRAYSCALE:
        return mr__canvas_grey(c, t->most);
    case MR__CUSTOM:
        return custom(c, t, rng);
    default: /* those of what comes out */
        return MR_OK;
    }
}

static mr_status take_steps(const mr__pipeline *p, mr__canvas *c, mr_rng *rng)
{
    c->part = (mr__region){ 0, 0, c->height, c->width };
    for (int i = 0; i < p->count; i++)
        if (take_step(c, &p->step[i], rng) < 0)
            return mr_error_status();
    return mr__canvas_render(c);
}

static mr_status run(const mr__pipeline *p, mr__canvas *c, mr_rng *rng, void *out)
{
    const mr_status s = take_steps(p, c, rng);
    if (s == MR_OK)
        mr__put_out(p, c, out);
    shrink(c->bench);
    return s;
}

mr_status mr__pipeline_run(const mr__pipeline *p, mr__bench *bench, const mr_image *image, mr_rng *rng,
                           void *out)
{
    mr__canvas c = { .bench = bench,
                     .height = image->height,
                     .width = image->width,
                     .channels = image->channels,
                     .view = { image->pixels, (size_t)(image->width * image->channels) },
                     .room = -1 };
    return run(p, &c, rng, out);
}

static mr_status decode_turned(const mr__pipeline *p, mr__bench *bench, const void *bytes, size_t size,
                               mr_rng *rng, void *out)
{
    mr_image *image = mr_image_decode(bytes, size, &p->image);
    mr_status s = image ? mr__pipeline_run(p, bench, image, rng, out) : mr_error_status();
    mr_image_free(image);
    return s;
}

mr_status mr__pipeline_decode(const mr__pipeline *p, mr__bench *bench, const void *bytes, size_t size,
                              mr_rng *rng, void *out)
{
    if (p->image.orientation && mr__exif_orientation(bytes, size) != 1)
        return decode_turned(p, bench, bytes, size, rng, out);
    mr__canvas c = { .bench = bench, .channels = 3, .in_file = true, .draft = p->draft, .room = -1 };
    if (mr__decoder_begin(bench->decoder, bytes, size, &p->image, &c.height, &c.width) < 0)
        return mr_error_status();
    c.file_height = c.height;
    c.file_width = c.width;
    return run(p, &c, rng, out);
}
