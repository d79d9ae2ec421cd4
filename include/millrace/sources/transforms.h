/*
 * Millrace, sources: what is done to pictures before they are a model's input: torchvision's transforms, with its
 * arithmetic and its draws. Link with millrace-images.
 *
 *     const mr_transform train[] = {
 *         mr_transform_random_resized_crop(224, 224, NULL),
 *         mr_transform_random_horizontal_flip(0.5),
 *         mr_transform_to_tensor(),
 *         mr_transform_normalize((double[]){ 0.485, 0.456, 0.406 }, (double[]){ 0.229, 0.224, 0.225 }),
 *     };
 *
 * Steps are values: nothing is to be freed. Numbers that make no sense are a failure of whoever is given the steps, who
 * copies them. Pixels are those of torchvision with PIL to the last bit: bytes until mr_transform_to_tensor, float32
 * behind it. Steps are not carried out one by one: of a file only the part is decoded that a crop asks for, and only
 * the pixels are computed that are in what comes out.
 *
 * Draws are torchvision's, in its order and from torch's generator: see mr_image_folder_new for which one.
 */
#ifndef MILLRACE_SOURCES_TRANSFORMS_H
#define MILLRACE_SOURCES_TRANSFORMS_H

#include <millrace/sources/images.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a picture is resized. All but the nearest pixel's take into account every pixel that goes into a new one. */
typedef enum mr_interpolation { MR_BILINEAR = 0, MR_BICUBIC = 1, MR_NEAREST = 2 } mr_interpolation;

/* What lies outside of a picture. */
typedef enum mr_padding {
    MR_PADDING_CONSTANT = 0,
    MR_PADDING_EDGE = 1,     /* the pixel at the edge */
    MR_PADDING_REFLECT = 2,  /* mirrored, without repeating the edge */
    MR_PADDING_SYMMETRIC = 3 /* mirrored with it */
} mr_padding;

/* A change of your own of a picture's pixels, in place. `rng` is for draws. MR_OK, or mr_fail(…). */
typedef mr_status (*mr_transform_function)(void *user, mr_image *image, mr_rng *rng);

/* One step; only the functions below fill it in. */
typedef struct mr_transform {
    int kind;
    int64_t height, width, most;
    int64_t padding[4];
    double low[4], high[4];
    mr_interpolation interpolation;
    mr_padding mode;
    bool pad_if_needed;
    mr_transform_function function;
    void *user;
} mr_transform;

/* ---- size ---- */

typedef struct mr_resize_opts {
    mr_interpolation interpolation; /* default: bilinear */
    int64_t max_size;               /* of the longer side, where the shorter one is given; default: none */
} mr_resize_opts;

/* Resizes to height x width; with a width of 0, so that the shorter side is `height` and the other one in proportion,
 * rounded down. */
MR_API mr_transform mr_transform_resize(int64_t height, int64_t width, const mr_resize_opts *opts);

/* The middle of it; black around a picture that is smaller. */
MR_API mr_transform mr_transform_center_crop(int64_t height, int64_t width);

typedef struct mr_random_crop_opts {
    int64_t padding[4]; /* left, top, right, bottom, before it is cropped */
    bool pad_if_needed; /* pad a picture that is too small on both sides; otherwise it is a bad sample */
    mr_padding mode;    /* default: constant */
    uint8_t fill[3];    /* that constant; default: black */
} mr_random_crop_opts;

/* A part of it anywhere: draws top and left, by torch.randint; nothing where the picture has the size already. */
MR_API mr_transform mr_transform_random_crop(int64_t height, int64_t width, const mr_random_crop_opts *opts);

typedef struct mr_random_resized_crop_opts {
    double scale[2]; /* of the area; default 0.08 to 1 */
    double ratio[2]; /* width to height; default 3/4 to 4/3 */
    mr_interpolation interpolation;
} mr_random_resized_crop_opts;

/* A part of it of random area and ratio, resized to height x width. Draws up to ten times: an area, uniform; the
 * logarithm of a ratio, uniform; and when that part is inside of the picture, top and left. Otherwise takes the middle,
 * in the nearest ratio; a picture so thin that this has no height or no width fails with MR_ERR_SHAPE. */
MR_API mr_transform mr_transform_random_resized_crop(int64_t height, int64_t width,
                                                     const mr_random_resized_crop_opts *opts);

/* ---- pixels ---- */

/* Left and right, or top and bottom, change places with probability `p`. Draws one float32. */
MR_API mr_transform mr_transform_random_horizontal_flip(double p);
MR_API mr_transform mr_transform_random_vertical_flip(double p);

typedef struct mr_color_jitter_opts {
    double brightness, contrast, saturation; /* b: a factor from max(0, 1 - b) to 1 + b; default 0: none */
    double hue;                              /* h, at most 0.5: a turn by -h to h */
} mr_color_jitter_opts;

/* Draws an order of the four, then a factor for each that is asked for, and changes the picture in that order. */
MR_API mr_transform mr_transform_color_jitter(const mr_color_jitter_opts *opts);

/* Grey, in 1 or 3 channels. */
MR_API mr_transform mr_transform_grayscale(int64_t channels);

/* A function of your own; `user` is borrowed. It is called by several threads at once. */
MR_API mr_transform mr_transform_custom(mr_transform_function function, void *user);

/* ---- what comes out ---- */

/* float32 [channels, height, width], a byte divided by 255. Without it: bytes, [height, width, channels]. */
MR_API mr_transform mr_transform_to_tensor(void);

/* Bytes, [channels, height, width] (torchvision's PILToTensor). */
MR_API mr_transform mr_transform_to_planes(void);

/* Subtracts the mean of each of three channels, and divides by its std; behind mr_transform_to_tensor. */
MR_API mr_transform mr_transform_normalize(const double mean[3], const double std[3]);

/* Makes a tensor of one picture. `rng` is drawn from, and may be NULL when no step draws. */
MR_API mr_tensor *mr_image_transform(const mr_image *image, const mr_transform *steps, int step_count,
                                     mr_rng *rng);

#ifdef __cplusplus
}
#endif
#endif
