#include "held.h"

#include <string.h>

enum {
    FIRST_PIECE = 1 << 20, /* memory is taken as bytes come: what a head says is not believed */
    KEPT = 1 << 20         /* bytes of memory that are kept for the next sample */
};

mr__held *mr__held_new(int64_t most)
{
    mr__held *h = mr_calloc(1, sizeof *h);
    if (h)
        h->most = (size_t)most;
    return h;
}

void mr__held_free(mr__held *h)
{
    if (!h)
        return;
    mr_free(h->member);
    mr_free(h->bytes);
    mr_free(h);
}

void mr__held_clear(mr__held *h)
{
    if (h->room > KEPT) {
        mr_free(h->bytes);
        h->bytes = NULL;
        h->room = 0;
    }
    h->used = h->member_count = 0;
    h->more.status = MR_OK;
    h->too_large = false;
}

/* Room behind what is there; NULL after a failure. */
static char *make_room(mr__held *h, size_t size)
{
    if (size > h->room - h->used) {
        const size_t wanted = h->used + size, room = wanted + wanted / 2;
        char *larger = mr_grow(h->bytes, h->used, room);
        if (!larger)
            return NULL;
        h->bytes = larger;
        h->room = room;
    }
    return h->bytes + h->used;
}

static mr__held_member *add_member(mr__held *h, const mr__member *from)
{
    if (h->member_count == h->member_room) {
        const size_t room = 2 * h->member_room + 4;
        mr__held_member *larger = mr_grow(h->member, h->member_count * sizeof *larger, room * sizeof *larger);
        if (!larger)
            return NULL;
        h->member = larger;
        h->member_room = room;
    }
    const size_t length = strlen(from->name) + 1;
    char *name = make_room(h, length);
    if (!name)
        return NULL;
    memcpy(name, from->name, length);
    mr__held_member *m = &h->member[h->member_count++];
    *m = (mr__held_member){ .name = h->used,
                            .key = from->key,
                            .extension = (size_t)(from->extension - from->name),
                            .content = h->used + length,
                            .at = from->at,
                            .size = from->size };
    h->used += length;
    return m;
}

mr_status mr__held_take(void *held, mr__tar *tar, const mr__member *member)
{
    mr__held *h = held;
    h->too_large = h->too_large || h->used > h->most || (uint64_t)member->size > h->most - h->used;
    if (h->too_large)
        return MR_OK;
    if (!add_member(h, member))
        return mr_error_status();
    for (int64_t left = member->size; left > 0;) {
        const size_t piece = left < FIRST_PIECE ? (size_t)left : FIRST_PIECE;
        char *to = make_room(h, piece);
        const int64_t n = to ? mr__tar_read(tar, member, to, piece, h->room - h->used - piece) : -1;
        if (n < 0)
            return mr_error_status();
        if (n == 0)
            break; /* who wants it notices */
        h->used += (size_t)n;
        left -= n;
    }
    return MR_OK;
}

mr_status mr__held_write(mr__held *h, const char *path, mr__target *target)
{
    mr__sample_read read = h->read;
    mr__member m = { 0 };
    mr__tar tar = { .path = path };
    for (size_t i = 0; i < h->member_count; i++) {
        const mr__held_member *from = &h->member[i];
        const size_t end = i + 1 < h->member_count ? h->member[i + 1].name : h->used;
        m = (mr__member){
            .name = h->bytes + from->name, .key = from->key, .at = from->at, .size = from->size
        };
        m.extension = m.name + from->extension;
        tar.held = h->bytes + from->content;
        tar.held_bytes = end - from->content;
        const mr_status status = mr__target_take(target, &tar, &m);
        if (status < 0) {
            if (i + 1 < h->member_count || !h->read.said.status)
                return status;
            mr_error_clear(); /* it could not be held in full: that is the cause */
            break;
        }
        read.left_out = read.left_out || status == MR_END;
    }
    if (!read.said.status && h->more.status < 0)
        return mr__say(&h->more);
    read.more = MR_OK;
    return mr__target_finish(target, &tar, &m, &read);
}
