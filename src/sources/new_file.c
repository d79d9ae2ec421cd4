#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static mr_status failed(const char *verb, const char *path)
{
    return mr_fail(MR_ERR_IO, "cannot %s '%s': %s", verb, path, strerror(errno));
}

mr_status mr__new_file_open(mr__new_file *file, const char *path)
{
    const size_t room = strlen(path) + 32;
    char *temporary = mr_alloc(room);
    if (temporary)
        snprintf(temporary, room, "%s.%ld.tmp", path, (long)getpid());
    const mr_status s = mr__new_file_open_as(file, path, temporary);
    mr_free(temporary);
    return s;
}

mr_status mr__new_file_open_as(mr__new_file *file, const char *path, const char *temporary)
{
    *file = (mr__new_file){ .path = path, .temporary = temporary ? mr_strdup(temporary) : NULL, .fd = -1 };
    if (!file->temporary)
        return mr_error_status();
    file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return file->fd < 0 ? failed("create", file->temporary) : MR_OK;
}

mr_status mr__write_bytes(int fd, const char *path, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        const ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("write", path);
        at += n;
        size -= (size_t)n;
    }
    return MR_OK;
}

mr_status mr__new_file_write(mr__new_file *file, const void *bytes, size_t size)
{
    return mr__write_bytes(file->fd, file->path, bytes, size);
}

mr_status mr__new_file_close(mr__new_file *file, mr_status status)
{
    if (status == MR_OK && fsync(file->fd) < 0 && errno != EINVAL)
        status = failed("write", file->path);
    if (file->fd >= 0 && close(file->fd) < 0 && status == MR_OK)
        status = failed("write", file->path);
    if (status == MR_OK && rename(file->temporary, file->path) < 0)
        status = failed("write", file->path);
    if (status != MR_OK && file->fd >= 0)
        unlink(file->temporary);
    mr_free(file->temporary);
    return status;
}
