/*
 * The most frequent kind of JPEG by a shorter way: baseline, of one scan, grey or of three channels of which the second
 * and third have as many samples as the first, half as many in a row, or half as many in rows and columns. Parts are
 * read in less time than libjpeg takes, with its pixels; whatever is out of order is left to it, and so are its words
 * for that.
 */
#ifndef MILLRACE_SOURCES_IMAGES_BASELINE_H
#define MILLRACE_SOURCES_IMAGES_BASELINE_H

#include "decoder.h"

#include <stdio.h>

#include <jpeglib.h>

typedef struct mr__baseline mr__baseline;

mr__baseline *mr__baseline_new(void);
void mr__baseline_free(mr__baseline *baseline);

/* Reads a region as mr__jpeg_read does; shrunk, pixels are means of those of the whole picture. `d` has read the
 * header, and the scan's bytes begin at `scan`. MR_END: it is no such JPEG; nothing has failed. */
mr_status mr__baseline_read(mr__baseline *baseline, const struct jpeg_decompress_struct *d,
                            const uint8_t *scan, size_t size, int shrink, const mr__region *region,
                            mr__room *room, mr__view *view);

#endif
