/* Which of Arrow's columns goes into which field, and the way of their values. */
#ifndef MILLRACE_SOURCES_ARROW_COLUMNS_H
#define MILLRACE_SOURCES_ARROW_COLUMNS_H

#include "type.h"

typedef struct mr__arrow_columns {
    mr__table table;
    int64_t children; /* of the schema */
    int64_t *child;   /* of each column of the table */
    mr__arrow_type **type;
} mr__arrow_columns;

/* Of a schema, which is borrowed; what is made is freed by mr__arrow_columns_free also after a failure. */
mr_status mr__arrow_columns_make(mr__arrow_columns *columns, const struct ArrowSchema *schema,
                                 const mr_table_field *fields, int field_count);
void mr__arrow_columns_free(mr__arrow_columns *columns);

/* Whether a record batch can be one of the schema's. */
mr_status mr__arrow_columns_check(const mr__arrow_columns *columns, const struct ArrowArray *batch);

/* Writes row `from` of a record batch into the fields; MR_END when it is to be left out. `number` is for messages. */
mr_status mr__arrow_columns_read(const mr__arrow_columns *columns, const struct ArrowArray *batch,
                                 int64_t from, int64_t number, void *const *field);

#endif
