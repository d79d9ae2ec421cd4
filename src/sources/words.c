#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *text, size_t length)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return h ^ h >> 32;
}

/* The slot that holds the word, or the free one where it belongs. */
static int64_t slot_of(const mr__words *words, const char *text, size_t length)
{
    uint64_t mask = (uint64_t)words->slots - 1;
    for (uint64_t i = hash(text, length) & mask;; i = (i + 1) & mask) {
        int64_t number = words->slot[i] - 1;
        if (number < 0 || (strncmp(words->word[number], text, length) == 0 && !words->word[number][length]))
            return (int64_t)i;
    }
}

int64_t mr__words_find(const mr__words *words, const char *text, size_t length)
{
    if (!words->count || memchr(text, 0, length))
        return -1;
    return words->slot[slot_of(words, text, length)] - 1;
}

/* Slots for the words that are there and as many again. */
static mr_status rehash(mr__words *words, int64_t slots)
{
    int64_t *slot = mr_calloc((size_t)slots, sizeof *slot);
    if (!slot)
        return mr_error_status();
    mr_free(words->slot);
    words->slot = slot;
    words->slots = slots;
    for (int64_t i = 0; i < words->count; i++)
        slot[slot_of(words, words->word[i], strlen(words->word[i]))] = i + 1;
    return MR_OK;
}

int64_t mr__words_add(mr__words *words, const char *text, size_t length)
{
    int64_t number = mr__words_find(words, text, length);
    if (number >= 0)
        return number;
    if (words->count == words->room) {
        int64_t room = words->room ? words->room * 2 : 16;
        char **word = mr_grow(words->word, (size_t)words->count * sizeof *word, (size_t)room * sizeof *word);
        if (!word)
            return -1;
        words->word = word;
        words->room = room;
    }
    if (words->count * 2 >= words->slots && rehash(words, words->slots ? words->slots * 2 : 64) < 0)
        return -1;
    char *copy = mr_alloc(length + 1);
    if (!copy)
        return -1;
    memcpy(copy, text, length);
    copy[length] = 0;
    words->word[words->count] = copy;
    words->slot[slot_of(words, copy, strlen(copy))] = words->count + 1;
    return words->count++;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

mr_status mr__words_sort(mr__words *words)
{
    if (!words->count)
        return MR_OK;
    qsort(words->word, (size_t)words->count, sizeof *words->word, by_bytes);
    return rehash(words, words->slots);
}

const char *mr__words_show(const mr__words *words, char *text)
{
    enum { MOST = 60 };
    size_t used = 0;
    int64_t i = 0;
    for (; i < words->count && used + strlen(words->word[i]) + 4 < MOST; i++)
        used += (size_t)snprintf(text + used, MOST - used, "%s'%s'", i ? ", " : "", words->word[i]);
    text[used] = 0;
    if (i < words->count)
        snprintf(text + used, MR__WORDS_SHOWN - used, i ? " and %lld more" : "there are %lld",
                 (long long)(words->count - i));
    return text;
}

void mr__words_free(mr__words *words)
{
    for (int64_t i = 0; i < words->count; i++)
        mr_free(words->word[i]);
    mr_free(words->word);
    mr_free(words->slot);
    *words = (mr__words){ 0 };
}
