/* Images beside each other: with `cat` in gnuplot's place the picture is what gnuplot was told, pixels included. */
#include "check.h"

#include "base/alloc.h"
#include "base/file.h"

#include <millrace/plot.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/mr-plot-images-XXXXXX";
static char picture[64], program[64];

/* What gnuplot was told: the text, and behind it the canvas. Freed by the next call. */
static const char *script;
static const uint8_t *canvas;
static int64_t canvas_width, canvas_height;

static void look_at(const mr_tensor *images, const mr_plot_images_opts *opts)
{
    static char *bytes;
    long long width = 0, height = 0;
    size_t size;
    mr__free(bytes);
    script = "";
    canvas = NULL;
    if (!CHECK_EQ_I64(mr_plot_images(images, opts, picture), MR_OK))
        printf("    %s\n", mr_error());
    if (mr__file_read_all(picture, &bytes, &size, 0) != MR_OK)
        return;
    char *plot = strstr(bytes, "plot '-'");
    char *end = plot ? strchr(plot, '\n') : NULL;
    if (!CHECK(end != NULL))
        return;
    CHECK_EQ_I64(sscanf(plot, "plot '-' binary array=(%lld,%lld)", &width, &height), 2);
    CHECK_EQ_I64(size - (size_t)(end + 1 - bytes), 3 * width * height);
    *end = '\0';
    script = bytes;
    canvas = (const uint8_t *)end + 1;
    canvas_width = width;
    canvas_height = height;
}

static int pixel(int64_t row, int64_t column, int channel)
{
    return canvas ? canvas[3 * (row * canvas_width + column) + channel] : -1;
}

/* Five grey images of 2 x 3: two rows, a gap of 1 everywhere. */
static void test_grey(void)
{
    uint8_t data[30];
    for (int i = 0; i < 30; i++)
        data[i] = (uint8_t)i;
    mr_tensor *images = mr_tensor_from(MR_UINT8, MR_SHAPE(5, 2, 3), data);
    look_at(images, &(mr_plot_images_opts){ .columns = 3 });
    CHECK_EQ_I64(canvas_width, 1 + 3 * 4);
    CHECK_EQ_I64(canvas_height, 1 + 2 * 3);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 6; j++)
            for (int c = 0; c < 3; c++)
                CHECK_EQ_I64(pixel(1 + i / 3 * 3 + j / 3, 1 + i % 3 * 4 + j % 3, c), 6 * i + j);
    CHECK_EQ_I64(pixel(0, 0, 0), 255);
    CHECK_EQ_I64(pixel(4, 9, 1), 255); /* there is no sixth */
    CHECK(strstr(script, "set terminal pngcairo font 'DejaVu Sans,12' size 960,516 ") != NULL);
    CHECK(strstr(script, "set xrange [-0.5:12.5]\nset yrange [6.5:-0.5]\n") != NULL);
    CHECK(strstr(script, "set label") == NULL);
    mr_tensor_free(images);
}

/* Values of the same colours in either order, and as Normalize leaves them. */
static void test_colours(void)
{
    static const float first[3][2] = { { 0, 1 }, { 0.5f, 2 }, { -1, 0.2f } };
    static const int shades[3][2] = { { 0, 255 }, { 128, 255 }, { 0, 51 } };
    static const double mean[] = { 0.5, 0.25, 0.1 }, std[] = { 0.5, 0.25, 0.2 };
    float last[2][3];
    double normalised[3][2];
    for (int c = 0; c < 3; c++)
        for (int j = 0; j < 2; j++) {
            last[j][c] = first[c][j];
            normalised[c][j] = ((double)first[c][j] - mean[c]) / std[c];
        }
    mr_tensor *images[] = { mr_tensor_from(MR_FLOAT32, MR_SHAPE(1, 3, 1, 2), first),
                            mr_tensor_from(MR_FLOAT32, MR_SHAPE(1, 1, 2, 3), last),
                            mr_tensor_from(MR_FLOAT64, MR_SHAPE(1, 3, 1, 2), normalised) };
    const mr_plot_images_opts opts[] = { { 0 }, { .channels_last = true }, { .mean = mean, .std = std } };
    for (int k = 0; k < 3; k++) {
        look_at(images[k], &opts[k]);
        for (int c = 0; c < 3; c++)
            for (int j = 0; j < 2; j++)
                CHECK_EQ_I64(pixel(1, 1 + j, c), shades[c][j]);
        mr_tensor_free(images[k]);
    }
}

static void test_captions(void)
{
    const char *const captions[] = { "a \"b\"", NULL, "c" };
    mr_tensor *images = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 1, 28, 28));
    look_at(images, &(mr_plot_images_opts){ .captions = captions });
    CHECK_EQ_I64(canvas_width, 2 + 2 * 30);        /* two columns */
    CHECK_EQ_I64(canvas_height, 2 + 2 * (30 + 2)); /* 24 pixels of 960 are less than 2 of 62 */
    CHECK(strstr(script, "set label \"a \\042b\\042\" noenhanced at 15.5,30.5 center front\n") != NULL);
    CHECK(strstr(script, "set label \"c\" noenhanced at 15.5,62.5 center front\n") != NULL);
    mr_tensor_free(images);
}

static void refuse(mr_tensor *images, const mr_plot_images_opts *opts, const char *path, mr_status status,
                   const char *says)
{
    CHECK_EQ_I64(mr_plot_images(images, opts, path), status);
    CHECK_EQ_STR(mr_error(), says);
    mr_tensor_free(images);
}

static void test_refused(void)
{
    refuse(NULL, NULL, picture, MR_ERR_ARGUMENT, "plot_images: images is NULL");
    refuse(mr_tensor_zeros(MR_UINT8, MR_SHAPE(1, 2, 2)), NULL, NULL, MR_ERR_ARGUMENT,
           "plot_images: path is NULL");
    refuse(mr_tensor_zeros(MR_UINT8, MR_SHAPE(1, 2, 2)), NULL, "a.gif", MR_ERR_ARGUMENT,
           "plot_images: 'a.gif' ends neither in .png nor in .svg");
    refuse(mr_tensor_zeros(MR_UINT8, MR_SHAPE(2, 2)), NULL, picture, MR_ERR_SHAPE,
           "plot_images: the images have 2 dimensions; there are (count, height, width) and (count, "
           "channels, height, "
           "width)");
    refuse(mr_tensor_zeros(MR_UINT8, MR_SHAPE(1, 4, 2, 2)), NULL, picture, MR_ERR_SHAPE,
           "plot_images: images of 4 channels; there are 1 and 3");
    refuse(mr_tensor_zeros(MR_UINT8, MR_SHAPE(0, 2, 2)), NULL, picture, MR_ERR_SHAPE,
           "plot_images: there is no image to draw");
    refuse(mr_tensor_zeros(MR_INT64, MR_SHAPE(1, 2, 2)), NULL, picture, MR_ERR_DTYPE,
           "plot_images: images of int64; there are uint8, float32 and float64");
    refuse(mr_tensor_zeros(MR_UINT8, MR_SHAPE(1, 2, 2)), &(mr_plot_images_opts){ .columns = -1 }, picture,
           MR_ERR_ARGUMENT, "plot_images: -1 columns");
    refuse(mr_tensor_zeros(MR_UINT8, MR_SHAPE(2, 1, 10000)), &(mr_plot_images_opts){ .columns = 2 }, picture,
           MR_ERR_ARGUMENT, "plot_images: 2 images of 1 x 10000 are too many for a picture");
    CHECK(access(picture, F_OK) != 0);
}

/* The real one takes it. */
static void test_gnuplot(const char *path)
{
    mr_tensor *images = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(3, 3, 5, 7));
    setenv("PATH", path, 1);
    mr_status status = mr_plot_images(images, NULL, picture);
    if (status == MR_ERR_MISSING)
        printf("    gnuplot is not there\n");
    else if (!CHECK_EQ_I64(status, MR_OK))
        printf("    %s\n", mr_error());
    mr_tensor_free(images);
}

int main(void)
{
    if (!mkdtemp(folder))
        return 2;
    snprintf(picture, sizeof picture, "%s/a.png", folder);
    snprintf(program, sizeof program, "%s/gnuplot", folder);
    FILE *file = fopen(program, "wb");
    if (!file || fputs("#!/bin/sh\nexec /bin/cat\n", file) < 0 || fclose(file) || chmod(program, 0777) != 0)
        return 2;
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    setenv("PATH", folder, 1);
    test_refused();
    test_grey();
    test_colours();
    test_captions();
    test_gnuplot(path);
    free(path);
    unlink(program);
    unlink(picture);
    CHECK(rmdir(folder) == 0);
    return check_report();
}
