/* A picture in the making, and what is still to be done to it. */
#ifndef MILLRACE_SOURCES_IMAGES_CANVAS_H
#define MILLRACE_SOURCES_IMAGES_CANVAS_H

#include "pipeline.h"

/* How many pixels of a file in draft there are at least for one that comes out, on each side. */
#define MR__DRAFT_LEAST (2.0 / 3)

/* Read from the inside out: a part of what is there, resized, of which the rows and columns that are wanted, mirrored. */
typedef struct mr__canvas {
    mr__bench *bench;
    int64_t height, width, channels; /* as it is when all of that has been done */
    bool in_file;                    /* the bench's decoder has begun with it */
    bool draft;
    int64_t file_height, file_width;
    mr__view view;   /* otherwise its pixels */
    bool own;        /* which may be changed: they lie in bench->decoded, or in pixels[room] */
    int room;        /* -1: in another place */
    mr__region part; /* of the file or of the view */
    bool resized;
    mr_interpolation interpolation;
    mr__side rows, columns;
    bool across, down; /* mirrored */
} mr__canvas;

/* ---- noted ---- */

void mr__canvas_crop(mr__canvas *c, const mr__region *region); /* inside of it */
mr_status mr__canvas_resize(mr__canvas *c, int64_t height, int64_t width, mr_interpolation interpolation);

/* ---- done ---- */

/* Carries out all but the mirroring: then c->view is the picture, before that. */
mr_status mr__canvas_render(mr__canvas *c);

/* All of it, into pixels that may be changed, one row behind the other. */
mr_status mr__canvas_own(mr__canvas *c);

/* Adds pixels on the four sides: left, top, right, bottom. */
mr_status mr__canvas_pad(mr__canvas *c, const int64_t sides[4], mr_padding mode, const double fill[3]);

void mr__mirrored_row(const uint8_t *from, int64_t width, int64_t channels, uint8_t *to);

/* One channel, or three equal ones. */
mr_status mr__canvas_grey(mr__canvas *c, int64_t channels);

#endif
