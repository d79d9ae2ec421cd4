/* Where lines end by wide instructions, and the index that is made so: rows of a file with quotes, blank lines and all else. */
#include "check.h"
#include "files.h"

#include "sources/cpu.h"
#include "sources/files/line_ends.h"

#include <millrace/random.h>
#include <millrace/sources/csv.h>

/* ---- places ---- */

static void test_places(void)
{
    char text[64];
    uint64_t ends;
    mr_random random = mr_random_at(22, 0, 0);
    for (int i = 0; mr__has_avx2() && i < 1000; i++) {
        uint64_t expected = 0;
        bool quote = false;
        for (int k = 0; k < 64; k++) {
            text[k] = mr_random_below(&random, 1 + i % 30)
                          ? 'x'
                          : "ab\n\""[mr_random_below(&random, i % 2 ? 3 : 4)];
            expected |= (uint64_t)(text[k] == '\n') << k;
            quote = quote || text[k] == '"';
        }
        CHECK(mr__line_ends_avx2(text, '"', &ends) == !quote && ends == expected);
    }
}

/* ---- rows ---- */

enum { ROWS = 900, COLUMNS = 7 };

static double expected[ROWS][COLUMNS];

/* A file of numbers of many kinds, now and then in quotes, with line breaks of both kinds and blank lines. */
static size_t make_file(char *text, mr_random *random)
{
    char *at = text + sprintf(text, "a,b,c,d,e,f,g\n");
    for (int row = 0; row < ROWS; row++) {
        const bool quotes = mr_random_below(random, 40) == 0, windows = mr_random_below(random, 9) == 0;
        for (int i = 0; i < COLUMNS; i++) {
            char cell[64];
            const int64_t kind = mr_random_below(random, 30);
            const double x = mr_random_normal(random);
            sprintf(cell,
                    kind == 0   ? "%.17g"
                    : kind == 1 ? "%e"
                    : kind == 2 ? " %.3f"
                    : kind < 6  ? "%.0f"
                                : "%.6f",
                    x * (kind == 3 ? 1e9 : 1));
            expected[row][i] = strtod(cell, NULL);
            at += sprintf(at, quotes && i % 2 ? "\"%s\"" : "%s", cell);
            if (i + 1 < COLUMNS)
                *at++ = ',';
        }
        if (row + 1 < ROWS)
            at += sprintf(at, windows ? "\r\n" : "\n");
        if (row + 1 < ROWS && mr_random_below(random, 25) == 0)
            at += sprintf(at, mr_random_below(random, 2) ? "\n" : "\r\n");
    }
    return (size_t)(at - text);
}

static void check_rows(mr_dataset *d)
{
    CHECK_EQ_I64(mr_dataset_len(d), ROWS);
    int wrong = 0;
    for (int64_t row = 0; row < ROWS && row < mr_dataset_len(d); row++) {
        mr_batch *b = mr_dataset_get(d, row);
        wrong += !b || memcmp(mr_tensor_data(b->field[0]), expected[row], sizeof *expected) != 0;
        mr_batch_free(b);
    }
    CHECK_EQ_I64(wrong, 0);
}

static void test_rows(void)
{
    const mr_csv_field all = { .name = "all", .columns = "*", .dtype = MR_FLOAT64 };
    char *text = malloc(ROWS * COLUMNS * 40);
    mr_random random = mr_random_at(23, 0, 0);
    for (int i = 0; i < 5; i++) {
        const size_t size = make_file(text, &random);
        file_put(in_folder("rows.csv"), text, size);
        mr_dataset *d = mr_csv_new(in_folder("rows.csv"), &all, 1, NULL);
        if (!CHECK(d != NULL))
            printf("    %s\n", mr_error());
        check_rows(d);
        mr_dataset_free(d);
    }
    free(text);
}

/* Rows with a cell too few or too many are named, however long they are. */
static void test_counts(void)
{
    const mr_csv_field all = { .name = "all", .columns = "*" };
    char text[4000];
    for (int columns = 2; columns < 60; columns += 7)
        for (int more = -1; more <= 1; more += 2) {
            char *at = text, message[100];
            for (int row = 0; row < 3; row++)
                for (int i = 0, n = row == 2 ? columns + more : columns; i < n; i++)
                    at += sprintf(at, i + 1 < n ? "%d.25," : "%d.25\n", row * 100 + i);
            file_put(in_folder("counts.csv"), text, (size_t)(at - text));
            mr_dataset *d = mr_csv_new(in_folder("counts.csv"), &all, 1, &(mr_csv_opts){ .no_header = true });
            mr_batch *b = mr_dataset_get(d, 1);
            CHECK(b &&
                  ((float *)mr_tensor_data(b->field[0]))[columns - 1] == (float)(100 + columns - 1) + 0.25F);
            mr_batch_free(b);
            CHECK(mr_dataset_get(d, 2) == NULL);
            snprintf(message, sizeof message, "line 3 has %d cells, not %d", columns + more, columns);
            if (!CHECK(strstr(mr_error(), message) != NULL))
                printf("    %s\n", mr_error());
            mr_dataset_free(d);
        }
}

/* A delimiter that is a part of numbers. */
static void test_odd_delimiter(void)
{
    const mr_csv_field all = { .name = "all", .columns = "*" };
    file_put(in_folder("odd.csv"), "a-b-c\n1-2.5-3\n", 14);
    mr_dataset *d = mr_csv_new(in_folder("odd.csv"), &all, 1, &(mr_csv_opts){ .delimiter = '-' });
    mr_batch *b = mr_dataset_get(d, 0);
    if (CHECK(b != NULL))
        CHECK(memcmp(mr_tensor_data(b->field[0]), (float[]){ 1, 2.5F, 3 }, 12) == 0);
    mr_batch_free(b);
    mr_dataset_free(d);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_places);
    RUN(test_rows);
    RUN(test_counts);
    RUN(test_odd_delimiter);
    return files_report();
}
