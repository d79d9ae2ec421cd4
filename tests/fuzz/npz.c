/* NPZ: a dataset of all arrays. */
#include "fuzz.h"

#include <millrace/sources/arrays.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_file f = fuzz_open(bytes, size);
    fuzz_read(mr_npz_new(f.path, NULL));
    fuzz_close(&f);
    return 0;
}
