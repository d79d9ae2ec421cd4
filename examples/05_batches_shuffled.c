/*
 * Section 4: three shuffled batches, in one picture. Each is spread over the whole curve, so that the gradient of its
 * loss is a fair estimate of the whole dataset's. plot_batches.h draws them, to batches_shuffled.png.
 */
#include "my_curve.h"
#include "plot_batches.h"

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(100);
    mr_loader *dataloader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });

    mr_status s = plot_three_batches(dataloader, "batches_shuffled.png");

    mr_loader_free(dataloader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
