/* Dense tensors of ragged fields: padded, or packed. */
#include "collate.h"
#include "ragged.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

/* ---- what both do ---- */

/* How many fields there are but for the offsets, which come last. */
static int fields_of(const mr_batch *samples)
{
    int n = samples->field_count;
    for (int f = 0; f < n; f++)
        n -= mr__offsets_of(samples, f) != NULL;
    return n;
}

static const int64_t *offsets_of(const mr_batch *samples, int f)
{
    const mr_tensor *offsets = mr__offsets_of(samples, f);
    return offsets ? mr_tensor_data(offsets) : NULL;
}

/* A field whose name is put together here; it belongs to the tensor, which is kept from batch to batch. */
static void *extra_field(mr_collated *out, const char *name, const char *suffix, mr_dtype dtype,
                         mr_shape shape)
{
    char text[200];
    mr_tensor *x = mr_collate_field(out, "", dtype, shape);
    if (!x)
        return NULL;
    snprintf(text, sizeof text, "%s%s", name, suffix);
    if (strcmp(mr_tensor_name(x), text) != 0)
        mr_tensor_set_name(x, text);
    out->name[out->made - 1] = mr_tensor_name(x);
    return mr_tensor_data(x);
}

static mr_status copy_dense(const mr_batch *samples, int f, mr_collated *out)
{
    const mr_tensor *x = samples->field[f];
    mr_shape shape = { .ndim = x->ndim };
    memcpy(shape.dim, x->shape, (size_t)x->ndim * sizeof *shape.dim);
    mr_tensor *y = mr_collate_field(out, samples->name[f], (mr_dtype)x->dtype, shape);
    if (!y)
        return mr_error_status();
    memcpy(mr_tensor_data(y), mr_tensor_data(x),
           (size_t)mr_tensor_numel(x) * mr_dtype_size((mr_dtype)x->dtype));
    return MR_OK;
}

/* A tensor [rows, length, …] filled with `value`, for the items of a ragged field; the bytes of one item. */
static mr_tensor *dense_field(const mr_batch *samples, int f, int64_t rows, int64_t length, double value,
                              mr_collated *out, size_t *item_bytes)
{
    const mr_tensor *x = samples->field[f];
    mr_shape shape = { .ndim = x->ndim + 1, .dim = { rows, length } };
    *item_bytes = mr_dtype_size((mr_dtype)x->dtype);
    for (int d = 1; d < x->ndim; d++) {
        shape.dim[d + 1] = x->shape[d];
        *item_bytes *= (size_t)x->shape[d];
    }
    mr_tensor *y = mr_collate_field(out, samples->name[f], (mr_dtype)x->dtype, shape);
    if (y && (value < 0 || value > 0 || value != value))
        mr_tensor_fill(y, value);
    return y;
}

/* Writes the items of one sample to where they go. */
static void copy_items(const mr_batch *samples, int f, int64_t row, mr_tensor *y, int64_t at,
                       size_t item_bytes)
{
    const int64_t *offset = offsets_of(samples, f);
    const char *from = mr_tensor_data(samples->field[f]);
    int64_t items = offset[row + 1] - offset[row];
    if (items)
        memcpy((char *)mr_tensor_data(y) + (size_t)at * item_bytes, from + (size_t)offset[row] * item_bytes,
               (size_t)items * item_bytes);
}

static mr_status too_long(const char *call, const mr_batch *samples, int f, int64_t row, int64_t length)
{
    const int64_t *offset = offsets_of(samples, f);
    return mr__raise(MR_ERR_SHAPE, "%s: sample %lld has %lld items of '%s', and a row takes %lld", call,
                     (long long)samples->indices[row], (long long)(offset[row + 1] - offset[row]),
                     samples->name[f], (long long)length);
}

/* How long the longest sample is, at most `most` unless that is 0; -1 after a failure. */
static int64_t longest_of(const char *call, const mr_batch *samples, int f, int64_t most)
{
    const int64_t *offset = offsets_of(samples, f);
    int64_t longest = 0;
    for (int64_t i = 0; i < samples->rows; i++) {
        const int64_t items = offset[i + 1] - offset[i];
        if (most && items > most) {
            too_long(call, samples, f, i, most);
            return -1;
        }
        longest = items > longest ? items : longest;
    }
    return longest;
}

/* ---- padded ---- */

static const char pad[] = "collate_pad";

/* How long the rows of a field become; -1 after a failure. */
static int64_t padded_length(const mr_collate_pad_opts *opts, const mr_batch *samples, int f)
{
    const int64_t longest = longest_of(pad, samples, f, opts->length);
    const int64_t length = opts->length && longest >= 0 ? opts->length : longest,
                  multiple = opts->multiple_of ? opts->multiple_of : 1;
    int64_t rounded;
    if (length < 0)
        return -1;
    if (__builtin_mul_overflow(length / multiple + (length % multiple != 0), multiple, &rounded))
        return INT64_MAX; /* for which there is no memory either */
    return rounded;
}

static mr_status pad_field(const mr_collate_pad_opts *opts, const mr_batch *samples, int f, mr_collated *out)
{
    size_t item_bytes;
    int64_t length = padded_length(opts, samples, f);
    mr_tensor *y =
        length < 0 ? NULL : dense_field(samples, f, samples->rows, length, opts->value, out, &item_bytes);
    if (!y)
        return mr_error_status();
    for (int64_t i = 0; i < samples->rows; i++)
        copy_items(samples, f, i, y, i * length, item_bytes);
    return MR_OK;
}

static mr_status pad_extras(const mr_collate_pad_opts *opts, const mr_batch *samples, int f, mr_collated *out)
{
    const int64_t *offset = offsets_of(samples, f);
    int64_t length = padded_length(opts, samples, f), rows = samples->rows;
    bool *padding = extra_field(out, samples->name[f], ".padding", MR_BOOL, MR_SHAPE(rows, length));
    int64_t *lengths = extra_field(out, samples->name[f], ".lengths", MR_INT64, MR_SHAPE(rows));
    if (!padding || !lengths)
        return mr_error_status();
    for (int64_t i = 0; i < rows; i++) {
        lengths[i] = offset[i + 1] - offset[i];
        memset(padding + i * length + lengths[i], true, (size_t)(length - lengths[i]));
    }
    return MR_OK;
}

mr_status mr_collate_pad(void *user, const mr_batch *samples, mr_collated *out)
{
    static const mr_collate_pad_opts defaults = { 0 };
    const mr_collate_pad_opts *opts = user ? user : &defaults;
    int fields = samples ? fields_of(samples) : 0;
    mr_status status = MR_OK;
    if (!samples || !out)
        return mr__null(pad, samples ? "out" : "samples");
    if (opts->length < 0 || opts->multiple_of < 0)
        return mr__raise(MR_ERR_ARGUMENT, "%s: length %lld, multiple_of %lld", pad, (long long)opts->length,
                         (long long)opts->multiple_of);
    for (int f = 0; status == MR_OK && f < fields; f++)
        status = offsets_of(samples, f) ? pad_field(opts, samples, f, out) : copy_dense(samples, f, out);
    for (int f = 0; status == MR_OK && f < fields; f++)
        if (offsets_of(samples, f))
            status = pad_extras(opts, samples, f, out);
    return status;
}

/* ---- packed ---- */

static const char pack[] = "collate_pack";

/* Where each sample goes: `row` and `start`, and which one of that row it is, from 1 on; of each packed row how many items are
 * `used`, and how many samples there are in it. */
typedef struct places {
    int64_t *row, *start, *number, *used, *samples, packed;
    int64_t *order, *count; /* for best fit: the samples by length; room for counting those of each length, */
    int64_t longest;        /* which is not above this */
} places;

static mr_status make_places(places *p, mr_collated *out, int64_t rows, int64_t longest)
{
    const int64_t wanted = 6 * rows + longest + 1;
    if (out->scratch_room < wanted) {
        int64_t *scratch = mr__alloc_array((size_t)wanted, sizeof *scratch);
        if (!scratch)
            return MR_ERR_MEMORY;
        mr__free(out->scratch);
        out->scratch = scratch;
        out->scratch_room = wanted;
    }
    int64_t *s = out->scratch;
    *p = (places){ s, s + rows,     s + 2 * rows, s + 3 * rows, s + 4 * rows,
                   0, s + 5 * rows, s + 6 * rows, longest };
    return MR_OK;
}

/* The one ragged field that all others are like; -1 after a failure. */
static int check_lengths(const mr_batch *samples, int fields)
{
    int first = -1;
    for (int f = 0; f < fields; f++) {
        const int64_t *offset = offsets_of(samples, f), *other;
        if (!offset)
            continue;
        first = first < 0 ? f : first;
        other = offsets_of(samples, first);
        for (int64_t i = 0; i < samples->rows; i++)
            if (offset[i + 1] != other[i + 1]) {
                mr__raise(MR_ERR_SHAPE, "%s: sample %lld has %lld items of '%s' and %lld of '%s'", pack,
                          (long long)samples->indices[i], (long long)(other[i + 1] - other[i]),
                          samples->name[first], (long long)(offset[i + 1] - offset[i]), samples->name[f]);
                return -1;
            }
    }
    if (first < 0)
        mr__raise(MR_ERR_ARGUMENT, "%s: no field is ragged", pack);
    return first;
}

/* The longest first, those of one length in the order of the batch. */
static void sort_by_length(const places *p, const int64_t *offset, int64_t rows)
{
    int64_t before = 0;
    memset(p->count, 0, (size_t)(p->longest + 1) * sizeof *p->count);
    for (int64_t i = 0; i < rows; i++)
        p->count[offset[i + 1] - offset[i]]++;
    for (int64_t items = p->longest; items >= 0; items--) {
        const int64_t some = p->count[items];
        p->count[items] = before;
        before += some;
    }
    for (int64_t i = 0; i < rows; i++)
        p->order[p->count[offset[i + 1] - offset[i]]++] = i;
}

/* The packed row for so many items: the first one that has room, or the one that has least. */
static int64_t row_for(const places *p, int64_t items, int64_t length, bool best_fit)
{
    int64_t best = p->packed;
    for (int64_t row = 0; row < p->packed; row++) {
        if (p->used[row] + items > length || (best < p->packed && p->used[row] <= p->used[best]))
            continue;
        best = row;
        if (!best_fit)
            break;
    }
    return best;
}

static void find_places(places *p, const mr_batch *samples, int f, const mr_collate_pack_opts *opts)
{
    const int64_t *offset = offsets_of(samples, f);
    if (opts->best_fit)
        sort_by_length(p, offset, samples->rows);
    for (int64_t n = 0; n < samples->rows; n++) {
        const int64_t i = opts->best_fit ? p->order[n] : n, items = offset[i + 1] - offset[i];
        const int64_t row = row_for(p, items, opts->length, opts->best_fit);
        if (row == p->packed)
            p->used[row] = p->samples[p->packed++] = 0;
        p->row[i] = row;
        p->start[i] = p->used[row];
        p->number[i] = ++p->samples[row];
        p->used[row] += items;
    }
}

static mr_status pack_field(const mr_collate_pack_opts *opts, const mr_batch *samples, int f, const places *p,
                            mr_collated *out)
{
    size_t item_bytes;
    mr_tensor *y = dense_field(samples, f, p->packed, opts->length, opts->value, out, &item_bytes);
    if (!y)
        return mr_error_status();
    for (int64_t i = 0; i < samples->rows; i++)
        copy_items(samples, f, i, y, p->row[i] * opts->length + p->start[i], item_bytes);
    return MR_OK;
}

static mr_status pack_extras(int64_t length, const mr_batch *samples, int f, const places *p,
                             mr_collated *out)
{
    const int64_t *offset = offsets_of(samples, f);
    mr_shape shape = MR_SHAPE(p->packed, length);
    int64_t rows = samples->rows, *segments = extra_field(out, "segments", "", MR_INT64, shape);
    int64_t *positions = extra_field(out, "positions", "", MR_INT64, shape);
    int64_t *packed_row = extra_field(out, "packed_row", "", MR_INT64, MR_SHAPE(rows));
    int64_t *packed_start = extra_field(out, "packed_start", "", MR_INT64, MR_SHAPE(rows));
    if (!segments || !positions || !packed_row || !packed_start)
        return mr_error_status();
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = p->row[i] * length + p->start[i];
        packed_row[i] = p->row[i];
        packed_start[i] = p->start[i];
        for (int64_t j = 0; j < offset[i + 1] - offset[i]; j++) {
            segments[at + j] = p->number[i];
            positions[at + j] = j;
        }
    }
    return MR_OK;
}

mr_status mr_collate_pack(void *user, const mr_batch *samples, mr_collated *out)
{
    const mr_collate_pack_opts *opts = user;
    places p;
    if (!opts || !samples || !out)
        return mr__null(pack, !opts ? "user" : samples ? "out" : "samples");
    if (opts->length < 1)
        return mr__raise(MR_ERR_ARGUMENT, "%s: length %lld is not at least 1", pack, (long long)opts->length);
    int fields = fields_of(samples), ragged = check_lengths(samples, fields);
    if (ragged < 0)
        return mr_error_status();
    const int64_t longest = longest_of(pack, samples, ragged, opts->length);
    if (longest < 0)
        return mr_error_status();
    mr_status status = make_places(&p, out, samples->rows, longest);
    if (status == MR_OK)
        find_places(&p, samples, ragged, opts);
    for (int f = 0; status == MR_OK && f < fields; f++)
        status = offsets_of(samples, f) ? pack_field(opts, samples, f, &p, out) : copy_dense(samples, f, out);
    return status == MR_OK ? pack_extras(opts->length, samples, ragged, &p, out) : status;
}
