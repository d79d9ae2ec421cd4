/* The numbers of lines, for messages about bytes of a file in memory: a table of how many line breaks are in front of
 * some places, made as far as it is asked for. So a file may have any number of bad rows, which are read in any
 * order. */
#ifndef MILLRACE_SOURCES_LINE_TABLE_H
#define MILLRACE_SOURCES_LINE_TABLE_H

#include <millrace/base.h>

#include <pthread.h>

typedef struct mr__line_table {
    pthread_mutex_t lock; /* of all below */
    int64_t *before;      /* line breaks in front of each 16th KB */
    int64_t count, room;
} mr__line_table;

void mr__line_table_init(mr__line_table *table);
void mr__line_table_free(mr__line_table *table);

/* The line, from 1, that byte `at` of `bytes` lies in; without memory for the table it takes longer. No failure is
 * pending. From any thread. */
int64_t mr__line_of(mr__line_table *table, const char *bytes, size_t at);

#endif
