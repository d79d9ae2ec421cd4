/* Files of the disk, pipes that have a name, and standard input. */
#include "storage.h"

#include "alloc.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct disk_file {
    int fd;
    char name[]; /* for messages */
} disk_file;

void mr__descriptor_facts(int fd, mr_file_facts *facts)
{
    struct stat about;
    bool file = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    facts->descriptor = file ? fd : -1;
    facts->size = file ? (int64_t)about.st_size : -1;
    facts->access = file || lseek(fd, 0, SEEK_CUR) >= 0 ? MR_ACCESS_SEEK : MR_ACCESS_ONCE;
}

int64_t mr__read_descriptor(int fd, const char *name, void *bytes, size_t size)
{
    for (;;) {
        ssize_t got = read(fd, bytes, size);
        if (got >= 0)
            return got;
        if (errno != EINTR) {
            mr__io_failed("read", name, errno);
            return -1;
        }
    }
}

static bool is_url(const char *name)
{
    return strncmp(name, "http://", 7) == 0 || strncmp(name, "https://", 8) == 0;
}

static void open_failed(const char *name, int code)
{
    if (code == ENOENT && is_url(name))
        mr__raise(MR_ERR_IO, "cannot open '%s' on the disk: a URL needs a storage of mr_storage_from_http",
                  name);
    else
        mr__io_failed("open", name, code);
}

static void *disk_open(void *self, const char *name, mr_file_facts *facts)
{
    (void)self;
    bool input = strcmp(name, "-") == 0;
    disk_file *file = mr__alloc(sizeof *file + strlen(name) + 1);
    if (!file)
        return NULL;
    strcpy(file->name, name);
    do
        file->fd = input ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
    while (file->fd < 0 && errno == EINTR); /* a pipe's open waits for the other end */
    if (file->fd < 0) {
        open_failed(name, errno);
        mr__free(file);
        return NULL;
    }
    mr__descriptor_facts(file->fd, facts);
    if (input) { /* whoever gave it to us may read on from where it then stands, and has read before */
        facts->access = MR_ACCESS_ONCE;
        facts->descriptor = -1;
        facts->size = -1;
    }
    return file;
}

static int64_t disk_read(void *self, void *bytes, size_t size)
{
    const disk_file *file = self;
    return mr__read_descriptor(file->fd, file->name, bytes, size);
}

static mr_status disk_seek(void *self, int64_t offset)
{
    const disk_file *file = self;
    return lseek(file->fd, (off_t)offset, SEEK_SET) < 0 ? mr__io_failed("seek in", file->name, errno) : MR_OK;
}

static void disk_close(void *self)
{
    disk_file *file = self;
    close(file->fd);
    mr__free(file);
}

const mr_storage_vtable mr__disk = {
    .open = disk_open, .read = disk_read, .close = disk_close, .seek = disk_seek
};
