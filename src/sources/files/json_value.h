/* From a JSON object to a field of a sample. */
#ifndef MILLRACE_SOURCES_JSON_VALUE_H
#define MILLRACE_SOURCES_JSON_VALUE_H

#include <millrace/sources/rows.h>

#include "sources/words.h"

#include <jansson.h>

/* Where an object was found, for messages: "'a.jsonl': line 17". It leaves out some of a long path, not of the place. */
typedef struct mr__where {
    void (*say)(const void *of, char *text, size_t room);
    const void *of;
} mr__where;

typedef struct mr__json_field {
    const mr_field *field;
    const char *key; /* "user.age" */
    mr_missing missing;
    double fill;
    const mr__words *words;
} mr__json_field;

/* Texts take 40 times their size, as objects. */
#define MR__LONGEST_JSON ((size_t)16 << 20)

/* Makes the object that a text is, of up to MR__LONGEST_JSON bytes; NULL after a failure. Where `where` is NULL nothing is
 * raised, here and in mr__json_write: that is for a trial. */
json_t *mr__json_parse(const char *at, const char *end, const mr__where *where);

/* Writes what an object has for a field. MR_OK, MR_END when the sample is to be left out, or a failure with the place. */
mr_status mr__json_write(const json_t *object, const mr__json_field *f, const mr__where *where, void *to);

/* Of a sample's field. */
size_t mr__json_field_bytes(const mr_field *field);

#endif
