/* Reads samples of a tar file into batches and throws them away: bench-source_tar FILE prints the milliseconds from opening to the
 * end, and the sum of the labels and of all pictures' sizes. bench-source_tar FILE --make writes the file: 4,000 samples, a
 * picture of about 110 KB, as ImageNet's are, and a label of each; 450 MB. */
#include <millrace/sources/tar.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 4000, MIDDLE = 110000 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void put(FILE *file, const char *name, const void *content, size_t size)
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
    fwrite(head, 1, sizeof head, file);
    fwrite(content, 1, size, file);
    fwrite(zeros, 1, (512 - size % 512) % 512, file);
}

static int make(const char *path)
{
    static unsigned char picture[2 * MIDDLE];
    FILE *file = fopen(path, "w");
    mr_rng *rng = mr_rng_new(1);
    if (!file)
        return 1;
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (unsigned char)mr_rng_u32(rng);
    for (int i = 0; i < SAMPLES; i++) {
        char name[32], label[16];
        snprintf(name, sizeof name, "%06d.jpg", i);
        put(file, name, picture, MIDDLE / 2 + mr_rng_u32(rng) % MIDDLE);
        snprintf(name, sizeof name, "%06d.cls", i);
        put(file, name, label, (size_t)snprintf(label, sizeof label, "%d", i % 1000));
    }
    memset(picture, 0, 1024);
    fwrite(picture, 1, 1024, file);
    mr_rng_free(rng);
    return fclose(file) != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[2], "--make") == 0)
        return make(argv[1]);
    if (argc != 2)
        return 2;
    const mr_tar_field fields[] = { { .name = "jpg" },
                                    { .name = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 } };
    double begin = now();
    long long labels = 0, bytes = 0;
    mr_dataset *samples = mr_tar_stream_new(argv[1], fields, 2, NULL);
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(samples, rng, &(mr_loader_opts){ .batch_size = 32 });
    const mr_batch *batch;
    mr_status status;
    while ((status = mr_loader_next(loader, &batch)) == MR_OK) {
        bytes += mr_tensor_numel(batch->field[0]);
        for (int64_t i = 0; i < batch->rows; i++)
            labels += ((const int64_t *)mr_tensor_data(batch->field[1]))[i];
    }
    if (status < 0)
        fprintf(stderr, "%s\n", mr_error());
    printf("%.2f %lld,%lld\n", now() - begin, labels, bytes);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(samples);
    return status < 0;
}
