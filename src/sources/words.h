/* Words and their numbers: the classes of a column, the keys of a record. */
#ifndef MILLRACE_SOURCES_WORDS_H
#define MILLRACE_SOURCES_WORDS_H

#include <millrace/base.h>

typedef struct mr__words {
    char **word; /* in the order of their numbers; each is owned */
    int64_t count, room;
    int64_t *slot; /* open addressing: number + 1, 0 where there is none */
    int64_t slots; /* a power of two, more than twice the words */
} mr__words;

/* The number of a word; -1 when it is not there. */
int64_t mr__words_find(const mr__words *words, const char *text, size_t length);

/* Adds a word unless it is there; its number, -1 after a failure. */
int64_t mr__words_add(mr__words *words, const char *text, size_t length);

/* For messages: "'red', 'green'" of them, as many as fit into 60 bytes, "and 7 more". Gives `text`, of MR__WORDS_SHOWN bytes. */
#define MR__WORDS_SHOWN 100
const char *mr__words_show(const mr__words *words, char *text);

/* Numbers them anew in the order of their bytes. */
mr_status mr__words_sort(mr__words *words);

void mr__words_free(mr__words *words);

#endif
