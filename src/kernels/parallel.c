#include "parallel.h"

#include "base/error.h"

#include <stdatomic.h>

enum { MOST_THREADS = 1024 };

#ifdef _OPENMP
#include <omp.h>

static atomic_int threads; /* 0: not asked for yet */
static atomic_int default_threads;
static _Thread_local bool never;

void mr__parallel_never(void)
{
    never = true;
}

/* OMP_NUM_THREADS, or the processors that are there: what OpenMP says before anybody has told it something else. */
static int most_threads(void)
{
    int n = atomic_load_explicit(&default_threads, memory_order_relaxed);
    if (n == 0) {
        n = omp_get_max_threads();
        atomic_store_explicit(&default_threads, n, memory_order_relaxed);
    }
    return n;
}

int mr__threads(void)
{
    int n = atomic_load_explicit(&threads, memory_order_relaxed);
    if (MR__LIKELY(n > 0))
        return n;
    n = most_threads();
    atomic_store_explicit(&threads, n, memory_order_relaxed);
    return n;
}

mr_status mr_set_num_threads(int count)
{
    if (count < 0 || count > MOST_THREADS)
        return mr__raise(MR_ERR_ARGUMENT, "set_num_threads: %d is not from 0 to %d", count, MOST_THREADS);
    atomic_store_explicit(&threads, count ? count : most_threads(), memory_order_relaxed);
    return MR_OK;
}

void mr__parallel(mr__part *part, void *work, int64_t count, int64_t grain, int64_t unit)
{
    int64_t parts = count / (grain > 0 ? grain : 1), most = parts > 1 ? mr__threads() : 1;
    if (parts > most)
        parts = most;
    if (parts <= 1 || never || omp_in_parallel()) {
        part(work, 0, count);
        return;
    }
#pragma omp parallel num_threads((int)parts)
    {
        /* The team may be smaller than what was asked for. */
        int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
        int64_t units = (count + unit - 1) / unit;
        int64_t begin = units * me / team * unit, end = units * (me + 1) / team * unit;
        if (end > count)
            end = count;
        if (begin < end)
            part(work, begin, end);
    }
}

#else

void mr__parallel_never(void) {}

int mr__threads(void)
{
    return 1;
}

mr_status mr_set_num_threads(int count)
{
    if (count < 0 || count > MOST_THREADS)
        return mr__raise(MR_ERR_ARGUMENT, "set_num_threads: %d is not from 0 to %d", count, MOST_THREADS);
    return MR_OK;
}

void mr__parallel(mr__part *part, void *work, int64_t count, int64_t grain, int64_t unit)
{
    (void)grain, (void)unit;
    part(work, 0, count);
}

#endif

int mr_num_threads(void)
{
    return mr__threads();
}
