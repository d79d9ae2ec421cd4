#include "resize.h"

#include "sources/cpu.h"

#include <math.h>
#include <string.h>

/* ---- weights ---- */

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* Keys' cubic convolution with a = -1/2. */
static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static int32_t rounded(double weight)
{
    const double scaled = weight * (1 << MR__PLACES);
    return (int32_t)(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* Of pixel number `i` of those that are wanted; `exact` is room for them. */
static void weigh(mr__weights *w, const mr__side *side, int64_t i, double reach, double shrink,
                  double (*filter)(double), double *exact)
{
    const double scale = (side->end - side->begin) / (double)side->out;
    const double middle = side->begin + ((double)(side->from + i) + 0.5) * scale;
    double sum = 0;
    int64_t first = (int64_t)(middle - reach + 0.5), end = (int64_t)(middle + reach + 0.5);
    first = first < 0 ? 0 : first;
    end = end > side->in ? side->in : end;
    int32_t *weight = w->weight + i * w->taps;
    for (int64_t x = first; x < end; x++)
        sum += exact[x - first] = filter(((double)x - middle + 0.5) * shrink);
    for (int64_t x = 0; x < w->taps; x++)
        weight[x] = x >= end - first ? 0 : rounded(sum != 0 ? exact[x] / sum : exact[x]);
    w->first[i] = (int32_t)first;
    w->count[i] = (int32_t)(end - first);
}

/* Room for first, count and weight, and in front of them for the exact weights of one pixel. */
static double *take_room(mr__weights *w)
{
    const size_t exact = (size_t)w->taps * sizeof(double), all = (size_t)w->out * (size_t)(w->taps + 2);
    uint8_t *at = mr__room_for(&w->room, exact + all * sizeof(int32_t));
    if (!at)
        return NULL;
    w->first = (int32_t *)(void *)(at + exact);
    w->count = w->first + w->out;
    w->weight = w->count + w->out;
    return (double *)(void *)at;
}

static mr_status weigh_all(mr__weights *w, const mr__side *side, double (*filter)(double), double width)
{
    const double scale = (side->end - side->begin) / (double)side->out, grown = scale < 1 ? 1 : scale;
    const double reach = width * grown;
    w->taps = (int64_t)ceil(reach) * 2 + 1;
    double *exact = take_room(w);
    if (!exact)
        return mr_error_status();
    for (int64_t i = 0; i < w->out; i++)
        weigh(w, side, i, reach, 1 / grown, filter, exact);
    return MR_OK;
}

/* Each pixel is the one its middle lies in. Places are added up, which rounds as PIL does. */
static mr_status take_nearest(mr__weights *w, const mr__side *side)
{
    const double scale = (side->end - side->begin) / (double)side->out;
    double at = side->begin + scale * 0.5;
    w->taps = 1;
    if (!take_room(w))
        return mr_error_status();
    w->weight = NULL;
    for (int64_t i = 0; i < side->from + side->count; i++, at += scale)
        if (i >= side->from) {
            w->first[i - side->from] = (int32_t)((int64_t)at < side->in ? (int64_t)at : side->in - 1);
            w->count[i - side->from] = 1;
        }
    return MR_OK;
}

mr_status mr__weights_make(mr__weights *w, const mr__side *side, mr_interpolation interpolation)
{
    const bool same = side->out == side->in && side->begin == 0 && side->end == (double)side->in;
    w->out = side->count;
    if (same || interpolation == MR_NEAREST)
        return take_nearest(w, side);
    return interpolation == MR_BILINEAR ? weigh_all(w, side, triangle, 1) : weigh_all(w, side, cubic, 2);
}

void mr__weights_free(mr__weights *w)
{
    mr_free(w->room.at);
    mr_free(w->wide.at);
    *w = (mr__weights){ 0 };
}

void mr__weights_need(const mr__weights *w, int64_t *first, int64_t *end)
{
    *first = w->first[0];
    *end = w->first[w->out - 1] + w->count[w->out - 1];
}

/* ---- pixels ---- */

static uint8_t byte_of(int32_t sum)
{
    sum >>= MR__PLACES;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Pixels from number `i` on. */
static void resize_row(const uint8_t *from, const mr__weights *w, int64_t i, int64_t channels, uint8_t *to)
{
    for (to += i * channels; i < w->out; i++) {
        const uint8_t *at = from + (w->first[i] - w->first[0]) * channels;
        const int32_t *weight = w->weight + i * w->taps;
        for (int64_t c = 0; c < channels; c++) {
            int32_t sum = 1 << (MR__PLACES - 1);
            for (int64_t x = 0; x < w->count[i]; x++)
                sum += at[x * channels + c] * weight[x];
            *to++ = byte_of(sum);
        }
    }
}

static void copy_row(const uint8_t *from, const mr__weights *w, int64_t channels, uint8_t *to)
{
    for (int64_t i = 0; i < w->out; i++, to += channels)
        memcpy(to, from + (w->first[i] - w->first[0]) * channels, (size_t)channels);
}

/* One row out of `count` of them: bytes from number `i` on. */
static void mix_rows(const uint8_t *from, size_t stride, const int32_t *weight, int64_t count, size_t i,
                     size_t bytes, uint8_t *to)
{
    for (; i < bytes; i++) {
        int32_t sum = 1 << (MR__PLACES - 1);
        for (int64_t y = 0; y < count; y++)
            sum += from[(size_t)y * stride + i] * weight[y];
        to[i] = byte_of(sum);
    }
}

static bool is_run(const mr__weights *w)
{
    return !w->weight && w->first[w->out - 1] - w->first[0] == w->out - 1;
}

/* Changes the width of `count` rows. */
static mr_status resize_columns(const mr__view *from, int64_t count, int64_t channels, mr__weights *w,
                                const mr__view *to)
{
    const bool wide = w->weight && channels == 3 && mr__has_avx2();
    if (wide && !mr__resize_prepare_avx2(w))
        return mr_error_status();
    const uint8_t *end = from->at + (size_t)(count - 1) * from->stride +
                         (size_t)((w->first[w->out - 1] + w->count[w->out - 1] - w->first[0]) * channels);
    for (int64_t y = 0; y < count; y++) {
        const uint8_t *row = from->at + (size_t)y * from->stride;
        uint8_t *out = to->at + (size_t)y * to->stride;
        if (w->weight)
            resize_row(row, w, wide ? mr__resize_row_avx2(row, end, w, out) : 0, channels, out);
        else
            copy_row(row, w, channels, out);
    }
    return MR_OK;
}

mr_status mr__resize(const mr__view *from, int64_t channels, const mr__weights *rows, mr__weights *columns,
                     mr__room *between, uint8_t *to)
{
    int64_t first, end;
    mr__view done = *from;
    const size_t bytes = (size_t)(columns->out * channels);
    const bool wide = mr__has_avx2();
    mr__weights_need(rows, &first, &end);
    if (!is_run(columns)) {
        done = (mr__view){ .at = mr__room_for(between, (size_t)(end - first) * bytes), .stride = bytes };
        if (!done.at || resize_columns(from, end - first, channels, columns, &done) < 0)
            return mr_error_status();
    }
    for (int64_t y = 0; y < rows->out; y++, to += bytes) {
        const uint8_t *at = done.at + (size_t)(rows->first[y] - first) * done.stride;
        if (!rows->weight) {
            memcpy(to, at, bytes);
            continue;
        }
        const int32_t *weight = rows->weight + y * rows->taps;
        size_t begun = wide ? mr__mix_rows_avx2(at, done.stride, weight, rows->count[y], bytes, to) : 0;
        mix_rows(at, done.stride, weight, rows->count[y], begun, bytes, to);
    }
    return MR_OK;
}
