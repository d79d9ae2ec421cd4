/* From a JSON object to a field of a sample. */
#ifndef MILLRACE_SOURCES_JSON_VALUE_H
#define MILLRACE_SOURCES_JSON_VALUE_H

#include <millrace/sources/rows.h>

#include "sources/words.h"

#include "json_text.h"

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

#define MR__LONGEST_JSON ((size_t)16 << 20)

/* An object: views of its text. Zeroed before. */
typedef struct mr__json {
    mr__json_member *member; /* owned */
    int64_t count, room;
    bool read;
} mr__json;

/* Behind a byte order mark, if there is one. */
const char *mr__json_mark(const char *at, const char *end);

/* Reads the object that a text is, of up to MR__LONGEST_JSON bytes, which stays as long as the object. What nobody asks for
 * must be of JSON's form, no more. Where `where` is NULL a text that is none, here and in mr__json_write, raises nothing: that
 * is for a trial. */
mr_status mr__json_parse(mr__json *object, const char *at, const char *end, const mr__where *where);
void mr__json_free(mr__json *object);

/* Whether the sample is to be left out for a field. */
bool mr__json_left_out(const mr__json *object, const mr__json_field *f);

/* Writes what an object has for a field, into an mr_ragged if it is ragged. MR_OK, MR_END when the sample is to be left
 * out, or a failure with the place. */
mr_status mr__json_write(const mr__json *object, const mr__json_field *f, const mr__where *where, void *to);

/* Of a sample's field: of an mr_ragged if it is ragged. */
size_t mr__json_field_bytes(const mr_field *field);

#endif
