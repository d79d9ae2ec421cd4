#include "file.h"

#include <string.h>

enum { MOST_SECONDS = 1000000 };

static void web_free(mr__web *web)
{
    mr__fetcher_free(web->fetcher);
    mr__cache_free(web->cache);
    mr_free(web);
}

static void destroy(void *self)
{
    web_free(*(mr__web **)self);
}

static void interrupt(void *self)
{
    mr__fetcher_interrupt((*(mr__web **)self)->fetcher);
}

static const mr_storage_vtable vtable = { .open = mr__web_open,
                                          .read = mr__web_read,
                                          .close = mr__web_close,
                                          .seek = mr__web_seek,
                                          .destroy = destroy,
                                          .interrupt = interrupt,
                                          .read_ranges = mr__web_read_ranges,
                                          .expect_end = mr__web_expect_end };

static mr_status check(const mr_http_opts *o)
{
    const struct {
        const char *name;
        double seconds;
    } times[] = { { "backoff", o->backoff },
                  { "most_backoff", o->most_backoff },
                  { "connect_timeout", o->connect_timeout },
                  { "stall_timeout", o->stall_timeout } };
    if (o->connections < 0 || o->connections > 64)
        return mr_fail(MR_ERR_ARGUMENT, "storage_from_http: %d connections: there are 1 to 64",
                       o->connections);
    if (o->part_bytes < 0 || o->part_bytes > 1 << 30)
        return mr_fail(MR_ERR_ARGUMENT, "storage_from_http: parts of %lld bytes: they have 1 to %d",
                       (long long)o->part_bytes, 1 << 30);
    for (int i = 0; i < 4; i++)
        if (!(times[i].seconds >= 0 && times[i].seconds <= MOST_SECONDS))
            return mr_fail(MR_ERR_ARGUMENT, "storage_from_http: %s is %g: it has 0 to %d seconds",
                           times[i].name, times[i].seconds, MOST_SECONDS);
    if (o->cache_bytes < 0)
        return mr_fail(MR_ERR_ARGUMENT, "storage_from_http: cache_bytes is negative");
    if (o->cache && !*o->cache)
        return mr_fail(MR_ERR_ARGUMENT, "storage_from_http: the cache's folder has no name");
    for (int i = 0; i < o->header_count; i++)
        if (!o->headers[i] || !strchr(o->headers[i], ':') || strpbrk(o->headers[i], "\r\n"))
            return mr_fail(MR_ERR_ARGUMENT, "storage_from_http: header %d is no line \"name: value\"", i);
    return MR_OK;
}

mr_storage *mr_storage_from_http(const mr_http_opts *opts)
{
    static const mr_http_opts defaults = { 0 };
    const mr_http_opts *o = opts ? opts : &defaults;
    mr__web *web = check(o) == MR_OK ? mr_calloc(1, sizeof *web) : NULL;
    if (!web)
        return NULL;
    mr_storage *storage = NULL;
    web->connections = o->connections ? o->connections : 4;
    web->part_bytes = o->part_bytes ? o->part_bytes : 2 << 20;
    web->fetcher = mr__fetcher_new(o);
    if (web->fetcher && o->cache)
        web->cache = mr__cache_new(o->cache, o->cache_bytes ? o->cache_bytes : (int64_t)16 << 30);
    if (web->fetcher && (!o->cache || web->cache))
        storage = mr_storage_new(&vtable, &web, sizeof web);
    if (!storage)
        web_free(web);
    return storage;
}

mr_status mr_http_count(mr_storage *storage, mr_http_counts *counts)
{
    mr__web *const *web = mr_storage_self(storage, &vtable);
    *counts = (mr_http_counts){ 0 };
    if (!web)
        return mr_fail(MR_ERR_ARGUMENT, "http_count: this is no storage of mr_storage_from_http");
    mr__fetcher_counts((*web)->fetcher, counts);
    return MR_OK;
}
