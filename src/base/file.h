/*
 * Files: read whole, written so that a crash leaves either the old contents or the new. Every failure names
 * the path and what the system said: "cannot write 'runs/a.ckpt': No space left on device".
 */
#ifndef MILLRACE_BASE_FILE_H
#define MILLRACE_BASE_FILE_H

#include <millrace/base.h>

#include "error.h"

/* Raises MR_ERR_IO as "cannot <verb> '<path>': <what errno `code` means>". Of a very long path, the end. */
mr_status mr__io_failed(const char *verb, const char *path, int code);

/* Makes "folder/name": just `name` if the folder is "" or the name is absolute. NULL on failure. */
char *mr__path_join(const char *folder, const char *name);

/* Makes a folder and those above it. One that is there already is no failure. */
mr_status mr__mkdirs(const char *path);

/* Waits until the entry of a file or folder is on the disk. */
mr_status mr__sync_folder_of(const char *path);

/* Waits until the entries of a folder are, its own, and those of all folders above it in the path, as far up as this
 * process may write: an earlier one, which was killed, may have made any of them. */
mr_status mr__sync_folders(const char *path);

/* Makes *bytes hold the file's contents and a '\0' behind them (free with mr__free), *size their number
 * without the '\0'. Reads pipes and devices as well. Fails with MR_ERR_MEMORY when there are more than
 * `max` bytes; 0 is no limit. On failure *bytes is NULL. */
mr_status mr__file_read_all(const char *path, char **bytes, size_t *size, size_t max);

/* Whether there is something that is no file: a device, a pipe, a folder. Links are followed. */
bool mr__is_special_file(const char *path);

/*
 * A file that is replaced as a whole. What is written goes to a temporary file in the same folder, which
 * takes the place of `path` when it is complete and on the disk:
 *
 *     mr__file_replace file;
 *     mr__file_replace_begin(&file, path);
 *     mr__file_replace_write(&file, header, header_bytes);
 *     mr__file_replace_write(&file, data, data_bytes);
 *     return mr__file_replace_commit(&file);
 *
 * The first failure removes the temporary and sticks: later writes and the commit do nothing but raise and
 * return it again. Every begin is followed by a commit or an abandon. A reader sees the old file or the new
 * one, never a part. The new file has the old one's permissions; a symbolic link is replaced, not followed;
 * what is no file (a folder, a device) is refused. A process that is killed leaves its temporary, named
 * ".mr-<process>-<number>.tmp". Writes are not buffered: gather small ones in an mr__strbuf.
 */
typedef struct mr__file_replace {
    int fd; /* -1: failed or done */
    char *path;
    char *temporary;
    mr__failure failure;
} mr__file_replace;

mr_status mr__file_replace_begin(mr__file_replace *file, const char *path);
mr_status mr__file_replace_write(mr__file_replace *file, const void *bytes, size_t count);
mr_status mr__file_replace_commit(mr__file_replace *file);

/* Drops what was written. Does nothing after a failure or a commit. */
void mr__file_replace_abandon(mr__file_replace *file);

#endif
