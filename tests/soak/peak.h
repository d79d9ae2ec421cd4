/* How much memory a program has taken. */
#ifndef PEAK_H
#define PEAK_H

#include <stdio.h>
#include <time.h>

/* The most that was resident at a time, in KiB; what is mapped and was looked at counts. -1 where Linux does not say. */
static inline long peak_memory(void)
{
    char line[256];
    long kilobytes = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && kilobytes < 0 && fgets(line, sizeof line, status))
        sscanf(line, "VmHWM: %ld", &kilobytes);
    if (status)
        fclose(status);
    return kilobytes;
}

static inline double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
