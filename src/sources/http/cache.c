#include "cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ABOUT = 4096,
    PATH = 4096,
    NAME = 64,
    HOUR = 3600
}; /* bytes of what a file says of itself; of names */

struct mr__cache {
    char *folder;
    int64_t most;
    atomic_int_least64_t held; /* bytes in the folder, as far as this program knows; */
    /* of these, put there since it has looked, as others may have done as well */
    atomic_int_least64_t unseen;
    pthread_mutex_t looking;
};

/* ---- what a file is, and its name ---- */

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static uint64_t hash(const void *bytes, size_t count, uint64_t h)
{
    const unsigned char *at = bytes;
    for (; count >= 8; count -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        h = mix(h, word);
    }
    for (; count; count--)
        h = mix(h, *at++);
    return mix(h, 0x100);
}

/* A text that says all: what the file is, and which part of it. False when it is too long for that. */
static bool describe(char *text, const char *url, const mr__identity *identity, int64_t offset, size_t length)
{
    const int n = snprintf(text, ABOUT, "%s\n%s\n%s\n%lld\n%lld\n%zu\n", url, identity ? identity->etag : "",
                           identity ? identity->modified : "", identity ? (long long)identity->size : -1,
                           (long long)offset, length);
    return n > 0 && n < ABOUT;
}

static void name_of(const char *text, char *name)
{
    snprintf(name, NAME, "%016llx%016llx.mr", (unsigned long long)hash(text, strlen(text), 1),
             (unsigned long long)hash(text, strlen(text), 2));
}

typedef struct head {
    char magic[8];
    uint64_t about, length, sum; /* bytes of the text and behind it; a sum of all these */
} head;

static const char magic[8] = "mrpart1";

static uint64_t sum_of(const char *about, const void *bytes, size_t length)
{
    return hash(bytes, length, hash(about, strlen(about), 3));
}

/* ---- reading and writing ---- */

/* False when it is too long for a path. */
static bool path_of(const mr__cache *c, const char *name, char *path)
{
    const int n = snprintf(path, PATH, "%s/%s", c->folder, name);
    return n > 0 && n < PATH;
}

static bool read_fully(int fd, void *bytes, size_t count)
{
    char *at = bytes;
    while (count) {
        const ssize_t n = read(fd, at, count);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        at += n > 0 ? n : 0;
        count -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_fully(int fd, const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count) {
        const ssize_t n = write(fd, at, count);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? n : 0;
        count -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The bytes of the file that says of itself `about`, exactly `length`, and that is now used. A file that is not sound goes. */
static bool get(mr__cache *c, const char *about, void *bytes, size_t length)
{
    char name[NAME], path[PATH], said[ABOUT];
    head h;
    name_of(about, name);
    const int fd = path_of(c, name, path) ? open(path, O_RDWR | O_CLOEXEC) : -1;
    bool sound = fd >= 0 && read_fully(fd, &h, sizeof h) && memcmp(h.magic, magic, sizeof magic) == 0 &&
                 h.about == strlen(about) && h.length == length && read_fully(fd, said, h.about) &&
                 memcmp(said, about, h.about) == 0 && read_fully(fd, bytes, length) &&
                 h.sum == sum_of(about, bytes, length);
    if (sound)
        futimens(fd, NULL); /* the last to go */
    else if (fd >= 0)
        unlink(path);
    if (fd >= 0)
        close(fd);
    return sound;
}

static void look(mr__cache *c);

static void put(mr__cache *c, const char *about, const void *bytes, size_t length)
{
    static atomic_int number;
    char name[NAME], path[PATH], temporary[PATH];
    head h = { .about = strlen(about), .length = length, .sum = sum_of(about, bytes, length) };
    memcpy(h.magic, magic, sizeof magic);
    name_of(about, name);
    bool short_enough = path_of(c, name, path);
    snprintf(name, sizeof name, "%ld-%d.tmp", (long)getpid(), atomic_fetch_add(&number, 1));
    short_enough = path_of(c, name, temporary) && short_enough;
    const int fd = short_enough ? open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        bool written = write_fully(fd, &h, sizeof h) && write_fully(fd, about, h.about) &&
                       write_fully(fd, bytes, length);
        written = close(fd) == 0 && written;
        if (written && rename(temporary, path) == 0) {
            atomic_fetch_add(&c->held, (int64_t)(sizeof h + h.about + length));
            atomic_fetch_add(&c->unseen, (int64_t)(sizeof h + h.about + length));
        } else {
            unlink(temporary);
        }
    }
    if (atomic_load(&c->held) > c->most || atomic_load(&c->unseen) > c->most / 64)
        look(c);
}

/* ---- what goes ---- */

typedef struct entry {
    struct timespec used;
    int64_t bytes;
    char name[NAME];
} entry;

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const entry *)a)->used, *y = &((const entry *)b)->used;
    return x->tv_sec != y->tv_sec ? (x->tv_sec < y->tv_sec ? -1 : 1)
                                  : (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* As name_of makes it. */
static bool is_part(const char *name)
{
    return strspn(name, "0123456789abcdef") == 32 && strcmp(name + 32, ".mr") == 0;
}

/* As put makes it. */
static bool is_temporary(const char *name)
{
    const size_t id = strspn(name, "0123456789"), number = name[id] ? strspn(name + id + 1, "0123456789") : 0;
    return id && name[id] == '-' && number && strcmp(name + id + 1 + number, ".tmp") == 0;
}

/* All files of the cache, and the bytes that they have; removes what a program left that was killed an hour ago. */
static entry *list(const mr__cache *c, size_t *count, int64_t *bytes)
{
    DIR *folder = opendir(c->folder);
    entry *all = NULL;
    size_t room = 0;
    *count = 0;
    *bytes = 0;
    for (struct dirent *e; folder && (e = readdir(folder));) {
        struct stat about;
        if (strlen(e->d_name) >= NAME || fstatat(dirfd(folder), e->d_name, &about, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(about.st_mode))
            continue;
        if (is_temporary(e->d_name) && about.st_mtime < time(NULL) - HOUR)
            unlinkat(dirfd(folder), e->d_name, 0);
        if (!is_part(e->d_name))
            continue;
        if (*count == room) {
            entry *more =
                realloc(all, (room * 2 + 64) * sizeof *all); /* without a failure: a cache may do without */
            if (!more)
                break;
            all = more;
            room = room * 2 + 64;
        }
        all[*count] = (entry){ .used = about.st_mtim, .bytes = about.st_size };
        strcpy(all[(*count)++].name, e->d_name);
        *bytes += about.st_size;
    }
    if (folder)
        closedir(folder);
    return all;
}

/* What is in the folder, whoever put it there; if it is too much, something goes. */
static void look(mr__cache *c)
{
    size_t count;
    int64_t bytes;
    if (pthread_mutex_trylock(&c->looking) != 0)
        return; /* somebody is about it */
    atomic_store(&c->unseen, 0);
    entry *all = list(c, &count, &bytes);
    const int64_t most = bytes > c->most ? c->most - c->most / 8 : c->most;
    if (all && bytes > most)
        qsort(all, count, sizeof *all, by_use);
    for (size_t i = 0; i < count && bytes > most; i++) {
        char path[PATH];
        if (path_of(c, all[i].name, path) && (unlink(path) == 0 || errno == ENOENT))
            bytes -= all[i].bytes;
    }
    free(all);
    atomic_store(&c->held, bytes);
    pthread_mutex_unlock(&c->looking);
}

/* ---- making ---- */

static mr_status make_folder(char *path)
{
    struct stat about;
    int failed = 0;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        failed = errno;
    else if (stat(path, &about) < 0 || !S_ISDIR(about.st_mode))
        failed = ENOTDIR;
    else if (access(path, W_OK) < 0)
        failed = errno;
    return failed ? mr_fail(MR_ERR_IO, "storage_from_http: cannot use the folder '%s' as a cache: %s", path,
                            strerror(failed))
                  : MR_OK;
}

mr__cache *mr__cache_new(const char *folder, int64_t most)
{
    size_t count;
    int64_t bytes;
    mr__cache *c = mr_calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->most = most;
    c->folder = mr_strdup(folder);
    pthread_mutex_init(&c->looking, NULL);
    if (!c->folder || make_folder(c->folder) < 0) {
        mr__cache_free(c);
        return NULL;
    }
    free(list(c, &count, &bytes));
    atomic_init(&c->held, bytes);
    atomic_init(&c->unseen, 0);
    return c;
}

void mr__cache_free(mr__cache *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->looking);
    mr_free(c->folder);
    mr_free(c);
}

/* ---- files and their parts ---- */

bool mr__cache_known(mr__cache *c, const char *url, mr__identity *identity)
{
    char about[ABOUT];
    return describe(about, url, NULL, -1, sizeof *identity) && get(c, about, identity, sizeof *identity) &&
           memchr(identity->etag, 0, sizeof identity->etag) &&
           memchr(identity->modified, 0, sizeof identity->modified) &&
           memchr(identity->encoding, 0, sizeof identity->encoding);
}

void mr__cache_note(mr__cache *c, const char *url, const mr__identity *identity)
{
    char about[ABOUT];
    mr__identity clean = { .size = identity->size };
    strcpy(clean.etag, identity->etag);
    strcpy(clean.modified, identity->modified);
    strcpy(clean.encoding, identity->encoding);
    if (describe(about, url, NULL, -1, sizeof clean))
        put(c, about, &clean, sizeof clean);
}

bool mr__cache_read(mr__cache *c, const char *url, const mr__identity *identity, int64_t offset, void *bytes,
                    size_t length)
{
    char about[ABOUT];
    return describe(about, url, identity, offset, length) && get(c, about, bytes, length);
}

void mr__cache_write(mr__cache *c, const char *url, const mr__identity *identity, int64_t offset,
                     const void *bytes, size_t length)
{
    char about[ABOUT];
    if (describe(about, url, identity, offset, length))
        put(c, about, bytes, length);
}
