#include "ranges.h"

#include <stdlib.h>
#include <string.h>

enum {
    GAP = 1 << 14,  /* bytes that nobody wants and that are fetched, rather than to ask once more */
    BLOCK = 1 << 16 /* of a file in the cache */
};

/* Bytes of the file in one go, which ranges are copied from. */
typedef struct job {
    int64_t begin, end;
    char *bytes;
    size_t room;
    mr__transfer transfer; /* of those that the cache has not */
} job;

typedef struct plan {
    const mr__web *web;
    const char *url;
    const mr__identity *identity;
    mr__cache *cache;            /* NULL: it is not used */
    const mr_file_range **order; /* those that are not empty, by where they begin */
    int64_t count;
    int64_t planned; /* a place in the file: what is wanted before is in some job */
    int64_t next;    /* in `order`: those before end before `planned`, */
    int64_t copied;  /* or, when jobs have come in, have been copied in full */
    job *ring;
    int first, jobs;
} plan;

/* ---- what to ask for ---- */

static int by_offset(const void *a, const void *b)
{
    const int64_t x = (*(const mr_file_range *const *)a)->offset,
                  y = (*(const mr_file_range *const *)b)->offset;
    return (x > y) - (x < y);
}

static int64_t end_of(const mr_file_range *range)
{
    return range->offset + (int64_t)range->size;
}

static int64_t most_bytes(const plan *p)
{
    return !p->cache                    ? p->web->part_bytes
           : p->web->part_bytes < BLOCK ? BLOCK
                                        : p->web->part_bytes / BLOCK * BLOCK;
}

/* The next bytes that are wanted: false when there are none. */
static bool next_bytes(plan *p, int64_t *begin, int64_t *end)
{
    while (p->next < p->count && end_of(p->order[p->next]) <= p->planned)
        p->next++;
    if (p->next == p->count)
        return false;
    const int64_t at = p->order[p->next]->offset, most = most_bytes(p);
    *begin = *end = at > p->planned ? at : p->planned;
    if (p->cache)
        *begin = *begin / BLOCK * BLOCK;
    for (int64_t i = p->next; i < p->count && p->order[i]->offset - *end <= GAP && *end - *begin < most; i++)
        *end = end_of(p->order[i]) > *end ? end_of(p->order[i]) : *end;
    int64_t length = *end - *begin < most ? *end - *begin : most;
    if (p->cache)
        length = (length + BLOCK - 1) / BLOCK * BLOCK;
    *end = *begin + (p->identity->size - *begin < length ? p->identity->size - *begin : length);
    p->planned = *end;
    return true;
}

/* ---- jobs ---- */

static int64_t block_end(const job *j, int64_t block)
{
    return j->end - block < BLOCK ? j->end : block + BLOCK;
}

/* Takes what the cache has; *begin and *end: what is left to be asked for, nothing if they are equal. */
static void look_into_cache(const plan *p, const job *j, int64_t *begin, int64_t *end)
{
    int64_t found = 0;
    *begin = *end = j->begin;
    for (int64_t at = j->begin; at < j->end; at = block_end(j, at)) {
        const size_t length = (size_t)(block_end(j, at) - at);
        if (mr__cache_read(p->cache, p->url, p->identity, at, j->bytes + (at - j->begin), length)) {
            found += (int64_t)length;
            continue;
        }
        *begin = *begin == *end ? at : *begin;
        *end = block_end(j, at);
    }
    mr__fetcher_count_cached(p->web->fetcher, found);
}

static void put_into_cache(const plan *p, const job *j)
{
    const mr__transfer *t = &j->transfer;
    for (int64_t at = t->offset; p->cache && at < t->offset + t->length; at = block_end(j, at))
        mr__cache_write(p->cache, p->url, p->identity, at, j->bytes + (at - j->begin),
                        (size_t)(block_end(j, at) - at));
}

static mr_status start_job(plan *p, int64_t begin, int64_t end)
{
    job *j = &p->ring[(p->first + p->jobs) % p->web->connections];
    const size_t room = (size_t)(end - begin);
    char *bytes = j->room < room ? mr_grow(j->bytes, 0, room) : j->bytes;
    if (!bytes)
        return mr_error_status();
    j->bytes = bytes;
    j->room = j->room < room ? room : j->room;
    j->begin = begin;
    j->end = end;
    if (p->cache)
        look_into_cache(p, j, &begin, &end);
    mr__transfer *t = &j->transfer;
    *t = (mr__transfer){ .url = p->url,
                         .offset = begin,
                         .length = end - begin,
                         .same = p->identity,
                         .bytes = j->bytes + (begin - j->begin),
                         .room = (size_t)(end - begin),
                         .progress = MR__DONE };
    p->jobs++;
    if (t->length) {
        mr__fetcher_lock(p->web->fetcher);
        mr__fetcher_start(p->web->fetcher, t);
        mr__fetcher_unlock(p->web->fetcher);
    }
    return MR_OK;
}

static void drop_job(plan *p)
{
    job *j = &p->ring[p->first];
    if (j->transfer.length) {
        mr__fetcher_lock(p->web->fetcher);
        mr__fetcher_stop(p->web->fetcher, &j->transfer);
        mr__fetcher_unlock(p->web->fetcher);
    }
    p->first = (p->first + 1) % p->web->connections;
    p->jobs--;
}

static mr_status await_job(const plan *p, const job *j)
{
    const mr__transfer *t = &j->transfer;
    bool goes_on = true;
    mr__fetcher_lock(p->web->fetcher);
    while (t->progress != MR__DONE && t->progress != MR__FAILED && goes_on)
        goes_on = mr__fetcher_wait(p->web->fetcher);
    mr__fetcher_unlock(p->web->fetcher);
    if (!goes_on)
        return mr__web_interrupted(p->url);
    if (t->progress == MR__FAILED)
        return mr__web_failed(p->url, t);
    return MR_OK;
}

static void copy_ranges(plan *p, const job *j)
{
    while (p->copied < p->count && end_of(p->order[p->copied]) <= j->begin)
        p->copied++;
    for (int64_t i = p->copied; i < p->count && p->order[i]->offset < j->end; i++) {
        const mr_file_range *r = p->order[i];
        const int64_t begin = r->offset > j->begin ? r->offset : j->begin,
                      end = end_of(r) < j->end ? end_of(r) : j->end;
        if (begin < end)
            memcpy((char *)r->bytes + (begin - r->offset), j->bytes + (begin - j->begin),
                   (size_t)(end - begin));
    }
}

/* ---- all of them ---- */

/* Keeps as many jobs on their way as there are connections, and takes the first. */
static mr_status carry_out(plan *p)
{
    int64_t begin, end;
    bool more = true;
    while (more || p->jobs) {
        if (more && p->jobs < p->web->connections) {
            more = next_bytes(p, &begin, &end);
            if (more && start_job(p, begin, end) < 0)
                return mr_error_status();
            continue;
        }
        const job *j = &p->ring[p->first];
        if (await_job(p, j) < 0)
            return mr_error_status();
        copy_ranges(p, j);
        put_into_cache(p, j);
        drop_job(p);
    }
    return MR_OK;
}

mr_status mr__web_read_scattered(const mr__web *web, const char *url, const mr__identity *identity,
                                 const mr_file_range *ranges, int64_t count)
{
    if (count < 1)
        return MR_OK;
    plan p = { .web = web, .url = url, .identity = identity };
    p.cache = mr__identity_stamp(identity) ? web->cache : NULL;
    p.order = mr_alloc((size_t)count * sizeof *p.order);
    p.ring = mr_calloc((size_t)web->connections, sizeof *p.ring);
    mr_status status = p.order && p.ring ? MR_OK : mr_error_status();
    if (status == MR_OK) {
        for (int64_t i = 0; i < count; i++)
            if (ranges[i].size)
                p.order[p.count++] = &ranges[i];
        qsort(p.order, (size_t)p.count, sizeof *p.order, by_offset);
        status = carry_out(&p);
    }
    while (p.jobs)
        drop_job(&p);
    for (int i = 0; p.ring && i < web->connections; i++)
        mr_free(p.ring[i].bytes);
    mr_free(p.order);
    mr_free(p.ring);
    return status;
}
