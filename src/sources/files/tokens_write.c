/* A dataset's numbers, one behind the other. */
#include "part_file.h"
#include "writing.h"

#include "sources/settle.h"

#include <stdio.h>
#include <string.h>

static const char call[] = "tokens_write";

enum { BUFFER = 1 << 16 };

typedef struct tokens {
    mr__part_file file;
    int field, offsets; /* the second -1: its samples have one length */
    mr_dtype from, to;
    int64_t length; /* of a sample that is not ragged */
    bool ends;
    int64_t end;
    char *buffer;
    size_t used;
} tokens;

/* What is kept of the writing. */
enum { BYTES, COMPLETE, NUMBERS };

static int64_t number_at(mr_dtype dtype, const void *data, int64_t i)
{
    switch (dtype) {
    case MR_INT64:
        return ((const int64_t *)data)[i];
    case MR_INT32:
        return ((const int32_t *)data)[i];
    case MR_INT16:
        return ((const int16_t *)data)[i];
    case MR_INT8:
        return ((const int8_t *)data)[i];
    case MR_UINT16:
        return ((const uint16_t *)data)[i];
    default:
        return ((const uint8_t *)data)[i];
    }
}

static bool is_whole(mr_dtype dtype)
{
    return dtype == MR_INT64 || dtype == MR_INT32 || dtype == MR_INT16 || dtype == MR_INT8 ||
           dtype == MR_UINT16 || dtype == MR_UINT8;
}

static bool fits(mr_dtype dtype, int64_t number)
{
    return dtype == MR_INT64 || (dtype == MR_INT32 && number == (uint32_t)number) ||
           (dtype == MR_UINT16 && number == (uint16_t)number) ||
           (dtype == MR_UINT8 && number == (uint8_t)number);
}

/* For messages. */
static const char *type_name(mr_dtype dtype)
{
    return dtype == MR_INT32 ? "32 bits without a sign" : mr_dtype_name(dtype);
}

static mr_status flush(tokens *t)
{
    mr_status s = mr__part_write(&t->file, t->buffer, t->used);
    t->used = 0;
    return s;
}

static mr_status put(tokens *t, int64_t number)
{
    const size_t size = mr_dtype_size(t->to);
    if (t->used + size > BUFFER && flush(t) < 0)
        return mr_error_status();
    for (size_t i = 0; i < size; i++)
        t->buffer[t->used++] = (char)((uint64_t)number >> 8 * i);
    return MR_OK;
}

static mr_status write_row(tokens *t, const mr__writing *w)
{
    const void *data = mr_tensor_data(w->batch->field[t->field]);
    int64_t first = w->row * t->length, last = first + t->length;
    if (t->offsets >= 0) {
        const int64_t *offset = mr_tensor_data(w->batch->field[t->offsets]);
        first = offset[w->row];
        last = offset[w->row + 1];
    }
    for (int64_t i = first; i < last; i++) {
        const int64_t number = number_at(t->from, data, i);
        if (!fits(t->to, number))
            return mr_fail(MR_ERR_FORMAT, "%s: sample %lld: token %lld is %lld, which does not fit %s", call,
                           (long long)mr__writing_sample(w), (long long)(i - first), (long long)number,
                           type_name(t->to));
        if (put(t, number) < 0)
            return mr_error_status();
    }
    return t->ends ? put(t, t->end) : MR_OK;
}

static mr_status save(tokens *t, mr__writing *w, int64_t complete)
{
    if (flush(t) < 0 || mr__part_sync(&t->file) < 0)
        return mr_error_status();
    const int64_t numbers[NUMBERS] = { [BYTES] = t->file.bytes, [COMPLETE] = complete };
    return mr__writing_save(w, numbers, NUMBERS);
}

static mr_status write_all(tokens *t, mr__writing *w)
{
    mr_status s;
    while ((s = mr__writing_next(w)) == MR_OK) {
        if (w->row == 0 && mr__writing_is_due(w))
            s = save(t, w, 0);
        for (; s == MR_OK && w->row < w->batch->rows; w->row++, w->rows++)
            s = write_row(t, w);
        if (s != MR_OK)
            return s;
    }
    return s == MR_END ? save(t, w, 1) : s;
}

/* Where the field's offsets are in a batch: behind all fields, in the order of the ragged ones. */
static int place_of_offsets(mr_dataset *dataset, int field)
{
    const mr_field *fields = mr_dataset_fields(dataset);
    int place = mr_dataset_field_count(dataset);
    for (int i = 0; i < field; i++)
        place += fields[i].shape.ndim && fields[i].shape.dim[0] < 0;
    return place;
}

static mr_status plan_tokens(tokens *t, mr_dataset *dataset, const char *field,
                             const mr_tokens_write_opts *opts)
{
    t->field = mr__writing_field(call, dataset, field);
    if (t->field < 0)
        return mr_error_status();
    const mr_field *f = &mr_dataset_fields(dataset)[t->field];
    const bool ragged = f->shape.ndim && f->shape.dim[0] < 0;
    t->from = f->dtype;
    t->to = opts->dtype ? opts->dtype : MR_UINT16;
    t->ends = opts->ends;
    t->end = opts->end;
    t->offsets = ragged ? place_of_offsets(dataset, t->field) : -1;
    t->length = 1;
    for (int d = 0; d < f->shape.ndim; d++)
        t->length *= f->shape.dim[d];
    if (!is_whole(f->dtype))
        return mr_fail(MR_ERR_DTYPE, "%s: field '%s' has %s, no whole numbers", call, f->name,
                       mr_dtype_name(f->dtype));
    if (ragged && f->shape.ndim > 1)
        return mr_fail(MR_ERR_SHAPE, "%s: field '%s': its items are arrays, not tokens", call, f->name);
    if (t->to != MR_UINT8 && t->to != MR_UINT16 && t->to != MR_INT32 && t->to != MR_INT64)
        return mr_fail(MR_ERR_DTYPE, "%s: tokens of type %s, not uint8, uint16, int32 or int64", call,
                       mr_dtype_name(t->to));
    if (t->ends && !fits(t->to, t->end))
        return mr_fail(MR_ERR_ARGUMENT, "%s: the end, %lld, does not fit %s", call, (long long)t->end,
                       type_name(t->to));
    t->buffer = mr_alloc(BUFFER);
    return t->buffer ? MR_OK : mr_error_status();
}

static mr_status run(mr_dataset *dataset, const char *field, const char *path,
                     const mr_tokens_write_opts *opts, tokens *t, mr__writing *w)
{
    int64_t numbers[NUMBERS] = { 0 };
    if (!path)
        return mr_fail(MR_ERR_ARGUMENT, "%s: path is NULL", call);
    if (plan_tokens(t, dataset, field, opts) < 0)
        return mr_error_status();
    uint64_t plan = mr__writing_plan_text(mr__writing_plan_text(0, field), path);
    plan = mr__writing_plan(plan, &t->to, sizeof t->to);
    plan = mr__writing_plan(plan, t->ends ? &t->end : NULL, t->ends ? sizeof t->end : 0);
    if (mr__writing_open(w, call, dataset, path, plan, &opts->write, numbers, NUMBERS) < 0)
        return mr_error_status();
    if (numbers[COMPLETE])
        return mr__part_rename(path, numbers[BYTES]);
    if (mr__part_open(&t->file, path, numbers[BYTES]) < 0)
        return mr_error_status();
    mr_status s = write_all(t, w);
    return s == MR_OK ? mr__part_finish(&t->file) : s;
}

mr_status mr_tokens_write(mr_dataset *dataset, const char *field, const char *path,
                          const mr_tokens_write_opts *opts)
{
    static const mr_tokens_write_opts defaults = { 0 };
    tokens t = { .file.fd = -1 };
    mr__writing w = { 0 };
    mr_status s = run(dataset, field, path, opts ? opts : &defaults, &t, &w);
    mr__part_close(&t.file);
    mr__writing_close(&w, s == MR_OK);
    mr_free(t.buffer);
    return mr__settled(s);
}
