/* NPY and IDX, plain and packed: by row, and as a stream. */
#include "fuzz.h"

#include <millrace/sources/arrays.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_file f = fuzz_open(bytes, size);
    fuzz_read(mr_arrays_new(&(mr_array_file){ .path = f.path, .name = "x" }, 1));
    fuzz_read_stream(mr_array_stream_new(&(mr_array_file){ .path = f.path, .name = "x" }));
    fuzz_close(&f);
    return 0;
}
