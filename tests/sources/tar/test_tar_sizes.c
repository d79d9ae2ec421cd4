/* Members of sizes around those at which they are read in another way, with members between them that nobody wants. */
#include <millrace/sources/tar.h>

#include "check.h"
#include "files.h"
#include "tar_fixture.h"

#include <stdlib.h>
#include <zlib.h>

static const int64_t middle[] = { 0, 512, 8192, 16384, 32768, 131072, 262144, 524288, 1 << 20 };
enum {
    MIDDLES = sizeof middle / sizeof *middle,
    AROUND = 3,
    SAMPLES = MIDDLES * AROUND * 2,
    LARGEST = 1 << 21
};

static int64_t size_of(int64_t sample)
{
    const int64_t size = middle[sample % MIDDLES] + sample / MIDDLES % AROUND - 1;
    return size < 0 ? 0 : size;
}

/* Each byte depends on the sample and on its place. */
static const char *content_of(int64_t sample)
{
    static char content[LARGEST];
    for (int64_t i = 0; i < size_of(sample); i++)
        content[i] = (char)(sample * 37 + i * 7 + (i >> 8));
    return content;
}

static void make_plain(const char *path)
{
    FILE *file = fopen(path, "wb");
    for (int64_t i = 0; i < SAMPLES; i++) {
        char name[40];
        snprintf(name, sizeof name, "%03d.bin", (int)i);
        put_member(file, name, content_of(i), (size_t)size_of(i));
        snprintf(name, sizeof name, "%03d.not", (int)i);
        if (i % 2)
            put_member(file, name, content_of(i * 5 % SAMPLES), (size_t)size_of(i * 5 % SAMPLES));
        snprintf(name, sizeof name, "%03d.n", (int)i);
        char number[20];
        snprintf(number, sizeof number, "%d", (int)i);
        put_text(file, name, number);
    }
    put_end(file);
}

static void pack(const char *from, const char *to)
{
    static char bytes[1 << 16];
    FILE *in = fopen(from, "rb");
    gzFile out = gzopen(to, "wb1");
    size_t n;
    while ((n = fread(bytes, 1, sizeof bytes, in)) > 0)
        gzwrite(out, bytes, (unsigned)n);
    fclose(in);
    CHECK(gzclose(out) == Z_OK);
}

/* All samples in batches of so many: in one of them a sample has less room behind it. */
static void check_read(const char *path, int64_t batch_size, int workers)
{
    const mr_tar_field fields[] = { { .name = "bin" },
                                    { .name = "n", .content = MR_MEMBER_TEXT, .dtype = MR_INT64 } };
    mr_dataset *samples = mr_tar_stream_new(path, fields, 2, NULL);
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(
        samples, rng, &(mr_loader_opts){ .batch_size = batch_size, .shards = 1, .workers = workers });
    const mr_batch *b;
    int64_t sample = 0;
    mr_status status;
    while ((status = mr_loader_next(loader, &b)) == MR_OK) {
        const char *at = mr_tensor_data(b->field[0]);
        const int64_t *offset = mr_tensor_data(b->field[2]), *n = mr_tensor_data(b->field[1]);
        for (int64_t i = 0; i < b->rows; i++, sample++) {
            CHECK_EQ_I64(n[i], sample);
            CHECK_EQ_I64(offset[i + 1] - offset[i], size_of(sample));
            CHECK(memcmp(at + offset[i], content_of(sample), (size_t)size_of(sample)) == 0);
        }
    }
    CHECK_EQ_I64(status, MR_END);
    CHECK_EQ_I64(sample, SAMPLES);
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(samples);
}

static void test_sizes(void)
{
    char plain[512], packed[512];
    snprintf(plain, sizeof plain, "%s", in_folder("sizes.tar"));
    snprintf(packed, sizeof packed, "%s", in_folder("sizes.tar.gz"));
    make_plain(plain);
    pack(plain, packed);
    check_read(plain, 1, 0);
    check_read(plain, 7, 0);
    check_read(plain, 16, 1);
    check_read(packed, 7, 0);
    check_read(packed, 16, 1);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_sizes);
    return files_report();
}
