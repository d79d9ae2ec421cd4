/* From bytes to what a sample is to hold. */
#ifndef MILLRACE_SOURCES_IMAGES_OUTPUT_H
#define MILLRACE_SOURCES_IMAGES_OUTPUT_H

#include "canvas.h"

/* ToTensor's value of each byte; Normalize's of each such value. */
void mr__bytes_table(float table[3][256]);
void mr__table_normalize(float table[3][256], const double mean[3], const double std[3]);

/* Whether all values of a table come of mean and std by wide instructions. */
bool mr__quick_output(float table[3][256], const mr__normal *normal);

/* Writes a picture that has been rendered, mirrored as it is to be, as the pipeline's sample. */
void mr__put_out(const mr__pipeline *pipeline, const mr__canvas *canvas, void *out);

/* Where mr__quick_output: a row of 3 channels into three planes, the pixels from *begin to before *end. */
void mr__put_floats_avx2(const uint8_t *row, int64_t width, bool mirrored, const mr__normal *normal,
                         float *to, int64_t plane, int64_t *begin, int64_t *end);

#endif
