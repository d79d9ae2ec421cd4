/* What the name of a file says. Names may be URLs: what is behind their path is no part of the file's name. */
#ifndef MILLRACE_SOURCES_NAME_H
#define MILLRACE_SOURCES_NAME_H

#include <millrace/base.h>

/* Bytes of a name up to its end, or the end of a URL's path: "https://a/b.csv" of "https://a/b.csv?x=1". */
size_t mr__name_length(const char *name);

/* Whether it ends so, as far as it goes. */
bool mr__name_ends_in(const char *name, const char *suffix);

/* Whether it says that a file is packed: it ends in .gz or .zst, or so does what is behind a URL's path ("https://a/get?b.gz"). */
bool mr__is_packed_name(const char *name);

#endif
