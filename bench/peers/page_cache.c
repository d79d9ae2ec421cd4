/* A file read from the page cache as batches need it: peer-page_cache FILE prints milliseconds. Pieces as large as a
 * picture go to memory as large as a batch of 32, one behind the other; nothing is looked at. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 110000, BATCH = 32 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    double begin = now();
    int file = open(argv[1], O_RDONLY);
    char *batch = malloc((size_t)PIECE * BATCH);
    ssize_t n = file < 0 || !batch ? -1 : 1;
    for (int i = 0; n > 0; i = (i + 1) % BATCH)
        n = read(file, batch + (size_t)PIECE * (size_t)i, PIECE);
    printf("%.2f -\n", now() - begin);
    return n < 0;
}
