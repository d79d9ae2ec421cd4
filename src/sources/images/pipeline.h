/*
 * Steps one after the other, from a file's bytes to a sample.
 *
 * Steps are noted down as long as they can be: a crop narrows what will be read, a resize waits for the crop behind it,
 * a flip for the copy into the batch. What is noted is carried out (canvas.h) when a step needs pixels, and at the end.
 */
#ifndef MILLRACE_SOURCES_IMAGES_PIPELINE_H
#define MILLRACE_SOURCES_IMAGES_PIPELINE_H

#include "decoder.h"
#include "resize.h"

enum { MR__KEPT_ROOM = 32 << 20 }; /* bytes of one of the rooms that are kept from sample to sample */

/* What a thread works with. */
typedef struct mr__bench {
    mr__decoder *decoder;
    mr_rng *rng; /* of the sample; unless the draws come from somebody else's */
    mr__room file, decoded, between, pixels[2];
    mr__weights rows, columns;
} mr__bench;

mr__bench *mr__bench_new(void);
void mr__bench_free(mr__bench *bench);

/* Of ToTensor and one Normalize. */
typedef struct mr__normal {
    float mean[3], std[3];
} mr__normal;

typedef struct mr__pipeline {
    mr_transform *step;
    int count;
    mr_image_opts image;
    bool draft;
    bool draws;                      /* some step does */
    int64_t height, width, channels; /* of what comes out */
    bool planes, floats;
    float table[3][256]; /* what becomes of a byte, if floats */
    mr__normal normal;   /* the same, if quick */
    bool quick;
} mr__pipeline;

/* Copies the steps. `of`: the picture that they are for, if it is one. A failure says which step is wrong. */
mr_status mr__pipeline_make(mr__pipeline *pipeline, const mr_transform *steps, int count, const mr_image *of,
                            const mr_image_opts *image, bool draft);
void mr__pipeline_free(mr__pipeline *pipeline);

/* The field that its samples have. */
mr_field mr__pipeline_field(const mr__pipeline *pipeline, const char *name);

/* Makes a sample at `out` of the bytes of a file, or of a picture. */
mr_status mr__pipeline_decode(const mr__pipeline *pipeline, mr__bench *bench, const void *bytes, size_t size,
                              mr_rng *rng, void *out);
mr_status mr__pipeline_run(const mr__pipeline *pipeline, mr__bench *bench, const mr_image *image, mr_rng *rng,
                           void *out);

#endif
