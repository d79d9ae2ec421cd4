#include "baseline.h"

#include "block_avx2.h"
#include "scan.h"

#include "sources/cpu.h"

#if MR__X86

enum { TABLES = 4, SLACK = 64 /* bytes behind rows that wide instructions may touch */ };

struct mr__baseline {
    mr__huffman first[TABLES], others[TABLES];
    mr__entropy entropy;
    mr__room samples, widened;
};

mr__baseline *mr__baseline_new(void)
{
    return mr_calloc(1, sizeof(mr__baseline));
}

void mr__baseline_free(mr__baseline *b)
{
    if (!b)
        return;
    mr_free(b->entropy.bytes.at);
    mr_free(b->entropy.pieces.at);
    mr_free(b->samples.at);
    mr_free(b->widened.at);
    mr_free(b);
}

/* ---- what is there, and what is wanted of it ---- */

typedef struct plane {
    uint8_t *at;
    size_t stride;
    int across, down; /* blocks of a unit */
    int side;         /* samples in a row of a block, once it is shrunk: 8, 4, 2 or 1 */
    mr__steps steps;
} plane;

typedef struct picture {
    mr__scan scan;
    plane plane[3];
    int channels, across, down; /* blocks of the first channel for one of the others */
    int shrink;
    int wide, high; /* pixels for a sample of chroma; 1 in a picture that is shrunk */
    int64_t chroma_width, chroma_height;
} picture;

static void set_steps(mr__steps *steps, const JQUANT_TBL *table)
{
    enum { LARGEST = 4095 }; /* four of them, multiplied, are less than 2^15 */
    for (int i = 0; i < DCTSIZE2; i++) {
        const int step = table->quantval[i];
        steps->step[i] = (int16_t)(step <= LARGEST ? step : 0);
        steps->most[i] = (int16_t)(!step ? INT16_MAX : LARGEST / step);
    }
}

/* A channel's codes and steps. False when some are missing or no codes at all. */
static bool set_channel(mr__baseline *b, const struct jpeg_decompress_struct *d, int c, picture *p)
{
    const jpeg_component_info *channel = &d->comp_info[c];
    const int dc = channel->dc_tbl_no, ac = channel->ac_tbl_no, q = channel->quant_tbl_no;
    if (dc < 0 || dc >= TABLES || ac < 0 || ac >= TABLES || q < 0 || q >= NUM_QUANT_TBLS ||
        !d->dc_huff_tbl_ptrs[dc] || !d->ac_huff_tbl_ptrs[ac] || !d->quant_tbl_ptrs[q])
        return false;
    const JHUFF_TBL *first = d->dc_huff_tbl_ptrs[dc], *others = d->ac_huff_tbl_ptrs[ac];
    if (!mr__huffman_make(&b->first[dc], first->bits, first->huffval, true) ||
        !mr__huffman_make(&b->others[ac], others->bits, others->huffval, false))
        return false;
    p->scan.first[c] = &b->first[dc];
    p->scan.others[c] = &b->others[ac];
    set_steps(&p->plane[c].steps, d->quant_tbl_ptrs[q]);
    p->plane[c].side = (c ? DCTSIZE * p->across : DCTSIZE) / p->shrink;
    if (p->plane[c].side > DCTSIZE)
        p->plane[c].side = DCTSIZE;
    p->scan.only_first[c] = p->plane[c].side == 1;
    p->plane[c].across = c ? 1 : p->across;
    p->plane[c].down = c ? 1 : p->down;
    for (int i = 0; i < p->plane[c].across * p->plane[c].down; i++)
        p->scan.channel[p->scan.blocks++] = c;
    return true;
}

static bool understand(mr__baseline *b, const struct jpeg_decompress_struct *d, picture *p)
{
    const jpeg_component_info *c = d->comp_info;
    p->channels = d->num_components;
    if (d->progressive_mode || d->arith_code || d->data_precision != 8 ||
        d->comps_in_scan != d->num_components || d->Ss != 0 || d->Se != DCTSIZE2 - 1 || d->Ah != 0 ||
        d->Al != 0)
        return false;
    if (p->channels == 1) {
        if (d->jpeg_color_space != JCS_GRAYSCALE)
            return false;
        p->across = p->down = 1;
    } else {
        if (p->channels != 3 || d->jpeg_color_space != JCS_YCbCr || c[1].h_samp_factor != 1 ||
            c[1].v_samp_factor != 1 || c[2].h_samp_factor != 1 || c[2].v_samp_factor != 1)
            return false;
        p->across = c[0].h_samp_factor;
        p->down = c[0].v_samp_factor;
    }
    if (p->across > 2 || p->down > p->across || (p->shrink > 1 && p->across != p->down))
        return false;
    p->wide = p->shrink > 1 ? 1 : p->across;
    p->high = p->shrink > 1 ? 1 : p->down;

    for (int i = 0; i < p->channels; i++)
        if (d->cur_comp_info[i] != &c[i] || !set_channel(b, d, i, p))
            return false;
    p->chroma_width = ((int64_t)d->image_width + p->across - 1) / p->across;
    p->chroma_height = ((int64_t)d->image_height + p->down - 1) / p->down;
    p->scan.restart = d->restart_interval;
    p->scan.units_across = (p->chroma_width + DCTSIZE - 1) / DCTSIZE;
    return p->wide == 1 || p->chroma_width > 2; /* libjpeg does not mix fewer */
}

/* The units that a part of one side is in, with the samples beside it that are mixed in. `unit`: samples of chroma. */
static void units_of(int64_t from, int64_t count, int pixels, int64_t samples, int unit, int64_t *first,
                     int64_t *end)
{
    int64_t low = from / pixels - (pixels > 1), high = (from + count - 1) / pixels + (pixels > 1);
    low = low < 0 ? 0 : low;
    high = high >= samples ? samples - 1 : high;
    *first = low / unit;
    *end = high / unit + 1;
}

static size_t samples_across(const picture *p, const plane *of)
{
    return (size_t)((p->scan.right - p->scan.left) * of->across * of->side);
}

static size_t samples_of(const picture *p, const plane *of)
{
    return samples_across(p, of) * (size_t)((p->scan.bottom - p->scan.top) * of->down * of->side);
}

static mr_status make_planes(mr__baseline *b, picture *p)
{
    size_t bytes = 0;
    for (int c = 0; c < p->channels; c++)
        bytes += samples_of(p, &p->plane[c]) + SLACK;
    uint8_t *at = mr__room_for(&b->samples, bytes);
    if (!at)
        return mr_error_status();
    for (int c = 0; c < p->channels; c++) {
        p->plane[c].at = at;
        p->plane[c].stride = samples_across(p, &p->plane[c]);
        at += samples_of(p, &p->plane[c]) + SLACK;
    }
    return MR_OK;
}

/* ---- blocks ---- */

/* The mean of a block, out of its first coefficient. */
static bool put_mean(const mr__block *b)
{
    const int first = b->coefficient[0], mean = ((first * b->steps->step[0] + 4) >> 3) + 128;
    b->coefficient[0] = 0;
    *b->to = (uint8_t)(mean < 0 ? 0 : mean > 255 ? 255 : mean);
    return first >= -b->steps->most[0] && first <= b->steps->most[0];
}

/* Means of four by four. */
static bool put_quarters(const mr__block *a, const mr__block *b)
{
    const mr__block *const both[2] = { a, b };
    uint8_t half[2][16];
    mr__block to[2] = { *a, *b };
    for (int k = 0; k < 2; k++) {
        to[k].to = half[k];
        to[k].stride = 4;
    }
    if (!mr__two_halved_blocks_avx2(&to[0], &to[1]))
        return false;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 4; i++) {
            const int y = i / 2, x = i % 2;
            const uint8_t *four = half[k] + 8 * y + 2 * x;
            both[k]->to[(size_t)y * both[k]->stride + (size_t)x] =
                (uint8_t)((four[0] + four[1] + four[4] + four[5] + 2) >> 2);
        }
    return true;
}

static bool put_two(int side, const mr__block *a, const mr__block *b)
{
    switch (side) {
    case 8:
        return mr__two_blocks_avx2(a, b);
    case 4:
        return mr__two_halved_blocks_avx2(a, b);
    case 2:
        return put_quarters(a, b);
    default:
        return put_mean(a) && put_mean(b);
    }
}

/* The blocks of channels from `c` to before `end`, whose blocks are of one size, two by two. */
static bool put_blocks(const picture *p, int64_t row, int64_t column, int c, int end,
                       int16_t (*coefficient)[MR__BLOCK])
{
    mr__block block[MR__MOST_BLOCKS + 1];
    uint8_t waste[DCTSIZE2];
    const int side = p->plane[c].side;
    int n = 0;
    for (; c < end; c++) {
        const plane *to = &p->plane[c];
        for (int i = 0; i < to->across * to->down; i++, n++) {
            const int64_t y = (row - p->scan.top) * to->down + i / to->across;
            const int64_t x = (column - p->scan.left) * to->across + i % to->across;
            block[n] =
                (mr__block){ coefficient[n], &to->steps,
                             to->at + (size_t)(y * side) * to->stride + (size_t)(x * side), to->stride };
        }
    }
    block[n] = block[n - 1];
    block[n].to = waste;
    block[n].stride = DCTSIZE;
    for (int i = 0; i < n; i += 2)
        if (!put_two(side, &block[i], &block[i + 1]))
            return false;
    return true;
}

static bool put_unit(void *user, int64_t row, int64_t column, int16_t (*coefficient)[MR__BLOCK])
{
    const picture *p = user;
    if (p->channels == 1 || p->plane[0].side == p->plane[1].side)
        return put_blocks(p, row, column, 0, p->channels, coefficient);
    return put_blocks(p, row, column, 0, 1, coefficient) &&
           put_blocks(p, row, column, 1, p->channels, coefficient + p->across * p->down);
}

/* ---- rows ---- */

/* A sample's place in a plane. */
static const uint8_t *sample(const picture *p, int c, int64_t y, int64_t x)
{
    const plane *from = &p->plane[c];
    return from->at + (size_t)(y - p->scan.top * from->down * from->side) * from->stride +
           (size_t)(x - p->scan.left * from->across * from->side);
}

/* A row of chroma as wide as the picture: where it stands for pixel `left`. */
static const uint8_t *chroma(const picture *p, int c, int64_t y, int64_t left, int64_t width, int16_t *sums,
                             uint8_t *widened)
{
    if (p->wide == 1)
        return sample(p, c, y, left);
    const int64_t first = left / 2, last = (left + width - 1) / 2, row = y / p->high;
    const uint8_t *far = NULL;
    if (p->high == 2) {
        int64_t other = y % 2 ? row + 1 : row - 1;
        other = other < 0 ? 0 : other >= p->chroma_height ? p->chroma_height - 1 : other;
        far = sample(p, c, other, first);
    }
    mr__widen_avx2(sample(p, c, row, first), far, last - first + 1, first == 0, last == p->chroma_width - 1,
                   sums, widened);
    return widened + left % 2;
}

static mr_status put_rows(mr__baseline *b, const picture *p, const mr__region *r, mr__room *room,
                          mr__view *view)
{
    const size_t stride = (size_t)r->width * 3, width = (size_t)r->width + SLACK;
    uint8_t *to = mr__room_for(room, (size_t)r->height * stride + SLACK);
    uint8_t *extra = to ? mr__room_for(&b->widened, 2 * width + width * sizeof(int16_t)) : NULL;
    if (!extra)
        return mr_error_status();
    int16_t *sums = (int16_t *)(void *)extra;
    uint8_t *widened[2] = { extra + width * sizeof *sums, extra + width * sizeof *sums + width };
    *view = (mr__view){ to, stride };
    for (int64_t y = r->top; y < r->top + r->height; y++, to += stride) {
        const uint8_t *luma = sample(p, 0, y, r->left);
        if (p->channels == 1)
            mr__rgb_of_grey_avx2(luma, r->width, to);
        else
            mr__rgb_of_ycc_avx2(luma, chroma(p, 1, y, r->left, r->width, sums, widened[0]),
                                chroma(p, 2, y, r->left, r->width, sums, widened[1]), r->width, to);
    }
    return MR_OK;
}

/* Which units are wanted. */
static void set_window(picture *p, const mr__region *r)
{
    const int unit = p->shrink > 1 ? p->plane[0].side * p->across : DCTSIZE;
    const int64_t width = p->shrink > 1 ? INT64_MAX : p->chroma_width;
    const int64_t height = p->shrink > 1 ? INT64_MAX : p->chroma_height;
    units_of(r->left, r->width, p->wide, width, unit, &p->scan.left, &p->scan.right);
    units_of(r->top, r->height, p->high, height, unit, &p->scan.top, &p->scan.bottom);
}

mr_status mr__baseline_read(mr__baseline *b, const struct jpeg_decompress_struct *d, const uint8_t *scan,
                            size_t size, int shrink, const mr__region *region, mr__room *room, mr__view *view)
{
    picture p = { .shrink = shrink };
    if (!mr__has_avx2() || !understand(b, d, &p))
        return MR_END;
    set_window(&p, region);
    if (size > UINT32_MAX / 2) /* the ends of its pieces would not fit their list */
        return MR_END;
    if (mr__entropy_take(&b->entropy, scan, size) < 0 || make_planes(b, &p) < 0)
        return mr_error_status();
    if (!mr__scan_read(&p.scan, &b->entropy, put_unit, &p))
        return MR_END;
    return put_rows(b, &p, region, room, view);
}

#else

mr__baseline *mr__baseline_new(void)
{
    return mr_calloc(1, 1);
}

void mr__baseline_free(mr__baseline *b)
{
    mr_free(b);
}

mr_status mr__baseline_read(mr__baseline *b, const struct jpeg_decompress_struct *d, const uint8_t *scan,
                            size_t size, int shrink, const mr__region *region, mr__room *room, mr__view *view)
{
    (void)b, (void)d, (void)scan, (void)size, (void)shrink, (void)region, (void)room, (void)view;
    return MR_END;
}

#endif
