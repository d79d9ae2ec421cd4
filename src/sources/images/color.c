#include "color.h"

#include <math.h>

/* ---- brightness, contrast, saturation: between a picture without it and the picture, or beyond ---- */

static uint8_t blend(int without, int pixel, float factor)
{
    float x = (float)without + factor * (float)(pixel - without);
    return (uint8_t)(x <= 0 ? 0 : x >= 255 ? 255 : (int)x);
}

/* All bytes, each by itself. */
static void blend_all(uint8_t *pixels, int64_t bytes, int without, float factor)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = blend(without, i, factor);
    for (int64_t i = 0; i < bytes; i++)
        pixels[i] = table[pixels[i]];
}

static void brighten(uint8_t *pixels, int64_t count, int64_t channels, float factor)
{
    blend_all(pixels, count * channels, 0, factor);
}

static void contrast(uint8_t *pixels, int64_t count, int64_t channels, float factor)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += channels == 3 ? mr__grey(pixels + 3 * i) : pixels[i];
    blend_all(pixels, count * channels, (int)((double)sum / (double)count + 0.5), factor);
}

static void saturate(uint8_t *pixels, int64_t count, int64_t channels, float factor)
{
    for (int64_t i = 0; channels == 3 && i < count; i++, pixels += 3) {
        const int without = mr__grey(pixels);
        for (int c = 0; c < 3; c++)
            pixels[c] = blend(without, pixels[c], factor);
    }
}

/* ---- hue: bytes of hue, saturation and value, as in a cone of six sides (A. R. Smith, Color gamut transform pairs, 1978) ---- */

static void hsv_of_rgb(const uint8_t *p, uint8_t *hsv)
{
    const int r = p[0], g = p[1], b = p[2];
    const int most = r > g ? (r > b ? r : b) : (g > b ? g : b),
              least = r < g ? (r < b ? r : b) : (g < b ? g : b);
    hsv[0] = hsv[1] = 0;
    hsv[2] = (uint8_t)most;
    if (most == least)
        return;
    const float span = (float)(most - least);
    const float to_r = (float)(most - r) / span, to_g = (float)(most - g) / span,
                to_b = (float)(most - b) / span;
    float h = r == most   ? to_b - to_g
              : g == most ? (float)(2.0 + (double)to_r - (double)to_b)
                          : (float)(4.0 + (double)to_g - (double)to_r);
    h = (float)fmod((double)h / 6.0 + 1.0, 1.0);
    hsv[0] = (uint8_t)((double)h * 255.0);
    hsv[1] = (uint8_t)((double)(span / (float)most) * 255.0);
}

static void rgb_of_hsv(const uint8_t *hsv, uint8_t *p)
{
    const double turn = (double)hsv[0] * 6.0 / 255.0, v = hsv[2];
    const int side = (int)turn;
    const float f = (float)(turn - side), s = (float)((double)hsv[1] / 255.0);
    const uint8_t value = hsv[2], low = (uint8_t)round(v * (1.0 - (double)s)),
                  falling = (uint8_t)round(v * (1.0 - (double)(s * f))),
                  rising = (uint8_t)round(v * (1.0 - (double)s * (1.0 - (double)f)));
    const uint8_t sides[6][3] = { { value, rising, low },  { falling, value, low }, { low, value, rising },
                                  { low, falling, value }, { rising, low, value },  { value, low, falling } };
    for (int c = 0; c < 3; c++)
        p[c] = sides[side % 6][c];
}

static void turn_hue(uint8_t *pixels, int64_t count, int64_t channels, float factor)
{
    const uint8_t by = (uint8_t)(int)((double)factor * 255.0);
    uint8_t hsv[3];
    for (int64_t i = 0; channels == 3 && i < count; i++, pixels += 3) {
        hsv_of_rgb(pixels, hsv);
        hsv[0] = (uint8_t)(hsv[0] + by);
        rgb_of_hsv(hsv, pixels);
    }
}

void mr__jitter_colors(uint8_t *pixels, int64_t count, int64_t channels, const mr__jitter *jitter)
{
    static void (*const change[])(uint8_t *, int64_t, int64_t, float) = { brighten, contrast, saturate,
                                                                          turn_hue };
    for (int i = 0; i < 4; i++) {
        const int what = jitter->order[i];
        if (jitter->wanted[what])
            change[what](pixels, count, channels, jitter->factor[what]);
    }
}
