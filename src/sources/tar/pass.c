#include "pass.h"

/* A third of what may be held is for readers who may never come. */
static int64_t most_free(const mr__shared *shared)
{
    return shared->plan->most_held / 3;
}

/* ---- held samples ---- */

mr__part *mr__pass_owner(mr__pass *p, int64_t number)
{
    const int64_t i = number / MR__PASS_IN_A_ROW % p->parts;
    return i / MR__PASS_PARTS == p->group ? &p->part[i % MR__PASS_PARTS] : NULL;
}

mr__held *mr__pass_hold(mr__shared *shared)
{
    mr__held *h = shared->spare;
    if (!h)
        return mr__held_new(most_free(shared));
    shared->spare = h->next;
    return h;
}

void mr__pass_recycle(mr__shared *shared, mr__held *h)
{
    mr__held_clear(h);
    h->next = shared->spare;
    shared->spare = h;
}

mr__held *mr__pass_pop(mr__pass *p, mr__part *q)
{
    mr__held *h = q->first;
    if (h) {
        q->first = h->next;
        q->last = h->next ? q->last : NULL;
        q->bytes -= (int64_t)h->used;
        p->bytes -= (int64_t)h->used;
    }
    return h;
}

static void drop(mr__shared *shared, mr__pass *p, mr__part *q)
{
    while (q->first)
        mr__pass_recycle(shared, mr__pass_pop(p, q));
}

static void let_go(mr__shared *shared, mr__pass *p, mr__part *q)
{
    drop(shared, p, q);
    q->state = MR__PART_GONE;
}

static bool are_alike(const mr__pass *a, const mr__pass *b)
{
    return a->path == b->path && a->parts == b->parts && a->group == b->group;
}

static bool is_taken_elsewhere(const mr__shared *shared, const mr__pass *than, int i)
{
    for (const mr__pass *p = shared->passes; p; p = p->next)
        if (p != than && are_alike(p, than) && p->part[i].state == MR__PART_TAKEN)
            return true;
    return false;
}

/* Lets go of what is held for readers who may never come: of those who are reading elsewhere, or of all. */
static void let_go_of_free(mr__shared *shared, mr__pass *p, bool all)
{
    int64_t bytes = 0;
    for (int i = 0; i < MR__PASS_PARTS; i++)
        bytes += p->part[i].state == MR__PART_FREE ? p->part[i].bytes : 0;
    for (int i = 0; bytes > most_free(shared) && i < MR__PASS_PARTS; i++)
        if (p->part[i].state == MR__PART_FREE && (all || is_taken_elsewhere(shared, p, i)))
            let_go(shared, p, &p->part[i]);
}

static void keep_below_limits(mr__shared *shared, mr__pass *p)
{
    if (p->bytes <= most_free(shared))
        return;
    let_go_of_free(shared, p, false);
    let_go_of_free(shared, p, true);
    while (p->bytes > shared->plan->most_held) {
        mr__part *most = &p->part[0];
        for (int i = 1; i < MR__PASS_PARTS; i++)
            most = p->part[i].bytes > most->bytes ? &p->part[i] : most;
        let_go(shared, p, most);
    }
}

void mr__pass_append(mr__shared *shared, mr__pass *p, mr__held *h)
{
    mr__part *q = mr__pass_owner(p, h->number);
    if (q->state == MR__PART_GONE || h->number < q->from) {
        mr__pass_recycle(shared, h);
        return;
    }
    if (h->too_large) { /* his own pass will read it */
        mr__pass_recycle(shared, h);
        q->state = MR__PART_GONE;
        return;
    }
    h->next = NULL;
    *(q->last ? &q->last->next : &q->first) = h;
    q->last = h;
    q->bytes += (int64_t)h->used;
    p->bytes += (int64_t)h->used;
    keep_below_limits(shared, p);
}

/* ---- passes ---- */

static void pass_free(mr__shared *shared, mr__pass *gone)
{
    mr__pass **at = &shared->passes;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    for (int i = 0; i < MR__PASS_PARTS; i++)
        drop(shared, gone, &gone->part[i]);
    mr__samples_close(&gone->samples);
    mr_free(gone);
}

static bool may_be_joined(const mr__pass *p)
{
    if (p->ended.status < 0)
        return false;
    for (int i = 0; i < MR__PASS_PARTS && p->group * MR__PASS_PARTS + i < p->parts; i++)
        if (p->part[i].state == MR__PART_FREE)
            return true;
    return false;
}

/* Those without readers: of each kind the newest is kept, if somebody may still come to it. */
static void free_passes(mr__shared *shared)
{
    for (mr__pass *p = shared->passes, *next; p; p = next) {
        next = p->next;
        bool newest = true;
        for (const mr__pass *q = shared->passes; q != p; q = q->next)
            newest = newest && !are_alike(p, q);
        if (p->readers == 0 && !(newest && may_be_joined(p)))
            pass_free(shared, p);
    }
    while (!shared->passes && shared->spare)
        mr__held_free(mr__pass_hold(shared));
}

void mr__passes_free(mr__shared *shared)
{
    while (shared->passes)
        pass_free(shared, shared->passes);
    free_passes(shared);
}

/* Whether all is held, or will be, that a reader wants who goes on from where he stands. */
static bool holds(const mr__pass *p, const mr__share *s)
{
    if (p->held_from < INT64_MAX)
        return s->number >= p->held_from;
    return s->at >= p->hold_at;
}

static mr__pass *find_pass(const mr__share *s)
{
    for (mr__pass *p = s->shared->passes; p; p = p->next)
        if (p->path == s->path && p->parts == s->parts && p->group == s->part / MR__PASS_PARTS &&
            p->part[s->part % MR__PASS_PARTS].state == MR__PART_FREE && holds(p, s))
            return p;
    return NULL;
}

/* In front of the others: it is the one that readers will come to. */
static mr__pass *begin_pass(const mr__share *s)
{
    mr__pass *p = mr_calloc(1, sizeof *p);
    if (!p)
        return NULL;
    *p = (mr__pass){ .next = s->shared->passes,
                     .path = s->path,
                     .parts = s->parts,
                     .group = s->part / MR__PASS_PARTS,
                     .samples = { .plan = s->shared->plan, .end = INT64_MAX },
                     .going_to = s->at,
                     .going_number = s->number,
                     .hold_at = s->at - most_free(s->shared) / 2,
                     .held_from = s->at < 0 ? 0 : INT64_MAX };
    s->shared->passes = p;
    return p;
}

mr_status mr__pass_join(mr__share *s)
{
    mr__pass *p = find_pass(s);
    if (!p)
        p = begin_pass(s);
    if (!p)
        return mr_error_status();
    s->pass = p;
    p->readers++;
    mr__part *q = mr__part_of(s);
    q->state = MR__PART_TAKEN;
    q->from = s->number;
    while (q->first && q->first->number < s->number)
        mr__pass_recycle(s->shared, mr__pass_pop(p, q));
    free_passes(s->shared);
    return MR_OK;
}

void mr__pass_leave(mr__share *s)
{
    if (!s->pass)
        return;
    let_go(s->shared, s->pass, mr__part_of(s));
    s->pass->readers--;
    s->pass = NULL;
    free_passes(s->shared);
}
