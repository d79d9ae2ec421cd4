#include "window.h"

#include <string.h>

enum { FIRST_ROOM = 1 << 18 };

mr_status mr__window_more(mr__window *w)
{
    if (w->at) {
        memmove(w->bytes, w->bytes + w->at, w->filled - w->at);
        w->base += w->at;
        w->filled -= w->at;
        w->at = 0;
    }
    if (w->filled == w->room) {
        size_t room = w->room ? w->room * 2 : FIRST_ROOM;
        const size_t longest = w->longest > MR__LONGEST_RECORD ? w->longest : MR__LONGEST_RECORD;
        if (w->filled >= longest)
            return mr_fail(MR_ERR_FORMAT, "'%s': a record of more than %zu MB from byte %llu on",
                           mr__input_path(w->input), longest >> 20, (unsigned long long)w->base);
        char *bytes = mr_grow(w->bytes, w->filled, room);
        if (!bytes)
            return mr_error_status();
        w->bytes = bytes;
        w->room = room;
    }
    int64_t n = mr__input_read(w->input, w->bytes + w->filled, w->room - w->filled);
    if (n < 0)
        return mr_error_status();
    w->filled += (size_t)n;
    w->end = n == 0;
    return MR_OK;
}

mr_status mr__window_record(mr__window *w, mr__record_end *record_end, const void *format, const char **end)
{
    mr__scan scan = { 0 };
    for (;;) {
        const bool some = w->at < w->filled;
        if (some && record_end(format, w->bytes + w->at, w->bytes + w->filled, &scan)) {
            *end = w->bytes + w->at + scan.passed;
            return MR_OK;
        }
        *end = w->filled ? w->bytes + w->filled : w->bytes; /* of an empty window there are no bytes */
        if (w->end || !w->input)
            return some ? MR_OK : MR_END;
        if (mr__window_more(w) < 0)
            return mr_error_status();
    }
}

mr_status mr__window_seek(mr__window *w, uint64_t offset)
{
    if (!w->input)
        return MR_OK;
    if (offset != w->base + w->at && !mr__input_can_seek(w->input))
        return mr_fail(
            MR_ERR_STATE, "'%s' is read once, from front to back: it cannot go from byte %llu to %llu",
            mr__input_path(w->input), (unsigned long long)(w->base + w->at), (unsigned long long)offset);
    if (offset < w->base || offset - w->base > w->filled) {
        if (mr__input_seek(w->input, offset) < 0)
            return mr_error_status();
        w->base = offset;
        w->filled = 0;
        w->end = false;
    }
    w->at = (size_t)(offset - w->base);
    return MR_OK;
}

mr_status mr__window_of(mr__window *w, mr__input *input, uint64_t offset)
{
    *w = (mr__window){ .input = input, .base = offset };
    if (w->input && mr__input_seek(w->input, offset) == MR_OK)
        return MR_OK;
    mr_status s = mr_error_status();
    mr__window_close(w);
    return s;
}

mr_status mr__window_open(mr__window *w, mr_storage *storage, const char *path, uint64_t offset)
{
    return mr__window_of(w, mr__input_open(storage, path), offset);
}

void mr__window_close(mr__window *w)
{
    mr__input_close(w->input);
    mr_free(w->bytes);
    *w = (mr__window){ 0 };
}
