#include "mark.h"

#include "base/alloc.h"

#include <string.h>

mr_status mr__mark_init(mr__mark *mark, const mr_dataset *dataset)
{
    const mr_stream_vtable *v = dataset->stream;
    *mark = (mr__mark){ 0 };
    if (!v || !v->tell || !v->seek)
        return MR_OK;
    mark->bytes = v->cursor_state_size;
    mark->cursor = mr__alloc_zeroed(mark->bytes ? mark->bytes : 1);
    return mark->cursor ? MR_OK : MR_ERR_MEMORY;
}

void mr__mark_free(mr__mark *mark)
{
    mr__free(mark->cursor);
    *mark = (mr__mark){ 0 };
}

void mr__mark_clear(mr__mark *mark, int64_t shard)
{
    *mark = (mr__mark){ .shard = shard, .cursor = mark->cursor, .bytes = mark->bytes };
}

void mr__mark_copy(mr__mark *to, const mr__mark *from)
{
    unsigned char *cursor = to->cursor;
    if (from->told)
        memcpy(cursor, from->cursor, from->bytes);
    *to = *from;
    to->cursor = cursor;
}

void mr__mark_write(const mr__mark *mark, mr__strbuf *to)
{
    mr__write_i64(to, mark->shard);
    mr__write_i64(to, mark->read);
    mr__write_i64(to, mark->round);
    mr__write_bool(to, mark->ended);
    mr__write_i64(to, mark->block);
    mr__write_i64(to, mark->given);
    mr__write_bool(to, mark->told);
    if (mark->told)
        mr__strbuf_append_bytes(to, (const char *)mark->cursor, mark->bytes);
}

void mr__mark_read(mr__mark *mark, mr__reader *from)
{
    mark->shard = mr__read_count(from);
    mark->read = mr__read_count(from);
    mark->round = mr__read_count(from);
    mark->ended = mr__read_bool(from);
    mark->block = mr__read_count(from);
    mark->given = mr__read_count(from);
    mark->told = mr__read_bool(from);
    const unsigned char *cursor = mark->told ? mr__read_bytes(from, mark->bytes) : NULL;
    from->failed = from->failed || (mark->told && !cursor);
    if (from->failed)
        mark->told = false;
    else if (mark->told)
        memcpy(mark->cursor, cursor, mark->bytes);
}
