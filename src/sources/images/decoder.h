/*
 * Parts of pictures out of the bytes of files. A decoder is a thread's, and is used for one file after the other, so that what
 * the libraries set up is set up once.
 */
#ifndef MILLRACE_SOURCES_IMAGES_DECODER_H
#define MILLRACE_SOURCES_IMAGES_DECODER_H

#include <millrace/sources/images.h>

typedef struct mr__region {
    int64_t top, left, height, width;
} mr__region;

/* Memory that grows. */
typedef struct mr__room {
    uint8_t *at;
    size_t bytes;
} mr__room;

/* Room for so many bytes; what was in it is gone. NULL after a failure. */
uint8_t *mr__room_for(mr__room *room, size_t bytes);

/* Rows of pixels inside of some room. */
typedef struct mr__view {
    uint8_t *at;
    size_t stride; /* bytes from row to row */
} mr__view;

typedef struct mr__decoder mr__decoder;

mr__decoder *mr__decoder_new(void);
void mr__decoder_free(mr__decoder *decoder);

/* Begins with a file's bytes, which are borrowed until the next call. */
mr_status mr__decoder_begin(mr__decoder *decoder, const void *bytes, size_t size, const mr_image_opts *opts,
                            int64_t *height, int64_t *width);
bool mr__decoder_can_shrink(const mr__decoder *decoder);

/* Reads a region of the picture, whose sides have been divided by `shrink` (1, 2, 4 or 8; a PNG's only by 1) and
 * rounded up, into `room`, as RGB; *view is where it lies there. Once for each mr__decoder_begin. What is neither in
 * the region nor before it may be damaged without being seen. */
mr_status mr__decoder_read(mr__decoder *decoder, const mr__region *region, int shrink, mr__room *room,
                           mr__view *view);

/* ---- the two formats ---- */

typedef struct mr__jpeg mr__jpeg;

bool mr__is_jpeg(const uint8_t *bytes, size_t size);
mr__jpeg *mr__jpeg_new(void);
void mr__jpeg_free(mr__jpeg *jpeg);
mr_status mr__jpeg_begin(mr__jpeg *jpeg, const uint8_t *bytes, size_t size, const mr_image_opts *opts,
                         int64_t *height, int64_t *width);
mr_status mr__jpeg_read(mr__jpeg *jpeg, const mr__region *region, int shrink, mr__room *room, mr__view *view);

typedef struct mr__png mr__png;

bool mr__is_png(const uint8_t *bytes, size_t size);
mr__png *mr__png_begin(const uint8_t *bytes, size_t size, const mr_image_opts *opts, int64_t *height,
                       int64_t *width);
void mr__png_free(mr__png *png);
mr_status mr__png_read(mr__png *png, const mr__region *region, mr__room *room, mr__view *view);

/* ---- what both need ---- */

/* MR_ERR_MEMORY for a picture of more pixels than are allowed, in all or on a side. */
mr_status mr__check_pixels(int64_t height, int64_t width, const mr_image_opts *opts);

/* EXIF's orientation of a file, 1 to 8; 1 where it says nothing. */
int mr__exif_orientation(const uint8_t *bytes, size_t size);

/* Turns a picture that has been read so that it is the right way up; for 5 to 8 height and width change places. */
mr_image *mr__turned(const mr_image *image, int orientation);

#endif
