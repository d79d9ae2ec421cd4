/* The peer of source/sqlite: a loop of one's own around sqlite3_step, which writes the rows of all numbers into batches
 * of float32 and throws them away. peer-sqlite_step FILE prints the milliseconds from opening to the end, and the sum
 * of all values. */
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

enum { COLUMNS = 11, BATCH = 256 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static double sum_of(const float *x, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)x[i];
    return sum;
}

int main(int argc, char **argv)
{
    static float batch[BATCH][COLUMNS];
    double begin = now(), sum = 0;
    sqlite3 *db;
    sqlite3_stmt *rows;
    int n = 0, code;
    if (argc != 2 ||
        sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT * FROM t ORDER BY rowid", -1, &rows, NULL) != SQLITE_OK)
        return 1;
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        for (int i = 0; i < COLUMNS; i++)
            batch[n][i] = (float)sqlite3_column_double(rows, i);
        if (++n == BATCH) {
            sum += sum_of(batch[0], n * COLUMNS);
            n = 0;
        }
    }
    sum += sum_of(batch[0], n * COLUMNS);
    sqlite3_finalize(rows);
    sqlite3_close(db);
    printf("%.2f %.6e\n", now() - begin, sum);
    return code != SQLITE_DONE;
}
