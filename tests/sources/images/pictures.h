/* The golden pictures, and hashes of pixels. */
#ifndef PICTURES_H
#define PICTURES_H

#include "check.h"

#include <millrace/sources/images.h>

#include <millrace/random.h>
#include <stdlib.h>

/* The path of a golden file; valid until the fourth call after. */
static inline const char *picture(const char *name)
{
    static char path[4][400];
    static int at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/pictures/%s", MR_TEST_DATA, name);
    return path[at];
}

/* Its bytes, which are to be freed. */
static inline uint8_t *picture_bytes(const char *name, size_t *size)
{
    FILE *file = fopen(picture(name), "rb");
    uint8_t *bytes = malloc(1 << 16);
    *size = 0;
    if (CHECK(file && bytes)) {
        *size = fread(bytes, 1, 1 << 16, file);
        fclose(file);
    }
    return bytes;
}

/* FNV-1a of 64 bits, as make_pictures.py writes it. */
static inline const char *hash_of(const void *bytes, size_t size)
{
    static char text[17];
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    snprintf(text, sizeof text, "%016llx", (unsigned long long)h);
    return text;
}

static inline void check_image(const mr_image *image, const char *name, int64_t height, int64_t width,
                               const char *hash)
{
    if (!CHECK(image != NULL) || !CHECK_EQ_I64(image->height, height) || !CHECK_EQ_I64(image->width, width) ||
        !CHECK_EQ_STR(hash_of(image->pixels, (size_t)(height * width * image->channels)), hash))
        printf("    %s: %s\n", name, image ? "" : mr_error());
}

#endif
