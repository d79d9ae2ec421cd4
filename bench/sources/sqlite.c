/* Reads the rows of a query of SQLite into batches of float32 and throws them away: bench-source_sqlite FILE prints the
 * milliseconds from opening to the end, and the sum of all values. bench-source_sqlite FILE --make writes the file:
 * 500,000 rows of 10 numbers and a digit, 50 MB. */
#include <millrace/sources/sqlite.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 500000, COLUMNS = 11 };

#define NAMES "x0,x1,x2,x3,x4,x5,x6,x7,x8,x9,y"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int make(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *insert;
    mr_rng *rng = mr_rng_new(1);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "CREATE TABLE t (" NAMES "); BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?,?,?,?,?,?,?,?,?,?,?)", -1, &insert, NULL) !=
            SQLITE_OK)
        return 1;
    for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < COLUMNS - 1; i++)
            sqlite3_bind_double(insert, i + 1, mr_rng_normal(rng));
        sqlite3_bind_int(insert, COLUMNS, row % 10);
        sqlite3_step(insert);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    mr_rng_free(rng);
    return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK || sqlite3_close(db) != SQLITE_OK;
}

static mr_status read_all(const char *path, double *sum)
{
    double sums[COLUMNS] = { 0 };
    const mr_table_field all = { .name = "all", .columns = NAMES };
    mr_dataset *rows = mr_sqlite_stream_new(path, "SELECT * FROM t ORDER BY rowid", &all, 1);
    mr_rng *rng = mr_rng_new(0);
    mr_loader *loader = mr_loader_new(rows, rng, &(mr_loader_opts){ .batch_size = 256 });
    const mr_batch *batch;
    mr_status status;
    while ((status = mr_loader_next(loader, &batch)) == MR_OK) {
        const float(*x)[COLUMNS] = mr_tensor_data(batch->field[0]);
        for (int64_t row = 0; row < batch->rows; row++)
            for (int i = 0; i < COLUMNS; i++)
                sums[i] += (double)x[row][i];
    }
    for (int i = 0; i < COLUMNS; i++)
        *sum += sums[i];
    mr_loader_free(loader);
    mr_rng_free(rng);
    mr_dataset_free(rows);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[2], "--make") == 0)
        return make(argv[1]);
    if (argc != 2)
        return 2;
    double begin = now(), sum = 0;
    mr_status status = read_all(argv[1], &sum);
    if (status < 0)
        fprintf(stderr, "%s\n", mr_error());
    printf("%.2f %.6e\n", now() - begin, sum);
    return status < 0;
}
