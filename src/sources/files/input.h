/*
 * Bytes of a file from the front to the back, unpacked when they are packed: .gz and .zst are known by their first
 * bytes, whatever the name. "-" is standard input. Pipes and sockets are files like others, but cannot go back.
 */
#ifndef MILLRACE_SOURCES_INPUT_H
#define MILLRACE_SOURCES_INPUT_H

#include <millrace/base.h>

typedef struct mr__input mr__input;

/* Makes it; NULL after a failure, which names the path. */
mr__input *mr__input_open(const char *path);

/* Reads up to `size` bytes: their number, 0 at the end and only there, -1 after a failure. */
int64_t mr__input_read(mr__input *input, void *bytes, size_t size);

/* Goes to this place among the unpacked bytes. Packed files are read up to it. */
mr_status mr__input_seek(mr__input *input, uint64_t offset);

/* Whether it can go back. */
bool mr__input_can_seek(const mr__input *input);

const char *mr__input_path(const mr__input *input);
void mr__input_close(mr__input *input);

/*
 * The same all at once: mapped where it is a plain file, in memory otherwise. `bytes` is not to be written to.
 */
typedef struct mr__bytes {
    const char *at;
    size_t size;
    bool mapped;
} mr__bytes;

mr_status mr__bytes_open(mr__bytes *bytes, const char *path);
void mr__bytes_close(mr__bytes *bytes);

#endif
