/* Reads samples of a tar file into batches and throws them away: bench-source_tar FILE prints the milliseconds from
 * opening to the end, and the sum of the labels and of all contents' sizes. bench-source_tar FILE --make writes the
 * file: 4,000 samples, a picture of about 110 KB, as ImageNet's are, and a label of each; 450 MB. One that is packed,
 * .gz or .zst, has 1,000 samples, and text for pictures. */
#include <millrace/random.h>
#include <millrace/sources/tar.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 4000, PACKED = 1000, MIDDLE = 110000, WORDS = 4096 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- making: random bytes, since a picture has no others, or words ---- */

static unsigned char picture[2 * MIDDLE];
static char word[WORDS][12];

static bool is_packed(const char *path)
{
    const char *point = strrchr(path, '.');
    return point && (strcmp(point, ".gz") == 0 || strcmp(point, ".zst") == 0);
}

static void make_contents(void)
{
    mr_random random = mr_random_at(2, 0, 0);
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (unsigned char)mr_random_u64(&random);
    for (int i = 0; i < WORDS; i++) {
        const int length = 2 + (int)mr_random_below(&random, 8);
        for (int j = 0; j < length; j++)
            word[i][j] = (char)('a' + mr_random_below(&random, 26));
        word[i][length] = ' ';
    }
}

/* Some words come more often than others. */
static void write_words(mr_random *random, char *to, int64_t size)
{
    while (size > 0) {
        const int64_t most = 1 + mr_random_below(random, WORDS);
        const char *from = word[mr_random_below(random, most)];
        const int64_t length = (int64_t)strlen(from), fit = length < size ? length : size;
        memcpy(to, from, (size_t)fit);
        to += fit;
        size -= fit;
    }
}

static int64_t len(void *self)
{
    return *(bool *)self ? PACKED : SAMPLES;
}

static mr_status get(void *self, int64_t index, const mr_sample *sample)
{
    mr_random random = mr_random_at(1, 0, index);
    const int64_t size = MIDDLE / 2 + mr_random_below(&random, MIDDLE);
    void *bytes = mr_ragged_resize(sample->field[0], size);
    if (!bytes)
        return mr_error_status();
    if (*(bool *)self)
        write_words(&random, bytes, size);
    else
        memcpy(bytes, picture, (size_t)size);
    *(int64_t *)sample->field[1] = index % 1000;
    return MR_OK;
}

static int make(const char *path)
{
    static const mr_dataset_vtable vtable = { .len = len, .get = get };
    static const mr_field fields[] = { { "jpg", MR_UINT8, { 1, { -1 } } }, { "cls", MR_INT64, { 0 } } };
    const mr_tar_out members[] = { { .field = "jpg" }, { .field = "cls", .content = MR_MEMBER_TEXT } };
    char pattern[4096], first[4096];
    const bool packed = is_packed(path);
    const char *suffix = packed ? strrchr(path, '.') : "";
    make_contents();
    snprintf(pattern, sizeof pattern, "%s.#%s", path, suffix);
    snprintf(first, sizeof first, "%s.0%s", path, suffix);
    mr_dataset *samples = mr_dataset_new(&vtable, &packed, sizeof packed, fields, 2);
    const mr_status status =
        mr_tar_write(samples, pattern, members, 2, &(mr_tar_write_opts){ .bytes = INT64_C(1) << 40 });
    mr_dataset_free(samples);
    if (status < 0)
        fprintf(stderr, "%s\n", mr_error());
    return status < 0 || rename(first, path) != 0;
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
