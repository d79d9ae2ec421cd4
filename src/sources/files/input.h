/*
 * Bytes of a file from the front to the back, unpacked when they are packed: .gz and .zst are known by their first
 * bytes, whatever the name.
 */
#ifndef MILLRACE_SOURCES_INPUT_H
#define MILLRACE_SOURCES_INPUT_H

#include <millrace/storage.h>

typedef struct mr__input mr__input;

/* Makes it; NULL after a failure, which names the path. The second adopts the file, which may be NULL. */
mr__input *mr__input_open(mr_storage *storage, const char *path);
mr__input *mr__input_of(mr_file *file);

/* Reads up to `size` bytes: their number, 0 at the end and only there, -1 after a failure. */
int64_t mr__input_read(mr__input *input, void *bytes, size_t size);

/* Goes to this place among the unpacked bytes. Packed files are read up to it. */
mr_status mr__input_seek(mr__input *input, uint64_t offset);

/* Whether it can go anywhere but on: it is no pipe. */
bool mr__input_can_seek(const mr__input *input);

/* Its size if it is not packed and that is known, or -1; the file's stamp (mr_file_facts). */
int64_t mr__input_size(const mr__input *input);
uint64_t mr__input_stamp(const mr__input *input);

const char *mr__input_path(const mr__input *input);
void mr__input_close(mr__input *input);

/*
 * The same all at once: mapped where it is a plain file that has a descriptor, in memory otherwise. `bytes` is not to be written to.
 */
typedef struct mr__bytes {
    const char *at;
    size_t size;
    bool mapped;
    uint64_t changed; /* when the file was, or its stamp; 0: not known */
} mr__bytes;

mr_status mr__bytes_open(mr__bytes *bytes, mr_storage *storage, const char *path);
void mr__bytes_close(mr__bytes *bytes);

#endif
