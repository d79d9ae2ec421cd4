/* Ragged fields of a slot: rows that are lent memory, that move, and that are put behind each other. */
#include "slot.h"

#include "tensor/tensor.h"

#include <string.h>

enum {
    AHEAD = 1 << 24
}; /* bytes of a tensor that are taken on suspicion, at most, before as many are needed */

/* ---- where rows lie ---- */

static int64_t items_of(const mr_ragged *row, int64_t rows)
{
    int64_t items = 0;
    for (int64_t i = 0; i < rows; i++)
        items += row[i].count;
    return items;
}

/* Puts rows behind each other at `to`. Those that were lent memory there are in it in order, in front of all others. */
static void put(const mr_ragged *row, int64_t rows, char *to)
{
    for (int64_t i = 0; i < rows; i++) {
        const size_t bytes = (size_t)row[i].count * row[i].item_bytes;
        if (bytes && row[i].data != to)
            memmove(to, row[i].data, bytes);
        to += bytes;
    }
}

/* The same, and there they stay. */
static void settle(mr_ragged *row, int64_t rows, char *to)
{
    put(row, rows, to);
    for (int64_t i = 0; i < rows; i++) {
        const int64_t count = row[i].count;
        mr__ragged_lend(&row[i], to, (size_t)count * row[i].item_bytes);
        row[i].count = count;
        to += row[i].room;
    }
}

/* ---- larger tensors ---- */

/* Like a field's tensor, with room for `items`, and for half as many more than now. */
static mr_tensor *larger_tensor(const mr__slot_batch *slot, int f, int64_t items)
{
    const int64_t room = slot->ragged_room[f] + slot->ragged_room[f] / 2;
    mr_shape shape = mr__shape_of(slot->tensor[f]);
    shape.dim[0] = room < items ? items : room;
    mr_tensor *larger = mr__tensor_untouched("loader_next", mr_tensor_dtype(slot->tensor[f]), &shape);
    if (larger)
        mr_tensor_set_name(larger, slot->name[f]);
    return larger;
}

static void take_tensor(mr__slot_batch *slot, int f, mr_tensor *larger)
{
    mr_tensor_free(slot->tensor[f]);
    slot->tensor[f] = larger;
    slot->ragged_room[f] = mr_tensor_size(larger, 0);
}

/* ---- lending ---- */

/* The last of the first rows did not fit: a tensor for them, for one more that wants as much, and for all if they are alike. */
static mr_status take_in(mr__slot_batch *slot, int f, int64_t rows)
{
    mr_ragged *row = slot->ragged[f];
    const int64_t items = items_of(row, rows), least = AHEAD / (int64_t)row->item_bytes,
                  most = items > least ? items : least,
                  wanted = (int64_t)(row[rows - 1].room / row->item_bytes);
    const double alike = 2 * (double)items / (double)rows * (double)(slot->capacity - rows);
    const int64_t more = alike < (double)most ? (int64_t)alike : most;
    mr_tensor *larger = larger_tensor(slot, f, items + (more > wanted ? more : wanted));
    if (!larger)
        return mr_error_status();
    settle(row, rows, larger->data);
    take_tensor(slot, f, larger);
    return MR_OK;
}

static mr_status lend(mr__slot_batch *slot, int f, int64_t row)
{
    mr_ragged *r = slot->ragged[f];
    if (row > 0 && !r[row - 1].lent && take_in(slot, f, row) < 0)
        return mr_error_status();
    char *begin = slot->tensor[f]->data, *at = begin;
    if (row > 0)
        at = (char *)r[row - 1].data + (size_t)r[row - 1].count * r->item_bytes;
    mr__ragged_lend(&r[row], at, (size_t)slot->ragged_room[f] * r->item_bytes - (size_t)(at - begin));
    return MR_OK;
}

mr_status mr__slot_lend(mr__slot_batch *slot, int64_t row)
{
    for (int f = 0; slot->lends && f < slot->field_count; f++)
        if (slot->ragged && slot->ragged[f] && lend(slot, f, row) < 0)
            return mr_error_status();
    return MR_OK;
}

/* ---- rows that move ---- */

static mr_status move_ragged(mr__slot_batch *to, int64_t row, const mr__slot_batch *from, int64_t first,
                             int f)
{
    mr_ragged *a = &to->ragged[f][row], *b = &from->ragged[f][first];
    const mr_ragged held = *a;
    if (to != from && to->lends)
        return lend(to, f, row) < 0 ? mr_error_status() : mr__ragged_copy(a, b);
    *a = *b;
    *b = held;
    return MR_OK;
}

mr_status mr__slot_move_rows(mr__slot_batch *to, int64_t row, const mr__slot_batch *from, int64_t first,
                             int64_t count)
{
    for (int f = 0; f < to->field_count; f++) {
        const size_t bytes = to->row_bytes[f];
        if (MR__UNLIKELY(to->ragged && to->ragged[f])) {
            for (int64_t i = 0; i < count; i++)
                if (move_ragged(to, row + i, from, first + i, f) < 0)
                    return mr_error_status();
        } else {
            memmove((char *)to->base[f] + (size_t)row * bytes, (char *)from->base[f] + (size_t)first * bytes,
                    (size_t)count * bytes);
        }
    }
    return MR_OK;
}

void mr__slot_close_up(mr__slot_batch *slot, int64_t rows)
{
    for (int f = 0; slot->ragged_count && f < slot->field_count; f++) {
        mr_ragged *row = slot->ragged[f];
        int64_t lent = 0;
        while (row && lent < rows && row[lent].lent)
            lent++;
        if (lent)
            settle(row, lent, slot->tensor[f]->data);
    }
}

/* ---- the batch ---- */

static mr_status gather(mr__slot_batch *slot, int f, int64_t rows, mr_tensor *offsets)
{
    const mr_ragged *row = slot->ragged[f];
    const int64_t items = items_of(row, rows);
    mr_tensor *larger = items > slot->ragged_room[f] ? larger_tensor(slot, f, items) : NULL;
    if (items > slot->ragged_room[f] && !larger)
        return mr_error_status();
    put(row, rows, larger ? larger->data : slot->tensor[f]->data);
    if (larger)
        take_tensor(slot, f, larger);
    if (offsets) {
        int64_t *offset = mr_tensor_data(offsets), at = 0;
        for (int64_t i = 0; i < rows; at += row[i++].count)
            offset[i] = at;
        offset[rows] = at;
    }
    mr__slot_set_rows(slot->tensor[f], items);
    return MR_OK;
}

mr_status mr__slot_gather(mr__slot_batch *slot, int64_t rows)
{
    int at = slot->field_count;
    for (int f = 0; slot->ragged_count && f < slot->field_count; f++) {
        if (!slot->ragged[f])
            continue;
        mr_tensor *offsets = at < slot->batch.field_count ? slot->tensor[at++] : NULL;
        mr_status status = gather(slot, f, rows, offsets);
        if (status)
            return status;
        if (offsets)
            mr__slot_set_rows(offsets, rows + 1);
    }
    return MR_OK;
}

int64_t mr__slot_item_bytes(const mr__slot_batch *slot)
{
    int64_t bytes = 0;
    for (int f = 0; slot->ragged_count && f < slot->field_count; f++)
        if (slot->ragged[f])
            bytes +=
                mr_tensor_numel(slot->tensor[f]) * (int64_t)mr_dtype_size((mr_dtype)slot->tensor[f]->dtype);
    return bytes;
}
