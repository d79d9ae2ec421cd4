/* Which way up a picture is, out of its EXIF data: a TIFF file inside of the JPEG or PNG. */
#include "decoder.h"

#include <string.h>

typedef struct span {
    const uint8_t *at;
    size_t size;
} span;

/* ---- TIFF ---- */

enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY = 12 };

static unsigned number(span s, size_t at, int bytes, bool small_first)
{
    unsigned value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | s.at[at + (size_t)(small_first ? bytes - 1 - i : i)];
    return value;
}

static int orientation_of(span tiff)
{
    if (tiff.size < 8 || (memcmp(tiff.at, "II*\0", 4) != 0 && memcmp(tiff.at, "MM\0*", 4) != 0))
        return 1;
    const bool small_first = *tiff.at == 'I';
    const size_t table = number(tiff, 4, 4, small_first);
    if (table > tiff.size - 2)
        return 1;
    const size_t count = number(tiff, table, 2, small_first);
    for (size_t i = 0; i < count; i++) {
        const size_t entry = table + 2 + i * ENTRY;
        if (entry + ENTRY > tiff.size)
            return 1;
        if (number(tiff, entry, 2, small_first) != ORIENTATION ||
            number(tiff, entry + 2, 2, small_first) != SHORT)
            continue;
        const unsigned value = number(tiff, entry + 8, 2, small_first);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* ---- where it is ---- */

/* The first segment APP1 that begins with "Exif", before the picture's data. */
static span in_jpeg(span file)
{
    size_t at = 2;
    while (at + 4 <= file.size && file.at[at] == 0xff) {
        const uint8_t marker = file.at[at + 1];
        if (marker == 0xff) { /* padding */
            at++;
            continue;
        }
        if (marker == 0xda || marker == 0xd9)
            break;
        const size_t length = number(file, at + 2, 2, false);
        if (length < 2 || length > file.size - at - 2)
            break;
        if (marker == 0xe1 && length >= 8 && memcmp(file.at + at + 4, "Exif\0", 5) == 0)
            return (span){ file.at + at + 10, length - 8 };
        at += 2 + length;
    }
    return (span){ NULL, 0 };
}

static span in_png(span file)
{
    enum { SIGNATURE = 8, AROUND = 12 };
    size_t at = SIGNATURE;
    while (at + AROUND <= file.size) {
        const size_t length = number(file, at, 4, false);
        if (length > file.size - at - AROUND)
            break;
        if (memcmp(file.at + at + 4, "eXIf", 4) == 0)
            return (span){ file.at + at + 8, length };
        at += AROUND + length;
    }
    return (span){ NULL, 0 };
}

int mr__exif_orientation(const uint8_t *bytes, size_t size)
{
    span file = { bytes, size };
    return orientation_of(mr__is_jpeg(bytes, size)  ? in_jpeg(file)
                          : mr__is_png(bytes, size) ? in_png(file)
                                                    : (span){ NULL, 0 });
}

/* ---- turning ---- */

mr_image *mr__turned(const mr_image *image, int orientation)
{
    const bool across = orientation >= 5; /* rows become columns */
    const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const size_t pixel = (size_t)image->channels;
    mr_image *out = across ? mr_image_new(image->width, image->height, image->channels)
                           : mr_image_new(image->height, image->width, image->channels);
    if (!out)
        return NULL;
    uint8_t *to = out->pixels;
    for (int64_t i = 0; i < out->height; i++)
        for (int64_t j = 0; j < out->width; j++, to += pixel) {
            int64_t y = across ? j : i, x = across ? i : j;
            y = from_below ? image->height - 1 - y : y;
            x = from_right ? image->width - 1 - x : x;
            memcpy(to, image->pixels + (size_t)(y * image->width + x) * pixel, pixel);
        }
    return out;
}
