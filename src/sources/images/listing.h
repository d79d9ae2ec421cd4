/* Which files there are in the folders of classes. */
#ifndef MILLRACE_SOURCES_IMAGES_LISTING_H
#define MILLRACE_SOURCES_IMAGES_LISTING_H

#include <millrace/base.h>

/* Strings that are added one by one. */
typedef struct mr__names {
    char **at; /* each is owned */
    int64_t count, room;
} mr__names;

typedef struct mr__listed {
    int32_t folder, label;
    char *name; /* owned */
} mr__listed;

typedef struct mr__listing {
    mr__names classes, folders; /* folders: paths */
    mr__listed *file;
    int64_t count, room;
} mr__listing;

/* Lists the files that end in one of the extensions, upper case counting as lower. */
mr_status mr__listing_make(mr__listing *listing, const char *path, const char *const *extensions,
                           int extension_count);
void mr__listing_free(mr__listing *listing);

#endif
