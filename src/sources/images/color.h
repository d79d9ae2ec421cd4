/* Changes of colours, by PIL's arithmetic. */
#ifndef MILLRACE_SOURCES_IMAGES_COLOR_H
#define MILLRACE_SOURCES_IMAGES_COLOR_H

#include "decoder.h"
#include "draws.h"

/* The grey of a pixel, as convert('L') makes it. */
static inline uint8_t mr__grey(const uint8_t rgb[3])
{
    return (uint8_t)((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

/* Changes pixels of 3 or 1 channels in place; grey has neither saturation nor hue. */
void mr__jitter_colors(uint8_t *pixels, int64_t count, int64_t channels, const mr__jitter *jitter);

#endif
