/* Three shuffled batches: each is spread over the whole curve. Draws batches_shuffled.png. */
#include "my_curve.h"
#include "plot_batches.h"

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = my_curve_new(100);
    mr_loader *loader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32, .shuffle = true });
    mr_status s = plot_three_batches(loader, "batches_shuffled.png");
    mr_loader_free(loader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
