/* The samples of a tar file, one after the other, from some place on. */
#ifndef MILLRACE_SOURCES_TAR_SAMPLES_H
#define MILLRACE_SOURCES_TAR_SAMPLES_H

#include "plan.h"

/* A failure that is told later. */
typedef struct mr__said {
    mr_status status; /* MR_OK: there is none */
    char text[512];
} mr__said;

typedef struct mr__samples {
    const mr__tar_plan *plan; /* borrowed */
    mr__tar tar;
    int64_t end;     /* only heads before here are its own */
    int64_t number;  /* of the next sample of which some field wants a member */
    int64_t passed;  /* samples before it of which none does */
    bool begun;      /* the head of the next member has been read: */
    mr__member next; /* it; and */
    mr__member now;  /* the last one before */
} mr__samples;

/* Gets each member of a sample that some field wants, to be read from `tar`: MR_OK, or what becomes of the sample. */
typedef mr_status mr__take(void *user, mr__tar *tar, const mr__member *member);

/* What came of a sample. */
typedef struct mr__sample_read {
    bool any;       /* some field wants a member of it, so it was counted */
    int64_t at;     /* its first head */
    mr__said said;  /* the first failure of `take` */
    bool left_out;  /* take gave MR_END */
    mr_status more; /* MR_OK: there is another one behind it; MR_END; or a failure, which is pending */
} mr__sample_read;

/* Leaves the file. */
void mr__samples_close(mr__samples *samples);

/* Reads the head of the next member: MR_OK, MR_END behind the last one, or a failure. */
mr_status mr__samples_fetch(mr__samples *samples);

/* Reads the sample whose first head was read, and the head behind it. `take` may be NULL. */
void mr__samples_read(mr__samples *samples, mr__take *take, void *user, mr__sample_read *read);

/* When no sample of a file was counted: MR_OK, or a failure if there were others. */
mr_status mr__samples_check_any(const mr__samples *samples);

/* Keeps the failure that is pending, which then is no more; raises it. */
void mr__hear(mr__said *said);
mr_status mr__say(const mr__said *said);

/* ---- where a sample goes ---- */

/* Which one was given last, for messages. */
typedef struct mr__given {
    const char *path; /* of the file; borrowed as the stream's names are */
    int64_t at;       /* its first head */
    char key[121];    /* its name; the end may be missing */
} mr__given;

typedef struct mr__target {
    const mr__tar_plan *plan;
    mr__scratch *scratch;
    mr__seen *seen; /* which fields have had their member */
    mr__given *given;
    void *const *field;
} mr__target;

/* An mr__take. */
mr_status mr__target_take(void *target, mr__tar *tar, const mr__member *member);

/* After the members: what is missing, or the first failure. MR_OK, MR_END when the sample is left out. `last` is one of
 * its members. */
mr_status mr__target_finish(mr__target *target, const mr__tar *tar, mr__member *last,
                            const mr__sample_read *read);

#endif
