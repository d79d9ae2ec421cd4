/* Storages and their files, whatever they are made of. */
#include "storage.h"

#include "alloc.h"
#include "error.h"

#include <pthread.h>
#include <stdatomic.h>

struct mr_storage {
    atomic_int holders;
    const mr_storage_vtable *vtable;
    void *self;
};

struct mr_file {
    mr_storage *storage; /* held; NULL: the disk */
    const mr_storage_vtable *vtable;
    void *reader;
    char *name;
    mr_file_facts facts;
    int64_t at;             /* the next byte */
    pthread_mutex_t ranges; /* of who reads ranges by seeking */
};

/* ---- storages ---- */

mr_storage *mr_storage_new(const mr_storage_vtable *vtable, const void *self, size_t size)
{
    if (!vtable || !vtable->open || !vtable->read || !vtable->close) {
        mr__raise(MR_ERR_ARGUMENT, "storage_new: the vtable needs open, read and close");
        return NULL;
    }
    mr_storage *storage = mr__alloc_zeroed(sizeof *storage);
    if (!storage || !mr__copy_self("storage_new", self, size, &storage->self)) {
        mr__free(storage);
        return NULL;
    }
    atomic_init(&storage->holders, 1);
    storage->vtable = vtable;
    return storage;
}

void *mr_storage_self(mr_storage *storage, const mr_storage_vtable *vtable)
{
    return storage && storage->vtable == vtable ? storage->self : NULL;
}

mr_storage *mr_storage_hold(mr_storage *storage)
{
    if (storage)
        atomic_fetch_add(&storage->holders, 1);
    return storage;
}

void mr_storage_free(mr_storage *storage)
{
    if (!storage || atomic_fetch_sub(&storage->holders, 1) > 1)
        return;
    if (storage->vtable->destroy)
        storage->vtable->destroy(storage->self);
    mr__free(storage->self);
    mr__free(storage);
}

void mr_storage_interrupt(mr_storage *storage)
{
    if (storage && storage->vtable->interrupt)
        storage->vtable->interrupt(storage->self);
}

/* ---- files ---- */

static mr_status open_reader(mr_file *file)
{
    file->facts = (mr_file_facts){ .size = -1, .descriptor = -1 };
    file->at = 0;
    mr__error_mark();
    file->reader = file->vtable->open(file->storage ? file->storage->self : NULL, file->name, &file->facts);
    if (!file->reader && !mr__has_cause(MR_OK))
        mr__raise(MR_ERR_CALLBACK, "'%s' did not open, without a message", file->name);
    if (file->facts.access == MR_ACCESS_SEEK && !file->vtable->seek)
        file->facts.access = MR_ACCESS_AGAIN;
    return file->reader ? MR_OK : mr_error_status();
}

mr_file *mr_file_open(mr_storage *storage, const char *name)
{
    if (!name) {
        mr__null("file_open", "name");
        return NULL;
    }
    mr_file *file = mr__alloc_zeroed(sizeof *file);
    if (!file)
        return NULL;
    file->storage = mr_storage_hold(storage);
    file->vtable = storage ? storage->vtable : &mr__disk;
    file->name = mr__strdup(name);
    pthread_mutex_init(&file->ranges, NULL);
    if (file->name && open_reader(file) == MR_OK)
        return file;
    mr_file_close(file);
    return NULL;
}

void mr_file_close(mr_file *file)
{
    if (!file)
        return;
    if (file->reader)
        file->vtable->close(file->reader);
    mr_storage_free(file->storage);
    pthread_mutex_destroy(&file->ranges);
    mr__free(file->name);
    mr__free(file);
}

int64_t mr_file_read(mr_file *file, void *bytes, size_t size)
{
    if (!file || !file->reader) {
        mr__null("file_read", "file");
        return -1;
    }
    if (size == 0)
        return 0;
    mr__error_mark();
    int64_t got = file->vtable->read(file->reader, bytes, size);
    if (got < 0 && !mr__has_cause(MR_OK))
        mr__raise(MR_ERR_CALLBACK, "'%s': reading failed without a message", file->name);
    file->at += got > 0 ? got : 0;
    return got;
}

void mr_file_expect_end(mr_file *file, int64_t end)
{
    if (file && file->reader && file->vtable->expect_end && end >= 0)
        file->vtable->expect_end(file->reader, end);
}

const mr_file_facts *mr_file_known(const mr_file *file)
{
    return file ? &file->facts : NULL;
}

const char *mr_file_name(const mr_file *file)
{
    return file ? file->name : NULL;
}

/* ---- going to a byte ---- */

static mr_status shorter(const mr_file *file, int64_t size, int64_t offset)
{
    return mr__raise(MR_ERR_STATE,
                     "'%s' has %lld bytes, and there was something at byte %lld: it has changed", file->name,
                     (long long)size, (long long)offset);
}

/* Opens it once more, at its first byte. */
static mr_status open_again(mr_file *file)
{
    const uint64_t stamp = file->facts.stamp;
    file->vtable->close(file->reader);
    if (open_reader(file) != MR_OK)
        return mr_error_status();
    if (stamp && file->facts.stamp && file->facts.stamp != stamp)
        return mr__raise(MR_ERR_STATE, "'%s' has changed since it was opened", file->name);
    return MR_OK;
}

static mr_status read_up_to(mr_file *file, int64_t offset)
{
    enum { AT_ONCE = 1 << 16 };
    char *passed = mr__alloc(AT_ONCE);
    int64_t got = 1;
    while (passed && got > 0 && file->at < offset)
        got = mr_file_read(file, passed, offset - file->at < AT_ONCE ? (size_t)(offset - file->at) : AT_ONCE);
    mr__free(passed);
    if (!passed || got < 0)
        return mr_error_status();
    return file->at < offset ? shorter(file, file->at, offset) : MR_OK;
}

mr_status mr_file_seek(mr_file *file, int64_t offset)
{
    if (!file || !file->reader)
        return mr__null("file_seek", "file");
    if (offset < 0)
        return mr__raise(MR_ERR_ARGUMENT, "file_seek: '%s' has no byte %lld", file->name, (long long)offset);
    if (offset == file->at)
        return MR_OK;
    if (file->facts.access == MR_ACCESS_ONCE)
        return mr__raise(MR_ERR_STATE,
                         "'%s' is read once, from front to back: it cannot go from byte %lld to %lld",
                         file->name, (long long)file->at, (long long)offset);
    if (file->facts.access == MR_ACCESS_SEEK) {
        if (file->facts.size >= 0 && offset > file->facts.size)
            return shorter(file, file->facts.size, offset);
        mr_status status = file->vtable->seek(file->reader, offset);
        if (status < 0 && !mr__has_cause(status))
            mr__raise(status, "'%s': a seek failed without a message", file->name);
        file->at = status == MR_OK ? offset : file->at;
        return status;
    }
    if (offset < file->at && open_again(file) != MR_OK)
        return mr_error_status();
    return read_up_to(file, offset);
}

/* ---- ranges ---- */

static mr_status read_range(mr_file *file, const mr_file_range *range)
{
    size_t filled = 0;
    int64_t got = 1;
    if (mr_file_seek(file, range->offset) < 0)
        return mr_error_status();
    while (filled < range->size && got > 0) {
        got = mr_file_read(file, (char *)range->bytes + filled, range->size - filled);
        filled += got > 0 ? (size_t)got : 0;
    }
    if (got < 0)
        return mr_error_status();
    if (filled < range->size)
        return mr__raise(MR_ERR_STATE, "'%s' ends before byte %lld, and there was something: it has changed",
                         file->name, (long long)range->offset + (long long)range->size - 1);
    return MR_OK;
}

/* One after the other, and back to where it stood. */
static mr_status read_by_seeking(mr_file *file, const mr_file_range *ranges, int64_t count)
{
    mr_status status = MR_OK;
    pthread_mutex_lock(&file->ranges);
    const int64_t at = file->at;
    for (int64_t i = 0; i < count && status == MR_OK; i++)
        status = read_range(file, &ranges[i]);
    if (status == MR_OK)
        status = mr_file_seek(file, at);
    pthread_mutex_unlock(&file->ranges);
    return status;
}

mr_status mr_file_read_ranges(mr_file *file, const mr_file_range *ranges, int64_t count)
{
    if (!file || !file->reader)
        return mr__null("file_read_ranges", "file");
    if (file->facts.access != MR_ACCESS_SEEK)
        return mr__raise(MR_ERR_ARGUMENT, "file_read_ranges: '%s' cannot seek", file->name);
    for (int64_t i = 0; i < count; i++) {
        int64_t end;
        if (ranges[i].offset < 0 || ranges[i].size > INT64_MAX ||
            __builtin_add_overflow(ranges[i].offset, (int64_t)ranges[i].size, &end))
            return mr__raise(MR_ERR_ARGUMENT, "file_read_ranges: '%s' has no %zu bytes from byte %lld on",
                             file->name, ranges[i].size, (long long)ranges[i].offset);
        if (file->facts.size >= 0 && end > file->facts.size)
            return shorter(file, file->facts.size, end - 1);
    }
    if (!file->vtable->read_ranges)
        return read_by_seeking(file, ranges, count);
    mr_status status = file->vtable->read_ranges(file->reader, ranges, count);
    if (status < 0 && !mr__has_cause(status))
        mr__raise(status, "'%s': reading ranges failed without a message", file->name);
    return status;
}
