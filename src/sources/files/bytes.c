#include "input.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST = 1 << 16 };

/* A file that is packed, or has no descriptor. Adopts it. */
static mr_status read_all(mr__bytes *bytes, mr_file *file)
{
    mr__input *input = mr__input_of(file);
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
    bytes->at = all;
    bytes->size = used;
    return MR_OK;
}

static bool is_packed(int fd)
{
    unsigned char first[4] = { 0 };
    return pread(fd, first, sizeof first, 0) >= 2 &&
           ((first[0] == 0x1f && first[1] == 0x8b) || memcmp(first, "\x28\xb5\x2f\xfd", 4) == 0);
}

static uint64_t changed(const mr_file_facts *facts)
{
    struct stat about;
    if (facts->descriptor < 0 || fstat(facts->descriptor, &about) < 0)
        return facts->stamp;
    return (uint64_t)about.st_mtim.tv_sec * 1000000000 + (uint64_t)about.st_mtim.tv_nsec;
}

mr_status mr__bytes_open(mr__bytes *bytes, mr_storage *storage, const char *path)
{
    *bytes = (mr__bytes){ 0 };
    mr_file *file = mr_file_open(storage, path);
    if (!file)
        return mr_error_status();
    const int fd = mr_file_known(file)->descriptor;
    const int64_t size = mr_file_known(file)->size;
    bytes->changed = changed(mr_file_known(file));
    if (fd < 0 || size <= 0 || is_packed(fd))
        return read_all(bytes, file);
    void *at = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    int code = errno;
    mr_file_close(file);
    if (at == MAP_FAILED)
        return mr_fail(MR_ERR_IO, "cannot map '%s': %s", path, strerror(code));
    bytes->at = at;
    bytes->size = (size_t)size;
    bytes->mapped = true;
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
