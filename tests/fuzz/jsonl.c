/* JSON lines: numbers, words, arrays, texts, keys inside of objects; by row, and as a stream. */
#include "fuzz.h"

#include <millrace/sources/jsonl.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const words[] = { "a", "b" };
    const mr_jsonl_field fields[] = {
        { .name = "x", .missing = MR_MISSING_NAN },
        { .name = "n", .dtype = MR_INT64, .missing = MR_MISSING_FILL, .key = "o.n" },
        { .name = "v", .shape = MR_SHAPE(2, 2), .missing = MR_MISSING_FILL },
        { .name = "t", .dtype = MR_UINT8, .shape = MR_SHAPE(-1), .missing = MR_MISSING_FILL },
        { .name = "l", .shape = MR_SHAPE(-1, 2), .missing = MR_MISSING_NAN },
        { .name = "w", .words = words, .word_count = 2, .missing = MR_MISSING_SKIP },
    };
    fuzz_file f = fuzz_open(bytes, size);
    fuzz_read(mr_jsonl_new(f.path, fields, 6, NULL));
    fuzz_read_stream(mr_jsonl_stream_new(f.path, fields, 5, NULL));
    fuzz_close(&f);
    return 0;
}
