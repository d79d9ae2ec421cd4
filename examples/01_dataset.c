/*
 * Section 3.1: a dataset by index. my_curve.h is the class; this program asks it for its length and for one sample.
 *
 * What a call has made (…_new, mr_dataset_get) is freed by whoever called. A call that fails gives NULL and keeps a
 * message; freeing NULL does nothing, so that the end is the same whatever has happened.
 */
#include "my_curve.h"
#include "show.h"

int main(void)
{
    mr_dataset *ds = my_curve_new(100);
    printf("len = %lld\n", (long long)mr_dataset_len(ds)); /* print("len =", len(ds)) */

    mr_batch *sample = mr_dataset_get(ds, 42);
    mr_status s = show_fields("(", sample, ")\n"); /* print(ds[42]) */

    mr_batch_free(sample);
    mr_dataset_free(ds);
    return finish(s);
}
