/* Files that are databases of SQLite, or nearly: a table and a query, all columns and some. */
#include "fuzz.h"

#include <millrace/sources/sqlite.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const words[] = { "a", "b" };
    const mr_table_field some[] = {
        { .name = "n", .dtype = MR_INT16, .missing = MR_MISSING_SKIP },
        { .name = "x", .columns = "n,x", .missing = MR_MISSING_NAN },
        { .name = "w", .words = words, .word_count = 2, .missing = MR_MISSING_FILL },
        { .name = "b", .dtype = MR_INT32, .shape = MR_SHAPE(-1), .missing = MR_MISSING_FILL },
    };
    fuzz_file f = fuzz_open(bytes, size);
    fuzz_read(mr_sqlite_new(f.path, "t", NULL, 0));
    fuzz_read(mr_sqlite_new(f.path, "t", some, 4));
    fuzz_read_stream(mr_sqlite_stream_new(f.path, "SELECT * FROM t WHERE rowid < 100", NULL, 0));
    fuzz_read_stream(mr_sqlite_stream_new(f.path, "SELECT * FROM t LIMIT 100", some, 4));
    fuzz_close(&f);
    return 0;
}
