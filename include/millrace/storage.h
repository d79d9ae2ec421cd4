/*
 * Millrace, base layer: where files are. Readers of files get their bytes by this: from the disk, unless they are given another
 * storage: an open descriptor, a web server (<millrace/sources/http.h>), one of your own.
 *
 * Threads: a storage may be used by several at once, a file by one at a time, but for mr_file_read_ranges.
 */
#ifndef MILLRACE_STORAGE_H
#define MILLRACE_STORAGE_H

#include <millrace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_storage mr_storage;
typedef struct mr_file mr_file;

/* ---- storages ------------------------------------------------------------------------------------------- */

/* How a file can be read. */
typedef enum mr_access {
    MR_ACCESS_SEEK = 0, /* from any byte on */
    MR_ACCESS_AGAIN,    /* from its first byte on, as often as one likes */
    MR_ACCESS_ONCE      /* once, from its first byte on: a pipe */
} mr_access;

/* What is known of a file when it has been opened. */
typedef struct mr_file_facts {
    int64_t size; /* bytes; -1: not known */
    mr_access access;
    uint64_t stamp; /* another one when the contents are others; 0: not known */
    int descriptor; /* of the file, for mapping, as long as it is open; -1: there is none */
    bool packed;    /* as gzip or zstd, although its name need not say so */
} mr_file_facts;

/* Bytes of a file, and where they are to go. */
typedef struct mr_file_range {
    int64_t offset;
    size_t size;
    void *bytes;
} mr_file_range;

typedef struct mr_storage_vtable {
    /* A reader at the first byte of a file, and what is known of it; *facts says "nothing, MR_ACCESS_SEEK" before. NULL
     * after mr_fail(…) with the file's name. */
    void *(*open)(void *self, const char *name, mr_file_facts *facts);
    /* Reads up to `size` bytes, at least one: their number, 0 at the end and only there; -1 after mr_fail(…) with the
     * file's name. */
    int64_t (*read)(void *file, void *bytes, size_t size);
    void (*close)(void *file);
    /* Goes to a byte, 0 to the file's size. Of files with MR_ACCESS_SEEK only. */
    mr_status (*seek)(void *file, int64_t offset);
    /* Optional: frees what `self` holds. */
    void (*destroy)(void *self);
    /* Optional: reads that wait, and all that follow, fail. From any thread, or a signal's handler. */
    void (*interrupt)(void *self);
    /* Optional, of files with MR_ACCESS_SEEK: reads ranges, several at once where that pays; they lie within the file's
     * size, and may overlap. Where `read` goes on stays as it is. From any number of threads at a time, but not while
     * one reads or seeks. */
    mr_status (*read_ranges)(void *file, const mr_file_range *ranges, int64_t count);
    /* Optional: `read` will not be called for bytes at `end` and behind it, or only for a few; so what reads ahead may
     * stop there. */
    void (*expect_end)(void *file, int64_t end);
} mr_storage_vtable;

/* Makes a storage. `vtable` is borrowed; the `size` bytes at `self` are copied. */
MR_API mr_storage *mr_storage_new(const mr_storage_vtable *vtable, const void *self, size_t size);

/* Makes a storage whose one file, by whatever name, is an open descriptor: a pipe, a socket, a terminal, which one
 * reader reads once, waiting for as long as it takes; or a file, which any number read from its first byte on. Borrows
 * the descriptor (that of a FILE of which nothing has been read is fileno's). */
MR_API mr_storage *mr_storage_from_fd(int fd);

/* The struct of a storage made with this vtable, for functions of its kind; NULL of another. A view. */
MR_API void *mr_storage_self(mr_storage *storage, const mr_storage_vtable *vtable);

/* Keeps a storage from being freed: for readers of your own. Gives it back; NULL, the disk, too. */
MR_API mr_storage *mr_storage_hold(mr_storage *storage);

/* Lets go of it; the last who does frees it. Datasets hold theirs, so it may be freed when they have been made. */
MR_API void mr_storage_free(mr_storage *storage);

/* Makes reads that wait, and all that follow, fail with "'sensor': interrupted"; where the storage cannot, nothing
 * happens. From any thread, or a signal's handler, while somebody holds it. */
MR_API void mr_storage_interrupt(mr_storage *storage);

/* ---- files ---------------------------------------------------------------------------------------------- */

/* Opens a file of a storage, which it holds; NULL is the disk, where "-" is standard input. NULL after a failure. */
MR_API mr_file *mr_file_open(mr_storage *storage, const char *name);
MR_API void mr_file_close(mr_file *file);

/* Reads up to `size` bytes: their number, 0 at the end and only there; -1 after a failure. */
MR_API int64_t mr_file_read(mr_file *file, void *bytes, size_t size);

/* Goes to a byte: reading up to it, from the front again if need be, where the file cannot seek. Where that cannot be
 * either: "'-' is read once, from front to back: it cannot go from byte 900 to 400". MR_ERR_STATE when the file has
 * become shorter, or another one. */
MR_API mr_status mr_file_seek(mr_file *file, int64_t offset);

/* Says that nothing at this byte or behind it is going to be read, or little: so that a web server is not asked for it
 * ahead of time. It can be read all the same. Whoever reads a part of a file says so. */
MR_API void mr_file_expect_end(mr_file *file, int64_t end);

/* Reads ranges of a file that can seek, in full, in whatever order they are; where mr_file_read goes on stays as it is.
 * From any number of threads at a time, but not while one reads or seeks. MR_ERR_STATE when the file has become
 * shorter, or another one. */
MR_API mr_status mr_file_read_ranges(mr_file *file, const mr_file_range *ranges, int64_t count);

/* What is known of it, and its name. Views. */
MR_API const mr_file_facts *mr_file_known(const mr_file *file);
MR_API const char *mr_file_name(const mr_file *file);

#ifdef __cplusplus
}
#endif
#endif
