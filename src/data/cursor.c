/* A stream gone through by hand. */
#include "inner.h"
#include "slot.h"

#include "tensor/tensor.h"

struct mr_cursor {
    const mr_dataset *stream; /* not looked at by mr_cursor_free */
    mr_stream_vtable vtable;  /* a copy of the stream's, which may be freed first */
    void *at;
    mr__slot_batch *slot;
    int64_t position;
    bool given; /* the last call gave a sample */
};

mr_cursor *mr_stream_open(mr_dataset *stream)
{
    if (!stream) {
        mr__null("stream_open", "stream");
        return NULL;
    }
    if (!stream->stream) {
        mr__raise(MR_ERR_ARGUMENT, "stream_open: the dataset is one by index, not a stream");
        return NULL;
    }
    mr_cursor *cursor = mr__alloc_zeroed(sizeof *cursor);
    if (!cursor)
        return NULL;
    cursor->stream = stream;
    cursor->vtable = *stream->stream;
    cursor->slot = mr__slot_new(stream, 1, true);
    mr__error_mark();
    cursor->at = cursor->slot ? stream->stream->open(stream->self, 0, 1) : NULL;
    if (!cursor->at) {
        if (!mr__has_cause(MR_OK))
            mr__raise(MR_ERR_CALLBACK, "stream_open: the callback failed without a message");
        mr_cursor_free(cursor);
        return NULL;
    }
    return cursor;
}

mr_status mr_cursor_next(mr_cursor *cursor, const mr_batch **sample)
{
    if (!cursor)
        return mr__settle(mr__null("cursor_next", "cursor"));
    if (!sample)
        return mr__settle(mr__null("cursor_next", "sample"));
    if (mr__pending())
        return mr__settle(mr__pending_status());
    mr__slot_batch *slot = cursor->slot;
    cursor->given = false;
    const mr_sample room = { .field = slot->row };
    if (mr__slot_lend(slot, 0) < 0)
        return mr__settle(mr_error_status());
    mr__empty_rows(cursor->stream, slot->row, 1);
    mr_status status = mr__outcome(cursor->vtable.next(cursor->at, &room));
    if (status == MR_END)
        return MR_END;
    if (status != MR_OK)
        return mr__settle(mr__sample_failed("cursor_next", status, cursor->position));
    for (int i = 0; i < slot->batch.field_count; i++)
        mr__bump(slot->tensor[i]);
    if (mr__slot_gather(slot, 1) < 0)
        return mr__settle(mr_error_status());
    slot->batch.rows = 1;
    slot->batch.position = cursor->position;
    slot->index[0] = cursor->position++;
    cursor->given = true;
    *sample = &slot->batch;
    return MR_OK;
}

int mr_cursor_origin(mr_cursor *cursor, int field, char *text, size_t room)
{
    static const char call[] = "cursor_origin";
    if (!cursor) {
        mr__null(call, "cursor");
        return -1;
    }
    if (field < -1 || field >= cursor->slot->batch.field_count) {
        mr__raise(MR_ERR_ARGUMENT, "%s: field %d of %d", call, field, cursor->slot->batch.field_count);
        return -1;
    }
    const mr__inner_cursor given = { cursor->given ? cursor->at : NULL, cursor->vtable };
    return mr__ask_origin(NULL, &given, 0, field, text, room);
}

void mr_cursor_free(mr_cursor *cursor)
{
    if (!cursor)
        return;
    if (cursor->at)
        cursor->vtable.close(cursor->at);
    mr__slot_free(cursor->slot);
    mr__free(cursor);
}
