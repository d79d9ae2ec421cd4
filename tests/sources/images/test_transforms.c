/* Steps beside torchvision's: pixels, draws, and what is refused. */
#include "sources/images/pictures.h"

#include "sources/images/pipeline.h"

#include <stdlib.h>

/* ---- steps out of words, as make_transforms.py has them ---- */

static mr_interpolation interpolation(const char *word)
{
    return *word == 'n' ? MR_NEAREST : word[2] == 'c' ? MR_BICUBIC : MR_BILINEAR;
}

static mr_padding padding(const char *word)
{
    return *word == 'c'   ? MR_PADDING_CONSTANT
           : *word == 'e' ? MR_PADDING_EDGE
           : *word == 'r' ? MR_PADDING_REFLECT
                          : MR_PADDING_SYMMETRIC;
}

/* `n`: the numbers, with 0 for a word; `word`: the last word. */
static mr_transform step_of(const char *name, const double *n, const char *word)
{
    const int64_t h = (int64_t)n[0], w = (int64_t)n[1];
    if (strcmp(name, "resize") == 0)
        return mr_transform_resize(h, w, &(mr_resize_opts){ interpolation(word), (int64_t)n[2] });
    if (strcmp(name, "center_crop") == 0)
        return mr_transform_center_crop(h, w);
    if (strcmp(name, "random_crop") == 0) {
        const uint8_t fill = (uint8_t)n[8];
        return mr_transform_random_crop(
            h, w,
            &(mr_random_crop_opts){ { (int64_t)n[2], (int64_t)n[3], (int64_t)n[4], (int64_t)n[5] },
                                    n[7] != 0,
                                    padding(word),
                                    { fill, fill / 2, (uint8_t)(fill * 2) } });
    }
    if (strcmp(name, "random_resized_crop") == 0)
        return mr_transform_random_resized_crop(
            h, w, &(mr_random_resized_crop_opts){ { n[2], n[3] }, { n[4], n[5] }, interpolation(word) });
    if (strcmp(name, "flip_across") == 0)
        return mr_transform_random_horizontal_flip(n[0]);
    if (strcmp(name, "flip_down") == 0)
        return mr_transform_random_vertical_flip(n[0]);
    if (strcmp(name, "color_jitter") == 0)
        return mr_transform_color_jitter(&(mr_color_jitter_opts){ n[0], n[1], n[2], n[3] });
    if (strcmp(name, "grayscale") == 0)
        return mr_transform_grayscale(h);
    if (strcmp(name, "to_planes") == 0)
        return mr_transform_to_planes();
    if (strcmp(name, "to_tensor") == 0)
        return mr_transform_to_tensor();
    CHECK_EQ_STR(name, "normalize");
    return mr_transform_normalize((double[]){ 0.485, 0.456, 0.406 }, (double[]){ 0.229, 0.224, 0.225 });
}

static int steps_of(char *text, mr_transform *steps)
{
    int count = 0;
    char *rest;
    for (char *part = strtok_r(text, ";\n", &rest); part; part = strtok_r(NULL, ";\n", &rest)) {
        double n[12] = { 0 };
        int at = 0;
        char *inside, *name = strtok_r(part, " ", &inside), *word = "";
        for (char *p = strtok_r(NULL, " ", &inside); p; p = strtok_r(NULL, " ", &inside)) {
            char *end;
            n[at++] = strtod(p, &end);
            if (*end)
                word = p;
        }
        steps[count++] = step_of(name, n, word);
    }
    return count;
}

/* ---- beside torchvision ---- */

static size_t bytes_of(const mr_tensor *x)
{
    return (size_t)mr_tensor_numel(x) * mr_dtype_size(mr_tensor_dtype(x));
}

/* By the picture in memory, and straight from the file. */
static void check_case(const char *name, int seeds, const char *hash, char *spec)
{
    mr_transform steps[8];
    const int count = steps_of(spec, steps);
    uint64_t by_image = HASH_BEGIN, by_file = by_image;
    size_t size;
    uint8_t *bytes = picture_bytes(name, &size);
    mr_image *image = mr_image_load(picture(name), NULL);
    mr_rng *rng = mr_rng_new(0);
    mr__bench *bench = mr__bench_new();
    mr__pipeline p;
    for (int seed = 0; seed < seeds; seed++) {
        mr_rng_seed(rng, (uint64_t)seed);
        mr_tensor *x = mr_image_transform(image, steps, count, rng);
        if (!CHECK(x != NULL)) {
            printf("    %s\n", mr_error());
            continue;
        }
        uint32_t next = mr_rng_u32(rng) & 0x7fffffff;
        by_image = hash_on(hash_on(by_image, mr_tensor_data(x), bytes_of(x)), &next, sizeof next);
        mr_rng_seed(rng, (uint64_t)seed);
        CHECK_EQ_I64(mr__pipeline_make(&p, steps, count, image, NULL, false), MR_OK);
        CHECK_EQ_I64(mr__pipeline_decode(&p, bench, bytes, size, rng, mr_tensor_data(x)), MR_OK);
        mr__pipeline_free(&p);
        next = mr_rng_u32(rng) & 0x7fffffff;
        by_file = hash_on(hash_on(by_file, mr_tensor_data(x), bytes_of(x)), &next, sizeof next);
        mr_tensor_free(x);
    }
    if (!check_hash(by_image, hash))
        printf("    %s\n", name);
    if (!check_hash(by_file, hash))
        printf("    %s, from the file\n", name);
    mr__bench_free(bench);
    mr_rng_free(rng);
    mr_image_free(image);
    free(bytes);
}

static void test_beside_torchvision(void)
{
    char line[400], name[64], hash[20];
    int seeds, at, cases = 0;
    FILE *file = fopen(MR_TEST_DATA "/transforms.txt", "r");
    for (; file && fgets(line, sizeof line, file); cases++) {
        char shown[400];
        CHECK(sscanf(line, "%63s %d %19s %n", name, &seeds, hash, &at) == 3);
        strcpy(shown, line);
        int failed = check_failed;
        check_case(name, seeds, hash, line + at);
        if (check_failed > failed)
            printf("    %s", shown);
    }
    CHECK_EQ_I64(cases, 57);
    if (file)
        fclose(file);
}

/* ---- faults ---- */

static void check_said(const mr_transform *steps, int count, const char *text)
{
    mr_image *image = mr_image_new(8, 10, 3);
    mr_rng *rng = mr_rng_new(0);
    mr_error_clear();
    CHECK(mr_image_transform(image, steps, count, rng) == NULL);
    CHECK_EQ_STR(mr_error(), text);
    mr_rng_free(rng);
    mr_image_free(image);
}

static mr_status refuse(void *user, mr_image *image, mr_rng *rng)
{
    (void)rng;
    CHECK(user == NULL && image->height == 8);
    return MR_ERR_CALLBACK;
}

#define SAID(step, text) check_said(&(mr_transform[]){ step }[0], 1, "image_transform: " text)

static void test_faults(void)
{
    static const double ones[3] = { 1, 1, 1 }, nan[3] = { 1, NAN, 1 };
    SAID(mr_transform_resize(0, 3, NULL), "step 0: resize: a size of 0 x 3");
    SAID(mr_transform_center_crop(5, 0), "step 0: center_crop: a size of 5 x 0");
    SAID(mr_transform_center_crop(5, INT64_C(1) << 40), "step 0: center_crop: a size of 5 x 1099511627776");
    SAID(mr_transform_resize(5, 5, &(mr_resize_opts){ .max_size = 9 }),
         "step 0: resize: max_size is for a width of 0");
    SAID(mr_transform_resize(5, 0, &(mr_resize_opts){ .max_size = 5 }),
         "step 0: resize: max_size 5 is not above the size of the shorter side, 5");
    SAID(mr_transform_resize(5, 5, &(mr_resize_opts){ .interpolation = 7 }),
         "step 0: resize: interpolation 7");
    SAID(mr_transform_random_crop(5, 5, &(mr_random_crop_opts){ .mode = 4 }),
         "step 0: random_crop: padding of mode 4");
    SAID(mr_transform_random_crop(5, 5, &(mr_random_crop_opts){ .padding = { 0, -1 } }),
         "step 0: random_crop: padding of -1 pixels");
    SAID(mr_transform_random_crop(9, 10, NULL),
         "random_crop: a picture of 8 x 10 pixels is too small for 9 x 10");
    SAID(mr_transform_random_resized_crop(5, 5, &(mr_random_resized_crop_opts){ .scale = { 0.5, 0.2 } }),
         "step 0: random_resized_crop: scale from 0.5 to 0.2");
    SAID(mr_transform_random_resized_crop(5, 5, &(mr_random_resized_crop_opts){ .ratio = { -1, 1 } }),
         "step 0: random_resized_crop: ratio from -1 to 1");
    SAID(mr_transform_random_horizontal_flip(1.5), "step 0: random_horizontal_flip: probability 1.5");
    SAID(mr_transform_random_vertical_flip(NAN), "step 0: random_vertical_flip: probability nan");
    SAID(mr_transform_color_jitter(&(mr_color_jitter_opts){ .hue = 0.6 }),
         "step 0: color_jitter: hue from -0.6 to 0.6");
    SAID(mr_transform_color_jitter(&(mr_color_jitter_opts){ .contrast = -1 }),
         "step 0: color_jitter: contrast from 2 to 0");
    SAID(mr_transform_grayscale(2), "step 0: grayscale: 2 channels, not 1 or 3");
    SAID(mr_transform_custom(NULL, NULL), "step 0: custom: function is NULL");
    SAID(mr_transform_custom(refuse, NULL), "custom: the function failed");
    SAID(mr_transform_normalize(ones, ones), "step 0: normalize comes behind to_tensor");
    SAID((mr_transform){ 0 }, "step 0: it was made by none of the functions mr_transform_…");
    check_said((mr_transform[]){ mr_transform_to_tensor(), mr_transform_normalize(ones, nan) }, 2,
               "image_transform: step 1: normalize: the std of channel 1 is nan");
    check_said((mr_transform[]){ mr_transform_to_tensor(), mr_transform_normalize(ones, NULL) }, 2,
               "image_transform: step 1: normalize: the std of channel 0 is 0");
    check_said((mr_transform[]){ mr_transform_to_planes(), mr_transform_center_crop(4, 4) }, 2,
               "image_transform: step 1: center_crop comes before to_tensor and to_planes");
    check_said(NULL, 1, "image_transform: 1 steps at NULL");
    check_said(NULL, -1, "image_transform: -1 steps at NULL");

    mr_transform crop = mr_transform_random_crop(5, 5, NULL),
                 narrow = mr_transform_resize(1, 0, &(mr_resize_opts){ .max_size = 3 });
    mr_image *image = mr_image_new(40, 2, 3);
    mr_error_clear();
    CHECK(!mr_image_transform(image, &narrow, 1, NULL));
    CHECK_EQ_STR(mr_error(), "image_transform: resize: a picture of 40 x 2 pixels would have 3 x 0");
    CHECK(!mr_image_transform(image, &crop, 1, NULL));
    CHECK_EQ_STR(mr_error(), "image_transform: rng is NULL, and a step draws");
    CHECK(!mr_image_transform(NULL, &crop, 1, NULL));
    CHECK_EQ_STR(mr_error(), "image_transform: image is NULL");
    image->channels = 2;
    CHECK(!mr_image_transform(image, &crop, 1, NULL));
    CHECK_EQ_STR(mr_error(), "image_transform: a picture of 40 x 2 pixels of 2 channels");
    mr_image_free(image);
}

/* A picture so thin that a part in the right ratio has no height, or no width. */
static void test_thin_pictures(void)
{
    mr_rng *rng = mr_rng_new(0);
    for (int i = 0; i < 6; i++) {
        const bool wide = i % 2;
        mr_transform step = mr_transform_random_resized_crop(
            4, 5,
            &(mr_random_resized_crop_opts){
                .ratio = { wide ? 0.1 : 3, wide ? 0.4 : 4 },
                .interpolation = (const mr_interpolation[]){ MR_BILINEAR, MR_BICUBIC, MR_NEAREST }[i / 2] });
        mr_image *image = mr_image_new(wide ? 1 : 100, wide ? 100 : 1, 3);
        mr_error_clear();
        CHECK(!mr_image_transform(image, &step, 1, rng));
        CHECK_EQ_I64(mr_error_status(), MR_ERR_SHAPE);
        CHECK_EQ_STR(
            mr_error(),
            wide ? "image_transform: random_resized_crop: a picture of 1 x 100 pixels has no part with a "
                   "ratio from 0.1 to 0.4"
                 : "image_transform: random_resized_crop: a picture of 100 x 1 pixels has no part with a "
                   "ratio from 3 to 4");
        mr_image_free(image);
    }
    mr_rng_free(rng);
}

/* ---- a step of one's own ---- */

static mr_status invert(void *user, mr_image *image, mr_rng *rng)
{
    int *calls = user;
    const uint8_t by = (uint8_t)mr_rng_u32(rng);
    ++*calls;
    for (int64_t i = 0; i < image->height * image->width * image->channels; i++)
        image->pixels[i] ^= by;
    return MR_OK;
}

static void test_custom(void)
{
    int calls = 0;
    mr_rng *rng = mr_rng_new(3), *same = mr_rng_new(3);
    const uint8_t by = (uint8_t)mr_rng_u32(same);
    mr_transform steps[] = { mr_transform_center_crop(2, 3), mr_transform_custom(invert, &calls) };
    mr_image *image = mr_image_new(4, 5, 3);
    for (int i = 0; i < 60; i++)
        image->pixels[i] = (uint8_t)i;
    mr_tensor *x = mr_image_transform(image, steps, 2, rng);
    CHECK_EQ_I64(calls, 1);
    const uint8_t *pixels = mr_tensor_data(x);
    for (int i = 0; i < 18; i++)
        CHECK_EQ_I64(pixels[i], (uint8_t)(15 + i / 9 * 15 + 3 + i % 9) ^ by);
    CHECK_EQ_I64(image->pixels[20], 20); /* the picture that was given is as it was */
    mr_tensor_free(x);
    mr_rng_free(rng);
    mr_rng_free(same);
    mr_image_free(image);
}

/* ---- draft ---- */

/* The same draws and nearly the same pixels: off by so much on average. */
static double check_draft(const char *name, const mr_transform *steps, int count, double most)
{
    enum { SEEDS = 30 };
    size_t size;
    uint8_t *bytes = picture_bytes(name, &size), *exact = malloc(1 << 16), *draft = malloc(1 << 16);
    mr_rng *rng = mr_rng_new(0);
    mr__bench *bench = mr__bench_new();
    mr__pipeline p, d;
    double sum = 0;
    CHECK_EQ_I64(mr__pipeline_make(&p, steps, count, NULL, NULL, false), MR_OK);
    CHECK_EQ_I64(mr__pipeline_make(&d, steps, count, NULL, NULL, true), MR_OK);
    for (int seed = 0; seed < SEEDS; seed++) {
        mr_rng_seed(rng, (uint64_t)seed);
        CHECK_EQ_I64(mr__pipeline_decode(&p, bench, bytes, size, rng, exact), MR_OK);
        const uint32_t next = mr_rng_u32(rng);
        mr_rng_seed(rng, (uint64_t)seed);
        CHECK_EQ_I64(mr__pipeline_decode(&d, bench, bytes, size, rng, draft), MR_OK);
        CHECK_EQ_I64(mr_rng_u32(rng), next);
        for (int64_t i = 0; i < p.height * p.width * p.channels; i++)
            sum += abs(exact[i] - draft[i]);
    }
    sum /= (double)(SEEDS * p.height * p.width * p.channels);
    if (!CHECK(sum <= most))
        printf("    %s is off by %g\n", name, sum);
    mr__pipeline_free(&p);
    mr__pipeline_free(&d);
    mr__bench_free(bench);
    mr_rng_free(rng);
    free(bytes);
    free(exact);
    free(draft);
    return sum;
}

static void test_draft(void)
{
    static const char *const names[] = { "wide_420.jpg", "wide_422.jpg", "wide_444.jpg",
                                         "wide_progressive.jpg" };
    mr_transform steps[] = { mr_transform_random_resized_crop(20, 24, NULL),
                             mr_transform_random_horizontal_flip(0.5),
                             mr_transform_random_crop(17, 18, NULL) };
    mr_transform large = mr_transform_resize(65, 140, NULL);
    for (int i = 0; i < 4; i++) {
        CHECK(check_draft(names[i], steps, 3, 6) > 0); /* small pictures are nothing but edges */
        check_draft(names[i], &large, 1, 0);           /* half of it would be too little */
    }
    check_draft("kind2_8bit.png", steps, 3, 0);
}

static mr_status leave(void *user, mr_image *image, mr_rng *rng)
{
    (void)user;
    (void)image;
    (void)rng;
    return MR_OK;
}

/* A large picture's memory is given back, a small one's kept. */
static void test_rooms(void)
{
    mr_transform steps[] = { mr_transform_custom(leave, NULL), mr_transform_center_crop(2, 2) };
    for (int large = 0; large < 2; large++) {
        mr__bench *bench = mr__bench_new();
        mr__pipeline p;
        uint8_t out[12];
        mr_image *image = mr_image_new(large ? 3400 : 34, large ? 3400 : 34, 3);
        CHECK_EQ_I64(mr__pipeline_make(&p, steps, 2, image, NULL, false), MR_OK);
        CHECK_EQ_I64(mr__pipeline_run(&p, bench, image, NULL, out), MR_OK);
        CHECK_EQ_I64(bench->pixels[0].bytes + bench->pixels[1].bytes, large ? 0 : 34 * 34 * 3);
        mr__pipeline_free(&p);
        mr_image_free(image);
        mr__bench_free(bench);
    }
}

int main(void)
{
    RUN(test_draft);
    RUN(test_faults);
    RUN(test_thin_pictures);
    RUN(test_rooms);
    RUN(test_custom);
    RUN(test_beside_torchvision);
    return check_report();
}
