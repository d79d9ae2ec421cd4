/* The kinds of steps, and what is checked before they are carried out. */
#ifndef MILLRACE_SOURCES_IMAGES_TRANSFORM_H
#define MILLRACE_SOURCES_IMAGES_TRANSFORM_H

#include <millrace/sources/transforms.h>

enum {
    MR__NO_STEP = 0,
    MR__RESIZE,
    MR__CENTER_CROP,
    MR__RANDOM_CROP,
    MR__RANDOM_RESIZED_CROP,
    MR__FLIP_ACROSS,
    MR__FLIP_DOWN,
    MR__COLOR_JITTER,
    MR__GRAYSCALE,
    MR__CUSTOM,
    MR__TO_TENSOR,
    MR__TO_PLANES,
    MR__NORMALIZE
};

/* "random_crop" */
const char *mr__transform_name(const mr_transform *step);

/* Whether its numbers make sense. */
mr_status mr__transform_check(const mr_transform *step);

#endif
