/*
 * A dataset that is divided at random, and samples that are drawn by weight: the last point of the first part comes eight
 * times as often as any other.
 *
 *     train, rest = random_split(MyCurve(12), [9, 3])
 *     loader = DataLoader(train, batch_size=6, sampler=WeightedRandomSampler([1]*8 + [8], 12))
 */
#include "my_curve.h"
#include "show.h"

int main(void)
{
    static const int64_t lengths[2] = { 9, 3 };
    static const double weights[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 8 };
    mr_rng *rng = mr_rng_new(42); /* torch.manual_seed(42) */
    mr_dataset *part[2], *curve = my_curve_new(12);
    mr_random_split(curve, lengths, 2, rng, part);
    mr_dataset_free(curve); /* its parts keep it */
    printf("%lld and %lld points\n", (long long)mr_dataset_len(part[0]), (long long)mr_dataset_len(part[1]));

    mr_loader *loader = mr_loader_new(part[0], rng, &(mr_loader_opts){ .batch_size = 6 });
    mr_loader_set_sampler(loader,
                          mr_weighted_sampler_new(weights, 9, 12, rng, NULL)); /* which the loader frees */

    mr_status s = MR_OK;
    for (int epoch = 0; s >= MR_OK && epoch < 2; epoch++) {
        const mr_batch *batch;
        while ((s = mr_loader_next(loader, &batch)) == MR_OK)
            show_tensor(batch->field[0]);
    }

    mr_loader_free(loader);
    mr_dataset_free(part[0]);
    mr_dataset_free(part[1]);
    mr_rng_free(rng);
    return finish(s);
}
