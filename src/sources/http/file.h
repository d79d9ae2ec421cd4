/* A file of a web server, as somebody reads it. */
#ifndef MILLRACE_SOURCES_HTTP_FILE_H
#define MILLRACE_SOURCES_HTTP_FILE_H

#include "cache.h"
#include "fetcher.h"

/* What all files of a storage have in common. */
typedef struct mr__web {
    mr__fetcher *fetcher;
    mr__cache *cache; /* NULL: there is none */
    int connections;
    int64_t part_bytes;
} mr__web;

/* Callbacks of a storage whose `self` is a pointer to an mr__web. */
void *mr__web_open(void *self, const char *url, mr_file_facts *facts);
int64_t mr__web_read(void *file, void *bytes, size_t size);
mr_status mr__web_seek(void *file, int64_t offset);
void mr__web_expect_end(void *file, int64_t end);
void mr__web_close(void *file);
mr_status mr__web_read_ranges(void *file, const mr_file_range *ranges, int64_t count);

/* Raise why a transfer of a file failed; that reading was interrupted. */
mr_status mr__web_failed(const char *url, const mr__transfer *transfer);
mr_status mr__web_interrupted(const char *url);

#endif
