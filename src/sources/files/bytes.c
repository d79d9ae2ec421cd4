#include "input.h"

#include "name.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST = 1 << 16 };

/* ---- in memory ---- */

static mr_status too_many(const char *path, int64_t most)
{
    return mr_fail(MR_ERR_MEMORY, "'%s' has more than %lld bytes to keep in memory: max_bytes is the limit",
                   path, (long long)most);
}

/* Reads on behind bytes->size, where there are `room` bytes: how many have come, 0 at the end, -1 after a failure. */
static int64_t read_on(mr__input *input, mr__bytes *bytes, size_t *room)
{
    if (bytes->size == *room) {
        const size_t larger = *room ? *room * 2 : FIRST;
        char *moved = mr_grow((void *)(uintptr_t)bytes->at, bytes->size, larger);
        if (!moved)
            return -1;
        bytes->at = moved;
        *room = larger;
    }
    const int64_t n = mr__input_read(input, (char *)(uintptr_t)bytes->at + bytes->size, *room - bytes->size);
    bytes->size += n > 0 ? (size_t)n : 0;
    return n;
}

/* A file that is packed, or has no descriptor. */
static mr_status read_all(mr__bytes *bytes, mr__input *input, const char *path,
                          const mr__bytes_wanted *wanted)
{
    const int64_t most = wanted->most ? wanted->most : MR__MOST_BYTES, known = mr__input_size(input);
    size_t room = 0, size = SIZE_MAX;
    int64_t n = 1;
    if (!wanted->size_of && known > most) /* otherwise a head says what is wanted */
        return too_many(path, most);
    while (n > 0 && !bytes->more) {
        n = read_on(input, bytes, &room);
        if (n < 0)
            return mr_error_status();
        if (wanted->size_of && size == SIZE_MAX && wanted->size_of(path, bytes, &size) < 0)
            return mr_error_status();
        bytes->more = bytes->size > size;
        if (bytes->size > (uint64_t)most || (size != SIZE_MAX ? size > (uint64_t)most : known > most))
            return too_many(path, most);
    }
    return MR_OK;
}

mr_status mr__bytes_of_input(mr__bytes *bytes, mr__input *input, const char *path,
                             const mr__bytes_wanted *wanted)
{
    *bytes = (mr__bytes){ .changed = input ? mr__input_stamp(input) : 0 };
    const mr_status s = input ? read_all(bytes, input, path, wanted) : mr_error_status();
    mr__input_close(input);
    if (s < 0)
        mr__bytes_close(bytes);
    return s;
}

/* ---- mapped ---- */

static bool is_packed(const mr_file_facts *facts, const char *path, bool headless)
{
    unsigned char first[MR__PACKED_HEAD];
    if (headless)
        return facts->packed || mr__is_packed_name(path);
    const ssize_t count = pread(facts->descriptor, first, sizeof first, 0);
    return count > 0 && mr__is_packed(first, (size_t)count);
}

static mr_status map(mr__bytes *bytes, int fd, size_t size, const char *path)
{
    bytes->path = mr_strdup(path);
    if (!bytes->path)
        return mr_error_status();
    bytes->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    void *at = bytes->fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) {
        const int code = errno;
        if (bytes->fd >= 0)
            close(bytes->fd);
        mr__bytes_close(bytes);
        return mr_fail(MR_ERR_IO, "cannot map '%s': %s", path, strerror(code));
    }
    bytes->at = at;
    bytes->size = size;
    bytes->mapped = true;
    return MR_OK;
}

mr_status mr__bytes_check(const mr__bytes *bytes)
{
    struct stat about;
    if (!bytes->mapped || (fstat(bytes->fd, &about) == 0 && (uint64_t)about.st_size >= bytes->size))
        return MR_OK;
    return mr_fail(MR_ERR_STATE, "'%s' has become shorter than the %zu bytes it had when it was opened",
                   bytes->path, bytes->size);
}

/* ---- either ---- */

static uint64_t changed(const mr_file_facts *facts)
{
    struct stat about;
    if (facts->descriptor < 0 || fstat(facts->descriptor, &about) < 0)
        return facts->stamp;
    return (uint64_t)about.st_mtim.tv_sec * 1000000000 + (uint64_t)about.st_mtim.tv_nsec;
}

mr_status mr__bytes_of(mr__bytes *bytes, mr_file *file, const char *path, const mr__bytes_wanted *wanted)
{
    const mr_file_facts known = *mr_file_known(file);
    const uint64_t when = changed(&known);
    mr_status s;
    *bytes = (mr__bytes){ 0 };
    if (known.descriptor < 0 || known.size <= 0 || is_packed(&known, path, wanted->headless)) {
        s = mr__bytes_of_input(bytes, wanted->headless ? mr__input_of_headless(file) : mr__input_of(file),
                               path, wanted);
    } else {
        s = map(bytes, known.descriptor, (size_t)known.size, path);
        mr_file_close(file);
    }
    bytes->changed = s == MR_OK ? when : 0;
    return s;
}

mr_status mr__bytes_open(mr__bytes *bytes, mr_storage *storage, const char *path,
                         const mr__bytes_wanted *wanted)
{
    static const mr__bytes_wanted all = { 0 };
    wanted = wanted ? wanted : &all;
    *bytes = (mr__bytes){ 0 };
    if (wanted->most < 0)
        return mr_fail(MR_ERR_ARGUMENT, "'%s': max_bytes is %lld", path, (long long)wanted->most);
    mr_file *file = mr_file_open(storage, path);
    return file ? mr__bytes_of(bytes, file, path, wanted) : mr_error_status();
}

void mr__bytes_close(mr__bytes *bytes)
{
    if (bytes->mapped) {
        munmap((void *)(uintptr_t)bytes->at, bytes->size);
        close(bytes->fd);
    } else {
        mr_free((void *)(uintptr_t)bytes->at);
    }
    mr_free(bytes->path);
    *bytes = (mr__bytes){ 0 };
}
