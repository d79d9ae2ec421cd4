/* CSV: fields that are guessed, all cells as numbers, texts, and streams of both. */
#include "fuzz.h"

#include <millrace/sources/csv.h>

static void keep_quiet(void *user, mr_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const mr_csv_field all = { .name = "all", .columns = "*", .missing = MR_MISSING_NAN };
    const mr_csv_field text = {
        .name = "text", .columns = "#0", .dtype = MR_UINT8, .shape = MR_SHAPE(-1), .missing = MR_MISSING_FILL
    };
    const mr_csv_opts opts[] = { { 0 },
                                 { .delimiter = ';', .quote = '\'', .comment = '#', .no_header = true } };
    mr_set_log_hook(keep_quiet, NULL);
    fuzz_file f = fuzz_open(bytes, size);
    for (int i = 0; i < 2; i++) {
        fuzz_read(mr_csv_new(f.path, NULL, 0, &opts[i]));
        fuzz_read(mr_csv_new(f.path, &all, 1, &opts[i]));
        fuzz_read(mr_csv_new(f.path, &text, 1, &opts[i]));
        fuzz_read_stream(mr_csv_stream_new(f.path, i ? &all : NULL, i, &opts[i]));
    }
    fuzz_close(&f);
    return 0;
}
