/* Where parts of a tar file begin. */
#ifndef MILLRACE_SOURCES_TAR_CUT_H
#define MILLRACE_SOURCES_TAR_CUT_H

#include "archive.h"

/*
 * The place of the first sample of a part, of a plain file of a known size: a sample that begins behind the part's share of the
 * bytes. What looks like a member's head is looked for there; behind the next one, which is certain to be a whole head, the
 * first member of another sample is it. INT64_MAX when there is none.
 */
mr_status mr__tar_cut(mr_storage *storage, const char *path, int64_t size, int64_t part, int64_t parts,
                      int64_t *at);

#endif
