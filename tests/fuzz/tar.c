/* Tar files of samples: bytes, numbers, JSON, raw elements; as one part, and cut into three. */
#include "fuzz.h"

#include <millrace/sources/tar.h>

static void read_shards(mr_dataset *samples)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(
        samples, rng, &(mr_loader_opts){ .batch_size = 2, .shards = 3, .on_bad_sample = MR_BAD_SKIP });
    const mr_batch *batch;
    for (int i = 0; loader && i < 30 && mr_loader_next(loader, &batch) == MR_OK; i++)
        ;
    mr_error_clear();
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(samples);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const mr_tar_field fields[] = {
        { .name = "key", .extension = "__key__" },
        { .name = "bin", .extension = "bin,seg.bin", .missing = MR_MISSING_FILL },
        { .name = "cls", .content = MR_MEMBER_TEXT, .dtype = MR_INT32, .missing = MR_MISSING_FILL },
        { .name = "n", .extension = "json", .content = MR_MEMBER_JSON, .missing = MR_MISSING_NAN },
        { .name = "raw",
          .extension = "cls",
          .content = MR_MEMBER_RAW,
          .dtype = MR_UINT8,
          .shape = MR_SHAPE(2),
          .missing = MR_MISSING_FILL },
    };
    const mr_tar_opts opts = { .max_member = 1 << 20 }, little = { .max_member = 1 << 20, .max_held = 5000 };
    fuzz_file f = fuzz_open(bytes, size);
    fuzz_read_stream(mr_tar_stream_new(f.path, fields, 4, &opts));
    fuzz_read_stream(mr_tar_stream_new(f.path, fields, 5, &opts));
    read_shards(mr_tar_stream_new(f.path, fields, 3, &opts));
    read_shards(mr_tar_stream_new(f.path, fields, 5, &little));
    fuzz_close(&f);
    return 0;
}
