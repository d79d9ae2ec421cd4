/* Files for tests: a folder of the program's own, and what it takes to look into it. */
#ifndef FILES_H
#define FILES_H

#include "check.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char files_folder[64];

/* Makes the folder, in the temporary folder so that it lies where every user may go. */
static inline bool files_begin(void)
{
    snprintf(files_folder, sizeof files_folder, "/tmp/millrace-test-XXXXXX");
    return mkdtemp(files_folder) && chmod(files_folder, 0777) == 0;
}

/* The same where writing does not wait for a disk, for tests that sync all the time. */
static inline bool files_begin_in_memory(void)
{
    snprintf(files_folder, sizeof files_folder, "/dev/shm/millrace-test-XXXXXX");
    return mkdtemp(files_folder) || files_begin();
}

/* Removes a folder, also one that a test has closed. */
static inline void folder_remove(const char *path)
{
    char command[1200];
    snprintf(command, sizeof command, "chmod -R u+rwX '%s' && rm -rf '%s'", path, path);
    CHECK(system(command) == 0);
}

/* Removes the folder; the program's exit status. */
static inline int files_report(void)
{
    folder_remove(files_folder);
    return check_report();
}

/* A path in the folder; valid until the eighth call after. */
static inline const char *in_folder(const char *name)
{
    static char paths[8][512];
    static int at;
    at = (at + 1) % 8;
    snprintf(paths[at], sizeof *paths, "%s/%s", files_folder, name);
    return paths[at];
}

static inline void file_put(const char *path, const void *bytes, size_t count)
{
    unlink(path); /* some file systems wait for the disk when a file is written over */
    FILE *file = fopen(path, "wb");
    if (CHECK(file != NULL)) {
        CHECK(fwrite(bytes, 1, count, file) == count);
        CHECK(fclose(file) == 0);
    }
}

/* The contents of a file of less than 64 KiB, and their number if `size` is given; valid until the next call.
 * A file that is not there has none. */
static inline const char *file_contents(const char *path, size_t *size)
{
    static char text[1 << 16];
    FILE *file = fopen(path, "rb");
    size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
    CHECK(got < sizeof text - 1);
    text[got] = '\0';
    if (file)
        fclose(file);
    if (size)
        *size = got;
    return text;
}

static inline bool file_exists(const char *path)
{
    struct stat there;
    return lstat(path, &there) == 0;
}

/* How many entries a folder has, hidden ones too; -1 if there is no such folder. */
static inline int count_entries(const char *path)
{
    int count = 0;
    DIR *entries = opendir(path);
    if (!entries)
        return -1;
    while (readdir(entries))
        count++;
    closedir(entries);
    return count - 2; /* "." and ".." */
}

/* Permissions bind nobody but root, so that root becomes somebody else for a while. */
static inline void files_be_nobody(bool nobody)
{
    if (getuid() == 0)
        CHECK(seteuid(nobody ? 65534 : 0) == 0);
}

/* Files may have so many bytes and no more, as on a disk that is full; 0: any. */
static inline void files_limit(size_t bytes)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = { bytes ? bytes : RLIM_INFINITY, RLIM_INFINITY };
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

#endif
