/*
 * What the matrix products of step/mlp take at the rate of oneDNN's dnnl_sgemm: `peer-sgemm_mlp BATCH [THREADS]` prints the
 * best milliseconds of all of them together. Each is computed as the product of two matrices that are not transposed, which
 * is dnnl_sgemm's fastest way for its sizes.
 */
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct product {
    dnnl_dim_t m, n, k;
} product;

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
    const dnnl_dim_t batch = argc > 1 ? atoi(argv[1]) : 0;
    const product all[] = { { batch, 512, 784 }, { batch, 512, 512 }, { batch, 10, 512 }, /* forward */
                            { 512, 784, batch }, { 512, 512, batch }, { 10, 512, batch }, /* weights */
                            { batch, 512, 512 }, { batch, 512, 10 } };                    /* inputs */
    const size_t room = 4096 * 1024;
    float *a = malloc(room * sizeof *a), *b = malloc(room * sizeof *b), *c = malloc(room * sizeof *c);
    if (batch < 1 || batch > 4096 || !a || !b || !c) {
        fprintf(stderr, "usage: peer-sgemm_mlp BATCH [THREADS]\n");
        return 2;
    }
    omp_set_dynamic(0);
    omp_set_num_threads(argc > 2 ? atoi(argv[2]) : 2);
    for (size_t i = 0; i < room; i++) {
        a[i] = (float)(i % 17) * 0.1f;
        b[i] = (float)(i % 13) * 0.1f;
    }
    double best = 1e9;
    for (int round = 0; round < 300; round++) {
        const double begin = milliseconds();
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            const product p = all[i];
            if (dnnl_sgemm('N', 'N', p.m, p.n, p.k, 1, a, p.k, b, p.n, 0, c, p.n) != dnnl_success)
                return 1;
        }
        const double took = milliseconds() - begin;
        if (took < best)
            best = took;
    }
    printf("%.4f\n", best);
    free(a);
    free(b);
    free(c);
    return 0;
}
