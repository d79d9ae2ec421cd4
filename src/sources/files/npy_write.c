/* Arrays whose rows are a dataset's samples. */
#include "array_file.h"
#include "part_file.h"
#include "writing.h"

#include "sources/settle.h"

static const char call[] = "npy_write";

typedef struct out {
    mr__part_file file;
    int field;
    mr_dtype dtype;
    mr_shape shape; /* of all */
    size_t row;     /* bytes */
    int64_t most;   /* rows that the head has room for */
    char head[MR__NPY_HEAD];
    size_t head_bytes;
} out;

/* What is kept of the writing. */
enum { COMPLETE, NUMBERS };

static mr_status plan_out(out *o, mr_dataset *dataset, const mr_npy_out *from)
{
    if (!from->path)
        return mr_fail(MR_ERR_ARGUMENT, "%s: field '%s' has no path", call, from->field ? from->field : "");
    o->field = mr__writing_field(call, dataset, from->field);
    if (o->field < 0)
        return mr_error_status();
    const int64_t len = mr_dataset_len(dataset);
    const mr_field *f = &mr_dataset_fields(dataset)[o->field];
    if (f->shape.ndim && f->shape.dim[0] < 0)
        return mr_fail(MR_ERR_SHAPE, "%s: field '%s' is ragged: its samples are no rows of an array", call,
                       f->name);
    o->dtype = f->dtype;
    o->row = mr_dtype_size(f->dtype);
    o->shape.ndim = f->shape.ndim + 1;
    for (int d = 0; d < f->shape.ndim; d++) {
        o->shape.dim[d + 1] = f->shape.dim[d];
        o->row *= (size_t)f->shape.dim[d];
    }
    o->most = len >= 0 ? len : INT64_MAX;
    o->head_bytes = mr__npy_head(o->head, o->dtype, &o->shape, o->most);
    return o->head_bytes ? MR_OK
                         : mr_fail(MR_ERR_DTYPE, "%s: field '%s': NumPy has no %s", call, f->name,
                                   mr_dtype_name(f->dtype));
}

/* Bytes of the file with the rows that have been written. */
static int64_t bytes_of(const out *o, const mr__writing *w)
{
    return (int64_t)o->head_bytes + w->rows * (int64_t)o->row;
}

static mr_status open_outs(out *outs, const mr_npy_out *arrays, int count, const mr__writing *w)
{
    mr_status s = MR_OK;
    for (int i = 0; s == MR_OK && i < count; i++) {
        s = mr__part_open(&outs[i].file, arrays[i].path, w->resumed ? bytes_of(&outs[i], w) : 0);
        for (int j = 0; s == MR_OK && j < i; j++)
            if (mr__part_same(&outs[i].file, &outs[j].file))
                s = mr_fail(MR_ERR_ARGUMENT, "%s: fields '%s' and '%s' go to one file, '%s'", call,
                            arrays[j].field, arrays[i].field, arrays[i].path);
        if (s == MR_OK && !w->resumed)
            s = mr__part_write(&outs[i].file, outs[i].head, outs[i].head_bytes);
    }
    return s;
}

static mr_status write_rows(mr__writing *w, out *outs, int count)
{
    const int64_t rows = w->batch->rows - w->row;
    mr_status s = MR_OK;
    for (int i = 0; s == MR_OK && i < count; i++) {
        const char *data = mr_tensor_data(w->batch->field[outs[i].field]);
        s = mr__part_write(&outs[i].file, data + (size_t)w->row * outs[i].row, (size_t)rows * outs[i].row);
    }
    w->row += rows;
    w->rows += rows;
    return s;
}

static mr_status save(mr__writing *w, out *outs, int count, int64_t complete)
{
    const int64_t numbers[NUMBERS] = { [COMPLETE] = complete };
    mr_status s = MR_OK;
    for (int i = 0; s == MR_OK && i < count; i++)
        s = mr__part_sync(&outs[i].file);
    return s == MR_OK ? mr__writing_save(w, numbers, NUMBERS) : s;
}

static mr_status write_all(mr__writing *w, out *outs, int count)
{
    mr_status s;
    while ((s = mr__writing_next(w)) == MR_OK) {
        s = write_rows(w, outs, count);
        if (s == MR_OK && mr__writing_is_due(w))
            s = save(w, outs, count, 0);
        if (s != MR_OK)
            return s;
    }
    for (int i = 0; s == MR_END && i < count; i++) {
        outs[i].shape.dim[0] = w->rows;
        mr__npy_head(outs[i].head, outs[i].dtype, &outs[i].shape, outs[i].most);
        if (mr__part_write_front(&outs[i].file, outs[i].head, outs[i].head_bytes) < 0)
            s = mr_error_status();
    }
    return s == MR_END ? save(w, outs, count, 1) : s;
}

/* All is written; what has no name yet gets it. */
static mr_status finish(const mr__writing *w, out *outs, const mr_npy_out *arrays, int count)
{
    mr_status s = MR_OK;
    for (int i = 0; s == MR_OK && i < count; i++)
        s = outs[i].file.fd < 0 ? mr__part_rename(arrays[i].path, bytes_of(&outs[i], w))
                                : mr__part_finish(&outs[i].file);
    return s;
}

static mr_status run(mr_dataset *dataset, const mr_npy_out *arrays, int count, const mr_write_opts *opts,
                     out *outs, mr__writing *w)
{
    uint64_t plan = 0;
    int64_t numbers[NUMBERS] = { 0 };
    for (int i = 0; i < count; i++) {
        if (plan_out(&outs[i], dataset, &arrays[i]) < 0)
            return mr_error_status();
        plan = mr__writing_plan_text(plan, arrays[i].field);
        plan = mr__writing_plan_text(plan, arrays[i].path);
        plan = mr__writing_plan(plan, outs[i].head, outs[i].head_bytes);
    }
    if (mr__writing_open(w, call, dataset, arrays[0].path, plan, opts, numbers, NUMBERS) < 0)
        return mr_error_status();
    if (numbers[COMPLETE])
        return finish(w, outs, arrays, count);
    mr_status s = open_outs(outs, arrays, count, w);
    s = s == MR_OK ? write_all(w, outs, count) : s;
    return s == MR_OK ? finish(w, outs, arrays, count) : s;
}

mr_status mr_npy_write(mr_dataset *dataset, const mr_npy_out *arrays, int count, const mr_write_opts *opts)
{
    if (!arrays || count < 1)
        return mr__settled(mr_fail(MR_ERR_ARGUMENT, "%s: there is at least one array", call));
    mr__writing w = { 0 };
    out *outs = mr_calloc((size_t)count, sizeof *outs);
    for (int i = 0; outs && i < count; i++)
        outs[i].file.fd = -1;
    mr_status s = outs ? run(dataset, arrays, count, opts, outs, &w) : mr_error_status();
    for (int i = 0; outs && i < count; i++)
        mr__part_close(&outs[i].file);
    mr__writing_close(&w, s == MR_OK);
    mr_free(outs);
    return mr__settled(s);
}
