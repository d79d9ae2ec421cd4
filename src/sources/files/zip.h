/* The members of a ZIP file that lies in memory: those that are stored where they are, those that are deflated unpacked. */
#ifndef MILLRACE_SOURCES_ZIP_H
#define MILLRACE_SOURCES_ZIP_H

#include "input.h"

bool mr__is_zip(const mr__bytes *bytes);

/* A place in the list of members at the end of a file. */
typedef struct mr__zip {
    const char *path; /* for messages; borrowed */
    const mr__bytes *bytes;
    uint64_t at, left; /* the next one, and how many there are */
} mr__zip;

typedef struct mr__zip_member {
    const char *name; /* not terminated */
    size_t name_length;
    uint64_t begin, packed, size; /* begin: of its header */
    uint32_t sum;
    unsigned method, flags;
} mr__zip_member;

/* Finds the list. */
mr_status mr__zip_open(mr__zip *zip, const mr__bytes *bytes, const char *path);

/* The next member: MR_OK, or MR_END. */
mr_status mr__zip_next(mr__zip *zip, mr__zip_member *member);

/* Its bytes: a view of the file's, or memory of its own (`*owned`), at most `most` bytes, whose sum is then checked. */
mr_status mr__zip_read(const mr__zip *zip, const mr__zip_member *member, int64_t most, mr__bytes *bytes,
                       bool *owned);

/* Whether its bytes begin with these, as far as that can be told: 16 at most. */
bool mr__zip_begins(const mr__zip *zip, const mr__zip_member *member, const char *bytes, size_t size);

/* Where its packed bytes end; where its header begins if that is none. */
uint64_t mr__zip_end(const mr__zip *zip, const mr__zip_member *member);

#endif
