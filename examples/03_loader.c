/* A loader makes batches: 32 samples of a stream as one tensor for x and one for y. */
#include "my_curve.h"
#include "show.h"

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = streamed_curve_new(0, 2, 0.01f);
    mr_loader *loader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32 });
    const mr_batch *batch;
    mr_status s = mr_loader_next(loader, &batch);
    if (s == MR_OK)
        show_fields("[", batch, "]\n");
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
