/* The folder that one run of a logger writes to, as Lightning numbers them; and that of what is logged outside a fit. */
#ifndef MILLRACE_TRAIN_VERSION_DIR_H
#define MILLRACE_TRAIN_VERSION_DIR_H

#include <millrace/base.h>

/* Makes save_dir/name/version_N and what is missing above it. N is one more than the highest version_<digits>
 * that is there, or 0; a `name` of "" or NULL leaves that level out. Processes that ask at once get different
 * folders. Returns the path, which the caller frees with mr__free, and N; NULL with a failure raised. */
char *mr__version_dir_make(const char *save_dir, const char *name, int64_t *version);

/* The same of save_dir/name/evaluation_N: another name, so that a training which is resumed does not look there. */
char *mr__evaluation_dir_make(const char *save_dir, const char *name);

/* The path of the highest version_<digits> that is there, and its number; NULL without a failure if there is none. */
char *mr__version_dir_last(const char *save_dir, const char *name, int64_t *version);

/* The number in the name of such a folder, or in that of the one that the path leads to, as "." and a link do; -1 for others. */
int64_t mr__version_number(const char *path);

#endif
