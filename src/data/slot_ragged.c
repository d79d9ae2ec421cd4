/* Ragged fields of a slot: rows that are lent memory, that move, and that are put behind each other. */
#include "slot.h"

#include "tensor/tensor.h"

#include <string.h>

enum { AHEAD = 1 << 24 }; /* bytes of a tensor that are taken on suspicion, at most, before as many are needed */

/* ---- rows that move ---- */

static mr_status move_ragged(mr_ragged *to, mr_ragged *from, bool same_slot)
{
    const mr_ragged held = *to;
    if (from->lent && !same_slot)
        return mr__ragged_copy(to, from);
    *to = *from;
    *from = held;
    return MR_OK;
}

mr_status mr__slot_move_rows(mr__slot_batch *to, int64_t row, const mr__slot_batch *from, int64_t first,
                             int64_t count)
{
    for (int f = 0; f < to->field_count; f++) {
        const size_t bytes = to->row_bytes[f];
        if (MR__UNLIKELY(to->ragged && to->ragged[f])) {
            for (int64_t i = 0; i < count; i++)
                if (move_ragged(&to->ragged[f][row + i], &from->ragged[f][first + i], to == from) < 0)
                    return mr_error_status();
        } else {
            memmove((char *)to->base[f] + (size_t)row * bytes, (char *)from->base[f] + (size_t)first * bytes,
                    (size_t)count * bytes);
        }
    }
    return MR_OK;
}

/* ---- their place in the batch ---- */

static int64_t items_of(const mr_ragged *row, int64_t rows)
{
    int64_t items = 0;
    for (int64_t i = 0; i < rows; i++)
        items += row[i].count;
    return items;
}

/* Puts the first rows behind each other at `to`. Those that were lent memory there are in it in order, in front of all others. */
static void put(const mr_ragged *row, int64_t rows, char *to)
{
    for (int64_t i = 0; i < rows; i++) {
        const size_t bytes = (size_t)row[i].count * row[i].item_bytes;
        if (bytes && row[i].data != to)
            memmove(to, row[i].data, bytes);
        to += bytes;
    }
}

/* Makes a tensor with room for `items`, and puts the first rows there. */
static mr_status enlarge(mr__slot_batch *slot, int f, int64_t rows, int64_t items)
{
    mr_tensor *x = slot->tensor[f];
    const int64_t room = slot->ragged_room[f] + slot->ragged_room[f] / 2;
    mr_shape shape = mr__shape_of(x);
    shape.dim[0] = room < items ? items : room;
    mr_tensor *larger = mr__tensor_raw("loader_next", (mr_dtype)x->dtype, &shape);
    if (!larger)
        return mr_error_status();
    mr_tensor_set_name(larger, slot->name[f]);
    put(slot->ragged[f], rows, larger->data);
    mr_tensor_free(x);
    slot->tensor[f] = larger;
    slot->ragged_room[f] = shape.dim[0];
    return MR_OK;
}

/* The last of the first `rows` rows did not fit: a tensor for them, for one more that wants as much, and for all if they are alike. */
static mr_status take_in(mr__slot_batch *slot, int f, int64_t rows)
{
    mr_ragged *row = slot->ragged[f];
    const int64_t items = items_of(row, rows), least = AHEAD / (int64_t)row->item_bytes,
                  most = items > least ? items : least,
                  wanted = (int64_t)(row[rows - 1].room / row->item_bytes);
    const double alike = 1.25 * (double)items / (double)rows * (double)(slot->capacity - rows);
    const int64_t more = alike < (double)most ? (int64_t)alike : most;
    if (enlarge(slot, f, rows, items + (more > wanted ? more : wanted)) < 0)
        return mr_error_status();
    char *at = slot->tensor[f]->data;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t count = row[i].count;
        mr__ragged_lend(&row[i], at, (size_t)count * row[i].item_bytes);
        row[i].count = count;
        at += row[i].room;
    }
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

static mr_status gather(mr__slot_batch *slot, int f, int64_t rows, mr_tensor *offsets)
{
    const mr_ragged *row = slot->ragged[f];
    const int64_t items = items_of(row, rows);
    if (items > slot->ragged_room[f]) {
        if (enlarge(slot, f, rows, items) < 0)
            return mr_error_status();
    } else {
        put(row, rows, slot->tensor[f]->data);
    }
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
