#include "read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST = 8 /* bytes, which tell pictures from others */, LARGEST = 1 << 30 };

static mr_status failed(const char *verb, const char *path, int code)
{
    return mr_fail(MR_ERR_IO, "cannot %s '%s': %s", verb, path, strerror(code));
}

/* One that has become shorter meanwhile is what there is of it. */
static mr_status read_all(int fd, const char *path, uint8_t *to, size_t *size)
{
    size_t got = 0;
    while (got < *size) {
        ssize_t n = read(fd, to + got, *size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("read", path, errno);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *size = got;
    return MR_OK;
}

static mr_status check_size(const char *path, size_t size)
{
    return size > LARGEST
               ? mr_fail(MR_ERR_MEMORY, "cannot read '%s': %zu bytes, more than %d", path, size, LARGEST)
               : MR_OK;
}

/* Reads a file that begins like a picture; of others no more than that. */
static mr_status read_picture(int fd, const char *path, mr__room *room, size_t *size)
{
    uint8_t first[FIRST];
    size_t begin = *size < FIRST ? *size : FIRST;
    if (read_all(fd, path, first, &begin) < 0)
        return mr_error_status();
    if (!mr__is_jpeg(first, begin) && !mr__is_png(first, begin))
        *size = begin;
    if (check_size(path, *size) < 0)
        return mr_error_status();
    if (!mr__room_for(room, *size + 1))
        return mr_error_status();
    memcpy(room->at, first, begin);
    size_t rest = *size - begin;
    mr_status s = read_all(fd, path, room->at + begin, &rest);
    *size = begin + rest;
    return s;
}

/* A regular file and its size; -1 after a failure. */
static int open_file(const char *path, size_t *size)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        failed("open", path, errno);
        return -1;
    }
    if (fstat(fd, &about) < 0) {
        failed("read", path, errno);
    } else if (!S_ISREG(about.st_mode)) {
        mr_fail(MR_ERR_IO, "cannot read '%s': it is no regular file", path);
    } else {
        *size = (size_t)about.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

mr_status mr__read_file(const char *path, mr__room *room, size_t *size)
{
    int fd = open_file(path, size);
    if (fd < 0)
        return mr_error_status();
    mr_status s = read_picture(fd, path, room, size);
    close(fd);
    return s;
}

mr_status mr__read_file_items(const char *path, mr_ragged *to)
{
    size_t size, got;
    int fd = open_file(path, &size);
    if (fd < 0)
        return mr_error_status();
    uint8_t *bytes = NULL;
    if (check_size(path, size) == MR_OK && (bytes = mr_ragged_resize(to, (int64_t)size))) {
        got = size;
        if (read_all(fd, path, bytes, &got) < 0 || (got < size && !mr_ragged_resize(to, (int64_t)got)))
            bytes = NULL;
    }
    close(fd);
    return bytes ? MR_OK : mr_error_status();
}
