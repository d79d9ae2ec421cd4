/*
 * Section 4: three batches of a stream, in one picture. Each goes on where the last one ended.
 * plot_batches.h draws them, to batches_in_order.png.
 */
#include "plot_batches.h"
#include "streamed_curve.h"

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = streamed_curve_new(0, 2, 0.01f);
    mr_loader *dataloader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32 });

    mr_status s = plot_three_batches(dataloader, "batches_in_order.png");

    mr_loader_free(dataloader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
