#include "ranges.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

enum { FIRST_PART = 1 << 18, CACHED_PART = 1 << 20, MOST_PARTS = 64 };

/* A request, ahead of the reader, and how much of it he has had. */
typedef struct part {
    mr__transfer transfer;
    bool cached; /* it came from the cache */
} part;

typedef struct web_file web_file;

/* Of those who read ranges, who may be several. */
typedef struct ranges_readers {
    pthread_mutex_t lock;
    pthread_cond_t left;
    int64_t expected;     /* a byte: who reads from there on, or a little behind, reads on; -1: none */
    int64_t came, served; /* who reads on does so in the order in which they came */
    web_file *ahead;      /* reads ahead for them; NULL: nobody has read on yet */
} ranges_readers;

struct web_file {
    mr__web *web;
    char *url;
    mr__identity identity;
    mr_access access;
    int64_t size; /* -1: not known */

    part *part; /* a ring of web->connections */
    int first, count;
    int wanted;         /* as many on their way as the reader has shown to need */
    int64_t at;         /* the next byte to be read */
    int64_t next;       /* the first byte that has not been asked for */
    int64_t next_bytes; /* of the next part */
    int64_t end;        /* nothing is asked for ahead from this byte on; -1: it is the file's */

    ranges_readers ranges;
};

static part *head_of(const web_file *f)
{
    return &f->part[f->first];
}

mr_status mr__web_failed(const char *url, const mr__transfer *t)
{
    const bool changed = strncmp(t->text, "has changed", 11) == 0;
    return mr_fail(t->status, changed ? "'%s' %s" : "'%s': %s", url, t->text);
}

mr_status mr__web_interrupted(const char *url)
{
    return mr_fail(MR_ERR_IO, "'%s': interrupted", url);
}

/* ---- parts ---- */

/* Adds a part to the ring, and asks for it: from the cache, or else from the server. */
static mr_status add_part(web_file *f, int64_t offset, int64_t length, const mr__identity *known)
{
    part *p = &f->part[(f->first + f->count) % f->web->connections];
    mr__transfer *t = &p->transfer;
    const size_t room = length < FIRST_PART ? FIRST_PART : (size_t)length;
    char *bytes = t->room < room ? mr_grow(t->bytes, 0, room) : t->bytes;
    if (!bytes)
        return mr_error_status();
    *t = (mr__transfer){ .url = f->url,
                         .offset = offset,
                         .length = length,
                         .same = f->access == MR_ACCESS_SEEK && f->size >= 0 ? &f->identity : NULL,
                         .known = known,
                         .bytes = bytes,
                         .room = t->room < room ? room : t->room };
    p->cached = t->same && f->web->cache &&
                mr__cache_read(f->web->cache, f->url, &f->identity, offset, bytes, (size_t)length);
    f->count++;
    if (p->cached) {
        t->filled = (size_t)length;
        t->progress = MR__DONE;
        mr__fetcher_count_cached(f->web->fetcher, length);
        return MR_OK;
    }
    mr__fetcher_lock(f->web->fetcher);
    mr__fetcher_start(f->web->fetcher, t);
    mr__fetcher_unlock(f->web->fetcher);
    return MR_OK;
}

/* How many bytes are worth being asked for: up to the expected end, or if it has come to that, few at a time. */
static int64_t left_to_ask_for(const web_file *f)
{
    const int64_t all = f->size - f->next;
    const bool beyond = f->end >= 0 && f->next >= f->end;
    if (beyond && f->count)
        return 0;
    if (f->end < 0 || f->end >= f->size || f->web->cache) /* a cache has whole blocks */
        return all;
    return !beyond ? f->end - f->next : all < FIRST_PART ? all : FIRST_PART;
}

/* As many as are wanted. */
static mr_status add_parts(web_file *f)
{
    while (f->access == MR_ACCESS_SEEK && f->count < f->wanted) {
        const int64_t left = left_to_ask_for(f), length = left < f->next_bytes ? left : f->next_bytes;
        if (left <= 0)
            break;
        if (add_part(f, f->next, length, NULL) < 0)
            return mr_error_status();
        f->next += length;
        if (!f->web->cache && f->next_bytes < f->web->part_bytes)
            f->next_bytes = f->next_bytes * 2 < f->web->part_bytes ? f->next_bytes * 2 : f->web->part_bytes;
    }
    return MR_OK;
}

/* What has come from the server in full goes to the cache. */
static void drop_head(web_file *f)
{
    const part *p = head_of(f);
    const mr__transfer *t = &p->transfer;
    mr__fetcher_lock(f->web->fetcher);
    const bool keep = f->web->cache && !p->cached && !t->whole && t->progress == MR__DONE && t->filled;
    mr__fetcher_stop(f->web->fetcher, &head_of(f)->transfer);
    mr__fetcher_unlock(f->web->fetcher);
    if (keep && mr__identity_stamp(&f->identity))
        mr__cache_write(f->web->cache, f->url, &f->identity, t->offset, t->bytes, t->filled);
    f->first = (f->first + 1) % f->web->connections;
    f->count--;
}

static void drop_all(web_file *f)
{
    while (f->count)
        drop_head(f);
}

/* The reader has had all of the head. */
static void leave_head(web_file *f)
{
    drop_head(f);
    f->wanted += f->wanted < f->web->connections;
}

/* Begins at a byte, with little. With a cache parts always begin at the same bytes, so that they are found again. */
static void begin_at(web_file *f, int64_t offset)
{
    drop_all(f);
    f->wanted = 1;
    f->next_bytes = f->web->cache ? CACHED_PART : FIRST_PART;
    if (!f->web->cache && f->next_bytes > f->web->part_bytes)
        f->next_bytes = f->web->part_bytes;
    f->next = f->web->cache ? offset / CACHED_PART * CACHED_PART : offset;
    f->at = offset;
}

/* ---- opening ---- */

static mr_status check_url(const char *url)
{
    const bool secure = strncasecmp(url, "https://", 8) == 0;
    if (!secure && strncasecmp(url, "http://", 7) != 0)
        return mr_fail(MR_ERR_ARGUMENT, "'%s' is no URL of a web server, http://… or https://…", url);
    const char *host = url + (secure ? 8 : 7);
    if (memchr(host, '@', strcspn(host, "/?#")))
        return mr_fail(MR_ERR_ARGUMENT,
                       "a URL with a password in it would be in messages: give a header instead");
    return MR_OK;
}

/* Waits until the head of an answer, or its failure, is there. */
static mr_status await_answer(web_file *f)
{
    mr__transfer *t = &head_of(f)->transfer;
    bool goes_on = true;
    mr__fetcher_lock(f->web->fetcher);
    while (!t->answered && t->progress != MR__FAILED && t->progress != MR__DONE && goes_on)
        goes_on = mr__fetcher_wait(f->web->fetcher);
    const bool bad = t->progress == MR__FAILED && !t->answered;
    mr__fetcher_unlock(f->web->fetcher);
    return !goes_on ? mr__web_interrupted(f->url) : bad ? mr__web_failed(f->url, t) : MR_OK;
}

/* Of an answer that gives all, from front to back. */
static void take_whole(web_file *f, const mr__answer *answer)
{
    f->identity = answer->identity;
    f->size = answer->length;
    f->access = f->size >= 0 || mr__identity_stamp(&f->identity) ? MR_ACCESS_AGAIN : MR_ACCESS_ONCE;
}

/* Asks for the first part, and takes what the server gives. */
static mr_status first_answer(web_file *f)
{
    mr__identity known;
    const bool is_known = f->web->cache && mr__cache_known(f->web->cache, f->url, &known);
    if (add_part(f, 0, f->next_bytes, is_known ? &known : NULL) < 0 || await_answer(f) < 0)
        return mr_error_status();
    const mr__transfer *t = &head_of(f)->transfer;
    if (t->whole) {
        take_whole(f, &t->answer);
        return MR_OK;
    }
    f->identity = t->unchanged ? known : t->answer.identity;
    f->size = f->identity.size;
    if (t->unchanged) {
        begin_at(f, 0);
    } else if (f->size < 0) { /* there are parts, but nobody knows of how much */
        drop_head(f);
        if (add_part(f, 0, -1, NULL) < 0 || await_answer(f) < 0)
            return mr_error_status();
        take_whole(f, &head_of(f)->transfer.answer);
    } else {
        f->next = f->size < f->next_bytes ? f->size : f->next_bytes;
        if (f->web->cache && mr__identity_stamp(&f->identity))
            mr__cache_note(f->web->cache, f->url, &f->identity);
    }
    return MR_OK;
}

/* One of which nothing is known yet. */
static web_file *make(mr__web *web, const char *url)
{
    web_file *f = mr_calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->web = web;
    f->size = f->end = f->ranges.expected = -1;
    pthread_mutex_init(&f->ranges.lock, NULL);
    pthread_cond_init(&f->ranges.left, NULL);
    f->url = mr_strdup(url);
    f->part = mr_calloc((size_t)web->connections, sizeof *f->part);
    if (f->url && f->part) {
        begin_at(f, 0);
        return f;
    }
    mr__web_close(f);
    return NULL;
}

void *mr__web_open(void *self, const char *url, mr_file_facts *facts)
{
    web_file *f = check_url(url) == MR_OK ? make(*(mr__web **)self, url) : NULL;
    if (f && first_answer(f) < 0) {
        mr__web_close(f);
        return NULL;
    }
    if (f) {
        facts->size = f->size;
        facts->access = f->access;
        facts->stamp = mr__identity_stamp(&f->identity);
        facts->packed = *f->identity.encoding != 0;
    }
    return f;
}

void mr__web_close(void *self)
{
    web_file *f = self;
    if (f->ranges.ahead)
        mr__web_close(f->ranges.ahead);
    pthread_mutex_destroy(&f->ranges.lock);
    pthread_cond_destroy(&f->ranges.left);
    drop_all(f);
    for (int i = 0; f->part && i < f->web->connections; i++)
        mr_free(f->part[i].transfer.bytes);
    mr_free(f->part);
    mr_free(f->url);
    mr_free(f);
}

/* ---- reading ---- */

/* Waits until the head has bytes that were not taken, or is at its end; their number, -1 after a failure. */
static int64_t await_bytes(web_file *f)
{
    mr__transfer *t = &head_of(f)->transfer;
    bool goes_on = true;
    mr__fetcher_lock(f->web->fetcher);
    while (t->filled == t->taken && t->progress != MR__DONE && t->progress != MR__FAILED && goes_on)
        goes_on = mr__fetcher_wait(f->web->fetcher);
    const int64_t there = (int64_t)(t->filled - t->taken);
    const bool bad = !there && t->progress == MR__FAILED;
    mr__fetcher_unlock(f->web->fetcher);
    if (!there && !goes_on)
        mr__web_interrupted(f->url);
    else if (bad)
        mr__web_failed(f->url, t);
    return (!there && !goes_on) || bad ? -1 : there;
}

/* Bytes of the head are done with. */
static void take(web_file *f, size_t count)
{
    mr__transfer *t = &head_of(f)->transfer;
    mr__fetcher_lock(f->web->fetcher);
    t->taken += count;
    if (t->taken == t->filled)
        mr__fetcher_go_on(f->web->fetcher, t);
    mr__fetcher_unlock(f->web->fetcher);
    if (!t->whole && (int64_t)t->taken > t->length / 2 && f->wanted == 1 && f->web->connections > 1)
        f->wanted = 2; /* it is being read on */
}

/* The reader is at the end of the file: if he has had all of the head, nothing will ask for more of it. */
static void end_head(web_file *f)
{
    const mr__transfer *t = f->count ? &head_of(f)->transfer : NULL;
    if (t && f->web->cache && t->offset + (int64_t)t->taken == f->size && await_bytes(f) == 0)
        leave_head(f);
}

int64_t mr__web_read(void *self, void *bytes, size_t size)
{
    web_file *f = self;
    while (!mr__fetcher_interrupted(f->web->fetcher)) {
        if (f->access == MR_ACCESS_SEEK && f->at >= f->size) {
            end_head(f);
            return 0;
        }
        if (add_parts(f) < 0)
            return -1;
        mr__transfer *t = &head_of(f)->transfer;
        const int64_t there = await_bytes(f);
        if (there < 0)
            return -1;
        if (there == 0 && t->whole)
            return 0;
        if (there == 0) {
            leave_head(f);
            continue;
        }
        const int64_t before =
            t->whole ? 0 : f->at - t->offset - (int64_t)t->taken; /* the reader has gone beyond */
        if (before > 0) {
            take(f, (size_t)(before < there ? before : there));
            continue;
        }
        const size_t n = (uint64_t)there < size ? (size_t)there : size;
        memcpy(bytes, t->bytes + t->taken, n);
        take(f, n);
        f->at += (int64_t)n;
        return (int64_t)n;
    }
    return mr__web_interrupted(f->url), -1;
}

void mr__web_expect_end(void *self, int64_t end)
{
    ((web_file *)self)->end = end;
}

mr_status mr__web_seek(void *self, int64_t offset)
{
    web_file *f = self;
    while (f->count && head_of(f)->transfer.offset + head_of(f)->transfer.length <= offset)
        drop_head(f);
    const mr__transfer *t = f->count ? &head_of(f)->transfer : NULL;
    if (t && offset >= t->offset + (int64_t)t->taken && offset < f->next)
        f->at = offset;
    else
        begin_at(f, offset);
    return MR_OK;
}

/* ---- ranges ---- */

enum { SLACK = 8 }; /* how many ranges of its size somebody may be ahead of who reads before him */

/* Whether ranges lie behind each other without gaps; *end: where the last ends. */
static bool is_one_run(const mr_file_range *ranges, int64_t count, int64_t *end)
{
    *end = ranges[0].offset;
    for (int64_t i = 0; i < count; i++) {
        if (ranges[i].offset != *end)
            return false;
        *end += (int64_t)ranges[i].size;
    }
    return true;
}

/* Whether who wants these bytes reads on; then *turn is his. */
static bool reads_on(ranges_readers *r, int64_t begin, int64_t end, int64_t *turn)
{
    pthread_mutex_lock(&r->lock);
    const bool on = r->expected >= 0 && begin >= r->expected && (begin - r->expected) / SLACK <= end - begin;
    r->expected = end;
    *turn = on ? r->came++ : -1;
    pthread_mutex_unlock(&r->lock);
    return on;
}

/* Reads from the parts that are fetched ahead: MR_END when others have read on a little before these bytes were asked for. */
static mr_status read_ahead(web_file *f, const mr_file_range *ranges, int64_t count, int64_t end)
{
    const int64_t begin = ranges[0].offset;
    web_file *a = f->ranges.ahead;
    if (!a) {
        a = f->ranges.ahead = make(f->web, f->url);
        if (!a)
            return mr_error_status();
        a->identity = f->identity;
        a->size = f->size;
        a->access = f->access;
    }
    if (begin < a->at && (a->at - begin) / SLACK <= end - begin)
        return MR_END;
    mr__web_seek(a, begin);
    for (int64_t i = 0; i < count; i++)
        for (size_t filled = 0; filled < ranges[i].size;) {
            const int64_t n = mr__web_read(a, (char *)ranges[i].bytes + filled, ranges[i].size - filled);
            if (n <= 0) {
                drop_all(a);
                return n < 0 ? mr_error_status() : MR_END;
            }
            filled += (size_t)n;
        }
    return MR_OK;
}

static mr_status read_in_turn(web_file *f, const mr_file_range *ranges, int64_t count, int64_t end,
                              int64_t turn)
{
    ranges_readers *r = &f->ranges;
    pthread_mutex_lock(&r->lock);
    while (r->served != turn)
        pthread_cond_wait(&r->left, &r->lock);
    pthread_mutex_unlock(&r->lock);
    const mr_status status = read_ahead(f, ranges, count, end);
    pthread_mutex_lock(&r->lock);
    r->served++;
    pthread_cond_broadcast(&r->left);
    pthread_mutex_unlock(&r->lock);
    return status;
}

mr_status mr__web_read_ranges(void *self, const mr_file_range *ranges, int64_t count)
{
    web_file *f = self;
    int64_t end, turn;
    mr_status status = MR_END;
    if (count < 1)
        return MR_OK;
    if (is_one_run(ranges, count, &end) && reads_on(&f->ranges, ranges[0].offset, end, &turn))
        status = read_in_turn(f, ranges, count, end, turn);
    return status == MR_END ? mr__web_read_scattered(f->web, f->url, &f->identity, ranges, count) : status;
}
