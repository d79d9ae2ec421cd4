/*
 * Bytes of a file from the front to the back, unpacked when they are packed: .gz and .zst are known by their first
 * bytes, whatever the name. Where a file's first bytes may be anything, the name has to say so too.
 */
#ifndef MILLRACE_SOURCES_INPUT_H
#define MILLRACE_SOURCES_INPUT_H

#include <millrace/storage.h>

typedef struct mr__input mr__input;

/* Makes it; NULL after a failure, which names the path. The second is for files without a head: they are packed only if
 * the name or the storage says so (mr__is_packed_name, mr_file_facts), and it is a failure if they are not then. The
 * last two adopt the file, which may be NULL. */
mr__input *mr__input_open(mr_storage *storage, const char *path);
mr__input *mr__input_open_headless(mr_storage *storage, const char *path);
mr__input *mr__input_of(mr_file *file);
mr__input *mr__input_of_headless(mr_file *file);

/* Whether a file whose first bytes these are is packed; more than MR__PACKED_HEAD are not looked at. */
bool mr__is_packed(const void *first, size_t count);
#define MR__PACKED_HEAD 4

/* Reads up to `size` bytes: their number, 0 at the end and only there, -1 after a failure. */
int64_t mr__input_read(mr__input *input, void *bytes, size_t size);

/* Goes to this place among the unpacked bytes. Packed files are read up to it. */
mr_status mr__input_seek(mr__input *input, uint64_t offset);

/* Says that bytes from this place on are not going to be read, or few. */
void mr__input_expect_end(mr__input *input, uint64_t end);

/* Whether it can go anywhere but on: it is no pipe. */
bool mr__input_can_seek(const mr__input *input);

/* Its size if that is known, it is not packed and can seek, so that several may share it, or -1. */
int64_t mr__input_size(const mr__input *input);

/* The file's stamp (mr_file_facts). Of one that has a descriptor it is made of its size and of some blocks spread over
 * it, the first and the last among them: so a copy of it elsewhere has the same one. */
uint64_t mr__input_stamp(mr__input *input);

/* Bytes of the file as it lies there, packed or not; -1: not known, or it is a pipe. */
int64_t mr__input_file_size(const mr__input *input);

const char *mr__input_path(const mr__input *input);
mr_file *mr__input_file(mr__input *input); /* a view */
void mr__input_close(mr__input *input);

/*
 * The same all at once: mapped where it is a plain file that has a descriptor, in memory otherwise. `at` is not to be
 * written to.
 */
typedef struct mr__bytes {
    const char *at;
    size_t size;
    bool mapped;
    bool more;        /* the file has more bytes than were wanted: `size` says nothing */
    uint64_t changed; /* when the file was, or its stamp; 0: not known */
    int fd;           /* of what is mapped: a copy, since the file's may be closed */
    char *path;
} mr__bytes;

/* What is wanted of a file. */
typedef struct mr__bytes_wanted {
    int64_t most;  /* bytes in memory, more fail; 0: MR__MOST_BYTES */
    bool headless; /* as in mr__input_open_headless */
    /* Optional: how many bytes there should be, by the first ones; *size stays SIZE_MAX while they do not say. No more
     * are read. */
    mr_status (*size_of)(const char *path, const mr__bytes *first, size_t *size);
} mr__bytes_wanted;

#define MR__MOST_BYTES ((int64_t)4 << 30)

/* `wanted` may be NULL. */
mr_status mr__bytes_open(mr__bytes *bytes, mr_storage *storage, const char *path,
                         const mr__bytes_wanted *wanted);

/* The same of what is open already, which is adopted. The second is for what is not mapped. */
mr_status mr__bytes_of(mr__bytes *bytes, mr_file *file, const char *path, const mr__bytes_wanted *wanted);
mr_status mr__bytes_of_input(mr__bytes *bytes, mr__input *input, const char *path,
                             const mr__bytes_wanted *wanted);
void mr__bytes_close(mr__bytes *bytes);

/* Before what is mapped is read: fails if the file has become shorter, since then reading would end the process. One
 * that is cut while it is read still does. */
mr_status mr__bytes_check(const mr__bytes *bytes);

#endif
