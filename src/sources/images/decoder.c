#include "decoder.h"

struct mr__decoder {
    mr__jpeg *jpeg; /* made when the first comes */
    mr__png *png;   /* of this file */
    bool is_jpeg;
};

mr__decoder *mr__decoder_new(void)
{
    return mr_calloc(1, sizeof(mr__decoder));
}

void mr__decoder_free(mr__decoder *d)
{
    if (!d)
        return;
    mr__jpeg_free(d->jpeg);
    mr__png_free(d->png);
    mr_free(d);
}

enum { LONGEST_SIDE = 1 << 20 };

mr_status mr__check_pixels(int64_t height, int64_t width, const mr_image_opts *opts)
{
    int64_t most = opts && opts->max_pixels ? opts->max_pixels : INT64_C(89478485);
    if (height <= 0 || width <= 0)
        return mr_fail(MR_ERR_FORMAT, "a picture of %lld x %lld pixels", (long long)height, (long long)width);
    if (height > LONGEST_SIDE || width > LONGEST_SIDE)
        return mr_fail(MR_ERR_MEMORY, "a picture of %lld x %lld pixels, with a side of more than %d",
                       (long long)height, (long long)width, LONGEST_SIDE);
    if (width > most / height)
        return mr_fail(MR_ERR_MEMORY, "a picture of %lld x %lld pixels, more than %lld (max_pixels)",
                       (long long)height, (long long)width, (long long)most);
    return MR_OK;
}

mr_status mr__decoder_begin(mr__decoder *d, const void *bytes, size_t size, const mr_image_opts *opts,
                            int64_t *height, int64_t *width)
{
    mr__png_free(d->png);
    d->png = NULL;
    d->is_jpeg = mr__is_jpeg(bytes, size);
    if (d->is_jpeg) {
        if (!d->jpeg && !(d->jpeg = mr__jpeg_new()))
            return mr_error_status();
        return mr__jpeg_begin(d->jpeg, bytes, size, opts, height, width);
    }
    if (!mr__is_png(bytes, size))
        return mr_fail(MR_ERR_FORMAT, "neither a JPEG nor a PNG");
    d->png = mr__png_begin(bytes, size, opts, height, width);
    return d->png ? MR_OK : mr_error_status();
}

bool mr__decoder_can_shrink(const mr__decoder *d)
{
    return d->is_jpeg;
}

mr_status mr__decoder_read(mr__decoder *d, const mr__region *region, int shrink, mr__room *room,
                           mr__view *view)
{
    return d->is_jpeg ? mr__jpeg_read(d->jpeg, region, shrink, room, view)
                      : mr__png_read(d->png, region, room, view);
}
