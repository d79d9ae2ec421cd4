/* Reads a CSV file of numbers into batches of float32 and throws them away: bench-source_csv FILE prints the milliseconds from
 * opening to the end, and the sum of all cells. bench-source_csv FILE --make writes the file: 500,000 rows of 10 numbers with
 * six places and one of one digit, 48 MB. */
#include <millrace/sources/csv.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int make(const char *path)
{
    FILE *file = fopen(path, "w");
    mr_rng *rng = mr_rng_new(1);
    if (!file)
        return 1;
    fputs("x0,x1,x2,x3,x4,x5,x6,x7,x8,x9,y\n", file);
    for (int row = 0; row < 500000; row++) {
        for (int i = 0; i < 10; i++)
            fprintf(file, "%.6f,", mr_rng_normal(rng));
        fprintf(file, "%d\n", row % 10);
    }
    mr_rng_free(rng);
    return fclose(file) != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[2], "--make") == 0)
        return make(argv[1]);
    if (argc != 2)
        return 2;
    double begin = now(), sum = 0;
    mr_dataset *rows = mr_csv_new(argv[1], &(mr_csv_field){ .name = "all", .columns = "*" }, 1, NULL);
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(rows, rng, &(mr_loader_opts){ .batch_size = 4096, .workers = 2 });
    const mr_batch *batch;
    mr_status status;
    while ((status = mr_loader_next(loader, &batch)) == MR_OK) {
        const float *x = mr_tensor_data(batch->field[0]);
        for (int64_t i = 0; i < batch->rows * 11; i++)
            sum += (double)x[i];
    }
    if (status < 0)
        fprintf(stderr, "%s\n", mr_error());
    printf("%.2f %.6e\n", now() - begin, sum);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(rows);
    return status < 0;
}
