/* What somebody has opened already. */
#include "storage.h"

#include "alloc.h"
#include "error.h"
#include "file.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct opened {
    int fd;
    int stop; /* an eventfd that becomes readable when reads are to end */
    mr_file_facts facts;
    atomic_bool taken;
} opened;

typedef struct reader {
    opened *from;
    int64_t at; /* of a file, which others read too */
    char name[];
} reader;

static void *opened_open(void *self, const char *name, mr_file_facts *facts)
{
    opened *from = *(opened **)self;
    bool once = from->facts.access == MR_ACCESS_ONCE;
    if (once && atomic_exchange(&from->taken, true)) {
        mr__raise(MR_ERR_STATE, "'%s' can be read once only", name);
        return NULL;
    }
    reader *r = mr__alloc(sizeof *r + strlen(name) + 1);
    if (!r)
        return NULL;
    r->from = from;
    r->at = 0;
    strcpy(r->name, name);
    *facts = from->facts;
    return r;
}

/* Until there is something to read, or reads are to end. */
static mr_status wait_for_bytes(const reader *r)
{
    struct pollfd wait[] = { { .fd = r->from->fd, .events = POLLIN },
                             { .fd = r->from->stop, .events = POLLIN } };
    while (poll(wait, 2, -1) < 0)
        if (errno != EINTR)
            return mr__io_failed("read", r->name, errno);
    return wait[1].revents ? mr__raise(MR_ERR_IO, "'%s': interrupted", r->name) : MR_OK;
}

static int64_t read_file(reader *r, void *bytes, size_t size)
{
    struct pollfd stop = { .fd = r->from->stop, .events = POLLIN };
    ssize_t got;
    if (poll(&stop, 1, 0) > 0) {
        mr__raise(MR_ERR_IO, "'%s': interrupted", r->name);
        return -1;
    }
    do
        got = pread(r->from->fd, bytes, size, (off_t)r->at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        mr__io_failed("read", r->name, errno);
    r->at += got > 0 ? got : 0;
    return got;
}

static int64_t read_pipe(const reader *r, void *bytes, size_t size)
{
    for (;;) {
        if (wait_for_bytes(r) != MR_OK)
            return -1;
        ssize_t got = read(r->from->fd, bytes, size);
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
            mr__io_failed("read", r->name, errno);
            return -1;
        }
    }
}

static int64_t opened_read(void *self, void *bytes, size_t size)
{
    reader *r = self;
    return r->from->facts.access == MR_ACCESS_SEEK ? read_file(r, bytes, size) : read_pipe(r, bytes, size);
}

static mr_status opened_seek(void *self, int64_t offset)
{
    ((reader *)self)->at = offset;
    return MR_OK;
}

static void opened_close(void *self)
{
    mr__free(self);
}

static void opened_interrupt(void *self)
{
    const opened *from = *(opened **)self;
    int code = errno;
    const uint64_t one = 1;
    if (write(from->stop, &one, sizeof one) < 0) {} /* it was full: it is readable */
    errno = code;
}

static void opened_destroy(void *self)
{
    opened *from = *(opened **)self;
    if (from->stop >= 0)
        close(from->stop);
    mr__free(from);
}

mr_storage *mr_storage_from_fd(int fd)
{
    static const mr_storage_vtable vtable = { .open = opened_open,
                                              .read = opened_read,
                                              .close = opened_close,
                                              .seek = opened_seek,
                                              .destroy = opened_destroy,
                                              .interrupt = opened_interrupt };
    if (fd < 0) {
        mr__raise(MR_ERR_ARGUMENT, "storage_from_fd: %d is no descriptor", fd);
        return NULL;
    }
    opened *from = mr__alloc_zeroed(sizeof *from);
    if (!from)
        return NULL;
    *from = (opened){ .fd = fd, .stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    atomic_init(&from->taken, false);
    from->facts = (mr_file_facts){ .size = -1, .access = MR_ACCESS_ONCE, .descriptor = -1 };
    mr_storage *storage = NULL;
    if (from->stop < 0) {
        mr__raise(MR_ERR_IO, "cannot make an eventfd: %s", strerror(errno));
    } else {
        mr__descriptor_facts(fd, &from->facts);
        storage = mr_storage_new(&vtable, &from, sizeof from);
    }
    if (!storage)
        opened_destroy(&from);
    return storage;
}
