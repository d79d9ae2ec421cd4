#include "ragged.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

enum { LEAST = 64 };

/* Memory of its own, in which what was written stays. */
static bool enlarge(mr_ragged *r, size_t bytes)
{
    const size_t used = (size_t)r->count * r->item_bytes;
    size_t room = r->lent ? 0 : r->room + r->room / 2;
    room = room < bytes ? bytes : room;
    room = room < LEAST ? LEAST : room;
    void *data = mr__alloc(room);
    if (!data)
        return false;
    if (used)
        memcpy(data, r->data, used);
    if (!r->lent)
        mr__free(r->data);
    r->data = data;
    r->room = room;
    r->lent = false;
    return true;
}

void *mr_ragged_resize(mr_ragged *r, int64_t count)
{
    size_t bytes;
    if (!r) {
        mr__null("ragged_resize", "ragged");
        return NULL;
    }
    if (count < 0) {
        mr__raise(MR_ERR_ARGUMENT, "ragged_resize: %lld items", (long long)count);
        return NULL;
    }
    bytes = mr__mul_size((size_t)count, r->item_bytes);
    if (MR__UNLIKELY(bytes > r->room || !r->data) && !enlarge(r, bytes))
        return NULL;
    r->count = count;
    return r->data;
}

void mr__ragged_init(mr_ragged *row, size_t item_bytes)
{
    *row = (mr_ragged){ .item_bytes = item_bytes };
}

void mr__ragged_clear(mr_ragged *row)
{
    if (!row->lent)
        mr__free(row->data);
    mr__ragged_init(row, row->item_bytes);
}

void mr__ragged_lend(mr_ragged *row, void *data, size_t room)
{
    mr__ragged_clear(row);
    row->data = data;
    row->room = room;
    row->lent = true;
}

mr_ragged *mr__ragged_rows(int64_t count, size_t item_bytes)
{
    mr_ragged *rows = mr__alloc_array((size_t)count, sizeof *rows);
    for (int64_t i = 0; rows && i < count; i++)
        mr__ragged_init(&rows[i], item_bytes);
    return rows;
}

void mr__ragged_rows_free(mr_ragged *rows, int64_t count)
{
    for (int64_t i = 0; rows && i < count; i++)
        mr__ragged_clear(&rows[i]);
    mr__free(rows);
}

size_t mr__ragged_bytes(const mr_ragged *row)
{
    const size_t bytes = (size_t)row->count * row->item_bytes;
    return bytes < LEAST ? LEAST : bytes;
}

mr_status mr__ragged_copy(mr_ragged *to, const mr_ragged *from)
{
    void *data = mr_ragged_resize(to, from->count);
    if (!data)
        return mr_error_status();
    if (from->count)
        memcpy(data, from->data, (size_t)from->count * from->item_bytes);
    return MR_OK;
}

const mr_tensor *mr__offsets_of(const mr_batch *batch, int f)
{
    size_t length = strlen(batch->name[f]);
    for (int i = f + 1; i < batch->field_count; i++) {
        const mr_tensor *x = batch->field[i];
        if (strncmp(batch->name[i], batch->name[f], length) == 0 &&
            strcmp(batch->name[i] + length, ".offsets") == 0 && mr_tensor_ndim(x) == 1 &&
            mr_tensor_size(x, 0) == batch->rows + 1)
            return x;
    }
    return NULL;
}
