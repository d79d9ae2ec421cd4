/* Pictures: JPEG and PNG, as they are and damaged, turned, and changed. */
#include "fuzz.h"

#include <millrace/sources/images.h>
#include <millrace/sources/transforms.h>

enum { MOST = 1 << 18 };

static void transform(const mr_image *image)
{
    const mr_transform steps[] = {
        mr_transform_random_resized_crop(9, 7, NULL), mr_transform_random_horizontal_flip(0.5),
        mr_transform_color_jitter(&(mr_color_jitter_opts){ .brightness = 0.5, .hue = 0.5 }),
        mr_transform_to_tensor()
    };
    mr_rng *rng = mr_rng_new((uint64_t)image->height);
    mr_tensor_free(mr_image_transform(image, steps, 4, rng));
    mr_rng_free(rng);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const mr_image_opts opts[] = { { .max_pixels = MOST },
                                   { .max_pixels = MOST, .damaged = true, .orientation = true } };
    for (int i = 0; i < 2; i++) {
        int64_t height, width;
        mr_image *image = mr_image_decode(bytes, size, &opts[i]);
        mr_error_clear();
        if (image) {
            if (mr_image_size(bytes, size, &opts[i], &height, &width) != MR_OK || height != image->height ||
                width != image->width)
                abort();
            transform(image);
        }
        mr_image_free(image);
        mr_error_clear();
    }
    return 0;
}
