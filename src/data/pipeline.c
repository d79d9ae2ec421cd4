#include "pipeline.h"

#include "faults.h"

#include "base/alloc.h"
#include "base/log.h"
#include "kernels/parallel.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

typedef struct mr__worker {
    mr__pipeline *pipeline;
    int number;
    pthread_t thread;
    mr__filler filler;
    bool gone; /* it touches the pipeline no more, but to unlock it */
} mr__worker;

struct mr__pipeline {
    mr_dataset *dataset;
    mr__pipeline_opts opts;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    mr__ticket *ticket;       /* opts.slots of them */
    mr__ticket **ring;        /* in the order in which they are delivered */
    int64_t head, open, tail; /* ever growing; ticket n is ring[n % slots] */
    bool held;                /* the ticket before head is with the consumer */
    mr__worker *worker;
    mr__lanes *lanes; /* adopted when threads are left behind */
    int started, opened, sleeping,
        left;    /* workers that were started, have opened their data, sleep, are gone */
    int running; /* parts in the hands of workers */
    bool awaited, stop, abandoned;
    bool given_up;       /* clear() has waited in vain for the parts that are running */
    mr__failure failure; /* a worker's that could not open its data */
};

static mr__ticket *at(const mr__pipeline *p, int64_t number)
{
    return p->ring[number % p->opts.slots];
}

/* ---- parts ---- */

/* The oldest ticket with a part to claim, NULL if there is none. A lane that is in hand is not for another thread. */
static mr__ticket *claimable(mr__pipeline *p)
{
    while (p->open < p->tail && at(p, p->open)->claimed == at(p, p->open)->parts)
        p->open++;
    for (int64_t i = p->open; i < p->tail; i++) {
        mr__ticket *t = at(p, i);
        if (t->claimed < t->parts && !(t->lane && t->lane->in_hand))
            return t;
    }
    return NULL;
}

static int claim(mr__ticket *t)
{
    if (t->lane)
        t->lane->in_hand = true;
    return t->claimed++;
}

/* Writes the rows of one part; a failure is pending afterwards. -1, or the row that failed. */
static int64_t work_on(mr__ticket *t, int part, mr__filler *filler)
{
    int64_t failed = -1;
    if (t->lane) {
        t->surplus = mr__lane_ended(t->lane, t->epoch);
        int64_t rows = mr__lane_read(t->lane, filler, t->slot, t->epoch, t->seed, 0, t->rows);
        if (rows < 0)
            return 0;
        t->rows = rows;
        return -1;
    }
    int64_t begin = t->rows * part / t->parts, end = t->rows * (part + 1) / t->parts;
    mr__fill(filler, t->slot, t->epoch, begin, end, &failed);
    return failed;
}

static void finish(mr__pipeline *p, mr__ticket *t, int64_t failed, int64_t nanoseconds)
{
    if (failed >= 0) {
        if (t->failed_row < 0 || failed < t->failed_row) {
            t->failed_row = failed;
            mr__failure_take(&t->failure);
        }
        mr_error_clear();
    }
    if (t->lane)
        t->lane->in_hand = false;
    t->nanoseconds += nanoseconds;
    if (++t->finished < t->parts)
        return;
    atomic_store_explicit(&t->done, true, memory_order_release);
    if (p->awaited && (p->opts.unordered || t == at(p, p->head)))
        pthread_cond_signal(&p->done);
}

/* ---- the workers ---- */

/* Under the lock, which is given up meanwhile. */
static void run_part(mr__pipeline *p, mr__ticket *t, mr__filler *filler)
{
    int part = claim(t);
    pthread_mutex_unlock(&p->lock);
    int64_t begin = mr__clock(), failed = work_on(t, part, filler);
    atomic_store_explicit(&filler->since, 0, memory_order_relaxed);
    int64_t end = mr__clock();
    pthread_mutex_lock(&p->lock);
    finish(p, t, failed, end - begin);
}

static void destroy(mr__pipeline *p);

static void leave(mr__worker *w)
{
    mr__pipeline *p = w->pipeline;
    w->gone = true;
    bool last = ++p->left == p->started && p->abandoned;
    pthread_cond_broadcast(&p->done);
    pthread_mutex_unlock(&p->lock);
    if (last)
        destroy(p);
}

static void work(mr__worker *w)
{
    mr__pipeline *p = w->pipeline;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        mr__ticket *t = claimable(p);
        if (!t) {
            p->sleeping++;
            pthread_cond_wait(&p->work, &p->lock);
            p->sleeping--;
            continue;
        }
        p->running++;
        run_part(p, t, &w->filler);
        p->running--;
        if (p->stop || p->running == 0)
            pthread_cond_broadcast(&p->done); /* somebody may be clearing */
    }
    pthread_mutex_unlock(&p->lock);
}

static _Thread_local const void *works_for;

bool mr__pipeline_is_worker(const void *owner)
{
    return works_for == owner;
}

static void *worker_main(void *user)
{
    mr__worker *w = user;
    mr__pipeline *p = w->pipeline;
    works_for = p->opts.owner;
    mr__parallel_never();
    mr_status status = mr__filler_open(&w->filler);
    pthread_mutex_lock(&p->lock);
    if (status != MR_OK && !p->failure.status)
        mr__failure_take(&p->failure);
    p->opened++;
    pthread_cond_broadcast(&p->done);
    pthread_mutex_unlock(&p->lock);
    if (status == MR_OK) {
        work(w);
        mr__filler_close(&w->filler);
    }
    pthread_mutex_lock(&p->lock);
    leave(w);
    return NULL;
}

/* ---- making ---- */

static mr_status make_slots(mr__pipeline *p)
{
    p->ticket = mr__alloc_zeroed(mr__mul_size((size_t)p->opts.slots, sizeof *p->ticket));
    p->ring = mr__alloc_array((size_t)p->opts.slots, sizeof *p->ring);
    p->worker = mr__alloc_zeroed((size_t)p->opts.workers * sizeof *p->worker);
    if (!p->ticket || !p->ring || !p->worker)
        return MR_ERR_MEMORY;
    for (int64_t i = 0; i < p->opts.slots; i++)
        p->ring[i] = &p->ticket[i];
    for (int64_t i = 0; i < p->opts.slots; i++)
        if (!(p->ticket[i].slot = mr__slot_new(p->dataset, p->opts.capacity, false)))
            return MR_ERR_MEMORY;
    for (int i = 0; i < p->opts.workers; i++) {
        p->worker[i].pipeline = p;
        p->worker[i].number = i;
        p->worker[i].filler.skip = p->opts.skip;
        p->worker[i].filler.watched = p->opts.timeout > 0;
        if (mr__filler_init(&p->worker[i].filler, p->dataset))
            return MR_ERR_MEMORY;
    }
    return MR_OK;
}

/* Signals are for the threads that the program has made itself. */
static mr_status start_workers(mr__pipeline *p)
{
    sigset_t all, old;
    int error = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (!error && p->started < p->opts.workers) {
        mr__worker *w = &p->worker[p->started];
        error = pthread_create(&w->thread, NULL, worker_main, w);
        pthread_mutex_lock(&p->lock);
        p->started += !error;
        pthread_mutex_unlock(&p->lock);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error)
        return mr__raise(MR_ERR_MEMORY, "loader: cannot start worker %d: %s", p->started, strerror(error));
    return MR_OK;
}

static bool wait_for(mr__pipeline *p, const int *count, int wanted);

/* So that a failure comes at once, and always. */
static mr_status wait_until_opened(mr__pipeline *p)
{
    mr_status status = MR_OK;
    if (!p->dataset->map || !p->dataset->map->worker_open)
        return MR_OK;
    pthread_mutex_lock(&p->lock);
    while (p->opened < p->started && !status)
        if (!wait_for(p, &p->opened, p->started) && p->opts.timeout > 0)
            status = mr__raise(MR_ERR_STATE, "loader: worker_open has taken a worker longer than %g s",
                               p->opts.timeout);
    if (!status && p->failure.status)
        status = mr__failure_raise(&p->failure);
    pthread_mutex_unlock(&p->lock);
    return status;
}

mr__pipeline *mr__pipeline_new(mr_dataset *dataset, const mr__pipeline_opts *opts)
{
    mr__pipeline *p = mr__alloc_zeroed(sizeof *p);
    if (!p)
        return NULL;
    p->dataset = dataset;
    p->opts = *opts;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (make_slots(p) || start_workers(p) || wait_until_opened(p)) {
        mr__pipeline_close(p, NULL);
        return NULL;
    }
    return p;
}

static void destroy(mr__pipeline *p)
{
    bool abandoned = p->abandoned;
    mr_dataset *dataset = p->dataset;
    for (int64_t i = 0; p->ticket && i < p->opts.slots; i++)
        mr__slot_free(p->ticket[i].slot);
    for (int i = 0; p->worker && i < p->opts.workers; i++)
        mr__filler_free(&p->worker[i].filler);
    mr__free(p->ticket);
    mr__free(p->ring);
    mr__free(p->worker);
    mr__lanes_free(p->lanes);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    mr__free(p);
    if (abandoned)
        mr__dataset_release(dataset);
}

/* ---- waiting ---- */

static void wait_until(mr__pipeline *p, int64_t nanoseconds)
{
    const struct timespec until = { .tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000 };
    pthread_cond_timedwait(&p->done, &p->lock, &until);
}

static int64_t patience(const mr__pipeline *p)
{
    return p->opts.timeout > 0 ? (int64_t)(p->opts.timeout * 1e9) : INT64_C(10) * 1000000000;
}

/* The worker that has been longest at one sample, if that is longer than the limit. */
static const mr__worker *stuck(const mr__pipeline *p, int64_t now)
{
    const mr__worker *worst = NULL;
    int64_t longest = patience(p);
    for (int i = 0; i < p->started; i++) {
        int64_t since = atomic_load_explicit(&p->worker[i].filler.since, memory_order_relaxed);
        if (since && now - since >= longest) {
            worst = &p->worker[i];
            longest = now - since;
        }
    }
    return worst;
}

static mr_status took_too_long(const mr__pipeline *p, const mr__worker *w)
{
    const int64_t shard = atomic_load_explicit(&w->filler.shard, memory_order_relaxed);
    mr__raise(MR_ERR_STATE, "sample %lld has taken worker %d longer than %g s",
              (long long)atomic_load_explicit(&w->filler.sample, memory_order_relaxed), w->number,
              p->opts.timeout);
    if (shard >= 0)
        mr__add_context("loader: shard %lld", (long long)shard);
    else
        mr__add_context("loader");
    return MR_ERR_STATE;
}

/* With a time limit: waits for a while, and looks who has been too long at one sample. */
static mr_status watch(mr__pipeline *p)
{
    int64_t now = mr__clock();
    const mr__worker *w = stuck(p, now);
    if (w)
        return took_too_long(p, w);
    wait_until(p, now + patience(p) / 8 + 1);
    return MR_OK;
}

/* ---- for the consumer ---- */

mr__ticket *mr__pipeline_room(mr__pipeline *p, int64_t ahead)
{
    int64_t first = p->head - p->held; /* the oldest that is not free */
    if (p->tail + ahead - first >= p->opts.slots)
        return NULL;
    mr__ticket **to = &p->ring[(p->tail + ahead) % p->opts.slots], *t = *to;
    const int64_t last = first + p->opts.slots - 1 - ahead; /* among the free ones */
    if (last > p->tail + ahead) {
        t = at(p, last);
        p->ring[last % p->opts.slots] = *to;
        *to = t;
    }
    t->end = false;
    t->lane = NULL;
    t->surplus = false;
    t->nanoseconds = 0;
    t->parts = t->claimed = t->finished = 0;
    t->failed_row = -1;
    mr__faults_clear(t->slot);
    atomic_store_explicit(&t->done, false, memory_order_relaxed);
    return t;
}

void mr__pipeline_post(mr__pipeline *p, int64_t count)
{
    int64_t parts = 0;
    for (int64_t i = 0; i < count; i++) {
        mr__ticket *t = at(p, p->tail + i);
        parts += t->parts;
        atomic_store_explicit(&t->done, t->parts == 0, memory_order_relaxed);
    }
    pthread_mutex_lock(&p->lock);
    p->tail += count;
    int64_t wake = parts < p->sleeping ? parts : p->sleeping;
    pthread_mutex_unlock(&p->lock);
    for (; wake > 0; wake--)
        pthread_cond_signal(&p->work);
}

/* Under the lock: whether a ticket holds nothing, and nobody works on it. */
static bool is_surplus(const mr__ticket *t)
{
    if (!t->lane)
        return false;
    return t->claimed ? t->finished && t->surplus : mr__lane_ended(t->lane, t->epoch);
}

void mr__pipeline_take_back_surplus(mr__pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->tail > p->head && is_surplus(at(p, p->tail - 1)))
        p->tail--;
    if (p->open > p->tail)
        p->open = p->tail;
    pthread_mutex_unlock(&p->lock);
}

int64_t mr__pipeline_posted(const mr__pipeline *p)
{
    return p->tail - p->head;
}

int64_t mr__pipeline_ready(const mr__pipeline *p)
{
    int64_t count = 0;
    for (int64_t i = p->head; i < p->tail; i++) {
        const mr__ticket *t = at(p, i);
        count += !t->end && atomic_load_explicit(&t->done, memory_order_acquire) && t->rows > 0;
    }
    return count;
}

mr__ticket *mr__pipeline_head(mr__pipeline *p)
{
    return p->head < p->tail ? at(p, p->head) : NULL;
}

/* Whether a ticket may be delivered before those in front of it. What is made of the ends of lanes hangs on their order. */
static bool may_overtake(const mr__pipeline *p, const mr__ticket *t)
{
    return !t->end && !(t->lane && t->rows < p->opts.capacity);
}

/* The number of the ticket to deliver: one that is done; -1: none is. Those of one lane are done in their order. */
static int64_t ready(const mr__pipeline *p)
{
    const int64_t epoch = at(p, p->head)->epoch, end = p->opts.unordered ? p->tail : p->head + 1;
    for (int64_t i = p->head; i < end && at(p, i)->epoch == epoch; i++)
        if (atomic_load_explicit(&at(p, i)->done, memory_order_acquire) &&
            (i == p->head || may_overtake(p, at(p, i))))
            return i;
    return -1;
}

/* Whether the consumer is better off working on the ticket than waiting. Unordered it never is: it could get hold of the very
 * sample that the others need not wait for. */
static bool should_help(const mr__pipeline *p, const mr__ticket *t)
{
    return !p->opts.unordered && t->claimed < t->parts && !(t->lane && t->lane->in_hand);
}

/* Under the lock. Workers that found a lane in hand sleep, and are told when it is not. */
static void help(mr__pipeline *p, mr__ticket *t, mr__filler *filler)
{
    run_part(p, t, filler);
    if (t->lane && p->sleeping && claimable(p))
        pthread_cond_signal(&p->work);
}

static mr_status await(mr__pipeline *p, mr__filler *filler)
{
    mr_status status = MR_OK;
    mr__ticket *head = at(p, p->head);
    pthread_mutex_lock(&p->lock);
    p->awaited = true;
    while (status == MR_OK && ready(p) < 0) {
        if (p->opts.timeout > 0)
            status = watch(p);
        else if (should_help(p, head))
            help(p, head, filler);
        else
            pthread_cond_wait(&p->done, &p->lock);
    }
    p->awaited = false;
    pthread_mutex_unlock(&p->lock);
    return status;
}

/* Under the lock: a ticket comes to the head, and the others keep their order. */
static void bring_forward(mr__pipeline *p, int64_t number)
{
    mr__ticket *t = at(p, number);
    for (; number > p->head; number--)
        p->ring[number % p->opts.slots] = at(p, number - 1);
    p->ring[p->head % p->opts.slots] = t;
}

mr_status mr__pipeline_next(mr__pipeline *p, mr__filler *filler, mr__ticket **ticket)
{
    int64_t number = ready(p);
    if (number < 0) {
        mr_status status = await(p, filler);
        if (status < 0)
            return status;
        number = ready(p);
    }
    pthread_mutex_lock(&p->lock);
    bring_forward(p, number);
    *ticket = at(p, p->head++);
    if (p->open < p->head)
        p->open = p->head;
    pthread_mutex_unlock(&p->lock);
    p->held = true;
    return MR_OK;
}

void mr__pipeline_release(mr__pipeline *p)
{
    p->held = false;
}

/* ---- the end ---- */

/* Under the lock: no more parts will be claimed. */
static void take_back(mr__pipeline *p)
{
    for (int64_t i = p->open; i < p->tail; i++)
        at(p, i)->claimed = at(p, i)->parts;
    p->open = p->tail;
}

/* Waits until `*count` is `wanted`, or until nobody can be waited for any longer. */
static bool wait_for(mr__pipeline *p, const int *count, int wanted)
{
    int64_t end = mr__clock() + patience(p);
    while (*count != wanted) {
        if (mr__clock() >= end)
            return false;
        wait_until(p, end);
    }
    return true;
}

bool mr__pipeline_clear(mr__pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    take_back(p);
    bool all = wait_for(p, &p->running, 0);
    if (all)
        p->head = p->open = p->tail;
    p->given_up = !all;
    pthread_mutex_unlock(&p->lock);
    p->held = false;
    return all;
}

/* Waits until all workers have left, but for no callback that was waited for before. */
static bool wait_for_leaving(mr__pipeline *p)
{
    int64_t end = mr__clock() + patience(p);
    while (p->left < p->started) {
        if ((p->given_up && p->left + p->running >= p->started) || mr__clock() >= end)
            return false;
        wait_until(p, end);
    }
    return true;
}

static void abandon(mr__pipeline *p)
{
    for (int i = 0; i < p->started; i++)
        if (!p->worker[i].gone) {
            mr__log(MR_LOG_WARNING,
                    "loader: worker %d does not come back from its callback and is left behind", i);
            pthread_detach(p->worker[i].thread);
        }
}

void mr__pipeline_close(mr__pipeline *p, mr__lanes **lanes)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    take_back(p);
    pthread_cond_broadcast(&p->work);
    if (!wait_for_leaving(p)) {
        mr__dataset_hold(p->dataset);
        p->abandoned = true;
        if (lanes) {
            p->lanes = *lanes;
            *lanes = NULL;
        }
        abandon(p);
    }
    pthread_t joined[MR__MAX_WORKERS];
    int count = 0;
    for (int i = 0; i < p->started; i++)
        if (p->worker[i].gone)
            joined[count++] = p->worker[i].thread;
    bool mine = !p->abandoned;
    pthread_mutex_unlock(&p->lock);
    while (count > 0)
        pthread_join(joined[--count], NULL);
    if (mine)
        destroy(p);
}
