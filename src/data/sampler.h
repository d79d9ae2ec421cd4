#ifndef MILLRACE_DATA_SAMPLER_H
#define MILLRACE_DATA_SAMPLER_H

#include <millrace/data.h>

struct mr_sampler {
    const mr_sampler_vtable *vtable;
    void *self;
};

#endif
