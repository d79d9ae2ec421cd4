#include "parallel.h"

#include "base/error.h"

#include <stdatomic.h>

#ifdef _OPENMP
#include <omp.h>

static atomic_int threads; /* 0: not asked for yet */
static _Thread_local bool never;

void mr__parallel_never(void)
{
    never = true;
}

int mr__threads(void)
{
    int n = atomic_load_explicit(&threads, memory_order_relaxed);
    if (MR__LIKELY(n > 0))
        return n;
    n = omp_get_max_threads();
    atomic_store_explicit(&threads, n, memory_order_relaxed);
    return n;
}

mr_status mr_set_num_threads(int count)
{
    if (count < 0)
        return mr__raise(MR_ERR_ARGUMENT, "set_num_threads: %d is no number of threads", count);
    atomic_store_explicit(&threads, count ? count : omp_get_num_procs(), memory_order_relaxed);
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
    if (count < 0)
        return mr__raise(MR_ERR_ARGUMENT, "set_num_threads: %d is no number of threads", count);
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
