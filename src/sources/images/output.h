/* From bytes to what a sample is to hold. */
#ifndef MILLRACE_SOURCES_IMAGES_OUTPUT_H
#define MILLRACE_SOURCES_IMAGES_OUTPUT_H

#include "canvas.h"

/* ToTensor's value of each byte; Normalize's of each such value. */
void mr__table_begin(float table[3][256]);
void mr__table_normalize(float table[3][256], const double mean[3], const double std[3]);

/* Writes a picture that has been rendered, mirrored as it is to be, as the pipeline's sample. */
void mr__put_out(const mr__pipeline *pipeline, const mr__canvas *canvas, void *out);

#endif
