#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST = 1 << 16 };

/* A file that is packed, or a pipe. */
static mr_status read_all(mr__bytes *bytes, const char *path)
{
    mr__input *input = mr__input_open(path);
    if (!input)
        return mr_error_status();
    char *all = NULL;
    size_t used = 0, room = 0;
    int64_t n = 1;
    while (n > 0) {
        if (used == room) {
            size_t larger = room ? room * 2 : FIRST;
            char *moved = mr_grow(all, used, larger);
            if (!moved)
                break;
            all = moved;
            room = larger;
        }
        n = mr__input_read(input, all + used, room - used);
        used += n > 0 ? (size_t)n : 0;
    }
    mr__input_close(input);
    if (n) {
        mr_free(all);
        return mr_error_status();
    }
    *bytes = (mr__bytes){ .at = all, .size = used };
    return MR_OK;
}

static bool is_packed(int fd)
{
    unsigned char first[4] = { 0 };
    return pread(fd, first, sizeof first, 0) >= 2 &&
           ((first[0] == 0x1f && first[1] == 0x8b) || memcmp(first, "\x28\xb5\x2f\xfd", 4) == 0);
}

mr_status mr__bytes_open(mr__bytes *bytes, const char *path)
{
    struct stat about;
    *bytes = (mr__bytes){ 0 };
    int fd = strcmp(path, "-") == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode) || about.st_size == 0 || is_packed(fd)) {
        if (fd >= 0)
            close(fd);
        return read_all(bytes, path);
    }
    void *at = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int code = errno;
    close(fd);
    if (at == MAP_FAILED)
        return mr_fail(MR_ERR_IO, "cannot map '%s': %s", path, strerror(code));
    *bytes = (mr__bytes){ .at = at, .size = (size_t)about.st_size, .mapped = true };
    return MR_OK;
}

void mr__bytes_close(mr__bytes *bytes)
{
    if (bytes->mapped)
        munmap((void *)(uintptr_t)bytes->at, bytes->size);
    else
        mr_free((void *)(uintptr_t)bytes->at);
    *bytes = (mr__bytes){ 0 };
}
