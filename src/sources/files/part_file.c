#include "part_file.h"

#include "sources/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mr_status failed(const char *verb, const char *path)
{
    return mr_fail(MR_ERR_IO, "cannot %s '%s': %s", verb, path, strerror(errno));
}

mr_status mr__part_open(mr__part_file *file, const char *path, int64_t bytes)
{
    const size_t room = strlen(path) + sizeof ".part";
    struct stat about;
    *file = (mr__part_file){ .path = mr_strdup(path), .part = mr_alloc(room), .fd = -1, .bytes = bytes };
    if (!file->path || !file->part)
        return mr_error_status();
    snprintf(file->part, room, "%s.part", path);
    file->fd = open(file->part, O_RDWR | (bytes ? 0 : O_CREAT) | O_CLOEXEC, 0666);
    if (file->fd < 0 && bytes && errno == ENOENT)
        return mr_fail(MR_ERR_STATE, "'%s' is missing, and should have %lld bytes at least", file->part,
                       (long long)bytes);
    if (file->fd < 0)
        return failed(bytes ? "open" : "create", file->part);
    if (fstat(file->fd, &about) < 0)
        return failed("write", file->part);
    if (about.st_size < bytes) /* it stays as it is: made longer it would pass the next time */
        return mr_fail(MR_ERR_STATE, "'%s' has %lld bytes, and should have %lld at least: it has changed",
                       file->part, (long long)about.st_size, (long long)bytes);
    if (ftruncate(file->fd, (off_t)bytes) < 0 || lseek(file->fd, 0, SEEK_END) < 0)
        return failed("write", file->part);
    return MR_OK;
}

bool mr__part_same(const mr__part_file *a, const mr__part_file *b)
{
    struct stat x, y;
    return fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

mr_status mr__part_write(mr__part_file *file, const void *bytes, size_t size)
{
    if (mr__write_bytes(file->fd, file->part, bytes, size) < 0)
        return mr_error_status();
    file->bytes += (int64_t)size;
    return MR_OK;
}

mr_status mr__part_write_front(mr__part_file *file, const void *bytes, size_t size)
{
    ssize_t n;
    do
        n = pwrite(file->fd, bytes, size, 0);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n < size)
        errno = ENOSPC;
    return n == (ssize_t)size ? MR_OK : failed("write", file->part);
}

mr_status mr__part_sync(mr__part_file *file)
{
    return fsync(file->fd) < 0 && errno != EINVAL ? failed("write", file->part) : MR_OK;
}

mr_status mr__part_finish(mr__part_file *file)
{
    mr_status s = close(file->fd) < 0 ? failed("write", file->part) : MR_OK;
    file->fd = -1;
    if (s == MR_OK && rename(file->part, file->path) < 0)
        s = failed("rename", file->part);
    return s;
}

mr_status mr__part_rename(const char *path, int64_t bytes)
{
    struct stat about;
    const size_t room = strlen(path) + sizeof ".part";
    char *part = mr_alloc(room);
    if (!part)
        return mr_error_status();
    snprintf(part, room, "%s.part", path);
    const bool named = stat(part, &about) < 0 && errno == ENOENT;
    const char *there = named ? path : part;
    mr_status s = MR_OK;
    if (stat(there, &about) < 0)
        s = failed("open", there);
    else if (about.st_size != bytes)
        s = mr_fail(MR_ERR_STATE, "'%s' has %lld bytes, and should have %lld: it has changed", there,
                    (long long)about.st_size, (long long)bytes);
    else if (!named && rename(part, path) < 0)
        s = failed("rename", part);
    mr_free(part);
    return s;
}

void mr__part_close(mr__part_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    mr_free(file->path);
    mr_free(file->part);
    *file = (mr__part_file){ .fd = -1 };
}
