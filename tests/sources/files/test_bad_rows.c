/* Files with many bad rows, by number: each is named by its line, in whatever order and by however many threads, and in
 * time that grows as the file does. */
#include <millrace/millrace.h>
#include <millrace/sources/csv.h>
#include <millrace/sources/jsonl.h>

#include "check.h"
#include "files.h"

#include "sources/files/line_table.h"

#include <time.h>

enum { ROWS = 400000, EACH = 10 }; /* of which one is bad */

static void make(const char *name, const char *head, const char *good, const char *bad)
{
    FILE *file = fopen(in_folder(name), "w");
    fputs(head, file);
    for (int i = 0; i < ROWS; i++)
        fputs(i % EACH == 0 ? bad : good, file);
    CHECK(fclose(file) == 0);
}

/* An epoch without the bad rows; of those that are listed, the lines are looked at. */
static void check_epoch(mr_dataset *d, int workers, bool shuffle, int first_line)
{
    mr_rng *rng = mr_rng_new(1);
    mr_loader *loader = mr_loader_new(
        d, rng,
        &(mr_loader_opts){
            .batch_size = 256, .workers = workers, .shuffle = shuffle, .on_bad_sample = MR_BAD_SKIP });
    const mr_batch *b;
    const mr_bad_sample *bad = NULL;
    int64_t rows = 0, listed = 0;
    mr_status s;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        rows += b->rows;
    CHECK_EQ_I64(s, MR_END);
    CHECK_EQ_I64(rows, ROWS - ROWS / EACH);
    CHECK_EQ_I64(mr_loader_bad_samples(loader, &bad, &listed), ROWS / EACH);
    CHECK(listed > 100);
    for (int64_t i = 0; i < listed; i++) {
        char line[40];
        snprintf(line, sizeof line, "': line %lld, ", (long long)bad[i].index + first_line);
        if (!CHECK(strstr(bad[i].message, line) != NULL))
            printf("    %s\n", bad[i].message);
    }
    mr_loader_free(loader);
    mr_rng_free(rng);
}

static void check_file(mr_dataset *d, int first_line)
{
    const clock_t before = clock();
    check_epoch(d, 0, false, first_line);
    check_epoch(d, 3, true, first_line);
    const double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
    if (!CHECK(seconds < 40)) /* a few; where lines are counted from the front, minutes for each epoch */
        printf("    %.1f s of the processors\n", seconds);
    mr_dataset_free(d);
}

static void test_csv(void)
{
    make("a.csv", "x,y\n", "1,2\n", "1,z\n");
    check_file(mr_csv_new(in_folder("a.csv"), (mr_csv_field[]){ { .name = "x" }, { .name = "y" } }, 2, NULL),
               2);
}

static void test_jsonl(void)
{
    make("a.jsonl", "", "{\"x\":1}\n", "{\"x\":{}}\n");
    check_file(mr_jsonl_new(in_folder("a.jsonl"), &(mr_jsonl_field){ .name = "x" }, 1, NULL), 1);
}

/* Beside counting. */
static void test_lines(void)
{
    enum { BYTES = 100000 };
    char *bytes = malloc(BYTES);
    uint32_t state = 1;
    for (int i = 0; i < BYTES; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = state >> 28 ? 'x' : '\n';
    }
    mr__line_table table;
    mr__line_table_init(&table);
    for (int k = 0; k < 200; k++) {
        state = state * 1664525 + 1013904223;
        const size_t at = k ? state % (BYTES + 1) : 70000;
        int64_t line = 1;
        for (size_t i = 0; i < at; i++)
            line += bytes[i] == '\n';
        CHECK_EQ_I64(mr__line_of(&table, bytes, at), line);
    }
    mr__line_table_free(&table);
    free(bytes);
}

int main(void)
{
    if (!files_begin_in_memory())
        return 1;
    RUN(test_lines);
    RUN(test_csv);
    RUN(test_jsonl);
    return files_report();
}
