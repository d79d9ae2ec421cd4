/* Parts of pictures, and shrunk ones: what the decoder does for a crop. The first bytes say which part. */
#include "fuzz.h"

#include "sources/images/decoder.h"

#include <millrace/sources/images.h> /* whose component it is of */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static mr__decoder *decoder; /* for one after the other, as a worker has it */
    static mr__room room;
    const mr_image_opts opts = { .max_pixels = 1 << 18 };
    int64_t height, width;
    mr__view view;
    if (size < 5)
        return 0;
    if (!decoder)
        decoder = mr__decoder_new();
    const uint8_t *part = bytes + size - 5; /* behind a picture there may be anything */
    if (mr__decoder_begin(decoder, bytes, size, &opts, &height, &width) == MR_OK) {
        const int shrink = mr__decoder_can_shrink(decoder) ? 1 << part[0] % 4 : 1;
        height = (height + shrink - 1) / shrink;
        width = (width + shrink - 1) / shrink;
        mr__region r = { .height = 1 + part[1] * (height - 1) / 255,
                         .width = 1 + part[2] * (width - 1) / 255 };
        r.top = part[3] * (height - r.height) / 255;
        r.left = part[4] * (width - r.width) / 255;
        if (mr__decoder_read(decoder, &r, shrink, &room, &view) == MR_OK)
            for (int64_t y = 0; y < r.height; y++)
                for (int64_t x = 0; x < 3 * r.width; x++)
                    (void)*(volatile uint8_t *)(view.at + (size_t)y * view.stride + (size_t)x);
    }
    mr_error_clear();
    return 0;
}
