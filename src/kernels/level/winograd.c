/*
 * Winograd's F(2x2, 3x3), after Lavin and Gray, Fast algorithms for convolutional neural networks, 2016: the transforms
 * of one plane (a channel of an image). A tile is 2 x 2 pixels of the result, made of 4 x 4 of the input; its
 * 16 transformed values lie `step` floats apart, those of neighbouring tiles side by side, rows of tiles one after the other.
 */
#include "kernels/level/level.h"

#define FOR4(i) \
    VF_UNROLL   \
    for (int i = 0; i < 4; i++)

/* A row of 4 x 4 inputs, for one vector of tiles, times B: (d0 - d2, d1 + d2, d2 - d1, d1 - d3). */
VF_INLINE void input_row(const float *line, vf out[4])
{
    const vf a = vf_load(line), b = vf_load(line + VF_LANES), c = vf_load(line + 2),
             d = vf_load(line + 2 + VF_LANES);
    const vf d0 = vf_even(a, b), d1 = vf_odd(a, b), d2 = vf_even(c, d), d3 = vf_odd(c, d);
    out[0] = vf_sub(d0, d2);
    out[1] = vf_add(d1, d2);
    out[2] = vf_sub(d2, d1);
    out[3] = vf_sub(d1, d3);
}

VF_INLINE void put(float *to, vf v, vm lanes, bool whole)
{
    if (whole)
        vf_store(to, v);
    else
        vf_store_m(to, v, lanes);
}

void MR__LEVEL(winograd_input)(float *out, int64_t step, const float *padded, int64_t row_step, int64_t rows,
                               int64_t columns)
{
    for (int64_t j = 0; j < columns; j += VF_LANES) {
        const bool whole = columns - j >= VF_LANES || columns <= VF_LANES;
        const vm lanes = vm_first(whole ? VF_LANES : columns - j);
        const float *line = padded + 2 * j;
        float *to = out + j;
        vf r[4][4];
        input_row(line, r[0]);
        input_row(line + row_step, r[1]);
        for (int64_t i = 0; i < rows; i++, to += columns) {
            line += 2 * row_step;
            input_row(line, r[2]);
            input_row(line + row_step, r[3]);
            FOR4(c)
            {
                put(to + c * step, vf_sub(r[0][c], r[2][c]), lanes, whole);
                put(to + (4 + c) * step, vf_add(r[1][c], r[2][c]), lanes, whole);
                put(to + (8 + c) * step, vf_sub(r[2][c], r[1][c]), lanes, whole);
                put(to + (12 + c) * step, vf_sub(r[1][c], r[3][c]), lanes, whole);
                r[0][c] = r[2][c];
                r[1][c] = r[3][c];
            }
        }
    }
}

/* Pixels of tiles whose left and right ones are given, at most `pixels` of them. */
VF_INLINE void put_pixels(float *y, vf left, vf right, vf bias, int64_t pixels, bool add)
{
    const vf half[2] = { vf_add(vf_zip_low(left, right), bias), vf_add(vf_zip_high(left, right), bias) };
    for (int h = 0; h < 2 && pixels > 0; h++, y += VF_LANES, pixels -= VF_LANES) {
        const vm lanes = vm_first(pixels < VF_LANES ? pixels : VF_LANES);
        put(y, add ? vf_add(vf_load_m(y, lanes), half[h]) : half[h], lanes, pixels >= VF_LANES);
    }
}

void MR__LEVEL(winograd_output)(float *y, const float *m, int64_t step, int64_t height, int64_t width,
                                float bias, bool add)
{
    const int64_t columns = (width + 1) / 2;
    const vf b = vf_set1(bias);
    for (int64_t i = 0; i < height; i += 2, m += columns, y += 2 * width)
        for (int64_t j = 0; j < columns; j += VF_LANES) {
            const bool whole = columns - j >= VF_LANES;
            const vm lanes = vm_first(whole ? VF_LANES : columns - j);
            vf upper[4], lower[4];
            FOR4(c)
            {
                const float *from = m + j + c * step;
                vf v[4];
                FOR4(r)
                v[r] = whole ? vf_load(from + 4 * r * step) : vf_load_m(from + 4 * r * step, lanes);
                upper[c] = vf_add(vf_add(v[0], v[1]), v[2]);
                lower[c] = vf_sub(vf_sub(v[1], v[2]), v[3]);
            }
            float *to = y + 2 * j;
            const int64_t pixels = width - 2 * j;
            put_pixels(to, vf_add(vf_add(upper[0], upper[1]), upper[2]),
                       vf_sub(vf_sub(upper[1], upper[2]), upper[3]), b, pixels, add);
            if (i + 1 < height)
                put_pixels(to + width, vf_add(vf_add(lower[0], lower[1]), lower[2]),
                           vf_sub(vf_sub(lower[1], lower[2]), lower[3]), b, pixels, add);
        }
}

/* The left and right pixels of a vector of tiles; zeros beyond `pixels`. */
VF_INLINE void get_pixels(const float *y, int64_t pixels, vf *left, vf *right)
{
    vf half[2] = { vf_zero(), vf_zero() };
    if (pixels >= 2 * VF_LANES) {
        half[0] = vf_load(y);
        half[1] = vf_load(y + VF_LANES);
    } else if (pixels > VF_LANES) {
        half[0] = vf_load(y);
        half[1] = vf_load_m(y + VF_LANES, vm_first(pixels - VF_LANES));
    } else {
        half[0] = vf_load_m(y, vm_first(pixels));
    }
    *left = vf_even(half[0], half[1]);
    *right = vf_odd(half[0], half[1]);
}

void MR__LEVEL(winograd_output_gradient)(float *m, int64_t step, const float *dy, int64_t height,
                                         int64_t width)
{
    const int64_t columns = (width + 1) / 2;
    for (int64_t i = 0; i < height; i += 2, m += columns, dy += 2 * width)
        for (int64_t j = 0; j < columns; j += VF_LANES) {
            const bool whole = columns - j >= VF_LANES || columns <= VF_LANES;
            const vm lanes = vm_first(whole ? VF_LANES : columns - j);
            vf a, b, c = vf_zero(), d = vf_zero();
            get_pixels(dy + 2 * j, width - 2 * j, &a, &b);
            if (i + 1 < height)
                get_pixels(dy + width + 2 * j, width - 2 * j, &c, &d);
            const vf left[4] = { a, vf_add(a, c), vf_sub(a, c), vf_sub(vf_zero(), c) };
            const vf right[4] = { b, vf_add(b, d), vf_sub(b, d), vf_sub(vf_zero(), d) };
            FOR4(r)
            {
                float *to = m + j + 4 * r * step;
                put(to, left[r], lanes, whole);
                put(to + step, vf_add(left[r], right[r]), lanes, whole);
                put(to + 2 * step, vf_sub(left[r], right[r]), lanes, whole);
                put(to + 3 * step, vf_sub(vf_zero(), right[r]), lanes, whole);
            }
        }
}
