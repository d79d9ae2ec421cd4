/* The names that a pattern stands for. */
#ifndef MILLRACE_SOURCES_TAR_PATTERN_H
#define MILLRACE_SOURCES_TAR_PATTERN_H

#include <millrace/base.h>

typedef struct mr__names {
    char **name;
    int64_t count, room;
} mr__names;

/* "{a,b}" and "{000..127}", one in another, too; then, if asked for, what the disk has for *, ? and [ ]. */
mr_status mr__names_of(mr__names *names, const char *pattern, bool on_disk);
void mr__names_free(mr__names *names);

#endif
