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

/* FNV-1a of 64 bits, as the scripts beside the golden files have it: begins with HASH_BEGIN, and goes on from there. */
#define HASH_BEGIN UINT64_C(14695981039346656037)

static inline uint64_t hash_on(uint64_t h, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    return h;
}

static inline bool check_hash(uint64_t h, const char *hash)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)h);
    return CHECK_EQ_STR(text, hash);
}

static inline void check_image(const mr_image *image, const char *name, int64_t height, int64_t width,
                               const char *hash)
{
    if (!CHECK(image != NULL) || !CHECK_EQ_I64(image->height, height) || !CHECK_EQ_I64(image->width, width) ||
        !check_hash(hash_on(HASH_BEGIN, image->pixels, (size_t)(height * width * image->channels)), hash))
        printf("    %s: %s\n", name, image ? "" : mr_error());
}

#endif
