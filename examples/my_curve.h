/* The chapter's data: y = 3x + sin(6x) + 1, as a dataset by index and as a stream. */
#ifndef EXAMPLES_MY_CURVE_H
#define EXAMPLES_MY_CURVE_H

#include <millrace/millrace.h>

#include <math.h>
#include <stdlib.h>

static const mr_field curve_fields[] = { { .name = "x" }, { .name = "y" } };

static inline void write_point(const mr_sample *sample, float x)
{
    *(float *)sample->field[0] = x;
    *(float *)sample->field[1] = 3 * x + sinf(6 * x) + 1;
}

/* ---- MyCurve: points evenly spaced on [0, 1] ---- */

typedef struct my_curve {
    mr_tensor *xs;
} my_curve;

static int64_t my_curve_len(void *self)
{
    return mr_tensor_numel(((my_curve *)self)->xs);
}

static mr_status my_curve_get(void *self, int64_t index, const mr_sample *sample)
{
    const float *xs = mr_tensor_data(((my_curve *)self)->xs);
    write_point(sample, xs[index]);
    return MR_OK;
}

static void my_curve_destroy(void *self)
{
    mr_tensor_free(((my_curve *)self)->xs);
}

static inline mr_dataset *my_curve_new(int64_t num_points)
{
    static const mr_dataset_vtable vtable = { .len = my_curve_len,
                                              .get = my_curve_get,
                                              .destroy = my_curve_destroy };
    my_curve curve = { mr_tensor_linspace(MR_FLOAT32, 0, 1, num_points) };
    if (!curve.xs)
        return NULL;
    mr_dataset *dataset = mr_dataset_new(&vtable, &curve, sizeof curve, curve_fields, 2);
    if (!dataset)
        my_curve_destroy(&curve);
    return dataset;
}

/* ---- StreamedCurve: one point after the other, the next x from the last ---- */

typedef struct streamed_curve {
    float start, end, delta;
} streamed_curve;

typedef struct curve_cursor {
    float x, end, delta;
} curve_cursor;

static void *streamed_curve_open(void *self, int64_t shard, int64_t shards)
{
    const streamed_curve *curve = self;
    curve_cursor *cursor = malloc(sizeof *cursor);
    (void)shards;
    if (cursor) /* only shard 0 has points: the curve cannot be split */
        *cursor = (curve_cursor){ shard == 0 ? curve->start : curve->end, curve->end, curve->delta };
    else
        mr_fail(MR_ERR_MEMORY, "no memory for a cursor");
    return cursor;
}

static mr_status streamed_curve_next(void *self, const mr_sample *sample)
{
    curve_cursor *cursor = self;
    if (!(cursor->x < cursor->end))
        return MR_END;
    write_point(sample, cursor->x);
    cursor->x += cursor->delta;
    return MR_OK;
}

static inline mr_dataset *streamed_curve_new(float start, float end, float delta)
{
    static const mr_stream_vtable vtable = { .open = streamed_curve_open,
                                             .next = streamed_curve_next,
                                             .close = free };
    streamed_curve curve = { start, end, delta };
    return mr_stream_new(&vtable, &curve, sizeof curve, curve_fields, 2);
}

#endif
