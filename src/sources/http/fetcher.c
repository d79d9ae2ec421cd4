#include "request.h"

#include <millrace/random.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct mr__fetcher {
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t happened;
    mr__transfer *first; /* all that it knows */
    bool quit;
    CURLM *multi;
    int wake; /* an eventfd */
    atomic_bool interrupted;
    mr__request_opts request;
    int retries;
    double backoff, most_backoff, stall_timeout; /* the last 0: no limit */
    mr_http_counts counts;
    mr_random random;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the owners' side ---- */

void mr__fetcher_lock(mr__fetcher *f)
{
    pthread_mutex_lock(&f->lock);
}

void mr__fetcher_unlock(mr__fetcher *f)
{
    pthread_mutex_unlock(&f->lock);
}

static void wake(const mr__fetcher *f)
{
    const uint64_t one = 1;
    if (write(f->wake, &one, sizeof one) < 0) {} /* it is full: awake */
}

bool mr__fetcher_interrupted(const mr__fetcher *f)
{
    return atomic_load(&f->interrupted);
}

bool mr__fetcher_wait(mr__fetcher *f)
{
    if (!mr__fetcher_interrupted(f))
        pthread_cond_wait(&f->happened, &f->lock);
    return !mr__fetcher_interrupted(f);
}

void mr__fetcher_start(mr__fetcher *f, mr__transfer *t)
{
    t->fetcher = f;
    t->unwanted = false;
    t->progress = MR__WAITS;
    t->next = 0;
    t->link = f->first;
    f->first = t;
    wake(f);
}

void mr__fetcher_go_on(mr__fetcher *f, mr__transfer *t)
{
    if (t->progress == MR__PAUSES)
        wake(f);
}

static bool is_known(const mr__fetcher *f, const mr__transfer *t)
{
    const mr__transfer *p = f->first;
    while (p && p != t)
        p = p->link;
    return p != NULL;
}

void mr__fetcher_stop(mr__fetcher *f, mr__transfer *t)
{
    if (is_known(f, t)) {
        t->unwanted = true;
        wake(f);
    }
    while (is_known(f, t))
        pthread_cond_wait(&f->happened, &f->lock);
    t->progress = MR__OWNERS;
}

void mr__fetcher_interrupt(mr__fetcher *f)
{
    const int code = errno;
    atomic_store(&f->interrupted, true);
    wake(f);
    errno = code;
}

void mr__fetcher_counts(mr__fetcher *f, mr_http_counts *counts)
{
    mr__fetcher_lock(f);
    *counts = f->counts;
    mr__fetcher_unlock(f);
}

void mr__fetcher_count_cached(mr__fetcher *f, int64_t bytes)
{
    mr__fetcher_lock(f);
    f->counts.cache_bytes += bytes;
    mr__fetcher_unlock(f);
}

/* ---- the thread's side ---- */

void mr__fetcher_tell(mr__fetcher *f)
{
    pthread_cond_broadcast(&f->happened);
}

void mr__fetcher_came(mr__fetcher *f, mr__transfer *t, size_t bytes)
{
    t->last = now();
    f->counts.bytes += (int64_t)bytes;
    mr__fetcher_tell(f);
}

/* Nothing of it is the fetcher's any more. */
static void forget(mr__fetcher *f, mr__transfer *t)
{
    mr__transfer **p = &f->first;
    while (*p != t)
        p = &(*p)->link;
    *p = t->link;
    if (t->curl)
        curl_multi_remove_handle(f->multi, t->curl);
    mr__request_end(t);
    mr__fetcher_tell(f);
}

static void end(mr__fetcher *f, mr__transfer *t, mr__progress progress)
{
    forget(f, t);
    t->progress = progress;
}

/* "…, after 5 retries", or what a server wants that nobody waits for. */
static void give_up(mr__fetcher *f, mr__transfer *t, double patience)
{
    size_t used = strlen(t->text);
    t->status = MR_ERR_IO;
    if (patience > f->most_backoff)
        snprintf(t->text + used, sizeof t->text - used, ", and to ask again in %.0f seconds", patience);
    else if (f->retries)
        snprintf(t->text + used, sizeof t->text - used, ", after %d %s", f->retries,
                 f->retries == 1 ? "retry" : "retries");
    end(f, t, MR__FAILED);
}

/* Exponential back-off with jitter: so that many who failed together do not come back together. */
static void try_again(mr__fetcher *f, mr__transfer *t)
{
    const double patience = t->head.status >= 400 ? t->head.retry_after : -1;
    double delay = f->backoff;
    if (t->got > t->before)
        t->tries = 0;
    if (t->tries == f->retries || patience > f->most_backoff) {
        give_up(f, t, patience);
        return;
    }
    for (int i = 0; i < t->tries && delay < f->most_backoff; i++)
        delay *= 2;
    delay = (delay < f->most_backoff ? delay : f->most_backoff) * (1 - 0.5 * mr_random_uniform(&f->random));
    t->tries++;
    t->next = now() + (delay > patience ? delay : patience);
    t->progress = MR__WAITS;
    f->counts.retries++;
}

/* There is no memory for a request. */
static void refuse(mr__fetcher *f, mr__transfer *t)
{
    t->status = MR_ERR_MEMORY;
    snprintf(t->text, sizeof t->text, "out of memory for a request");
    mr__request_end(t);
    end(f, t, MR__FAILED);
}

/* A try has come to its end. */
static void finish(mr__fetcher *f, mr__transfer *t, CURLcode code)
{
    curl_multi_remove_handle(f->multi, t->curl);
    if (mr__request_follow(t, code, &f->request)) {
        t->last = now();
        if (curl_multi_add_handle(f->multi, t->curl) != CURLM_OK)
            refuse(f, t);
        return;
    }
    const mr__verdict verdict = mr__request_judge(t, code);
    mr__request_end(t);
    if (verdict == MR__COMPLETE) {
        end(f, t, MR__DONE);
    } else if (verdict == MR__HOPELESS) {
        end(f, t, MR__FAILED);
    } else if (verdict == MR__TRY) {
        try_again(f, t);
    } else {
        t->progress = MR__WAITS;
        t->next = 0;
        t->tries = 0;
    }
}

static void begin(mr__fetcher *f, mr__transfer *t)
{
    if (!mr__request_begin(t, &f->request) || curl_multi_add_handle(f->multi, t->curl) != CURLM_OK) {
        refuse(f, t);
        return;
    }
    t->progress = MR__RUNS;
    t->last = now();
    f->counts.requests++;
}

static void stall(mr__fetcher *f, mr__transfer *t)
{
    snprintf(t->said, sizeof t->said, "no byte for %g seconds", f->stall_timeout);
    finish(f, t, CURLE_OPERATION_TIMEDOUT);
}

static bool has_room(const mr__transfer *t)
{
    return t->taken == t->filled;
}

/* What is due, and the time until something else will be. One that may go on after a pause goes to *paused. */
static double look_after(mr__fetcher *f, mr__transfer **paused)
{
    const double time = now();
    double wait = 60;
    mr__transfer *after;
    *paused = NULL;
    for (mr__transfer *t = f->first; t; t = after) {
        after = t->link;
        double left = 60;
        if (t->unwanted) {
            end(f, t, MR__OWNERS);
        } else if (t->progress == MR__WAITS && t->next <= time) {
            begin(f, t);
            left = 0;
        } else if (t->progress == MR__WAITS) {
            left = t->next - time;
        } else if (t->progress == MR__RUNS && f->stall_timeout > 0) {
            left = t->last + f->stall_timeout - time;
            if (left <= 0)
                stall(f, t);
        } else if (t->progress == MR__PAUSES && has_room(t)) {
            *paused = t;
            left = 0;
        }
        wait = left < wait ? left : wait;
    }
    return wait > 0 ? wait : 0;
}

static void go_on(mr__fetcher *f, mr__transfer *t)
{
    mr__fetcher_lock(f);
    t->progress = t->progress == MR__PAUSES ? MR__RUNS : t->progress;
    t->last = now();
    mr__fetcher_unlock(f);
    curl_easy_pause(t->curl, CURLPAUSE_CONT); /* which may bring bytes at once */
}

/* Takes in what has come to its end: whether anything has. */
static bool collect(mr__fetcher *f)
{
    CURLMsg *message;
    int left;
    bool any = false;
    while ((message = curl_multi_info_read(f->multi, &left)))
        if (message->msg == CURLMSG_DONE) {
            mr__transfer *t;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
            const CURLcode code = message->data.result; /* the message goes with the handle */
            mr__fetcher_lock(f);
            finish(f, t, code);
            mr__fetcher_unlock(f);
            any = true;
        }
    return any;
}

static void *run(void *user)
{
    mr__fetcher *f = user;
    for (;;) {
        mr__transfer *paused;
        int running;
        uint64_t count;
        mr__fetcher_lock(f);
        if (f->quit)
            break;
        double wait = look_after(f, &paused);
        if (mr__fetcher_interrupted(f))
            mr__fetcher_tell(f);
        mr__fetcher_unlock(f);
        if (paused)
            go_on(f, paused);
        curl_multi_perform(f->multi, &running);
        if (collect(f))
            continue; /* something may be due at once */
        struct curl_waitfd also = { .fd = f->wake, .events = CURL_WAIT_POLLIN };
        curl_multi_poll(f->multi, &also, 1, (int)(wait * 1e3) + (wait > 0), NULL);
        if (read(f->wake, &count, sizeof count) < 0) {} /* nobody woke it */
    }
    mr__fetcher_unlock(f);
    return NULL;
}

/* ---- making ---- */

static CURLcode global;

static void begin_curl(void)
{
    global = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static mr_status set_up(mr__fetcher *f, const mr_http_opts *opts)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin_curl);
    f->multi = global == CURLE_OK ? curl_multi_init() : NULL;
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    f->request.ca_file = mr_strdup(opts->ca_file);
    if (opts->ca_file && !f->request.ca_file)
        return mr_error_status();
    for (int i = 0; i < opts->header_count; i++) {
        struct curl_slist *list = curl_slist_append(f->request.headers, opts->headers[i]);
        if (!list)
            return mr_fail(MR_ERR_MEMORY, "out of memory for headers");
        f->request.headers = list;
    }
    if (!f->multi || f->wake < 0)
        return mr_fail(MR_ERR_IO, "storage_from_http: cannot begin: %s",
                       f->multi ? strerror(errno) : "libcurl does not start");
    sigset_t all, before; /* a signal is for a thread of the program's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&f->thread, NULL, run, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code)
        return mr_fail(MR_ERR_IO, "storage_from_http: cannot start a thread: %s", strerror(code));
    f->running = true;
    return MR_OK;
}

mr__fetcher *mr__fetcher_new(const mr_http_opts *opts)
{
    mr__fetcher *f = mr_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->happened, NULL);
    atomic_init(&f->interrupted, false);
    f->retries = opts->retries < 0 ? 0 : opts->retries ? opts->retries : 5;
    f->backoff = opts->backoff > 0 ? opts->backoff : 0.25;
    f->most_backoff = opts->most_backoff > 0 ? opts->most_backoff : 30;
    f->stall_timeout = opts->stall_timeout == MR_ZERO ? 0
                       : opts->stall_timeout > 0      ? opts->stall_timeout
                                                      : 30;
    f->request.connect_timeout = opts->connect_timeout > 0 ? opts->connect_timeout : 10;
    f->random = mr_random_at((uint64_t)(now() * 1e9), (int64_t)getpid(), 0);
    if (set_up(f, opts) == MR_OK)
        return f;
    mr__fetcher_free(f);
    return NULL;
}

void mr__fetcher_free(mr__fetcher *f)
{
    if (!f)
        return;
    if (f->running) {
        mr__fetcher_lock(f);
        f->quit = true;
        wake(f);
        mr__fetcher_unlock(f);
        pthread_join(f->thread, NULL);
    }
    if (f->multi)
        curl_multi_cleanup(f->multi);
    if (f->wake >= 0)
        close(f->wake);
    curl_slist_free_all(f->request.headers);
    mr_free(f->request.ca_file);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->happened);
    mr_free(f);
}
