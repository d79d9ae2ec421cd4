/* What the two kinds of JSON lines dataset share. */
#ifndef MILLRACE_SOURCES_JSONL_INTERNAL_H
#define MILLRACE_SOURCES_JSONL_INTERNAL_H

#include <millrace/sources/jsonl.h>

#include "sources/words.h"

typedef struct mr__jsonl_plan {
    char *path;
    int field_count;
    mr_field *field; /* names are owned */
    char **key;
    mr_jsonl_field *options; /* strings are gone */
    mr__words *words;
    bool skips; /* some row may be left out */
} mr__jsonl_plan;

mr_status mr__jsonl_plan_make(mr__jsonl_plan *plan, const char *call, const char *path,
                              const mr_jsonl_field *fields, int field_count);
void mr__jsonl_plan_free(mr__jsonl_plan *plan);

/* Writes a line into row `row` of a sample's fields. MR_OK, MR_END when it is to be left out, or a failure with the
 * line. With a line of 0, a trial, nothing is raised. */
mr_status mr__jsonl_read_row(const mr__jsonl_plan *plan, const char *at, const char *end, int64_t line,
                             void *const *field, int64_t row);

/* Whether a row is left out, whatever it has for other fields: MR_END, or MR_OK, also of a line that fails when it is
 * read; or a failure of memory. */
mr_status mr__jsonl_is_left_out(const mr__jsonl_plan *plan, const char *at, const char *end);

/* Whether there is nothing but blanks in it. */
bool mr__jsonl_is_blank(const char *at, const char *end);

#endif
