/*
 * The chapter's first dataset: y = 3x + sin(6x) + 1 at points evenly spaced on [0, 1].
 *
 *     class MyCurve(Dataset):
 *
 * A Dataset in Python is a class with __len__ and __getitem__; here it is a struct and a table of functions. What a
 * sample consists of is declared beforehand, so that the loader can make its batches before it has seen a sample:
 * two numbers, x and y.
 */
#ifndef EXAMPLES_MY_CURVE_H
#define EXAMPLES_MY_CURVE_H

#include <millrace/millrace.h>

#include <math.h>

static const mr_field curve_fields[] = { { .name = "x" }, { .name = "y" } }; /* float32 numbers, by default */

/* Writes one sample. There is nothing to return and nothing to stack: `sample` points into the batch. */
static inline void write_point(const mr_sample *sample, float x)
{
    *(float *)sample->field[0] = x;
    *(float *)sample->field[1] = 3 * x + sinf(6 * x) + 1;
}

typedef struct my_curve {
    mr_tensor *xs;
} my_curve;

/* def __len__(self): */
static int64_t my_curve_len(void *self)
{
    const my_curve *curve = self;
    return mr_tensor_size(curve->xs, 0);
}

/* def __getitem__(self, i): */
static mr_status my_curve_get(void *self, int64_t i, const mr_sample *sample)
{
    const my_curve *curve = self;
    const float *xs = mr_tensor_data(curve->xs);
    write_point(sample, xs[i]);
    return MR_OK; /* or mr_fail(…) with what is wrong with sample i */
}

static void my_curve_destroy(void *self)
{
    my_curve *curve = self;
    mr_tensor_free(curve->xs);
}

/* def __init__(self, num_points): */
static inline mr_dataset *my_curve_new(int64_t num_points)
{
    static const mr_dataset_vtable vtable = { .len = my_curve_len,
                                              .get = my_curve_get,
                                              .destroy = my_curve_destroy };
    my_curve self = { .xs = mr_tensor_linspace(MR_FLOAT32, 0, 1, num_points) };
    if (!self.xs)
        return NULL;
    mr_dataset *dataset = mr_dataset_new(&vtable, &self, sizeof self, curve_fields, 2); /* copies self */
    if (!dataset)
        my_curve_destroy(&self);
    return dataset;
}

#endif
