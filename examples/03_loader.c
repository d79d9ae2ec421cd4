/*
 * Section 4: a loader collects samples into batches, here 32 samples of a stream: one tensor for x and one for y.
 *
 * torch has one global generator of random numbers; here it is a value that is handed to whatever draws. With the same
 * seed it gives the same numbers as torch after torch.manual_seed(42), and the loader draws from it what torch's does.
 */
#include "show.h"
#include "streamed_curve.h"

int main(void)
{
    mr_rng *rng = mr_rng_new(42);
    mr_dataset *ds = streamed_curve_new(0, 2, 0.01f);
    mr_loader *dataloader = mr_loader_new(ds, rng, &(mr_loader_opts){ .batch_size = 32 });

    const mr_batch *batch;
    mr_status s = mr_loader_next(dataloader, &batch); /* batch = next(iter(dataloader)) */
    if (s == MR_OK)
        show_fields("[", batch, "]\n"); /* print(batch) */

    mr_loader_free(dataloader);
    mr_dataset_free(ds);
    mr_rng_free(rng);
    return finish(s);
}
