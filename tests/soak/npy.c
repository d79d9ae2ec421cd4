/* soak-npy FILE GIGABYTES makes a sparse NPY file of that size, opens it, and reads a hundred rows from everywhere: it
 * prints the seconds until the first is there, and the peak of its memory in KiB. */
#include <millrace/samplers.h>
#include <millrace/sources/arrays.h>

#include "peak.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROW = 1024, HEADER = 128 };

/* Rows of 1,024 float32. */
static int make(const char *path, int64_t rows)
{
    char head[HEADER + 1];
    FILE *file = fopen(path, "wb");
    if (!file)
        return 1;
    int length =
        snprintf(head, sizeof head,
                 "\x93NUMPY\x01%c\x76%c{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %d), }", 0, 0,
                 (long long)rows, ROW);
    memset(head + length, ' ', (size_t)(HEADER - length));
    head[HEADER - 1] = '\n';
    const float last = 7;
    const long long end = HEADER + (long long)rows * ROW * (long long)sizeof last;
    int failed = fwrite(head, 1, HEADER, file) != HEADER ||
                 fseeko(file, end - (long long)sizeof last, SEEK_SET) != 0 ||
                 fwrite(&last, sizeof last, 1, file) != 1;
    return fclose(file) != 0 || failed;
}

int main(int argc, char **argv)
{
    const int64_t rows = argc == 3 ? strtoll(argv[2], NULL, 10) * (1 << 18) : 0;
    if (rows <= 0 || make(argv[1], rows) != 0)
        return 2;
    double begin = seconds_now(), first = 0;
    mr_dataset *array = mr_arrays_new(&(mr_array_file){ .path = argv[1], .name = "x" }, 1);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(array, rng, &(mr_loader_opts){ .batch_size = 1 });
    mr_loader_set_sampler(loader, mr_permutation_sampler_new(rows, 1));
    const mr_batch *batch;
    mr_status s = MR_OK;
    for (int i = 0; s == MR_OK && i < 100; i++) {
        s = mr_loader_next(loader, &batch);
        first = i ? first : seconds_now() - begin;
    }
    mr_batch *end = s == MR_OK ? mr_dataset_get(array, rows - 1) : NULL;
    const bool right = end && ((const float *)mr_tensor_data(end->field[0]))[ROW - 1] == 7;
    if (!right)
        fprintf(stderr, "%s\n", s < 0 ? mr_error() : "the last element is another one");
    printf("%.3f %ld\n", first, peak_memory());
    mr_batch_free(end);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(array);
    return !right;
}
