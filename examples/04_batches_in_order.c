/* Three batches of a stream: each goes on where the last one ended. Draws batches_in_order.png. */
#include "my_curve.h"
#include "plot_batches.h"

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = streamed_curve_new(0, 2, 0.01f);
    mr_loader *loader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32 });
    mr_status s = plot_three_batches(loader, "batches_in_order.png");
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
