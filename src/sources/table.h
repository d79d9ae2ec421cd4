/* The way from a row of columns to a sample, whatever gives the row. */
#ifndef MILLRACE_SOURCES_TABLE_H
#define MILLRACE_SOURCES_TABLE_H

#include "cell.h"
#include "words.h"

/* ---- which column goes where ---- */

typedef struct mr__target {
    int field;
    mr_dtype dtype; /* of the field */
    bool floating;  /* a single number of a floating type */
    size_t offset;  /* of its element within the field, in bytes */
    size_t stride;  /* from row to row */
} mr__target;

typedef struct mr__table {
    char *source, *what; /* for messages: "'a.db'", "people" */
    int field_count;
    mr_field *field;         /* names are owned */
    mr_table_field *options; /* strings are gone */
    mr__words *words;
    int columns; /* of all fields together */
    char **column;
    mr__target *target;
    bool skips; /* some row may be left out */
    bool each;  /* the columns are the source's, in its order, whatever their names are */
} mr__table;

/* Names the source and what of it is read, for messages: "'a.db'", "people". Zeroed before. What is made from then on
 * is freed by mr__table_free, also after a failure. */
mr_status mr__table_name(mr__table *table, const char *source, const char *what);

/* Takes the fields; failures are in the name of `call`. */
mr_status mr__table_make(mr__table *table, const char *call, const mr_table_field *fields, int field_count);

/* The same where no fields are named: each column of the source is one of its own name. `columns` has names, types and
 * shapes of these; of numbers with a point, missing ones are NaN. */
mr_status mr__table_make_each(mr__table *table, const char *call, mr_table_field *columns, int count);
void mr__table_free(mr__table *table);

/* Whether a column fills its field by itself. */
static inline bool mr__table_is_whole(const mr__table *table, int column)
{
    return table->field[table->target[column].field].shape.ndim > 0 &&
           table->options[table->target[column].field].shape.ndim > 0;
}

/* Whether rows are left out where a column has no value. */
static inline bool mr__table_skips(const mr__table *table, int column)
{
    return table->options[table->target[column].field].missing == MR_MISSING_SKIP;
}

/* ---- values ---- */

typedef enum mr__value_kind {
    MR__NULL,
    MR__WHOLE,  /* a number without a fraction, in `whole` */
    MR__NUMBER, /* any other */
    MR__TEXT,
    MR__BYTES
} mr__value_kind;

typedef struct mr__value {
    mr__value_kind kind;
    union {
        int64_t whole;
        double number;
        struct {
            const void *at;
            size_t size;
        };
    };
} mr__value;

/* A row on its way into row `row` of the fields; `number` is for messages. */
typedef struct mr__row {
    const mr__table *table;
    int64_t number;
    void *const *field;
    int64_t row;
} mr__row;

/* Writes the value of a column; MR_END where there is none, and the row is to be left out. Then other columns may fail: what is
 * left out is looked for first. */
mr_status mr__row_put(const mr__row *row, int column, const mr__value *value);

/* The same of most values: numbers, for a column that wants one of a floating type. */
static inline bool mr__row_wants_number(const mr__row *row, int column)
{
    return row->table->target[column].floating;
}

static inline void mr__row_put_number(const mr__row *row, int column, double number)
{
    const mr__target *t = &row->table->target[column];
    mr__put_double(t->dtype, (char *)row->field[t->field] + (size_t)row->row * t->stride + t->offset, number);
}

/* For lists: where `count` items of a column that fills its field go; NULL after a failure, also when there must be another
 * number. And writes an element at a place there. */
void *mr__row_items(const mr__row *row, int column, int64_t count);
mr_status mr__row_put_item(const mr__row *row, int column, const mr__value *value, void *to);

/* Writes "'a.db': row 17 of people" as snprintf does. */
int mr__table_origin(const mr__table *table, int64_t number, char *text, size_t room);

/* Raises "'a.db': row 17 of people, column 'age': " and what is wrong. */
mr_status mr__row_wrong(const mr__row *row, int column, const char *format, ...) MR_PRINTF(3, 4);

#endif
