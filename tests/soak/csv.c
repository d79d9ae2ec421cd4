/* soak-csv make BYTES writes so many bytes of CSV, or a few more, and what they add up to to stderr; soak-csv read FILE
 * SHARDS WORKERS reads them through a loader, and prints the same, and the peak of its memory in KiB behind it. */
#include <millrace/sources/csv.h>

#include "peak.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 10000, COLUMNS = 8 };

/* Whole numbers below 2^20, so that their sum is exact; then a text with a line break in it, now and then. */
static size_t make_block(char *text, int64_t *sum)
{
    size_t used = 0;
    uint32_t state = 1;
    for (int row = 0; row < BLOCK; row++) {
        for (int i = 0; i < COLUMNS; i++) {
            state = state * 1664525 + 1013904223;
            *sum += state >> 12;
            used += (size_t)sprintf(text + used, "%u,", state >> 12);
        }
        used += (size_t)sprintf(text + used, row % 100 ? "plain\n" : "\"a text,\nin \"\"two\"\" lines\"\n");
    }
    return used;
}

static int make(int64_t bytes)
{
    static char text[BLOCK * 128];
    int64_t sum = 0, blocks = 0;
    const size_t size = make_block(text, &sum);
    fputs("a,b,c,d,e,f,g,h,text\n", stdout);
    for (; bytes > 0; bytes -= (int64_t)size, blocks++)
        if (fwrite(text, 1, size, stdout) != size)
            return 1;
    fprintf(stderr, "%lld %lld\n", (long long)(blocks * BLOCK), (long long)(blocks * sum));
    return fflush(stdout) != 0;
}

static int read_rows(const char *path, int64_t shards, int workers)
{
    const mr_csv_field numbers = { .name = "numbers", .columns = "a:h" };
    mr_dataset *rows = mr_csv_stream_new(path, &numbers, 1, NULL);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(
        rows, rng, &(mr_loader_opts){ .batch_size = 1024, .workers = workers, .shards = shards });
    const mr_batch *batch;
    mr_status s;
    int64_t count = 0;
    double sum = 0;
    while ((s = mr_loader_next(loader, &batch)) == MR_OK) {
        const float *x = mr_tensor_data(batch->field[0]);
        for (int64_t i = 0; i < batch->rows * COLUMNS; i++)
            sum += (double)x[i];
        count += batch->rows;
    }
    if (s < 0)
        fprintf(stderr, "%s\n", mr_error());
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(rows);
    printf("%lld %.0f %ld\n", (long long)count, sum, peak_memory());
    return s < 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(strtoll(argv[2], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "read") == 0)
        return read_rows(argv[2], strtoll(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10));
    return 2;
}
