/* Streams of records of one size, windows of tokens, lines and rows of arrays, packed or not. */
#include "fuzz.h"

#include <millrace/sources/arrays.h>
#include <millrace/sources/records.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const mr_field fields[] = { { "n", MR_INT32, { 0 } }, { "ok", MR_BOOL, { 1, { 3 } } } };
    fuzz_file f = fuzz_open(bytes, size);
    fuzz_read_stream(mr_records_stream_new(f.path, fields, 2, &(mr_records_opts){ .skip = 5 }));
    fuzz_read_stream(mr_tokens_stream_new(f.path, 3, &(mr_tokens_opts){ .stride = 2 }));
    fuzz_read_stream(mr_lines_stream_new(f.path, NULL));
    fuzz_read_stream(mr_array_stream_new(&(mr_array_file){ .path = f.path, .name = "x" }));
    fuzz_close(&f);
    return 0;
}
