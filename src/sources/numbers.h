/* Numbers in a list that grows: the keys of rows. */
#ifndef MILLRACE_SOURCES_NUMBERS_H
#define MILLRACE_SOURCES_NUMBERS_H

#include <millrace/base.h>

typedef struct mr__numbers {
    int64_t *at; /* owned by whoever has the struct */
    int64_t count, room;
} mr__numbers;

mr_status mr__numbers_add(mr__numbers *numbers, int64_t number);

#endif
