#include "pass.h"

#include <string.h>

/* ---- unpacking: by one reader of a pass, without the lock ---- */

/* What comes of the next sample. */
typedef struct step {
    mr__target *target; /* of whoever unpacks; NULL: it is not his */
    mr__held *held;     /* of another one; NULL: of nobody's */
    mr__sample_read read;
    mr__said more;  /* why nothing comes behind it: MR_END, or a failure */
    int64_t number; /* of the sample */
    int64_t behind; /* where the next one begins; -1 */
} step;

static mr_status open_file(mr__pass *p, mr_storage *storage)
{
    if (mr__tar_open(&p->samples.tar, storage, p->path) < 0 || mr__tar_start(&p->samples.tar, 0) < 0)
        return mr_error_status();
    return mr__samples_fetch(&p->samples);
}

/* Keeps what ended a pass. */
static void hear_end(mr__said *said, mr_status status)
{
    if (status < 0)
        mr__hear(said);
    else
        said->status = status;
}

static mr_status has_changed(const mr__pass *p, bool ended)
{
    if (ended)
        return mr_fail(MR_ERR_STATE,
                       "'%s' has %lld bytes, and there was something at byte %lld: it has changed", p->path,
                       (long long)p->samples.tar.at, (long long)p->going_to);
    return mr_fail(MR_ERR_STATE, "'%s' has changed since it was read up to byte %lld", p->path,
                   (long long)p->going_to);
}

static void read_sample(mr__pass *p, step *t)
{
    mr__samples *of = &p->samples;
    mr__take *take = t->target ? mr__target_take : t->held ? mr__held_take : NULL;
    t->number = of->number;
    mr__samples_read(of, take, t->target ? (void *)t->target : t->held, &t->read);
    t->behind = t->read.more == MR_OK ? of->next.at : -1;
    mr_status more = t->read.more;
    if (more == MR_END && p->going_to >= 0)
        more = has_changed(p, true);
    else if (more == MR_END && mr__samples_check_any(of) < 0)
        more = mr_error_status();
    hear_end(&t->more, more);
}

/* ---- and with it ---- */

/* The pass has come to the place where its first reader goes on, or to where it begins to hold samples for others. */
static void arrive(mr__pass *p)
{
    const mr__samples *of = &p->samples;
    if (p->going_to >= 0 && of->next.at >= p->going_to) {
        if (of->next.at > p->going_to || of->number != p->going_number) {
            has_changed(p, false);
            mr__hear(&p->ended);
        }
        p->going_to = -1;
    }
    if (p->held_from == INT64_MAX && of->next.at >= p->hold_at)
        p->held_from = of->number;
}

static mr_status begin_step(mr__share *s, mr__target *target, step *t)
{
    mr__pass *p = s->pass;
    const mr__part *q = mr__pass_owner(p, p->samples.number);
    *t = (step){ .target = NULL };
    if (!q || q->state == MR__PART_GONE || p->samples.number < q->from || p->samples.number < p->held_from)
        return MR_OK;
    if (q == mr__part_of(s) && target) {
        t->target = target;
        memset(target->seen, 0, (size_t)target->plan->field_count * sizeof *target->seen);
        return MR_OK;
    }
    t->held = mr__pass_hold(s->shared);
    return t->held ? MR_OK : mr_error_status();
}

static void end_step(mr__share *s, step *t)
{
    mr__pass *p = s->pass;
    if (t->more.status)
        p->ended = t->more;
    if (t->held && !t->read.any) {
        mr__pass_recycle(s->shared, t->held);
    } else if (t->held) {
        t->held->number = t->number;
        t->held->behind = t->behind;
        t->held->read = t->read;
        t->held->more = t->more;
        mr__pass_append(s->shared, p, t->held);
    }
}

/* Unpacks what comes next in the pass. *given: it was a sample for the target, and the status is what became of it;
 * otherwise the status is MR_OK or a failure that has nothing to do with the file. */
static mr_status unpack(mr__share *s, mr__target *target, bool *given)
{
    mr__shared *shared = s->shared;
    mr__pass *p = s->pass;
    step t;
    mr_status status = MR_OK;
    *given = false;
    if (p->opened && begin_step(s, target, &t) < 0)
        return mr_error_status();
    p->reading = true;
    pthread_mutex_unlock(&shared->lock);
    mr__said opened = { 0 };
    if (!p->opened) {
        hear_end(&opened, open_file(p, shared->storage));
    } else {
        read_sample(p, &t);
        *given = t.target && t.read.any;
        if (*given && !t.read.said.status && t.more.status < 0)
            status = mr__say(&t.more);
        else if (*given)
            status = mr__target_finish(target, &p->samples.tar, &p->samples.now, &t.read);
    }
    pthread_mutex_lock(&shared->lock);
    p->reading = false;
    pthread_cond_broadcast(&shared->changed);
    if (!p->opened) {
        p->opened = true;
        p->ended = opened;
        p->stamp = p->samples.tar.input ? mr__input_stamp(p->samples.tar.input) : 0;
    } else {
        end_step(s, &t);
    }
    if (!p->ended.status)
        arrive(p);
    if (*given) {
        s->number = t.number + 1;
        s->at = t.behind;
        s->through = t.more.status != MR_OK;
    }
    return status;
}

/* ---- readers ---- */

static mr_status write_held(mr__share *s, mr__held *h, mr__target *target)
{
    pthread_mutex_unlock(&s->shared->lock);
    memset(target->seen, 0, (size_t)target->plan->field_count * sizeof *target->seen);
    const mr_status status = mr__held_write(h, s->path, target);
    pthread_mutex_lock(&s->shared->lock);
    s->number = h->number + 1;
    s->at = h->behind;
    s->through = h->behind < 0;
    mr__pass_recycle(s->shared, h);
    return status;
}

/* Whoever goes on in another pass goes on in the same file. */
static mr_status check_stamp(mr__share *s)
{
    const mr__pass *p = s->pass;
    if (!p->opened || !p->stamp)
        return MR_OK;
    if (s->stamp && s->stamp != p->stamp)
        return mr_fail(MR_ERR_STATE, "'%s' has changed since it was read up to byte %lld", s->path,
                       (long long)s->at);
    s->stamp = p->stamp;
    return MR_OK;
}

/* Under the lock. MR_END: nothing came of it, or there is nothing more. */
static mr_status next(mr__share *s, mr__target *target)
{
    bool given = false;
    if ((!s->pass && mr__pass_join(s) < 0) || check_stamp(s) < 0) {
        s->through = true;
        return mr_error_status();
    }
    mr__part *q = mr__part_of(s);
    mr__held *h = mr__pass_pop(s->pass, q);
    if (h)
        return write_held(s, h, target);
    if (q->state == MR__PART_GONE) { /* it came too late */
        mr__pass_leave(s);
    } else if (s->pass->ended.status) {
        s->through = true;
        return s->pass->ended.status < 0 ? mr__say(&s->pass->ended) : MR_END;
    } else if (s->pass->reading) {
        pthread_cond_wait(&s->shared->changed, &s->shared->lock);
    } else {
        const mr_status status = unpack(s, target, &given);
        return given || status < 0 ? status : MR_END;
    }
    return MR_END;
}

mr_status mr__share_next(mr__share *s, mr__target *target)
{
    mr_status status = MR_END;
    pthread_mutex_lock(&s->shared->lock);
    while (status == MR_END && !s->through)
        status = next(s, target);
    pthread_mutex_unlock(&s->shared->lock);
    return status;
}

/* Under the lock: MR_END while it is on its way. */
static mr_status go_on(mr__share *s)
{
    const mr__pass *p = s->pass;
    bool given;
    if (check_stamp(s) < 0)
        return mr_error_status();
    if (p->ended.status < 0)
        return mr__say(&p->ended);
    if (p->opened && p->going_to < 0)
        return MR_OK;
    if (!p->reading)
        return unpack(s, NULL, &given) < 0 ? mr_error_status() : MR_END;
    pthread_cond_wait(&s->shared->changed, &s->shared->lock);
    return MR_END;
}

mr_status mr__share_seek(mr__share *s, int64_t at, int64_t number, uint64_t stamp)
{
    mr_status status = MR_END;
    mr__share_leave(s);
    s->at = at;
    s->number = number;
    s->stamp = stamp;
    s->through = false;
    pthread_mutex_lock(&s->shared->lock);
    if (mr__pass_join(s) < 0)
        status = mr_error_status();
    while (status == MR_END)
        status = go_on(s);
    pthread_mutex_unlock(&s->shared->lock);
    return status;
}

void mr__share_leave(mr__share *s)
{
    pthread_mutex_lock(&s->shared->lock);
    mr__pass_leave(s);
    pthread_mutex_unlock(&s->shared->lock);
}

/* ---- making ---- */

mr__shared *mr__shared_new(const mr__tar_plan *plan, mr_storage *storage)
{
    mr__shared *shared = mr_calloc(1, sizeof *shared);
    if (!shared)
        return NULL;
    shared->plan = plan;
    shared->storage = storage;
    shared->holders = 1;
    pthread_mutex_init(&shared->lock, NULL);
    pthread_cond_init(&shared->changed, NULL);
    return shared;
}

mr__shared *mr__shared_hold(mr__shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    shared->holders++;
    pthread_mutex_unlock(&shared->lock);
    return shared;
}

void mr__shared_free(mr__shared *shared)
{
    if (!shared)
        return;
    pthread_mutex_lock(&shared->lock);
    const int left = --shared->holders;
    pthread_mutex_unlock(&shared->lock);
    if (left > 0)
        return;
    mr__passes_free(shared);
    pthread_mutex_destroy(&shared->lock);
    pthread_cond_destroy(&shared->changed);
    mr_free(shared);
}
