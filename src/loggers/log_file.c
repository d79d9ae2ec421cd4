#include "log_file.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FULL_BYTES = 64 * 1024 };

mr_status mr__log_file_init(mr__log_file *file, const char *logger, const char *path, const char *dir,
                            const char *name)
{
    *file = (mr__log_file){ .fd = -1 };
    if (!path && !dir)
        return mr__raise(MR_ERR_ARGUMENT,
                         "logger %s: it has no path, and the trainer no folder (.csv or .save_dir)", logger);
    file->path = path ? mr__strdup(path) : mr__path_join(dir, name);
    return file->path ? MR_OK : MR_ERR_MEMORY;
}

mr_status mr__log_file_open(mr__log_file *file, int flags)
{
    file->fd = open(file->path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0666);
    file->made = file->made || (flags & O_CREAT);
    return file->fd < 0 ? mr__io_failed("write", file->path, errno) : MR_OK;
}

/* ---- going on ---- */

static mr_status not_that_file(const mr__log_file *file, const mr__log_file_mark *mark)
{
    return mr__raise(MR_ERR_FORMAT,
                     "cannot go on with '%.250s': it does not begin with the %lld bytes that the checkpoint "
                     "was written behind",
                     file->path, (long long)mark->bytes);
}

/* Reads up to so many bytes from the beginning. *end: where they end, if they are `lines` behind the last complete one. */
static mr_status read_beginning(const mr__log_file *file, int64_t most, bool lines, mr__log_file_mark *end)
{
    char buffer[16 * 1024];
    uint32_t crc = 0;
    int64_t done = 0;
    ssize_t got = 0;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    *end = (mr__log_file_mark){ 0, 0 };
    if (fd < 0)
        return mr__io_failed("read", file->path, errno);
    while (done < most) {
        const size_t wanted = most - done < (int64_t)sizeof buffer ? (size_t)(most - done) : sizeof buffer;
        got = read(fd, buffer, wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        const char *last = lines ? memrchr(buffer, '\n', (size_t)got) : buffer + got - 1;
        const size_t whole = last ? (size_t)(last - buffer) + 1 : 0;
        if (whole) {
            const uint32_t here = mr__crc32c(crc, buffer, whole);
            *end = (mr__log_file_mark){ done + (int64_t)whole, here };
        }
        crc = mr__crc32c(crc, buffer, (size_t)got);
        done += got;
    }
    mr_status status = got < 0 ? mr__io_failed("read", file->path, errno) : MR_OK;
    close(fd);
    return status;
}

/* Opens it, cut to the mark. */
static mr_status go_on(mr__log_file *file, const mr__log_file_mark *mark)
{
    mr_status status = mr__log_file_open(file, 0);
    if (!status && !mr__is_special_file(file->path) && ftruncate(file->fd, mark->bytes) != 0)
        status = mr__io_failed("write", file->path, errno);
    file->bytes = mark->bytes;
    file->crc = (uint32_t)mark->crc;
    return status;
}

/* What a mark says, if the file begins with what it was of. */
static mr_status find_mark(const mr__log_file *file, const void *at, size_t size, mr__log_file_mark *mark)
{
    *mark = (mr__log_file_mark){ -1, 0 };
    if (size == sizeof *mark)
        memcpy(mark, at, size);
    if (mark->bytes < 0)
        return mr__raise(MR_ERR_FORMAT, "what the checkpoint says of '%.300s' makes no sense", file->path);
    if (mr__is_special_file(file->path))
        return MR_OK;
    mr__log_file_mark there = *mark;
    mr_status status = read_beginning(file, mark->bytes, false, &there);
    if (!status && (there.bytes != mark->bytes || there.crc != mark->crc))
        status = not_that_file(file, mark);
    return status;
}

mr_status mr__log_file_check(mr__log_file *file, const void *at, size_t size)
{
    mr__log_file_mark mark;
    mr_status status = find_mark(file, at, size, &mark);
    return status ? status : mr__log_file_open(file, 0);
}

mr_status mr__log_file_begin(mr__log_file *file, const void *at, size_t size)
{
    mr__log_file_mark mark;
    if (!size)
        return mr__log_file_open(file, O_CREAT | O_TRUNC);
    mr_status status = find_mark(file, at, size, &mark);
    return status ? status : go_on(file, &mark);
}

mr_status mr__log_file_continue(mr__log_file *file, bool lines)
{
    mr__log_file_mark end;
    if (mr__is_special_file(file->path) || access(file->path, F_OK) != 0)
        return mr__log_file_open(file, O_CREAT);
    mr_status status = read_beginning(file, INT64_MAX, lines, &end);
    return status ? status : go_on(file, &end);
}

mr__log_file_mark mr__log_file_at(const mr__log_file *file)
{
    return (mr__log_file_mark){ file->bytes, file->crc };
}

/* ---- writing ---- */

/* What has been written when it fails is taken off `rest`. */
static mr_status write_rest(mr__log_file *file)
{
    size_t done = 0;
    mr_status status = MR_OK;
    while (done < file->whole && !status) {
        ssize_t some = write(file->fd, file->rest.text + done, file->whole - done);
        if (some >= 0)
            done += (size_t)some;
        else if (errno != EINTR)
            status = mr__io_failed("write", file->path, errno);
    }
    file->crc = mr__crc32c(file->crc, file->rest.text, done);
    file->bytes += (int64_t)done;
    file->rest.length -= done;
    file->whole -= done;
    memmove(file->rest.text, file->rest.text + done, file->rest.length);
    return status;
}

static bool is_removed(int fd)
{
    struct stat there;
    return fstat(fd, &there) == 0 && there.st_nlink == 0;
}

mr_status mr__log_file_flush(mr__log_file *file)
{
    if (file->whole == 0)
        return MR_OK;
    mr_status status = file->fd < 0 ? mr__log_file_open(file, 0) : MR_OK;
    if (status == MR_OK && is_removed(file->fd))
        status = mr__io_failed("write", file->path, ENOENT);
    return status ? status : write_rest(file);
}

mr_status mr__log_file_added(mr__log_file *file)
{
    if (file->rest.failed)
        return mr__raise(MR_ERR_MEMORY, "out of memory: a row for '%.300s' wanted", file->path);
    file->whole = file->rest.length;
    return file->whole < FULL_BYTES ? MR_OK : mr__log_file_flush(file);
}

mr_status mr__log_file_sync(mr__log_file *file)
{
    mr_status status = mr__log_file_flush(file);
    if (!status && file->fd >= 0 && fdatasync(file->fd) != 0 && errno != EINVAL && errno != EINTR)
        status = mr__io_failed("write", file->path, errno);
    if (!status && file->made)
        status = mr__sync_folder_of(file->path);
    file->made = file->made && status;
    return status;
}

/* ---- closing ---- */

mr_status mr__log_file_let_go(mr__log_file *file)
{
    const int fd = file->fd;
    file->fd = -1;
    if (fd >= 0 && close(fd) != 0 && errno != EINTR) /* network file systems report late */
        return mr__io_failed("write", file->path, errno);
    return MR_OK;
}

mr_status mr__log_file_close(mr__log_file *file)
{
    mr_status status = mr__log_file_flush(file), closed = mr__log_file_let_go(file);
    mr__strbuf_free(&file->rest);
    mr__free(file->path);
    *file = (mr__log_file){ .fd = -1 };
    return status ? status : closed;
}
