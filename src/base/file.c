#include "file.h"

#include "alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux moves at most this many bytes in one call; asking for more is allowed, but not everywhere. */
#define MOST_AT_ONCE ((size_t)1 << 30)

mr_status mr__io_failed(const char *verb, const char *path, int code)
{
    enum { SHOWN = MR__ERROR_BYTES - 160 }; /* so that the reason, behind the path, is never cut off */
    size_t length = strlen(path);
    if (length <= SHOWN)
        return mr__raise(MR_ERR_IO, "cannot %s '%s': %s", verb, path, strerror(code));
    return mr__raise(MR_ERR_IO, "cannot %s '...%s': %s", verb, path + (length - SHOWN), strerror(code));
}

/* ---- paths and folders ----------------------------------------------------------------------- */

char *mr__path_join(const char *folder, const char *name)
{
    size_t length = name[0] == '/' ? 0 : strlen(folder);
    const char *slash = length && folder[length - 1] != '/' ? "/" : "";
    size_t bytes = length + strlen(slash) + strlen(name) + 1;
    char *path = mr__alloc(bytes);
    if (path)
        snprintf(path, bytes, "%s%s%s", length ? folder : "", slash, name);
    return path;
}

bool mr__is_special_file(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && !S_ISREG(there.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && S_ISDIR(there.st_mode);
}

/* Makes one folder; 0 or the error. A folder that is there may answer with more than EEXIST, where writing
 * above it is not allowed. */
static int make_folder(const char *path)
{
    int code = 0;
    if (mkdir(path, 0777) == 0)
        return 0;
    code = errno;
    return is_folder(path) ? 0 : code;
}

mr_status mr__mkdirs(const char *path)
{
    int code = make_folder(path);
    if (code == 0)
        return MR_OK;
    if (code != ENOENT || !path[0])
        return mr__io_failed("make folder", path, code);
    char *part = mr__strdup(path);
    if (!part)
        return MR_ERR_MEMORY;
    code = 0;
    for (char *slash = strchr(part + 1, '/'); slash && code == 0; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        code = make_folder(part);
        *slash = '/';
    }
    mr__free(part);
    if (code == 0)
        code = make_folder(path);
    return code ? mr__io_failed("make folder", path, code) : MR_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Opens, and tries again when a signal came in between: a pipe's open waits for the other end. */
static int open_file(const char *path, int flags, mode_t mode)
{
    int fd = -1;
    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Up to `count` bytes, fewer at the end only; -1 with errno set. */
static ssize_t read_fully(int fd, char *to, size_t count)
{
    size_t done = 0;
    while (done < count) {
        size_t wanted = count - done < MOST_AT_ONCE ? count - done : MOST_AT_ONCE;
        ssize_t got = read(fd, to + done, wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* The size it says it has; a guess for what has none to tell, such as a pipe and most of /proc. */
static size_t expected_size(int fd)
{
    struct stat there;
    if (fstat(fd, &there) == 0 && there.st_size > 0 && (uintmax_t)there.st_size < SIZE_MAX / 2)
        return (size_t)there.st_size;
    return 64 * 1024 - 1;
}

static mr_status too_large(const char *path, size_t max)
{
    return mr__raise(MR_ERR_MEMORY, "cannot read '%.400s': it has more than %zu bytes", path, max);
}

static mr_status read_open_file(int fd, const char *path, char **bytes, size_t *size, size_t max)
{
    size_t room = expected_size(fd) + 1, used = 0; /* one more than expected, to find the end in one go */
    if (max && room - 1 > max)
        room = max < SIZE_MAX ? max + 1 : SIZE_MAX;
    char *text = mr__alloc(room);
    if (!text)
        return MR_ERR_MEMORY;
    for (;;) {
        ssize_t got = read_fully(fd, text + used, room - used);
        if (got < 0) {
            mr__io_failed("read", path, errno);
            mr__free(text);
            return MR_ERR_IO;
        }
        used += (size_t)got;
        if (max && used > max) {
            mr__free(text);
            return too_large(path, max);
        }
        if (used < room)
            break;
        char *larger = mr__grow(text, used, mr__mul_size(room, 2));
        if (!larger) {
            mr__free(text);
            return MR_ERR_MEMORY;
        }
        text = larger;
        room *= 2;
    }
    text[used] = '\0';
    *bytes = text;
    *size = used;
    return MR_OK;
}

mr_status mr__file_read_all(const char *path, char **bytes, size_t *size, size_t max)
{
    *bytes = NULL;
    *size = 0;
    int fd = open_file(path, O_RDONLY, 0);
    if (fd < 0)
        return mr__io_failed("read", path, errno);
    mr_status status = read_open_file(fd, path, bytes, size, max);
    close(fd);
    return status;
}

/* ---- replacing ------------------------------------------------------------------------------- */

/* Where the name begins in a path: behind the last slash. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Ends `file` with the pending failure, and leaves nothing behind. */
static mr_status give_up(mr__file_replace *file)
{
    mr__failure_take(&file->failure);
    mr__file_replace_abandon(file);
    return file->failure.status;
}

static mr_status write_failed(mr__file_replace *file, int code)
{
    mr__io_failed("write", file->path, code);
    return give_up(file);
}

/* Writes the name of the next temporary behind the folder; `room` bytes are there. Its name owes nothing to
 * the path's, so that it is never too long, and no pattern such as *.ckpt finds it. */
static void name_temporary(char *name, size_t room)
{
    static atomic_uint number;
    snprintf(name, room, ".mr-%ld-%u.tmp", (long)getpid(), atomic_fetch_add(&number, 1u));
}

/* Opens a new temporary file beside the path, with the old file's permissions if there is one. */
static int open_temporary(mr__file_replace *file, size_t folder, size_t room)
{
    struct stat old;
    bool replaces = lstat(file->path, &old) == 0 && S_ISREG(old.st_mode);
    mode_t mode = replaces ? old.st_mode & 0777 : 0666;
    int fd = -1;
    do {
        name_temporary(file->temporary + folder, room);
        fd = open_file(file->temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    } while (fd < 0 && errno == EEXIST);
    if (fd < 0)
        file->temporary[folder] = '\0';
    else if (replaces)
        (void)!fchmod(fd, mode); /* what the umask took away; some file systems have no permissions */
    return fd;
}

/* Refuses at once what the rename would fail on, or worse, would not fail on: replacing /dev/null by a file. */
static bool may_be_replaced(mr__file_replace *file, const char *name)
{
    struct stat there;
    if (!name[0]) {
        write_failed(file, file->path[0] ? EISDIR : ENOENT);
        return false;
    }
    if (stat(file->path, &there) != 0) {
        if (errno == ENOENT)
            return true;
        write_failed(file, errno);
        return false;
    }
    if (S_ISREG(there.st_mode))
        return true;
    if (S_ISDIR(there.st_mode)) {
        write_failed(file, EISDIR);
    } else {
        mr__raise(MR_ERR_IO, "cannot write '%.400s': it is not a regular file", file->path);
        give_up(file);
    }
    return false;
}

mr_status mr__file_replace_begin(mr__file_replace *file, const char *path)
{
    enum { NAME_BYTES = 64 };
    *file = (mr__file_replace){ .fd = -1 };
    struct stat there;
    char *linked = lstat(path, &there) == 0 && S_ISLNK(there.st_mode) ? realpath(path, NULL) : NULL;
    path = linked ? linked : path; /* a link stays, and what it leads to is replaced */
    size_t folder = folder_length(path);
    file->path = mr__strdup(path);
    file->temporary = file->path ? mr__alloc(folder + NAME_BYTES) : NULL;
    if (file->temporary) {
        memcpy(file->temporary, path, folder);
        file->temporary[folder] = '\0';
    }
    free(linked);
    if (!file->temporary)
        return give_up(file);
    if (!may_be_replaced(file, file->path + folder))
        return file->failure.status;
    file->fd = open_temporary(file, folder, NAME_BYTES);
    return file->fd < 0 ? write_failed(file, errno) : MR_OK;
}

mr_status mr__file_replace_write(mr__file_replace *file, const void *bytes, size_t count)
{
    const char *from = bytes;
    if (file->failure.status)
        return mr__failure_raise(&file->failure);
    while (count) {
        ssize_t done = write(file->fd, from, count < MOST_AT_ONCE ? count : MOST_AT_ONCE);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return write_failed(file, errno);
        from += done;
        count -= (size_t)done;
    }
    return MR_OK;
}

/* Makes a folder's new entries last. Folders that cannot be synced are those that need not be. */
static int sync_entries(const char *folder)
{
    int code = 0;
    int fd = open_file(folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        code = errno == EACCES ? 0 : errno; /* one may be allowed to write to a folder but not to list it */
    else if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        code = errno;
    if (fd >= 0)
        close(fd);
    return code;
}

/* Those of the folder that the first `length` characters of a path name. */
static int sync_folder(const char *path, size_t length)
{
    char *folder = length ? mr__strdup(path) : mr__strdup(".");
    if (!folder)
        return ENOMEM;
    if (length)
        folder[length] = '\0';
    const int code = sync_entries(folder);
    mr__free(folder);
    return code;
}

mr_status mr__sync_folder_of(const char *path)
{
    const int code = sync_folder(path, folder_length(path));
    return code ? mr__io_failed("sync the folder of", path, code) : MR_OK;
}

mr_status mr__sync_folders(const char *path)
{
    char *folder = mr__strdup(path);
    if (!folder)
        return MR_ERR_MEMORY;
    mr_status status = MR_OK;
    for (bool top = false; !status && !top && access(folder, W_OK) == 0;) {
        const int code = sync_entries(folder);
        if (code)
            status = mr__io_failed("sync the folder", folder, code);
        top = strcmp(folder, "/") == 0 || strcmp(folder, ".") == 0;
        size_t length = folder_length(folder);
        while (length > 1 && folder[length - 1] == '/')
            length--;
        if (length)
            folder[length] = '\0';
        else
            strcpy(folder, ".");
    }
    mr__free(folder);
    return status;
}

static int sync_file(int fd)
{
    int result = -1;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result == 0 || errno == EINVAL ? 0 : errno;
}

mr_status mr__file_replace_commit(mr__file_replace *file)
{
    if (file->failure.status)
        return mr__failure_raise(&file->failure);
    int code = sync_file(file->fd);
    if (close(file->fd) != 0 && errno != EINTR && code == 0) /* network file systems report late */
        code = errno;
    file->fd = -1;
    if (code == 0 && rename(file->temporary, file->path) != 0)
        code = errno;
    if (code)
        return write_failed(file, code);
    code = mr__sync_folder_of(file->path) ? EIO : 0;
    mr__free(file->temporary);
    file->temporary = NULL; /* it is the file now: nothing to remove */
    if (code)
        return give_up(file);
    mr__file_replace_abandon(file);
    return MR_OK;
}

void mr__file_replace_abandon(mr__file_replace *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->temporary && file->temporary[folder_length(file->temporary)])
        unlink(file->temporary);
    mr__free(file->path);
    mr__free(file->temporary);
    file->fd = -1;
    file->path = file->temporary = NULL;
}
