#include "pieces.h"

#include <stdio.h>
#include <string.h>

static uint64_t place_of(const mr__pieces *p, int64_t number)
{
    return p->data + p->step * (uint64_t)number;
}

/* ---- the file ---- */

static mr_status count_pieces(mr__pieces *p, int64_t size)
{
    const uint64_t all = (uint64_t)size;
    if (all < p->data || (all - p->data) % p->unit)
        return mr_fail(
            MR_ERR_FORMAT,
            "'%s': %lld bytes, of which %llu are skipped, are no whole number of %zu bytes for each %s",
            p->path, (long long)size, (unsigned long long)p->data, p->unit, p->what);
    const uint64_t left = all - p->data;
    p->count = left < p->bytes ? 0 : (int64_t)((left - p->bytes) / p->step + 1);
    return MR_OK;
}

mr_status mr__pieces_begin(mr__pieces *p, mr_storage *storage, const char *path, mr__window *window)
{
    const int64_t size = mr__input_size(window->input);
    p->storage = mr_storage_hold(storage);
    p->path = path;
    p->count = -1;
    p->once = !mr__input_can_seek(window->input);
    if (p->once)
        p->first = *window;
    else
        mr__window_close(window);
    *window = (mr__window){ 0 };
    return size < 0 ? MR_OK : count_pieces(p, size);
}

static mr_status open_window(const mr__pieces *p, mr_storage *storage, const char *path, uint64_t offset,
                             mr__window *window)
{
    mr__input *input = p->headless ? mr__input_open_headless(storage, path) : mr__input_open(storage, path);
    return mr__window_of(window, input, offset);
}

mr_status mr__pieces_open(mr__pieces *p, mr_storage *storage, const char *path)
{
    mr__window w;
    if (open_window(p, storage, path, 0, &w) < 0)
        return mr_error_status();
    return mr__pieces_begin(p, storage, path, &w);
}

void mr__pieces_close(mr__pieces *p)
{
    mr__window_close(&p->first);
    mr_storage_free(p->storage);
}

/* ---- reading ---- */

static mr_status open_reader(mr__piece_reader *reader, mr__pieces *p, int64_t shard, int64_t shards)
{
    *reader = (mr__piece_reader){ .pieces = p, .end = INT64_MAX };
    if (p->count >= 0) {
        const int64_t each = p->count / shards, more = p->count % shards;
        reader->next = each * shard + (shard < more ? shard : more);
        reader->end = reader->next + each + (shard < more);
    } else if (shard > 0) {
        reader->end = 0;
    }
    if (reader->next >= reader->end)
        return MR_OK; /* there is nothing for it */
    if (!p->once) {
        if (open_window(p, p->storage, p->path, place_of(p, reader->next), &reader->window) < 0)
            return mr_error_status();
        if (reader->end < INT64_MAX)
            mr__input_expect_end(reader->window.input, place_of(p, reader->end - 1) + p->bytes);
    } else if (!p->first.input) {
        return mr_fail(MR_ERR_STATE, "'%s' can be read once only", p->path);
    } else {
        reader->window = p->first;
        p->first = (mr__window){ 0 };
    }
    reader->window.longest = 2 * p->bytes;
    return MR_OK;
}

void mr__pieces_cursor_close(void *cursor)
{
    mr__piece_reader *reader = cursor;
    mr__window_close(&reader->window);
    mr_free(reader);
}

void *mr__pieces_cursor(void *self, int64_t shard, int64_t shards)
{
    mr__piece_reader *reader = mr_calloc(1, sizeof *reader);
    if (!reader || open_reader(reader, *(mr__pieces **)self, shard, shards) == MR_OK)
        return reader;
    mr__pieces_cursor_close(reader);
    return NULL;
}

int64_t mr__pieces_len(void *self)
{
    return (*(mr__pieces **)self)->count;
}

/* Passes over what is before a place; false when the file ends before. */
static bool come_to(mr__window *w, uint64_t place, mr_status *s)
{
    *s = MR_OK;
    while (*s == MR_OK && !w->end && w->base + w->filled < place) {
        w->at = w->filled;
        *s = mr__window_more(w);
    }
    if (*s != MR_OK || w->base + w->filled < place)
        return false;
    w->at = (size_t)(place - w->base);
    return true;
}

static mr_status find_piece(mr__piece_reader *reader, const char **at)
{
    const mr__pieces *p = reader->pieces;
    mr__window *w = &reader->window;
    mr_status s;
    if (reader->next >= reader->end)
        return MR_END;
    if (!come_to(w, place_of(p, reader->next), &s))
        return s == MR_OK ? MR_END : s;
    while (w->filled - w->at < p->bytes && !w->end)
        if (mr__window_more(w) < 0)
            return mr_error_status();
    const size_t there = w->filled - w->at;
    if (there < p->bytes && there % p->unit)
        return mr_fail(MR_ERR_FORMAT, "'%s' ends within %s %lld: %zu bytes of %zu", p->path, p->what,
                       (long long)reader->next, there, p->bytes);
    if (there < p->bytes)
        return MR_END;
    *at = w->bytes + w->at;
    reader->next++;
    return MR_OK;
}

mr_status mr__piece_next(mr__piece_reader *reader, const char **at)
{
    const mr_status s = find_piece(reader, at);
    if (s < 0)
        reader->end = reader->next;
    return s;
}

/* ---- places ---- */

static uint64_t stamp_of(const mr__piece_reader *reader)
{
    return reader->window.input ? mr__input_stamp(reader->window.input) : 0;
}

void mr__pieces_tell(void *cursor, void *place)
{
    const mr__piece_reader *reader = cursor;
    const mr__piece_place here = { reader->next, stamp_of(reader) };
    memcpy(place, &here, sizeof here);
}

mr_status mr__pieces_seek(void *cursor, const void *place)
{
    mr__piece_reader *reader = cursor;
    mr__piece_place to;
    memcpy(&to, place, sizeof to);
    const mr__pieces *p = reader->pieces;
    const uint64_t stamp = stamp_of(reader);
    if (to.stamp && stamp && to.stamp != stamp)
        return mr_fail(MR_ERR_STATE, "'%s' has changed since it was read up to %s %lld", p->path, p->what,
                       (long long)to.next);
    if (to.next == reader->next)
        return MR_OK;
    if (to.next < reader->next || to.next > reader->end)
        return mr_fail(MR_ERR_STATE, "'%s' has no %s %lld for this shard: it has changed", p->path, p->what,
                       (long long)to.next);
    reader->next = to.next;
    return to.next == reader->end ? MR_OK : mr__window_seek(&reader->window, place_of(p, to.next));
}

int mr__pieces_origin(void *cursor, int field, char *text, size_t room)
{
    const mr__piece_reader *reader = cursor;
    const mr__pieces *p = reader->pieces;
    (void)field;
    return snprintf(text, room, "'%s': %s %lld", p->path, p->what, (long long)reader->next - 1);
}
