/* Whole files. */
#ifndef MILLRACE_SOURCES_IMAGES_READ_FILE_H
#define MILLRACE_SOURCES_IMAGES_READ_FILE_H

#include "decoder.h"

#include <millrace/ragged.h>

/* Reads a regular file into `room`; of one that does not begin like a picture the first bytes only. */
mr_status mr__read_file(const char *path, mr__room *room, size_t *size);

/* Reads a regular file, whatever it is, as the items of a sample. */
mr_status mr__read_file_items(const char *path, mr_ragged *to);

#endif
