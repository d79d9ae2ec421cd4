/* What the fields of samples are made of. */
#ifndef MILLRACE_SOURCES_TAR_PLAN_H
#define MILLRACE_SOURCES_TAR_PLAN_H

#include "archive.h"

#include <millrace/sources/tar.h>

#include "sources/words.h"

typedef struct mr__tar_plan {
    int field_count;
    mr_field *field;       /* names are owned */
    mr_tar_field *options; /* of each field; `extension` and `key` are owned, other strings gone */
    mr__words *words;      /* of each field */
    int64_t most;          /* bytes of a member */
    int64_t most_held;     /* bytes of samples that wait for a reader */
} mr__tar_plan;

mr_status mr__tar_plan_make(mr__tar_plan *plan, const mr_tar_field *fields, int field_count,
                            const mr_tar_opts *opts);
void mr__tar_plan_free(mr__tar_plan *plan);

/* Whether a field is made of the member. */
bool mr__tar_plan_wants(const mr__tar_plan *plan, int field, const mr__member *member);

/* Room that a reader needs for text and JSON. */
typedef struct mr__scratch {
    char *bytes;
    size_t room;
} mr__scratch;

/* What a field has had of a sample's members. */
typedef struct mr__seen {
    bool any;
    char extension[39]; /* for messages, of the member: its end may be missing */
    int64_t at;         /* of its head */
} mr__seen;

/* Writes what the member that `tar` stands at has for the fields that are made of it, and sets seen[i] for each. MR_OK,
 * MR_END when the sample is to be left out, or a failure with the place. */
mr_status mr__tar_read_member(const mr__tar_plan *plan, mr__tar *tar, const mr__member *member,
                              mr__scratch *scratch, mr__seen *seen, void *const *field);

/* Writes what has no member: the sample's name, and what stands in for a member that is missing. */
mr_status mr__tar_read_missing(const mr__tar_plan *plan, const mr__tar *tar, const char *key, int64_t at,
                               const mr__seen *seen, void *const *field);

#endif
