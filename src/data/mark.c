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

void mr__mark_clear(mr__mark *mark)
{
    mark->read = 0;
    mark->ended = mark->told = false;
}

void mr__mark_copy(mr__mark *to, const mr__mark *from)
{
    to->read = from->read;
    to->ended = from->ended;
    to->told = from->told;
    if (from->told)
        memcpy(to->cursor, from->cursor, from->bytes);
}
