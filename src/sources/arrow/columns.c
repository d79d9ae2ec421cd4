#include "columns.h"

#include "sources/cell.h"

#include <stdio.h>
#include <string.h>

static const char call[] = "arrow_stream_new";

static const char *name_of(const struct ArrowSchema *schema)
{
    return schema->name ? schema->name : "";
}

/* ---- fields for a stream of which nothing is said ---- */

static bool number_dtype(const mr__arrow_type *type, mr_dtype *dtype)
{
    switch (type->kind) {
    case MR__ARROW_BOOL:
        *dtype = MR_BOOL;
        return true;
    case MR__ARROW_INT:
        *dtype = type->width == 1   ? MR_INT8
                 : type->width == 2 ? MR_INT16
                 : type->width == 4 ? MR_INT32
                                    : MR_INT64;
        return true;
    case MR__ARROW_UINT:
        *dtype = type->width == 1 ? MR_UINT8 : type->width == 2 ? MR_UINT16 : MR_INT64;
        return true;
    case MR__ARROW_FLOAT:
        *dtype = type->width == 8 ? MR_FLOAT64 : MR_FLOAT32;
        return true;
    case MR__ARROW_DECIMAL:
        *dtype = type->scale > 0 ? MR_FLOAT64 : MR_INT64;
        return true;
    default:
        return false;
    }
}

/* What field a column would be; false when there is none. */
static bool guess(const mr__arrow_type *type, mr_table_field *field)
{
    mr_shape *shape = &field->shape;
    type = mr__arrow_given(type);
    if (type->kind == MR__ARROW_TEXT || type->kind == MR__ARROW_BYTES ||
        type->kind == MR__ARROW_FIXED_BYTES) {
        field->dtype = MR_UINT8;
        *shape = MR_SHAPE(type->kind == MR__ARROW_FIXED_BYTES ? type->size : -1);
        return true;
    }
    for (; mr__arrow_is_list(type); type = mr__arrow_given(type->inner)) {
        const bool fixed = type->kind == MR__ARROW_FIXED_LIST;
        if (shape->ndim == MR_MAX_DIMS || (shape->ndim && !fixed))
            return false;
        shape->dim[shape->ndim++] = fixed ? type->size : -1;
    }
    return number_dtype(type, &field->dtype);
}

static mr_status guess_all(mr__arrow_columns *c, const struct ArrowSchema *schema, mr_table_field *fields)
{
    for (int64_t i = 0; i < c->children; i++) {
        const char *name = name_of(schema->children[i]);
        mr__arrow_type *type = mr__arrow_type_new(schema->children[i], name);
        fields[i] = (mr_table_field){ .name = name };
        const bool known = type && guess(type, &fields[i]);
        mr__arrow_type_free(type);
        if (!type)
            return mr_error_status();
        if (!known)
            return mr_fail(MR_ERR_FORMAT,
                           "arrow: column '%s' has the format '%.40s', which is no field's: name the fields",
                           name, schema->children[i]->format);
    }
    return MR_OK;
}

/* A field for each column. */
static mr_status make_guessed(mr__arrow_columns *c, const struct ArrowSchema *schema)
{
    mr_table_field *fields = mr_calloc((size_t)c->children, sizeof *fields);
    mr_status s = fields ? guess_all(c, schema, fields) : mr_error_status();
    if (s == MR_OK)
        s = mr__table_make_each(&c->table, call, fields, (int)c->children);
    mr_free(fields);
    return s;
}

/* ---- columns ---- */

/* What a field wants of its column, in words; NULL when this type will do. */
static const char *wants(const mr__table *table, int column, const mr__arrow_type *type)
{
    const mr_field *f = &table->field[table->target[column].field];
    mr_dtype dtype;
    type = mr__arrow_given(type);
    if (type->kind == MR__ARROW_NULL)
        return NULL;
    if (table->words[table->target[column].field].count)
        return type->kind == MR__ARROW_TEXT ? NULL : "a text";
    if (!mr__table_is_whole(table, column))
        return number_dtype(type, &dtype) ? NULL : "a number";
    if (!mr__arrow_is_list(type)) {
        const bool letters = f->shape.dim[0] == -1 && f->dtype == MR_UINT8;
        return type->kind == MR__ARROW_BYTES || type->kind == MR__ARROW_FIXED_BYTES ||
                       (letters && type->kind == MR__ARROW_TEXT)
                   ? NULL
                   : "bytes, or lists of numbers";
    }
    int d = 0;
    for (; mr__arrow_is_list(type); type = mr__arrow_given(type->inner), d++)
        if (d < f->shape.ndim && type->kind == MR__ARROW_FIXED_LIST && f->shape.dim[d] >= 0 &&
            f->shape.dim[d] != type->size)
            return "lists of the field's shape";
    return d == f->shape.ndim && number_dtype(type, &dtype) ? NULL
                                                            : "lists of numbers as deep as the field's shape";
}

static mr_status find_column(mr__arrow_columns *c, const struct ArrowSchema *schema, int i)
{
    const mr__table *table = &c->table;
    const char *name = table->column[i];
    int64_t at = table->each ? i : 0;
    while (!table->each && at < c->children && strcmp(name_of(schema->children[at]), name) != 0)
        at++;
    if (at == c->children)
        return mr_fail(MR_ERR_ARGUMENT, "arrow: the stream has no column '%s'", name);
    c->child[i] = at;
    c->type[i] = mr__arrow_type_new(schema->children[at], name);
    if (!c->type[i])
        return mr_error_status();
    const char *wanted = wants(table, i, c->type[i]);
    return wanted ? mr_fail(MR_ERR_ARGUMENT, "arrow: column '%s' has the format '%.40s', and is to be %s",
                            name, schema->children[at]->format, wanted)
                  : MR_OK;
}

static mr_status check_schema(const struct ArrowSchema *schema)
{
    if (!schema->format || strcmp(schema->format, "+s") != 0)
        return mr_fail(MR_ERR_FORMAT, "arrow: the stream's schema is no struct of columns");
    if (schema->n_children < 1 || schema->n_children > INT32_MAX || !schema->children)
        return mr_fail(MR_ERR_FORMAT, "arrow: the stream's schema has no columns");
    for (int64_t i = 0; i < schema->n_children; i++)
        if (!schema->children[i] || !schema->children[i]->release)
            return mr_fail(MR_ERR_FORMAT, "arrow: column %lld of the stream's schema is not there",
                           (long long)i);
    return MR_OK;
}

mr_status mr__arrow_columns_make(mr__arrow_columns *c, const struct ArrowSchema *schema,
                                 const mr_table_field *fields, int field_count)
{
    if (check_schema(schema) < 0)
        return mr_error_status();
    c->children = schema->n_children;
    mr_status s = mr__table_name(&c->table, "arrow", "the stream");
    if (s == MR_OK)
        s = fields ? mr__table_make(&c->table, call, fields, field_count) : make_guessed(c, schema);
    if (s < 0)
        return s;
    c->child = mr_calloc((size_t)c->table.columns, sizeof *c->child);
    c->type = mr_calloc((size_t)c->table.columns, sizeof *c->type);
    if (!c->child || !c->type)
        return mr_error_status();
    for (int i = 0; i < c->table.columns; i++)
        if (find_column(c, schema, i) < 0)
            return mr_error_status();
    return MR_OK;
}

void mr__arrow_columns_free(mr__arrow_columns *c)
{
    for (int i = 0; c->type && i < c->table.columns; i++)
        mr__arrow_type_free(c->type[i]);
    mr__table_free(&c->table);
    mr_free(c->child);
    mr_free(c->type);
}

/* ---- record batches ---- */

mr_status mr__arrow_columns_check(const mr__arrow_columns *c, const struct ArrowArray *batch)
{
    int64_t end;
    if (batch->length < 0 || batch->offset < 0 ||
        __builtin_add_overflow(batch->offset, batch->length, &end) || batch->n_buffers != 1 ||
        !batch->buffers || batch->n_children != c->children || !batch->children ||
        (batch->null_count > 0 && !batch->buffers[0]))
        return mr_fail(MR_ERR_FORMAT, "arrow: a record batch that is none of the schema's");
    for (int i = 0; i < c->table.columns; i++) {
        const char *fault = mr__arrow_check(c->type[i], batch->children[c->child[i]], end);
        if (fault)
            return mr_fail(MR_ERR_FORMAT, "arrow: column '%s': %s", c->table.column[i], fault);
    }
    return MR_OK;
}

/* ---- rows ---- */

/* The items of a list from dimension `d` on; *to moves behind what is written. */
static mr_status put_items(const mr__row *row, int column, const mr__arrow_type *type,
                           const struct ArrowArray *array, int64_t index, int d, char **to)
{
    const mr_field *f = &row->table->field[row->table->target[column].field];
    const struct ArrowArray *items = array->children[0];
    const size_t size = mr_dtype_size(f->dtype);
    int64_t first, count;
    const char *fault = mr__arrow_items(type, array, index, &first, &count);
    if (!fault && d == 0 && !(*to = mr__row_items(row, column, count)))
        return mr_error_status();
    if (!fault && d && count != f->shape.dim[d])
        return mr__row_wrong(row, column, "%lld items, not %lld", (long long)count,
                             (long long)f->shape.dim[d]);
    const bool last = d + 1 == f->shape.ndim;
    const void *plain = !fault && last && count ? mr__arrow_plain(type->inner, items, first, f->dtype) : NULL;
    if (plain) {
        memcpy(*to, plain, (size_t)count * size);
        *to += (size_t)count * size;
        return MR_OK;
    }
    for (int64_t i = first; !fault && i < first + count; i++) {
        mr__value value = { .kind = MR__NULL };
        mr_status s = MR_OK;
        const bool null = mr__arrow_is_null(type->inner, items, i);
        if (last) {
            fault = null ? NULL : mr__arrow_value(type->inner, items, i, &value);
            s = fault ? MR_OK : mr__row_put_item(row, column, &value, *to);
            *to += size;
        } else {
            s = null ? mr__row_wrong(row, column, "a list in it is NULL")
                     : put_items(row, column, type->inner, items, i, d + 1, to);
        }
        if (s != MR_OK)
            return s;
    }
    return fault ? mr__row_wrong(row, column, "%s", fault) : MR_OK;
}

static mr_status put(const mr__row *row, int column, const mr__arrow_type *type,
                     const struct ArrowArray *array, int64_t index)
{
    mr__value value = { .kind = MR__NULL };
    if (index < 0 || mr__arrow_is_null(type, array, index))
        return mr__row_put(row, column, &value);
    if (mr__arrow_is_list(type)) {
        char *to = NULL;
        return put_items(row, column, type, array, index, 0, &to);
    }
    const char *fault = mr__arrow_value(type, array, index, &value);
    return fault ? mr__row_wrong(row, column, "%s", fault) : mr__row_put(row, column, &value);
}

mr_status mr__arrow_columns_read(const mr__arrow_columns *c, const struct ArrowArray *batch, int64_t from,
                                 int64_t number, void *const *field)
{
    const mr__row row = { &c->table, number, field, 0 };
    int64_t index = batch->offset + from;
    if (batch->null_count != 0 && batch->buffers[0] &&
        !(((const unsigned char *)batch->buffers[0])[index / 8] >> (index % 8) & 1))
        index = -1; /* all of the row is NULL */
    for (int i = 0; c->table.skips && i < c->table.columns; i++)
        if (mr__table_skips(&c->table, i) &&
            (index < 0 || mr__arrow_is_null(c->type[i], batch->children[c->child[i]], index)))
            return MR_END;
    for (int i = 0; i < c->table.columns; i++) {
        mr_status s = put(&row, i, c->type[i], batch->children[c->child[i]], index);
        if (s != MR_OK)
            return s;
    }
    return MR_OK;
}
