#include "reporter.h"

#include "base/alloc.h"
#include "base/file.h"

#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double mr__now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the thread's side ---- */

static bool has_failed(const mr__reporter *r)
{
    return atomic_load_explicit(&r->failed, memory_order_relaxed);
}

static void fail(mr__reporter *r)
{
    if (!has_failed(r)) {
        mr__failure_take(&r->failure);
        atomic_store_explicit(&r->failed, true, memory_order_release);
    }
    mr_error_clear();
}

enum { HEAD_WORDS = 3, KIND_SHIFT = 32 }; /* epoch, step, kind and count */
enum { TICK_NANOSECONDS = 100 * 1000 * 1000 };

/* The words of the row. */
static size_t write_row(mr__reporter *r, const uint64_t *word)
{
    const char *names[MR__MAX_METRICS];
    double values[MR__MAX_METRICS];
    size_t count = (size_t)(word[2] & UINT32_MAX);
    for (size_t i = 0; i < count; i++) {
        names[i] = r->metric[word[HEAD_WORDS + 2 * i]].name;
        memcpy(&values[i], &word[HEAD_WORDS + 2 * i + 1], sizeof *values);
    }
    const mr_log_row row = {
        (mr_row_kind)(word[2] >> KIND_SHIFT), (int64_t)word[1], (int64_t)word[0], count, names, values
    };
    if (!has_failed(r) && mr__loggers_row(&r->loggers, &row))
        fail(r);
    return HEAD_WORDS + 2 * count;
}

static void say_there_is_room(mr__reporter *r)
{
    pthread_mutex_lock(&r->mutex);
    pthread_cond_signal(&r->free);
    pthread_mutex_unlock(&r->mutex);
}

/* The first `end`, which have been handed over. */
static void write_rows(mr__reporter *r, size_t end)
{
    const uint64_t *row;
    if (r->rows.read >= end)
        return;
    while ((row = mr__row_queue_next(&r->rows, end))) {
        if (row == r->rows.tail->word)
            say_there_is_room(r); /* the block before is free */
        mr__row_queue_pop(&r->rows, write_row(r, row));
    }
    if (!has_failed(r) && mr__loggers_flush(&r->loggers))
        fail(r);
}

static void draw_bar(mr__reporter *r, bool last)
{
    const char *names[MR__MAX_METRICS];
    double values[MR__MAX_METRICS], now = mr__now();
    if (!r->bar || (!last && !mr__progress_due(&r->progress, now)))
        return;
    size_t shown = 0, count = atomic_load_explicit(&r->metric_count, memory_order_acquire);
    for (size_t i = 0; i < count; i++)
        if (atomic_load_explicit(&r->metric[i].seen, memory_order_relaxed)) {
            names[shown] = r->metric[i].name;
            values[shown++] = atomic_load_explicit(&r->metric[i].latest, memory_order_relaxed);
        }
    const mr__progress_state state = {
        .epoch = atomic_load_explicit(&r->epoch, memory_order_relaxed),
        .done = atomic_load_explicit(&r->done, memory_order_relaxed),
        .initial = atomic_load_explicit(&r->initial, memory_order_relaxed),
        .total = r->total,
        .elapsed = now - atomic_load_explicit(&r->epoch_began, memory_order_relaxed),
        .version = r->version,
        .count = shown,
        .names = names,
        .values = values,
    };
    if (last)
        mr__progress_end(&r->progress, &state);
    else
        mr__progress_draw(&r->progress, &state, now);
}

/* Has the rows of a copy on the disk, and tells it where they end. Behind the last one more may have come. */
static mr_status sync_loggers(mr__reporter *r, int which)
{
    mr__position at[MR__MAX_LOGGERS] = { { NULL, 0 } };
    mr_status status = mr__loggers_sync(&r->loggers, at);
    if (!status)
        status = mr__snapshot_mark(r->snapshot, which, at);
    if (status || r->through[which] <= r->mark[which])
        return status;
    write_rows(r, r->through[which]);
    status = has_failed(r) ? mr__failure_raise(&r->failure) : mr__loggers_sync(&r->loggers, at);
    return status ? status : mr__snapshot_mark_end(r->snapshot, which, at);
}

static mr_status write_own(mr__reporter *r, int which)
{
    char path[sizeof r->path];
    mr_status status = mr__snapshot_path(r->snapshot, which, r->checkpoint_dir, path, sizeof path);
    if (!status)
        status = mr__snapshot_write(r->snapshot, which, path);
    if (status)
        return status;
    if (r->clean)
        mr__checkpoint_remove_others(path);
    else if (*r->path && strcmp(r->path, path) != 0)
        unlink(r->path);
    r->clean = false;
    memcpy(r->path, path, sizeof path);
    return MR_OK;
}

/* Once, before the first checkpoint: those that lead to it. */
static mr_status sync_folders(mr__reporter *r)
{
    mr_status status = r->synced || !r->run.dir ? MR_OK : mr__sync_folders(r->run.dir);
    r->synced = !status;
    return status;
}

/* The rows that the checkpoint speaks of are on the disk before it is, and the one before goes after that. */
static mr_status write_copy(mr__reporter *r, int which)
{
    const mr__targets *to = &r->to[which];
    mr_status status = sync_loggers(r, which);
    if (!status)
        status = sync_folders(r);
    for (size_t i = 0; i < to->saves && !status; i++) {
        status = mr__snapshot_write(r->snapshot, which, to->save[i].path);
        if (!status && to->save[i].remove)
            unlink(to->save[i].remove);
    }
    return !status && to->own ? write_own(r, which) : status;
}

static void drop_targets(mr__targets *to)
{
    for (size_t i = 0; i < to->saves; i++) {
        mr__free(to->save[i].path);
        mr__free(to->save[i].remove);
    }
    to->saves = 0;
    to->own = false;
}

/* Has the system find the memory of a copy that is not taken yet, for as long as a tick; false: it has. */
static bool touch(mr__reporter *r, int which)
{
    const double until = mr__now() + TICK_NANOSECONDS * 1e-9;
    bool more = r->snapshot;
    while (more && mr__now() < until) {
        while (atomic_load_explicit(&r->wanted, memory_order_relaxed))
            sched_yield();
        pthread_mutex_lock(&r->mutex);
        more = !r->stop && mr__snapshot_touch(r->snapshot, which);
        pthread_mutex_unlock(&r->mutex);
    }
    return more;
}

/* Writes what waits: the rows before the snapshot, then the checkpoint. A snapshot that is not seen here was taken behind
 * `end`, the rows that had been written before. */
static void write_checkpoint(mr__reporter *r)
{
    pthread_mutex_lock(&r->mutex);
    const bool waits = r->waiting >= 0;
    pthread_mutex_unlock(&r->mutex);
    while (waits && touch(r, 1))
        ; /* which the next one may need while this one is being written */
    pthread_mutex_lock(&r->mutex);
    int which = r->writing = r->waiting;
    r->waiting = -1;
    pthread_cond_signal(&r->free);
    pthread_mutex_unlock(&r->mutex);
    if (which < 0)
        return;
    write_rows(r, r->mark[which]);
    if (!has_failed(r) && write_copy(r, which))
        fail(r);
    drop_targets(&r->to[which]);
    pthread_mutex_lock(&r->mutex);
    r->writing = -1;
    pthread_cond_signal(&r->free);
    pthread_mutex_unlock(&r->mutex);
}

static bool open_loggers(mr__reporter *r)
{
    if (mr__loggers_open(&r->loggers, &r->run, r->position))
        fail(r);
    pthread_mutex_lock(&r->mutex);
    r->opened = true;
    pthread_cond_signal(&r->free);
    pthread_mutex_unlock(&r->mutex);
    return !has_failed(r);
}

/* Where the logs are when all has been written. */
static mr_status keep_ends(mr__reporter *r)
{
    mr__position at[MR__MAX_LOGGERS] = { { NULL, 0 } };
    mr_status status = mr__loggers_tell(&r->loggers, at);
    for (size_t i = 0; i < r->loggers.count && !status; i++)
        status = mr__loader_bytes_keep(&r->ends->at[i], at[i].data, at[i].bytes);
    r->ends->known = !status;
    return status;
}

static void *work(void *user)
{
    mr__reporter *r = user;
    bool stop = !open_loggers(r), more = !stop && touch(r, 0);
    while (!stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_NANOSECONDS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&r->mutex);
        if (!more && !r->stop && !r->full && !(r->waiting >= 0 && (r->prompt || r->to[r->waiting].saves)))
            pthread_cond_timedwait(&r->wake, &r->mutex, &until);
        stop = r->stop;
        pthread_mutex_unlock(&r->mutex);
        atomic_fetch_add_explicit(&r->ticks, 1, memory_order_relaxed);
        more = more && touch(r, 0);
        const size_t end = mr__row_queue_written(&r->rows);
        write_checkpoint(r);
        write_rows(r, end);
        draw_bar(r, stop);
    }
    if (!has_failed(r) && r->ends && keep_ends(r))
        fail(r);
    if (mr__loggers_close(&r->loggers))
        fail(r);
    if (r->ends && has_failed(r))
        r->ends->known = false;
    return NULL;
}

/* ---- the training thread's side ---- */

mr__reporter *mr__reporter_new(void)
{
    mr__reporter *r = mr__alloc_zeroed(sizeof *r);
    if (!r)
        return NULL;
    r->version = r->total = -1;
    r->waiting = r->writing = r->last = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->wake, &monotonic);
    pthread_cond_init(&r->free, NULL);
    pthread_condattr_destroy(&monotonic);
    return r;
}

mr_status mr__reporter_start(mr__reporter *r)
{
    if (r->loggers.count && !mr__row_queue_init(&r->rows))
        return MR_ERR_MEMORY;
    if (r->bar) {
        atomic_store(&r->epoch_began, mr__now());
        mr__progress_begin(&r->progress, stdout, mr__now());
    }
    if (!r->loggers.count && !r->bar && !r->snapshot && !r->clock)
        return MR_OK;
    int error = pthread_create(&r->thread, NULL, work, r);
    if (error)
        return mr__raise(MR_ERR_MEMORY, "fit: cannot start a thread: %s", strerror(error));
    r->running = true;
    pthread_mutex_lock(&r->mutex);
    while (!r->opened)
        pthread_cond_wait(&r->free, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
    return mr__reporter_status(r);
}

/* The reporter, which takes the mutex again and again while it touches memory, lets go for this. */
static void lock(mr__reporter *r)
{
    atomic_store_explicit(&r->wanted, true, memory_order_relaxed);
    pthread_mutex_lock(&r->mutex);
    atomic_store_explicit(&r->wanted, false, memory_order_relaxed);
}

/* Another block, when the reporter has given one back if need be. It is woken in any case: there is work. */
static void begin_block(mr__reporter *r)
{
    lock(r);
    pthread_cond_signal(&r->wake);
    while ((r->full = !mr__row_queue_extend(&r->rows)))
        pthread_cond_wait(&r->free, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
}

void mr__reporter_row(mr__reporter *r, mr_row_kind kind, int64_t epoch, int64_t step, size_t count,
                      const uint32_t *metric, const double *value)
{
    const size_t words = HEAD_WORDS + 2 * count;
    if (!r->loggers.count)
        return;
    uint64_t *row = mr__row_queue_room(&r->rows, words);
    if (MR__UNLIKELY(!row)) {
        begin_block(r);
        row = mr__row_queue_room(&r->rows, words);
    }
    row[0] = (uint64_t)epoch;
    row[1] = (uint64_t)step;
    row[2] = (uint64_t)kind << KIND_SHIFT | count;
    for (size_t i = 0; i < count; i++) {
        row[HEAD_WORDS + 2 * i] = metric[i];
        memcpy(&row[HEAD_WORDS + 2 * i + 1], &value[i], sizeof *value);
    }
    mr__row_queue_push(&r->rows, words);
}

/* Waits until what must be written has its turn. With the mutex held. */
static void make_way(mr__reporter *r, bool for_all)
{
    while (r->waiting >= 0 && (for_all || r->to[r->waiting].saves)) {
        pthread_cond_signal(&r->wake);
        pthread_cond_wait(&r->free, &r->mutex);
    }
}

mr_status mr__reporter_snapshot(mr__reporter *r, int64_t epoch, bool own, const mr__save *saves, size_t count)
{
    if (!r->snapshot)
        return MR_OK;
    lock(r);
    make_way(r, !own);
    const int which = r->writing == 0; /* the one that is not being written */
    r->mark[which] = r->through[which] = mr__row_queue_written(&r->rows);
    mr_status status = mr__snapshot_take(r->snapshot, which, epoch);
    mr__targets *to = &r->to[which];
    to->own = own;
    to->saves = count;
    if (count)
        memcpy(to->save, saves, count * sizeof *saves);
    if (status)
        drop_targets(to);
    r->waiting = status ? -1 : which;
    r->last = own ? which : r->last;
    if ((r->prompt || count) && r->writing < 0)
        pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
    return status;
}

void mr__reporter_finish_snapshot(mr__reporter *r)
{
    if (r->last < 0)
        return;
    lock(r);
    while (r->writing == r->last || (r->waiting == r->last && r->to[r->last].saves)) {
        pthread_cond_signal(&r->wake);
        pthread_cond_wait(&r->free, &r->mutex);
    }
    mr__snapshot_finish(r->snapshot, r->last);
    r->through[r->last] = mr__row_queue_written(&r->rows);
    r->to[r->last].own = true;
    r->waiting = r->last;
    pthread_mutex_unlock(&r->mutex);
}

mr_status mr__reporter_finish(mr__reporter *r)
{
    if (!r->running)
        return MR_OK;
    lock(r);
    r->stop = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->thread, NULL);
    r->running = false;
    return mr__reporter_status(r);
}

void mr__reporter_free(mr__reporter *r)
{
    if (!r)
        return;
    mr__reporter_finish(r);
    for (int i = 0; i < MR__SNAPSHOTS; i++)
        drop_targets(&r->to[i]);
    mr__snapshot_free(r->snapshot);
    mr__free(r->checkpoint_dir);
    mr__row_queue_free(&r->rows);
    pthread_mutex_destroy(&r->mutex);
    pthread_cond_destroy(&r->wake);
    pthread_cond_destroy(&r->free);
    mr__free(r);
}
