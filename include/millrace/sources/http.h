/*
 * Millrace, sources: files of web servers, HTTP and HTTPS, as a storage: readers that take an mr_storage read them like those
 * of the disk. Link with millrace-http.
 *
 *     mr_storage *web = mr_storage_from_http(NULL);
 *     mr_dataset *rows = mr_csv_stream_new("https://example.org/rows.csv.gz", NULL, 0, &(mr_csv_opts){ .storage = web });
 *     mr_storage_free(web);
 *
 * Several requests for parts of a file are on their way at once, ahead of who reads, made by one thread of the storage. One
 * that fails is made again, from the byte where it broke off. A file that becomes another while it is read is a failure:
 * "'https://…' has changed while it was read". Such a file can be gone on with where a state stands, also in shards.
 *
 * What is read here and there in a file (mr_file_read_ranges, rows of large arrays) is all that is asked for, but that
 * ranges are put together which lie within 16 KB of each other, and that a cache has blocks of 64 KB. Who reads on from
 * where ranges before ended is read ahead for.
 *
 * A server that gives no parts is read from the front to the back; to go on in a file means to read up to there. An
 * answer that comes without an end, and says neither its length nor what it is, is a pipe: read once. What comes is
 * taken as it is: no packing is asked for, nor undone; a reader sees by the first bytes that a file is packed, or is
 * told that the server has packed it (gzip, zstd; by anything else it is refused).
 *
 * Proxies are those that the environment names, as curl knows them: http_proxy, https_proxy, all_proxy, no_proxy.
 */
#ifndef MILLRACE_SOURCES_HTTP_H
#define MILLRACE_SOURCES_HTTP_H

#include <millrace/storage.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_http_opts {
    int connections;    /* requests on their way for a file at once, 1 to 64; default 4 */
    int64_t part_bytes; /* of one, at most; default 2 MB. A reader holds up to that many for each */

    /* Times are in seconds, up to a million. */
    int retries; /* of a request that brings nothing, one after the other; default 5, -1: none */
    /* seconds before the first of them, at most, and half of that at least; doubled each time; default 0.25 */
    double backoff;
    /* that it is doubled up to; default 30. A server that asks for more patience (Retry-After) is a failure */
    double most_backoff;
    double connect_timeout; /* seconds to come to a server; default 10 */
    /* seconds without a byte, after which a request has failed; default 30; MR_ZERO: no limit */
    double stall_timeout;

    const char *ca_file; /* certificates of authorities (PEM); default: the system's */
    /* Of each request: "Authorization: Bearer …". Where a redirection leads to another server (scheme, host or port),
     * they are not sent there. */
    const char *const *headers;
    int header_count;

    /* a folder in which parts of files are kept, made if need be; other files in it stay; default: none */
    const char *cache;
    /* that the parts in it take up, at most, about, whoever put them there; those least lately used go first;
     * default 16 GB */
    int64_t cache_bytes;
} mr_http_opts;

/* Makes a storage of files that are named by URLs, "http://…" or "https://…". Strings are copied. Redirections are
 * followed. Parts of files that a server knows by an ETag or a date are kept in the cache; each opening asks whether
 * they are still the same. What a server gives as a whole only is not kept, and comes anew each time. Several programs
 * may share a cache, and one that is killed leaves it sound. */
MR_API mr_storage *mr_storage_from_http(const mr_http_opts *opts);

/* What a storage has done so far. */
typedef struct mr_http_counts {
    int64_t requests; /* retries among them */
    int64_t retries;
    int64_t bytes;       /* of answers */
    int64_t cache_bytes; /* that came from the cache instead */
} mr_http_counts;

/* Writes them to `counts`; from any thread. MR_ERR_ARGUMENT for a storage of another kind. */
MR_API mr_status mr_http_count(mr_storage *storage, mr_http_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
