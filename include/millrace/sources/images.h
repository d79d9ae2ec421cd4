/*
 * Millrace, sources: pictures out of JPEG and PNG files. Link with millrace-images.
 *
 * A file becomes the bytes that PIL's Image.open(file).convert('RGB') gives: grey is repeated, palettes are looked up,
 * CMYK is taken for Adobe's, transparency is thrown away, of 16 bits the higher eight are kept (but grey of 16 bits is
 * cut off at 255, as PIL does). What is written about colours (gamma, profiles) is not looked at.
 *
 * Threads: all functions may be called by several at once.
 */
#ifndef MILLRACE_SOURCES_IMAGES_H
#define MILLRACE_SOURCES_IMAGES_H

#include <millrace/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A picture in memory: rows from the top, pixels from the left, the bytes of a pixel side by side. */
typedef struct mr_image {
    int64_t height, width, channels; /* 3: red, green, blue; 1: grey */
    uint8_t *pixels;                 /* height * width * channels of them */
} mr_image;

/* Makes a black picture of 1 or 3 channels. */
MR_API mr_image *mr_image_new(int64_t height, int64_t width, int64_t channels);
MR_API void mr_image_free(mr_image *image);

typedef struct mr_image_opts {
    /* A picture of more fails with MR_ERR_MEMORY; default 89,478,485, where PIL begins to warn. So does one with a side
     * of more than 1,048,576 pixels, and a file of more than 1 GB. */
    int64_t max_pixels;
    bool orientation; /* turn it as its EXIF data say; default: as it lies in the file, as torchvision does */
    bool
        damaged; /* give what is left of a damaged file, as PIL does, as long as its header is whole; default: it
                         fails */
} mr_image_opts;

/* Makes a picture of the bytes of a JPEG or PNG file. Those that are none, are damaged, or end too early are
 * MR_ERR_FORMAT, with what is wrong and near which byte. Memory is taken for the picture only if the file is long
 * enough to hold one of its size. */
MR_API mr_image *mr_image_decode(const void *bytes, size_t size, const mr_image_opts *opts);

/* The same of a file, which failures name. */
MR_API mr_image *mr_image_load(const char *path, const mr_image_opts *opts);

/* The height and width that mr_image_decode would give, out of the first bytes: nothing is decoded. */
MR_API mr_status mr_image_size(const void *bytes, size_t size, const mr_image_opts *opts, int64_t *height,
                               int64_t *width);

/* ---- pictures to look at --------------------------------------------------------------------------------- */

/* Writes a picture as PNG, so that a crash leaves the old file or the new. */
MR_API MR_CHECKED mr_status mr_image_save(const mr_image *image, const char *path);

typedef struct mr_image_grid_opts {
    int64_t columns; /* default 8 */
    const double *mean,
        *stddev; /* three of each, which mr_transform_normalize was given; default: it was not */
} mr_image_grid_opts;

/* Makes one picture of a batch, as torchvision's make_grid: side by side, with two black pixels between and around, but
 * around one that is alone; always of 3 channels, grey being repeated. Of float32 [rows, channels, height, width],
 * where 0 is black and 1 white, or of uint8, which may also be [rows, height, width, channels]; 1 or 3 channels. Of
 * grey the first of `mean` and `stddev` count. */
MR_API mr_image *mr_image_grid(const mr_tensor *batch, const mr_image_grid_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
