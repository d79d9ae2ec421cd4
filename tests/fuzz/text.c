/* Text by characters and by bytes, and files of tokens by their number. */
#include "fuzz.h"

#include <millrace/sources/arrays.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const mr_dtype dtypes[] = { MR_UINT8, MR_UINT16, MR_INT32, MR_INT64 };
    fuzz_file f = fuzz_open(bytes, size);
    for (int i = 0; i < 2; i++) {
        const uint32_t *points;
        mr_dataset *text = mr_text_new(f.path, 2, &(mr_text_opts){ .characters = i, .stride = 1 });
        const int64_t characters = text ? mr_text_characters(text, &points) : 0;
        for (int64_t c = 1; i && c < characters; c++)
            if (points[c] <= points[c - 1])
                abort();
        fuzz_read(text);
    }
    for (int i = 0; i < 4; i++)
        fuzz_read(mr_tokens_new(f.path, 3, &(mr_tokens_opts){ .dtype = dtypes[i], .skip = i, .stride = 2 }));
    fuzz_close(&f);
    return 0;
}
