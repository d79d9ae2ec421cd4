/*
 * Tar files of gigabytes. `soak-tar make BYTES` writes one to standard output, of samples with a picture and a number,
 * as many as it takes; to standard error how many there are, and the sum of their numbers and of the pictures' sizes.
 * `soak-tar read FILE SHARDS WORKERS` reads one and writes the same, and the most memory that it took, in KiB.
 */
#include <millrace/sources/tar.h>

#include "peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIDDLE = 110000 };

static void put(const char *name, const void *content, size_t size)
{
    static const char zeros[512];
    char head[512] = "";
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    snprintf(head + 100, 8, "%07o", 0644u);
    snprintf(head + 124, 12, "%011zo", size);
    snprintf(head + 136, 12, "%011o", 0u);
    memset(head + 148, ' ', 8);
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    fwrite(head, 1, sizeof head, stdout);
    fwrite(content, 1, size, stdout);
    fwrite(zeros, 1, (512 - size % 512) % 512, stdout);
}

static int make(long long bytes)
{
    static unsigned char picture[2 * MIDDLE];
    long long samples = 0, sum = 0;
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (unsigned char)(i * 2654435761u >> 24);
    while (bytes > 0) {
        char name[32], number[16];
        const size_t size = MIDDLE / 2 + (size_t)(samples * 7919 % MIDDLE);
        snprintf(name, sizeof name, "%08lld.jpg", samples);
        put(name, picture, size);
        snprintf(name, sizeof name, "%08lld.cls", samples);
        put(name, number, (size_t)snprintf(number, sizeof number, "%lld", samples % 1000));
        sum += samples++ % 1000 + (long long)size;
        bytes -= (long long)size + 2048;
    }
    static const char end[1024];
    fwrite(end, 1, sizeof end, stdout);
    fprintf(stderr, "%lld %lld\n", samples, sum);
    return fflush(stdout) != 0;
}

static int read_file(const char *path, int64_t shards, int workers)
{
    const mr_tar_field fields[] = { { .name = "jpg" },
                                    { .name = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 } };
    long long samples = 0, sum = 0;
    mr_dataset *d = mr_tar_stream_new(path, fields, 2, NULL);
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader =
        mr_loader_new(d, rng, &(mr_loader_opts){ .batch_size = 8, .shards = shards, .workers = workers });
    const mr_batch *batch;
    mr_status status;
    while ((status = mr_loader_next(loader, &batch)) == MR_OK) {
        sum += mr_tensor_numel(batch->field[0]);
        samples += batch->rows;
        for (int64_t i = 0; i < batch->rows; i++)
            sum += ((const int64_t *)mr_tensor_data(batch->field[1]))[i];
    }
    if (status < 0)
        fprintf(stderr, "%s\n", mr_error());
    printf("%lld %lld %ld\n", samples, sum, peak_memory());
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(d);
    return status < 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(atoll(argv[2]));
    if (argc == 5 && strcmp(argv[1], "read") == 0)
        return read_file(argv[2], atoll(argv[3]), atoi(argv[4]));
    return 2;
}
