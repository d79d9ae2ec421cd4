/*
 * Parts of files in a folder, each in a file of its own, which is there whole or not at all, and says what it is and a
 * sum of its bytes: whatever happened to the folder, nothing wrong comes out of it. Names are hashes. All of it may be
 * called by several threads, and several programs may use one folder.
 */
#ifndef MILLRACE_SOURCES_HTTP_CACHE_H
#define MILLRACE_SOURCES_HTTP_CACHE_H

#include "answer.h"

typedef struct mr__cache mr__cache;

/* Makes it and its folder. `most` bytes are kept, about. */
mr__cache *mr__cache_new(const char *folder, int64_t most);
void mr__cache_free(mr__cache *cache);

/* What the file at a URL was when it was opened last; and that it is now this. */
bool mr__cache_known(mr__cache *cache, const char *url, mr__identity *identity);
void mr__cache_note(mr__cache *cache, const char *url, const mr__identity *identity);

/* Reads a part of exactly that length; false when it is not there. Keeps one: what goes wrong then is no failure. */
bool mr__cache_read(mr__cache *cache, const char *url, const mr__identity *identity, int64_t offset,
                    void *bytes, size_t length);
void mr__cache_write(mr__cache *cache, const char *url, const mr__identity *identity, int64_t offset,
                     const void *bytes, size_t length);

#endif
