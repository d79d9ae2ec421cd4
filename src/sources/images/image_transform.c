/* The steps for one picture. */
#include "pipeline.h"

static mr_tensor *run(const mr__pipeline *p, const mr_image *image, mr_rng *rng)
{
    const mr_field field = mr__pipeline_field(p, "image");
    mr_tensor *tensor = mr_tensor_zeros(field.dtype, field.shape);
    mr__bench *bench = tensor ? mr__bench_new() : NULL;
    mr_status s = bench ? mr__pipeline_run(p, bench, image, rng, mr_tensor_data(tensor)) : mr_error_status();
    mr__bench_free(bench);
    if (s == MR_OK)
        return tensor;
    mr_tensor_free(tensor);
    return NULL;
}

static mr_status check(const mr_image *image)
{
    if (!image || !image->pixels)
        return mr_fail(MR_ERR_ARGUMENT, "image is NULL");
    if (image->height < 1 || image->width < 1 || (image->channels != 1 && image->channels != 3))
        return mr_fail(MR_ERR_ARGUMENT, "a picture of %lld x %lld pixels of %lld channels",
                       (long long)image->height, (long long)image->width, (long long)image->channels);
    return MR_OK;
}

mr_tensor *mr_image_transform(const mr_image *image, const mr_transform *steps, int step_count, mr_rng *rng)
{
    mr__pipeline p = { 0 };
    mr_tensor *tensor = NULL;
    mr_status s = check(image);
    if (s == MR_OK)
        s = mr__pipeline_make(&p, steps, step_count, image, NULL, false);
    if (s == MR_OK && p.draws && !rng)
        s = mr_fail(MR_ERR_ARGUMENT, "rng is NULL, and a step draws");
    if (s == MR_OK)
        tensor = run(&p, image, rng);
    mr__pipeline_free(&p);
    if (!tensor)
        mr_fail_context("image_transform");
    return tensor;
}
