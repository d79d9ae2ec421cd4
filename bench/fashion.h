/* Fashion-MNIST: 60,000 images to train with, 10,000 to test with, 28 x 28 pixels, ten classes. */
#ifndef BENCH_FASHION_H
#define BENCH_FASHION_H

#include <millrace/millrace.h>

#include <stdio.h>
#include <stdlib.h>

enum { TRAINING_IMAGES = 60000, TEST_IMAGES = 10000, PIXELS = 784 };

/* The bytes behind an IDX file's header; exits when they are not there. */
static inline unsigned char *idx_bytes(const char *path, long header, size_t bytes)
{
    unsigned char *data = malloc(bytes);
    FILE *file = fopen(path, "rb");
    if (!data || !file || fseek(file, header, SEEK_SET) || fread(data, 1, bytes, file) != bytes) {
        fprintf(stderr, "cannot read %zu bytes of '%s'\n", bytes, path);
        exit(1);
    }
    fclose(file);
    return data;
}

/* Images (count, 784) from 0 to 1, and class numbers, from two IDX files that are not compressed. */
static inline void read_fashion(const char *images, const char *labels, size_t count, mr_tensor **x,
                                mr_tensor **y)
{
    unsigned char *pixels = idx_bytes(images, 16, count * PIXELS), *classes = idx_bytes(labels, 8, count);
    *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE((int64_t)count, PIXELS));
    *y = mr_tensor_zeros(MR_INT64, MR_SHAPE((int64_t)count));
    float *to = mr_tensor_data(*x);
    int64_t *class = mr_tensor_data(*y);
    for (size_t i = 0; to && i < count * PIXELS; i++)
        to[i] = (float)pixels[i] / 255;
    for (size_t i = 0; class && i < count; i++)
        class[i] = classes[i];
    free(pixels);
    free(classes);
}

#endif
