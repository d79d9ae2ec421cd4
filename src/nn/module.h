/* The inside of a module: a tree of names, with each module's own struct behind it. */
#ifndef MILLRACE_NN_MODULE_H
#define MILLRACE_NN_MODULE_H

#include "base/error.h"

#include <millrace/nn.h>

typedef struct mr__child {
    char *name;
    mr_module *module;
} mr__child;

struct mr_module {
    const mr_module_vtable *vtable;
    void *self;
    bool failed; /* something could not be added; the text is in `failure` */
    bool training;
    mr_module *parent;
    const char *name; /* in the parent, which owns the text */
    mr__child *children;
    size_t child_count, child_room;
    mr_param *own; /* parameters of this module; the names are without a path */
    size_t own_count, own_room;
    mr_param *list; /* what mr_module_parameters gave last; the names are owned here */
    size_t list_count;
    mr__failure failure;
};

/* "encoder.layers.1", or the type of a module that has no parent. */
typedef struct mr__path {
    char text[160];
} mr__path;
mr__path mr__module_path(const mr_module *module);

/* Whether the module can be used; if not, raises why, in the name of `call`. */
bool mr__module_ready(const char *call, const mr_module *module);

/* The parameters that are the module's own, without those of its children. */
static inline mr_params mr__own_parameters(const mr_module *module)
{
    return (mr_params){ module->own, module->own_count };
}

#endif
