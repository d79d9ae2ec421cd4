/*
 * Passes through packed files (share.h), and what they hold. All of it is under the lock of the mr__shared, but what a
 * pass's `reading` says.
 */
#ifndef MILLRACE_SOURCES_TAR_PASS_H
#define MILLRACE_SOURCES_TAR_PASS_H

#include "held.h"
#include "share.h"

#include <pthread.h>

enum {
    MR__PASS_IN_A_ROW = 32, /* samples of a part */
    MR__PASS_PARTS = 64     /* parts that a pass is for */
};

typedef enum mr__part_state {
    MR__PART_FREE, /* its reader may still come */
    MR__PART_TAKEN,
    MR__PART_GONE /* nothing is held for it any more */
} mr__part_state;

typedef struct mr__part {
    mr__part_state state;
    int64_t from;           /* samples with smaller numbers are not wanted, */
    mr__held *first, *last; /* but these */
    int64_t bytes;
} mr__part;

typedef struct mr__pass {
    struct mr__pass *next;
    const char *path; /* borrowed */
    int64_t parts, group;
    int readers;  /* who have not left */
    bool reading; /* one of them is unpacking; `samples` is his */
    mr__samples samples;
    bool opened;
    uint64_t stamp;
    int64_t held_from;    /* samples from this number on are held */
    int64_t going_to;     /* it is going to this byte, from before which a reader has read; -1: it is there */
    int64_t going_number; /* of the sample there */
    int64_t hold_at;      /* from the first head at this byte or behind it on samples are held */
    mr__said ended;       /* MR_OK: it has not */
    int64_t bytes;        /* held */
    mr__part part[MR__PASS_PARTS];
} mr__pass;

struct mr__shared {
    const mr__tar_plan *plan;
    mr_storage *storage;
    pthread_mutex_t lock; /* of all below, and of passes but what `reading` says */
    int holders;
    pthread_cond_t changed;
    mr__pass *passes;
    mr__held *spare;
};

/* The part that a sample belongs to; NULL: one of another group. */
mr__part *mr__pass_owner(mr__pass *pass, int64_t number);

/* The part of a reader who has joined. */
static inline mr__part *mr__part_of(const mr__share *share)
{
    return &share->pass->part[share->part % MR__PASS_PARTS];
}

/* Joins a pass that holds all that the reader wants, or begins one. */
mr_status mr__pass_join(mr__share *share);
void mr__pass_leave(mr__share *share);

/* Memory for a sample; NULL after a failure. */
mr__held *mr__pass_hold(mr__shared *shared);
void mr__pass_recycle(mr__shared *shared, mr__held *held);

/* Gives a sample to the part that it belongs to, and lets go of others if all is too much. */
void mr__pass_append(mr__shared *shared, mr__pass *pass, mr__held *held);

/* The next one that waits for a part's reader; NULL: none does. */
mr__held *mr__pass_pop(mr__pass *pass, mr__part *part);

/* Frees all. */
void mr__passes_free(mr__shared *shared);

#endif
