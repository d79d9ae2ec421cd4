#include "version_dir.h"

#include "base/alloc.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION "version_"
#define EVALUATION "evaluation_"

/* The number behind the prefix, or -1: for other names, and for numbers that no run will reach. */
static int64_t number_of(const char *name, const char *prefix)
{
    enum { MOST_DIGITS = 18 };
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return -1;
    const char *digits = name + strlen(prefix);
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || digits[count])
        return -1;
    for (; *digits == '0' && digits[1]; count--)
        digits++;
    if (count > MOST_DIGITS)
        return -1;
    int64_t number = 0;
    for (; *digits; digits++)
        number = 10 * number + (*digits - '0');
    return number;
}

static bool is_folder(DIR *parent, const char *name)
{
    struct stat there;
    return fstatat(dirfd(parent), name, &there, 0) == 0 && S_ISDIR(there.st_mode);
}

/* One more than the highest number that is there; -1 with a failure raised. */
static int64_t next_number(const char *parent, const char *prefix)
{
    int64_t next = 0;
    DIR *folder = opendir(parent);
    if (!folder) {
        mr__io_failed("list folder", parent, errno);
        return -1;
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
        int64_t number = number_of(entry->d_name, prefix);
        if (number >= next && is_folder(folder, entry->d_name))
            next = number + 1;
    }
    closedir(folder);
    return next;
}

/* Who makes the folder has claimed the number: others get EEXIST and try the next. */
static char *claim(const char *parent, const char *prefix, int64_t *number)
{
    for (;; ++*number) {
        char name[sizeof EVALUATION + 24];
        snprintf(name, sizeof name, "%s%lld", prefix, (long long)*number);
        char *path = mr__path_join(parent, name);
        if (!path || mkdir(path, 0777) == 0)
            return path;
        int code = errno;
        if (code != EEXIST)
            mr__io_failed("make folder", path, code);
        mr__free(path);
        if (code != EEXIST)
            return NULL;
    }
}

/* The folder that they are in. */
static char *parent_of(const char *save_dir, const char *name)
{
    return name && name[0] ? mr__path_join(save_dir, name) : mr__strdup(save_dir[0] ? save_dir : ".");
}

static int64_t number_at_end(const char *path)
{
    char name[sizeof VERSION + 64];
    size_t end = strlen(path), first;
    while (end && path[end - 1] == '/')
        end--;
    for (first = end; first && path[first - 1] != '/';)
        first--;
    if (end - first >= sizeof name)
        return -1;
    memcpy(name, path + first, end - first);
    name[end - first] = '\0';
    return number_of(name, VERSION);
}

int64_t mr__version_number(const char *path)
{
    const int64_t number = number_at_end(path);
    char *real = number < 0 ? realpath(path, NULL) : NULL;
    const int64_t of_real = real ? number_at_end(real) : number;
    free(real);
    return of_real;
}

char *mr__version_dir_last(const char *save_dir, const char *name, int64_t *version)
{
    char *parent = parent_of(save_dir, name), *last = NULL, *path = NULL;
    DIR *folder = parent ? opendir(parent) : NULL;
    *version = -1;
    if (parent && !folder && errno != ENOENT)
        mr__io_failed("list folder", parent, errno);
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        int64_t number = number_of(entry->d_name, VERSION);
        if (number <= *version || !is_folder(folder, entry->d_name))
            continue;
        *version = number;
        mr__free(last);
        last = mr__strdup(entry->d_name);
    }
    if (folder)
        closedir(folder);
    if (last)
        path = mr__path_join(parent, last);
    mr__free(last);
    mr__free(parent);
    return path;
}

static char *make(const char *save_dir, const char *name, const char *prefix, int64_t *number)
{
    char *parent = parent_of(save_dir, name);
    char *path = NULL;
    if (parent && mr__mkdirs(parent) == MR_OK) {
        *number = next_number(parent, prefix);
        path = *number < 0 ? NULL : claim(parent, prefix, number);
    }
    mr__free(parent);
    return path;
}

char *mr__version_dir_make(const char *save_dir, const char *name, int64_t *version)
{
    return make(save_dir, name, VERSION, version);
}

char *mr__evaluation_dir_make(const char *save_dir, const char *name)
{
    int64_t number;
    return make(save_dir, name, EVALUATION, &number);
}
