/* JSON as it lies in memory: where its values are, without objects made of them. */
#ifndef MILLRACE_SOURCES_JSON_TEXT_H
#define MILLRACE_SOURCES_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { MR__JSON_DEPTH = 2048 }; /* of objects and arrays within each other */

/* A value, without the blanks around it. */
typedef struct mr__json_span {
    const char *at, *end;
} mr__json_span;

/* Where a text is no JSON, and what should be there. */
typedef struct mr__json_fault {
    const char *at;
    const char *wanted; /* NULL: there is none */
} mr__json_fault;

typedef struct mr__json_member {
    mr__json_span key, value; /* the key is a string with its quotes */
} mr__json_member;

const char *mr__json_blanks(const char *at, const char *end);

/* The end of the value that begins at `at`; NULL after a fault. Besides JSON there are NaN, Infinity and -Infinity.
 * Numbers may be of any size, strings of any characters; only the form counts. */
const char *mr__json_value_end(const char *at, const char *end, mr__json_fault *fault);

/* An object or an array on the way from its first bracket to its last. */
typedef struct mr__json_list {
    const char *at, *end; /* at its end, `at` is behind it */
    bool begun;
    int depth;
    mr__json_fault *fault;
} mr__json_list;

/* `value` is one, or all that is known of it is where it begins. */
mr__json_list mr__json_open(mr__json_span value, mr__json_fault *fault);

/* The next member of an object, or item of an array; false at its end, and after a fault. */
bool mr__json_next_member(mr__json_list *object, mr__json_member *member);
bool mr__json_next_item(mr__json_list *array, mr__json_span *item);

/* The bytes of a string of sound JSON in UTF-8, in `out`, which has room for as many as the string has; how many, -1 where half
 * of a surrogate pair stands alone, which UTF-8 does not have. */
ptrdiff_t mr__json_string(mr__json_span string, char *out);

/* Whether a string has these bytes. */
bool mr__json_string_is(mr__json_span string, const char *text, size_t length);

#endif
