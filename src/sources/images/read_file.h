/* Whole files. */
#ifndef MILLRACE_SOURCES_IMAGES_READ_FILE_H
#define MILLRACE_SOURCES_IMAGES_READ_FILE_H

#include "decoder.h"

/* Reads a regular file into `room`. */
mr_status mr__read_file(const char *path, mr__room *room, size_t *size);

#endif
