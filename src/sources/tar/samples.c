#include "samples.h"

#include <stdio.h>
#include <string.h>

/* ---- failures ---- */

void mr__hear(mr__said *said)
{
    said->status = mr_error_status();
    snprintf(said->text, sizeof said->text, "%s", mr_error());
    mr_error_clear();
}

mr_status mr__say(const mr__said *said)
{
    return mr_fail(said->status, "%s", said->text);
}

/* ---- reading ---- */

void mr__samples_close(mr__samples *s)
{
    mr__tar_close(&s->tar);
    mr__member_free(&s->next);
    mr__member_free(&s->now);
    s->begun = false;
}

static mr_status cannot_cut(const mr__samples *s)
{
    return mr_fail(MR_ERR_FORMAT,
                   "'%s': a sample is at byte %lld, and the next shard begins at %lld: the file cannot be "
                   "cut into that many "
                   "shards",
                   s->tar.path, (long long)s->next.at, (long long)s->end);
}

mr_status mr__samples_fetch(mr__samples *s)
{
    const bool behind = s->begun; /* another member */
    const mr__member held = s->now;
    if (behind) {
        s->now = s->next;
        s->next = held;
    }
    mr_status status = mr__tar_next(&s->tar, &s->next);
    s->begun = status == MR_OK;
    if (status != MR_OK || s->next.at < s->end)
        return status;
    s->begun = false;
    if (s->next.at > s->end || (behind && mr__member_same_key(&s->now, &s->next)))
        return cannot_cut(s);
    return MR_END;
}

static bool wanted(const mr__tar_plan *plan, const mr__member *m)
{
    for (int i = 0; i < plan->field_count; i++)
        if (mr__tar_plan_wants(plan, i, m))
            return true;
    return false;
}

void mr__samples_read(mr__samples *s, mr__take *take, void *user, mr__sample_read *read)
{
    read->any = read->left_out = false;
    read->at = s->next.at;
    read->said.status = MR_OK;
    do {
        const bool wants = wanted(s->plan, &s->next);
        read->any = read->any || wants;
        if (wants && take && !read->said.status) {
            const mr_status status = take(user, &s->tar, &s->next);
            read->left_out = read->left_out || status == MR_END;
            if (status < 0)
                mr__hear(&read->said);
        }
        read->more = mr__samples_fetch(s);
    } while (read->more == MR_OK && mr__member_same_key(&s->now, &s->next));
    s->number += read->any;
    s->passed += !read->any;
}

mr_status mr__samples_check_any(const mr__samples *s)
{
    if (s->number || !s->passed)
        return MR_OK;
    return mr_fail(MR_ERR_FORMAT,
                   "'%s': %lld samples, and no field wants any of their members, '%s' being the last",
                   s->tar.path, (long long)s->passed, s->now.name);
}

/* ---- where a sample goes ---- */

mr_status mr__target_take(void *user, mr__tar *tar, const mr__member *member)
{
    mr__target *t = user;
    return mr__tar_read_member(t->plan, tar, member, t->scratch, t->seen, t->field);
}

static void give(mr__given *given, const char *path, const char *key, int64_t at)
{
    given->path = path;
    given->at = at;
    if (!memccpy(given->key, key, 0, sizeof given->key))
        given->key[sizeof given->key - 1] = 0;
}

mr_status mr__target_finish(mr__target *t, const mr__tar *tar, mr__member *last, const mr__sample_read *read)
{
    if (read->said.status) {
        mr_error_clear(); /* what came of it */
        return mr__say(&read->said);
    }
    if (read->more < 0)
        return read->more;
    const char end = last->name[last->key];
    last->name[last->key] = 0;
    give(t->given, tar->path, last->name, read->at);
    const mr_status status = mr__tar_read_missing(t->plan, tar, last->name, read->at, t->seen, t->field);
    last->name[last->key] = end;
    return status == MR_OK && read->left_out ? MR_END : status;
}
