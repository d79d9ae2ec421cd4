/* What all sources of rows ask of a field. */
#ifndef MILLRACE_SOURCES_FIELD_H
#define MILLRACE_SOURCES_FIELD_H

#include "words.h"

#include <millrace/sources/rows.h>

/* Behind what a message says of a value that is not there, where nothing says what to do then. */
#define MR__MISSING_REMEDY " (the field's .missing may be MR_MISSING_FILL, MR_MISSING_NAN or MR_MISSING_SKIP)"

typedef struct mr__field_facts {
    const char *name;
    mr_dtype dtype;
    bool any_dtype; /* it holds bytes as they are */
    bool words;     /* it counts words */
    mr_missing missing;
    int word_count; /* of those that are given */
} mr__field_facts;

/* A failure in the name of `call` where they do not go together. */
mr_status mr__field_check(const char *call, const mr__field_facts *field);

/* Takes the blanks and tabs at either end off a name in a list of columns. */
void mr__field_trim(const char **at, size_t *length);

/* A failure where a list of fields is empty, of sources whose columns are fields if there is no list. */
mr_status mr__no_fields(const char *call);

/* The type of its elements: words are int64 where nothing is said. */
mr_dtype mr__field_dtype(const mr__field_facts *field);

/* Whether the numbers of as many words fit. */
bool mr__field_holds(mr_dtype dtype, int64_t word_count);

/* Adds the words of a list, each of which is there once. */
mr_status mr__field_words(mr__words *words, const char *call, const char *name, const char *const *list,
                          int count);

#endif
