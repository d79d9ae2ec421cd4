/* Sums by wide instructions beside plain loops, at the very ends of memory; weights at the edges. */
#include "check.h"

#include "sources/cpu.h"
#include "sources/images/resize.h"

#include <millrace/random.h>
#include <stdlib.h>

static uint8_t byte_of(int64_t sum)
{
    sum = (sum + (1 << (MR__PLACES - 1))) >> MR__PLACES;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* A block of exactly so many bytes, so that a sanitizer sees what is read or written behind it. */
static uint8_t *noise(size_t bytes, mr_random *random)
{
    uint8_t *at = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        at[i] = mr_random_below(random, 3) ? (uint8_t)mr_random_u64(random) : 255;
    return at;
}

/* ---- all of it ---- */

static void check_side(const mr__weights *w, const uint8_t *from, const uint8_t *got, int64_t step,
                       const char *what)
{
    int wrong = 0;
    for (int64_t i = 0; i < w->out; i++)
        for (int64_t c = 0; c < step; c++) {
            int64_t sum = 0;
            for (int64_t x = 0; x < w->count[i]; x++)
                sum += (int64_t)w->weight[i * w->taps + x] * from[(w->first[i] - w->first[0] + x) * step + c];
            wrong += got[i * step + c] != byte_of(sum);
        }
    if (!CHECK_EQ_I64(wrong, 0))
        printf("    %s to %lld\n", what, (long long)w->out);
}

/* One side is resized, the other one stays. */
static void check_sizes(int64_t in, int64_t out, mr_interpolation how, mr_random *random)
{
    enum { OTHER = 7 };
    mr__weights changed = { 0 }, same = { 0 };
    mr__room between = { 0 };
    int64_t first, end;
    const int64_t from = mr_random_below(random, out), count = 1 + mr_random_below(random, out - from);
    CHECK_EQ_I64(mr__weights_make(&changed, &(mr__side){ in, 0, (double)in, out, from, count }, how), MR_OK);
    CHECK_EQ_I64(mr__weights_make(&same, &(mr__side){ OTHER, 0, OTHER, OTHER, 0, OTHER }, how), MR_OK);
    mr__weights_need(&changed, &first, &end);
    CHECK(first >= 0 && end <= in && first < end);
    uint8_t *pixels = noise((size_t)((end - first) * OTHER * 3), random),
            *got = malloc((size_t)(count * OTHER * 3));
    mr__view view = { pixels, OTHER * 3 };
    CHECK_EQ_I64(mr__resize(&view, 3, &changed, &same, &between, got), MR_OK);
    if (changed.weight)
        check_side(&changed, pixels, got, OTHER * 3, "rows");
    view.stride = (size_t)(end - first) * 3;
    CHECK_EQ_I64(mr__resize(&view, 3, &same, &changed, &between, got), MR_OK);
    for (int64_t y = 0; changed.weight && y < OTHER; y++)
        check_side(&changed, pixels + (size_t)y * view.stride, got + y * count * 3, 3, "columns");
    view.stride = (size_t)(end - first);
    CHECK_EQ_I64(mr__resize(&view, 1, &same, &changed, &between, got), MR_OK);
    for (int64_t y = 0; changed.weight && y < OTHER; y++)
        check_side(&changed, pixels + (size_t)y * view.stride, got + y * count, 1, "columns of grey");
    free(pixels);
    free(got);
    mr_free(between.at);
    mr__weights_free(&changed);
    mr__weights_free(&same);
}

static void test_sizes(void)
{
    mr_random random = mr_random_at(2, 0, 0);
    for (int i = 0; i < 400; i++)
        check_sizes(1 + mr_random_below(&random, 80), 1 + mr_random_below(&random, 80),
                    i % 2 ? MR_BICUBIC : MR_BILINEAR, &random);
    check_sizes(1000, 1, MR_BILINEAR, &random);
    check_sizes(1000, 20, MR_BICUBIC, &random);
    check_sizes(1, 300, MR_BICUBIC, &random);
    check_sizes(300, 7, MR_NEAREST, &random);
}

/* ---- the wide instructions do their part ---- */

static void test_wide(void)
{
    mr__weights w = { 0 };
    mr_random random = mr_random_at(3, 0, 0);
    if (!mr__has_avx2())
        return;
    CHECK_EQ_I64(mr__weights_make(&w, &(mr__side){ 100, 0, 100, 64, 0, 64 }, MR_BILINEAR), MR_OK);
    uint8_t *pixels = noise(300, &random), *got = malloc(64 * 3);
    CHECK(mr__resize_prepare_avx2(&w));
    CHECK_EQ_I64(mr__resize_row_avx2(pixels, pixels + 300, &w, got), 60);
    CHECK_EQ_I64(mr__resize_row_avx2(pixels, pixels + 200, &w, got), 40);
    CHECK_EQ_I64(mr__mix_rows_avx2(pixels, 100, w.weight, 3, 100, got), 96);
    CHECK_EQ_I64(mr__mix_rows_avx2(pixels, 100, w.weight, 3, 15, got), 0);
    free(pixels);
    free(got);
    mr__weights_free(&w);
}

int main(void)
{
    RUN(test_sizes);
    RUN(test_wide);
    return check_report();
}
