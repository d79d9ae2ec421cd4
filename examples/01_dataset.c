/* A dataset by index: how many samples, and one of them (my_curve.h says what it is). */
#include "my_curve.h"
#include "show.h"

int main(void)
{
    mr_dataset *ds = my_curve_new(100);
    mr_batch *sample = mr_dataset_get(ds, 42);
    mr_status s = sample ? MR_OK : mr_error_status();
    if (s == MR_OK) {
        printf("len = %lld\n", (long long)mr_dataset_len(ds));
        show_fields("(", sample, ")\n");
    }
    mr_batch_free(sample);
    mr_dataset_free(ds);
    return finish(s);
}
