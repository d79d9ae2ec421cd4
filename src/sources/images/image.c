/* Pictures in memory. */
#include "decoder.h"

#include "read_file.h"

uint8_t *mr__room_for(mr__room *room, size_t bytes)
{
    if (bytes <= room->bytes)
        return room->at;
    mr_free(room->at);
    *room = (mr__room){ 0 };
    room->at = mr_alloc(bytes);
    room->bytes = room->at ? bytes : 0;
    return room->at;
}

mr_image *mr_image_new(int64_t height, int64_t width, int64_t channels)
{
    int64_t bytes;
    if (height < 0 || width < 0 || (channels != 1 && channels != 3)) {
        mr_fail(MR_ERR_ARGUMENT, "image_new: %lld x %lld pixels of %lld channels", (long long)height,
                (long long)width, (long long)channels);
        return NULL;
    }
    if (__builtin_mul_overflow(height, width, &bytes) || __builtin_mul_overflow(bytes, channels, &bytes)) {
        mr_fail(MR_ERR_MEMORY, "image_new: no memory has room for %lld x %lld pixels", (long long)height,
                (long long)width);
        return NULL;
    }
    mr_image *image = mr_calloc(1, sizeof *image);
    if (!image)
        return NULL;
    *image = (mr_image){ height, width, channels, mr_calloc((size_t)bytes + 1, 1) };
    if (image->pixels)
        return image;
    mr_free(image);
    return NULL;
}

void mr_image_free(mr_image *image)
{
    if (!image)
        return;
    mr_free(image->pixels);
    mr_free(image);
}

/* ---- out of bytes ---- */

static mr_image *decode(mr__decoder *decoder, const void *bytes, size_t size, const mr_image_opts *opts)
{
    int64_t height, width;
    mr__room room = { 0 };
    mr__view view;
    if (mr__decoder_begin(decoder, bytes, size, opts, &height, &width) < 0 ||
        mr__decoder_read(decoder, &(mr__region){ 0, 0, height, width }, 1, &room, &view) < 0) {
        mr_free(room.at);
        return NULL;
    }
    mr_image *image = mr_alloc(sizeof *image);
    if (!image) {
        mr_free(room.at);
        return NULL;
    }
    *image = (mr_image){ height, width, 3, room.at }; /* the view of a whole picture is all of the room */
    return image;
}

static bool given(const char *call, const void *bytes, size_t size)
{
    if (bytes || !size)
        return true;
    mr_fail(MR_ERR_ARGUMENT, "%s: bytes are NULL", call);
    return false;
}

static int orientation_of(const void *bytes, size_t size, const mr_image_opts *opts)
{
    return opts && opts->orientation ? mr__exif_orientation(bytes, size) : 1;
}

mr_image *mr_image_decode(const void *bytes, size_t size, const mr_image_opts *opts)
{
    if (!given("image_decode", bytes, size))
        return NULL;
    mr__decoder *decoder = mr__decoder_new();
    mr_image *image = decoder ? decode(decoder, bytes, size, opts) : NULL;
    mr__decoder_free(decoder);
    const int orientation = orientation_of(bytes, size, opts);
    if (!image || orientation == 1)
        return image;
    mr_image *turned = mr__turned(image, orientation);
    mr_image_free(image);
    return turned;
}

mr_status mr_image_size(const void *bytes, size_t size, const mr_image_opts *opts, int64_t *height,
                        int64_t *width)
{
    *height = *width = 0;
    if (!given("image_size", bytes, size))
        return mr_error_status();
    mr__decoder *decoder = mr__decoder_new();
    if (!decoder)
        return mr_error_status();
    mr_status s = mr__decoder_begin(decoder, bytes, size, opts, height, width);
    mr__decoder_free(decoder);
    if (s == MR_OK && orientation_of(bytes, size, opts) >= 5) {
        int64_t held = *height;
        *height = *width;
        *width = held;
    }
    return s;
}

mr_image *mr_image_load(const char *path, const mr_image_opts *opts)
{
    mr__room file = { 0 };
    size_t size;
    mr_image *image = NULL;
    if (!path) {
        mr_fail(MR_ERR_ARGUMENT, "image_load: path is NULL");
        return NULL;
    }
    if (mr__read_file(path, &file, &size) == MR_OK) {
        image = mr_image_decode(file.at, size, opts);
        if (!image)
            mr_fail_context("'%s'", path);
    }
    mr_free(file.at);
    return image;
}
