/* What the steps draw at random: torchvision's numbers, from torch's generator, in torchvision's order. */
#ifndef MILLRACE_SOURCES_IMAGES_DRAWS_H
#define MILLRACE_SOURCES_IMAGES_DRAWS_H

#include "decoder.h"

#include <millrace/sources/transforms.h>

bool mr__draws(const mr_transform *step);

/* torch.rand(1) < p */
bool mr__draw_chance(mr_rng *rng, double p);

/* The part that RandomCrop takes of a picture of this size, which is at least the step's; that of RandomResizedCrop. */
mr__region mr__draw_crop(mr_rng *rng, const mr_transform *step, int64_t height, int64_t width);
mr__region mr__draw_resized_crop(mr_rng *rng, const mr_transform *step, int64_t height, int64_t width);

/* ColorJitter: in which order brightness, contrast, saturation and hue (0 to 3) come, and by how much. */
typedef struct mr__jitter {
    int order[4];
    bool wanted[4];
    float factor[4];
} mr__jitter;

void mr__draw_jitter(mr_rng *rng, const mr_transform *step, mr__jitter *jitter);

#endif
