/* Memory runs out while arrays of NPZ files are opened and read. */
#include <millrace/sources/arrays.h>

#include "files.h"
#include "refuse.h"
#include "row_checks.h"

#define NPZ(name) MR_TEST_DATA "/npz/" name ".npz"

static const char *path_now;

/* All arrays, of which the first sample is read. */
static double all(mr_status *status)
{
    mr_dataset *d = mr_npz_new(path_now, NULL);
    mr_batch *b = d ? mr_dataset_get(d, 1) : NULL;
    const double first = b ? (double)((float *)mr_tensor_data(b->field[0]))[2] : 0;
    *status = b ? MR_OK : mr_error_status();
    mr_error();
    mr_batch_free(b);
    mr_dataset_free(d);
    return first;
}

static double one(mr_status *status)
{
    return sum_of_rows(mr_arrays_new(&(mr_array_file){ .path = path_now, .member = "y" }, 1), status);
}

int main(void)
{
    static const char *const paths[] = { NPZ("savez"), NPZ("savez_compressed") };
    refuse_begin();
    for (int i = 0; i < 2; i++) {
        path_now = paths[i];
        refuse_each("all", all, 20);
        refuse_each("one", one, 15);
    }
    refuse_end();
    return check_report();
}
