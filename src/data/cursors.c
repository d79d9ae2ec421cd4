#include "cursors.h"

#include "base/alloc.h"

#include <string.h>

void mr__streams_destroy(void *self)
{
    mr__streams *s = self;
    mr__inners_release(s->inner, s->count);
}

bool mr__streams_tell(const mr__streams *s, size_t *most, size_t *total)
{
    *most = *total = 0;
    for (int i = 0; i < s->count; i++) {
        if (!mr__inner_tells(s->inner[i]))
            return false;
        size_t bytes = s->inner[i]->stream->cursor_state_size;
        *most = bytes > *most ? bytes : *most;
        *total += bytes;
    }
    return true;
}

void mr__cursors_close(void *cursors)
{
    mr__cursors *c = cursors;
    for (int i = 0; c->cursor && i < c->count; i++)
        mr__inner_close(&c->cursor[i]);
    mr__free(c->cursor);
    mr__free(c->ended);
    mr__free(c);
}

void *mr__cursors_new(const void *streams, size_t size, int64_t shard, int64_t shards)
{
    const mr__streams *s = streams;
    const size_t n = (size_t)s->count;
    mr__cursors *c = mr__alloc_zeroed(size);
    if (!c)
        return NULL;
    *c = (mr__cursors){ .streams = s, .shard = shard, .shards = shards, .count = s->count };
    c->cursor = mr__alloc_zeroed(n * sizeof *c->cursor);
    c->ended = c->cursor ? mr__alloc_zeroed(n * sizeof *c->ended) : NULL;
    if (c->ended)
        return c;
    mr__cursors_close(c);
    return NULL;
}

mr_status mr__cursors_failed(const mr__cursors *c, int i, mr_status status)
{
    mr__add_context("%s: stream %d", c->streams->what, i);
    return status;
}

mr_status mr__cursors_open(mr__cursors *c, int i)
{
    if (c->cursor[i].at || c->ended[i])
        return MR_OK;
    mr_status status = mr__inner_open(&c->cursor[i], c->streams->inner[i], c->shard, c->shards);
    return status == MR_OK ? MR_OK : mr__cursors_failed(c, i, status);
}

mr_status mr__cursors_next(mr__cursors *c, int i, const mr_sample *sample)
{
    mr_status status = mr__cursors_open(c, i);
    if (status != MR_OK || c->ended[i])
        return status == MR_OK ? MR_END : status;
    mr__empty_rows(c->streams->inner[i], sample->field, 1); /* another one may have come to its end in them */
    status = mr__inner_next(&c->cursor[i], sample);
    if (status < 0)
        return mr__cursors_failed(c, i, status);
    if (status == MR_END) {
        c->ended[i] = true;
        mr__inner_close(&c->cursor[i]);
    }
    return status;
}

/* ---- places ---- */

enum { NOT_OPEN, OPEN, ENDED };

void mr__cursors_tell(const mr__cursors *c, int i, unsigned char **state)
{
    const size_t bytes = c->streams->inner[i]->stream->cursor_state_size;
    const bool open = c->cursor[i].at != NULL;
    mr__put_number(state, c->ended[i] ? ENDED : open ? OPEN : NOT_OPEN);
    if (open) {
        mr__inner_tell(&c->cursor[i], state);
        return;
    }
    memset(*state, 0, bytes);
    *state += bytes;
}

mr_status mr__cursors_seek(mr__cursors *c, int i, const unsigned char **state)
{
    const unsigned char *next = *state + MR__STATE_NUMBER + c->streams->inner[i]->stream->cursor_state_size;
    const int64_t how = mr__get_number(state);
    if (how < NOT_OPEN || how > ENDED)
        return mr__raise(MR_ERR_FORMAT, "%s: stream %d: a place that is none", c->streams->what, i);
    c->ended[i] = how == ENDED;
    mr_status status = how == OPEN ? mr__cursors_open(c, i) : MR_OK;
    if (status == MR_OK && how == OPEN && (status = mr__inner_seek(&c->cursor[i], state)) != MR_OK)
        mr__cursors_failed(c, i, status);
    *state = next;
    return status;
}
