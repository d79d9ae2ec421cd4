#include "canvas.h"

#include "color.h"

#include <string.h>

/* ---- noted ---- */

void mr__canvas_crop(mr__canvas *c, const mr__region *region)
{
    const int64_t top = c->down ? c->height - region->top - region->height : region->top;
    const int64_t left = c->across ? c->width - region->left - region->width : region->left;
    if (c->resized) {
        c->rows.from += top;
        c->rows.count = region->height;
        c->columns.from += left;
        c->columns.count = region->width;
    } else {
        c->part = (mr__region){ c->part.top + top, c->part.left + left, region->height, region->width };
    }
    c->height = region->height;
    c->width = region->width;
}

/* What is mirrored and then resized is not quite what is resized and then mirrored: rounding goes from left to right. */
mr_status mr__canvas_resize(mr__canvas *c, int64_t height, int64_t width, mr_interpolation interpolation)
{
    if (height == c->height && width == c->width)
        return MR_OK;
    if ((c->resized || c->across || c->down) && mr__canvas_own(c) < 0)
        return mr_error_status();
    c->resized = true;
    c->interpolation = interpolation;
    c->rows = (mr__side){ c->height, 0, (double)c->height, height, 0, height };
    c->columns = (mr__side){ c->width, 0, (double)c->width, width, 0, width };
    c->height = height;
    c->width = width;
    return MR_OK;
}

/* ---- reading ---- */

/* From now on the picture is this view, but for the mirroring. */
static void set_view(mr__canvas *c, mr__view view, bool own, int room)
{
    c->view = view;
    c->own = own;
    c->room = room;
    c->in_file = c->resized = false;
    c->part = (mr__region){ 0, 0, c->height, c->width };
}

static uint8_t *at(const mr__canvas *c, int64_t top, int64_t left)
{
    return c->view.at + (size_t)top * c->view.stride + (size_t)(left * c->channels);
}

static mr_status read_region(mr__canvas *c, const mr__region *region, int shrink, mr__view *view)
{
    if (c->in_file)
        return mr__decoder_read(c->bench->decoder, region, shrink, &c->bench->decoded, view);
    *view = (mr__view){ at(c, region->top, region->left), c->view.stride };
    return MR_OK;
}

/* By how much a file may be shrunk while it is decoded: what comes out is to be made of nearly as many pixels at least. */
static int shrink_of(const mr__canvas *c)
{
    if (!c->in_file || !c->draft || !mr__decoder_can_shrink(c->bench->decoder))
        return 1;
    for (int by = 8; by > 1; by /= 2)
        if ((double)c->part.height / by >= MR__DRAFT_LEAST * (double)c->rows.out &&
            (double)c->part.width / by >= MR__DRAFT_LEAST * (double)c->columns.out)
            return by;
    return 1;
}

/* Of a file that is shrunk the part begins and ends between two pixels, and pixels beside it count. */
static void shrink_side(mr__side *side, int64_t all, int64_t from, int64_t count, int by)
{
    side->in = (all + by - 1) / by;
    side->begin = (double)from / by;
    side->end = (double)(from + count) / by;
    side->end = side->end > (double)side->in ? (double)side->in : side->end;
}

static mr_status resize_part(mr__canvas *c)
{
    mr__bench *b = c->bench;
    mr__region needed;
    mr__view view;
    int64_t bottom, right;
    const int by = shrink_of(c), room = c->room == 0;
    if (by > 1) {
        shrink_side(&c->rows, c->file_height, c->part.top, c->part.height, by);
        shrink_side(&c->columns, c->file_width, c->part.left, c->part.width, by);
        c->part.top = c->part.left = 0;
    }
    if (mr__weights_make(&b->rows, &c->rows, c->interpolation) < 0 ||
        mr__weights_make(&b->columns, &c->columns, c->interpolation) < 0)
        return mr_error_status();
    mr__weights_need(&b->rows, &needed.top, &bottom);
    mr__weights_need(&b->columns, &needed.left, &right);
    needed = (mr__region){ c->part.top + needed.top, c->part.left + needed.left, bottom - needed.top,
                           right - needed.left };
    const size_t stride = (size_t)(c->width * c->channels);
    uint8_t *to = mr__room_for(&b->pixels[room], (size_t)c->height * stride);
    if (!to || read_region(c, &needed, by, &view) < 0 ||
        mr__resize(&view, c->channels, &b->rows, &b->columns, &b->between, to) < 0)
        return mr_error_status();
    set_view(c, (mr__view){ to, stride }, true, room);
    return MR_OK;
}

mr_status mr__canvas_render(mr__canvas *c)
{
    mr__view view;
    if (c->resized)
        return resize_part(c);
    if (read_region(c, &c->part, 1, &view) < 0)
        return mr_error_status();
    set_view(c, view, c->own || c->in_file, c->in_file ? -1 : c->room);
    return MR_OK;
}

/* ---- pixels that may be changed ---- */

void mr__mirrored_row(const uint8_t *from, int64_t width, int64_t channels, uint8_t *to)
{
    from += (width - 1) * channels;
    for (int64_t x = 0; x < width; x++, from -= channels, to += channels)
        memcpy(to, from, (size_t)channels);
}

mr_status mr__canvas_own(mr__canvas *c)
{
    const size_t stride = (size_t)(c->width * c->channels);
    if (mr__canvas_render(c) < 0)
        return mr_error_status();
    if (c->own && c->view.stride == stride && !c->across && !c->down)
        return MR_OK;
    const int room = c->room == 0;
    uint8_t *to = mr__room_for(&c->bench->pixels[room], (size_t)c->height * stride);
    if (!to)
        return mr_error_status();
    for (int64_t y = 0; y < c->height; y++) {
        const uint8_t *row = at(c, c->down ? c->height - 1 - y : y, 0);
        if (c->across)
            mr__mirrored_row(row, c->width, c->channels, to + (size_t)y * stride);
        else
            memcpy(to + (size_t)y * stride, row, stride);
    }
    c->across = c->down = false;
    set_view(c, (mr__view){ to, stride }, true, room);
    return MR_OK;
}

mr_status mr__canvas_grey(mr__canvas *c, int64_t channels)
{
    if (channels == c->channels && channels == 1)
        return MR_OK;
    if (mr__canvas_render(c) < 0)
        return mr_error_status();
    const int room = c->room == 0;
    const size_t stride = (size_t)(c->width * channels);
    uint8_t *to = mr__room_for(&c->bench->pixels[room], (size_t)c->height * stride);
    if (!to)
        return mr_error_status();
    for (int64_t y = 0; y < c->height; y++)
        for (int64_t x = 0; x < c->width; x++) {
            const uint8_t *pixel = at(c, y, x);
            memset(to + (size_t)y * stride + x * channels, c->channels == 3 ? mr__grey(pixel) : *pixel,
                   (size_t)channels);
        }
    c->channels = channels;
    set_view(c, (mr__view){ to, stride }, true, room);
    return MR_OK;
}

/* ---- padding ---- */

/* Which pixel of `count` stands at a place outside of them; -1: none. */
static int64_t source_of(int64_t place, int64_t count, mr_padding mode)
{
    if (place >= 0 && place < count)
        return place;
    if (mode == MR_PADDING_CONSTANT)
        return -1;
    if (mode == MR_PADDING_EDGE || count == 1)
        return place < 0 ? 0 : count - 1;
    const int64_t period = mode == MR_PADDING_REFLECT ? 2 * count - 2 : 2 * count;
    place = (place % period + period) % period;
    return place < count ? place : period - place - (mode == MR_PADDING_SYMMETRIC);
}

mr_status mr__canvas_pad(mr__canvas *c, const int64_t sides[4], mr_padding mode, const double fill[3])
{
    const int64_t height = c->height + sides[1] + sides[3], width = c->width + sides[0] + sides[2];
    if (height == c->height && width == c->width)
        return MR_OK;
    if (mr__canvas_own(c) < 0)
        return mr_error_status();
    const int room = c->room == 0;
    const size_t stride = (size_t)(width * c->channels);
    uint8_t *to = mr__room_for(&c->bench->pixels[room], (size_t)height * stride);
    if (!to)
        return mr_error_status();
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            const int64_t row = source_of(y - sides[1], c->height, mode),
                          column = source_of(x - sides[0], c->width, mode);
            for (int64_t i = 0; i < c->channels; i++)
                to[(size_t)y * stride + (size_t)(x * c->channels + i)] =
                    row < 0 || column < 0 ? (uint8_t)fill[i] : at(c, row, column)[i];
        }
    c->height = height;
    c->width = width;
    set_view(c, (mr__view){ to, stride }, true, room);
    return MR_OK;
}
