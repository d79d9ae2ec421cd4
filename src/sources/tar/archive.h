/*
 * The members of a tar file, from some place on. libarchive knows the format with its dialects; bytes come from our own
 * input, which unpacks and checks.
 */
#ifndef MILLRACE_SOURCES_TAR_ARCHIVE_H
#define MILLRACE_SOURCES_TAR_ARCHIVE_H

#include "sources/files/input.h"

#include <archive.h>
#include <locale.h>

typedef struct mr__tar {
    const char *path;
    const char *held; /* no archive: the contents of a member, or what is left of them */
    size_t held_bytes;
    mr__input *input;
    struct archive *archive; /* NULL: there is nothing behind the place where reading began */
    locale_t locale;
    char *buffer;
    size_t at_once; /* bytes of it that are filled next; */
    size_t filled;  /* or what is in it already, and was read behind `at` */
    int64_t begin;  /* where reading began, among the unpacked bytes */
    int64_t at;     /* up to where the input was read */
    int64_t size;   /* of a plain file, as far as it is known; -1 */
    /* the contents of the member that was begun last, of which large ones do not go through libarchive: */
    int64_t next,
        left; /* where the next byte of them is, and how many there are; left is -1 if they do not lie there as they are */
    int64_t ahead; /* how far the input is ahead of what libarchive knows of */
} mr__tar;

/* A file that has samples' contents. */
typedef struct mr__member {
    char *name; /* owned */
    size_t room;
    size_t key;            /* length of the sample's name within it */
    const char *extension; /* behind the point, within it */
    int64_t at, size;      /* where its head begins, among the unpacked bytes; bytes of its contents */
} mr__member;

/* Opens a file, or takes one that is open, which is adopted. `path` is borrowed. */
mr_status mr__tar_open(mr__tar *tar, mr_storage *storage, const char *path);
mr_status mr__tar_take(mr__tar *tar, mr__input *input, const char *path);

/* Goes to where a member's head begins, once. */
mr_status mr__tar_start(mr__tar *tar, int64_t at);
void mr__tar_close(mr__tar *tar);

/* The next member that is a file and belongs to a sample: MR_OK, MR_END, or a failure, after which nothing more can be read. */
mr_status mr__tar_next(mr__tar *tar, mr__member *member);

/* Reads up to `size` bytes of the member's contents: their number, 0 at their end; -1 after a failure, as above. There
 * is room for `spare` bytes more, which may be written, too: so one call of the system can read contents and the next
 * head. */
int64_t mr__tar_read(mr__tar *tar, const mr__member *member, void *bytes, size_t size, size_t spare);

/* Whether two members are of one sample. */
bool mr__member_same_key(const mr__member *a, const mr__member *b);

void mr__member_free(mr__member *member);

#endif
