/*
 * What the loader costs for a sample, without a model: `bench-loader WORK` prints nanoseconds, the best of several rounds in
 * turn: without workers, with two, and (of rows) gathered by a bare memcpy in the same order.
 *
 *   rows    60,000 rows of 784 floats in memory, shuffled, batches of 32
 *   curve   1,024 points, each computed when it is asked for, 3x + sin(6x) + 1
 *   heavy   1,024 samples of some 20 microseconds
 *
 *   bench-loader WORK --order   a number that hangs on the order and the values of two epochs
 */
#include <millrace/millrace.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 60000, COLUMNS = 784, POINTS = 1024, BATCH = 32, ROUNDS = 7 };

static double nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "bench-loader: %s\n", why);
    exit(1);
}

/* ---- the datasets ---- */

static int64_t points_len(void *self)
{
    (void)self;
    return POINTS;
}

static mr_status curve_get(void *self, int64_t i, const mr_sample *s)
{
    (void)self;
    float x = (float)i / (float)(POINTS - 1);
    *(float *)s->field[0] = x;
    *(float *)s->field[1] = 3 * x + sinf(6 * x) + 1;
    return MR_OK;
}

static mr_status heavy_get(void *self, int64_t i, const mr_sample *s)
{
    (void)self;
    float x = (float)i / (float)(POINTS - 1), sum = 0;
    for (int k = 1; k <= 2000; k++)
        sum += sinf(x * (float)k);
    *(float *)s->field[0] = x;
    *(float *)s->field[1] = sum;
    return MR_OK;
}

static const mr_dataset_vtable curve_vtable = { .len = points_len, .get = curve_get };
static const mr_dataset_vtable heavy_vtable = { .len = points_len, .get = heavy_get };
static const mr_field point_fields[] = { { .name = "x" }, { .name = "y" } };

/* Row i is i, i + 1, … */
static mr_tensor *make_rows(void)
{
    mr_tensor *x = mr_tensor_zeros(MR_FLOAT32, MR_SHAPE(ROWS, COLUMNS));
    float *data = mr_tensor_data(x);
    for (int64_t i = 0; data && i < ROWS; i++)
        for (int64_t j = 0; j < COLUMNS; j++)
            data[i * COLUMNS + j] = (float)(i + j);
    return x;
}

/* ---- what is measured ---- */

static double epoch(mr_loader *loader)
{
    const mr_batch *b;
    mr_status s;
    double begin = nanoseconds(), samples = 0;
    while ((s = mr_loader_next(loader, &b)) == MR_OK)
        samples += (double)b->rows;
    if (s < 0)
        fail(mr_error());
    return (nanoseconds() - begin) / samples;
}

/* An epoch of the same order, batch by batch into two buffers in turn: draws, indices and copying, and nothing else. */
static double gather(const float *rows, mr_rng *rng)
{
    static int64_t order[ROWS];
    static float batch[2][BATCH * COLUMNS];
    double begin = nanoseconds();
    mr_rng_permutation(rng, order, ROWS);
    for (int64_t i = 0; i < ROWS; i++) {
        float *to = &batch[i / BATCH % 2][i % BATCH * COLUMNS];
        memcpy(to, rows + order[i] * COLUMNS, COLUMNS * sizeof *to);
        __asm__ volatile("" : : "r"(to) : "memory"); /* or the compiler leaves out what nobody reads */
    }
    return (nanoseconds() - begin) / ROWS;
}

static double sum_of_order(mr_loader *loader)
{
    double sum = 0, position = 0;
    for (int e = 0; e < 2; e++) {
        const mr_batch *b;
        while (mr_loader_next(loader, &b) == MR_OK) {
            const mr_tensor *last = b->field[b->field_count - 1];
            const float *data = mr_tensor_data((mr_tensor *)(uintptr_t)last);
            int64_t columns = mr_tensor_numel(last) / b->rows;
            for (int64_t i = 0; i < b->rows; i++)
                sum += fmod(position++, 1000) * (double)data[i * columns + columns - 1];
        }
    }
    return sum;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

int main(int argc, char **argv)
{
    const char *work = argc > 1 ? argv[1] : "";
    const bool rows = strcmp(work, "rows") == 0, heavy = strcmp(work, "heavy") == 0;
    if (argc > 3 || (argc == 3 && strcmp(argv[2], "--order") != 0) ||
        !(rows || heavy || strcmp(work, "curve") == 0)) {
        fprintf(stderr, "usage: bench-loader rows|curve|heavy [--order]\n");
        return 2;
    }
    mr_tensor *x = rows ? make_rows() : NULL;
    mr_dataset *data = rows ? mr_dataset_from_tensors(&x, NULL, 1)
                            : mr_dataset_new(heavy ? &heavy_vtable : &curve_vtable, NULL, 0, point_fields, 2);
    mr_rng *rng = mr_rng_new(42);
    mr_loader *alone = mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = BATCH, .shuffle = true });
    mr_loader *two =
        mr_loader_new(data, rng, &(mr_loader_opts){ .batch_size = BATCH, .shuffle = true, .workers = 2 });
    if (!alone || !two)
        fail(mr_error());
    if (argc == 3) {
        printf("%.9g\n", sum_of_order(alone));
    } else {
        double best[3] = { 1e30, 1e30, 1e30 };
        const int repeat = rows || heavy ? 1 : 100; /* epochs of 32 batches are short */
        for (int round = 0; round < ROUNDS * repeat; round++) {
            best[0] = least(best[0], epoch(alone));
            best[1] = least(best[1], epoch(two));
            if (rows)
                best[2] = least(best[2], gather(mr_tensor_data(x), rng));
        }
        printf(rows ? "%.5g %.5g %.5g\n" : "%.5g %.5g\n", best[0], best[1], best[2]);
    }
    mr_loader_free(two);
    mr_loader_free(alone);
    mr_dataset_free(data);
    mr_tensor_free(x);
    mr_rng_free(rng);
    return 0;
}
