/* The inside of a module: a tree of names, with each module's own struct behind it. */
#ifndef MILLRACE_NN_MODULE_H
#define MILLRACE_NN_MODULE_H

#include "base/error.h"

#include <millrace/nn.h>

typedef struct mr__child {
    char *name;
    mr_module *module;
} mr__child;

/* A module's own tensors; the names are without a path. */
typedef struct mr__tensors {
    mr_param *item;
    size_t count, room;
} mr__tensors;

/* A list of everything at and below a module that was asked for; the names are owned here. */
typedef struct mr__list {
    mr_param *item;
    size_t count;
    uint64_t changes; /* of all the modules, when it was made */
} mr__list;

struct mr_module {
    const mr_module_vtable *vtable;
    void *self;
    size_t self_size;
    bool failed;  /* something could not be added; the text is in `failure` */
    bool adopted; /* or freed by the user while others share it: the user's handle frees nothing any more */
    bool training;
    int holders;       /* the user or the parent, and each module that shares it */
    uint64_t changes;  /* counts what was added here */
    mr_module *parent; /* the one that adopted it */
    const char *name;  /* in the parent, which owns the text */
    mr__child *children;
    size_t child_count, child_room;
    mr__tensors parameters, buffers;
    mr__list parameter_list, state_list;
    mr__failure failure;
    bool placed; /* the failure begins with the path of what could not be made */
};

/* "encoder.layers.1", or the type of a module that has no parent. */
typedef struct mr__path {
    char text[160];
} mr__path;
mr__path mr__module_path(const mr_module *module);

/* Whether the module can be used; if not, raises why, in the name of `call`. */
bool mr__module_ready(const char *call, const mr_module *module);

/* What a call that runs a module gives back: y itself, and if that is NULL, the tape's failure names the module. */
mr_tensor *mr__module_gave(const mr_module *module, mr_tape *tape, mr_tensor *y);

/* Whether all elements are finite numbers; true for what has none, or is no dense tensor. */
bool mr__all_finite(const mr_tensor *x);

/* Keeps the first cause, which every use of the module raises from now on. */
void mr__module_fail(mr_module *module);

/* Room for one more in a list that doubles; NULL when memory is out. */
void *mr__with_room(void *list, size_t count, size_t *room, size_t size);

/* False with a failure raised when `name` is no name, or a child, parameter or buffer has it. */
bool mr__name_is_free(const mr_module *module, const char *call, const char *name);

/* Whether `other` is `module` or lies below it, shared ones included. */
bool mr__module_reaches(const mr_module *module, const mr_module *other);

/* Enters a child, or a tensor that has one holder more from now on, under a name that is free. */
bool mr__enter_child(mr_module *module, const char *name, mr_module *child);
bool mr__enter_tensor(mr_module *module, mr__tensors *tensors, const char *name, mr_tensor *tensor);

/* A holder less; the last one frees. */
void mr__tensor_drop(const mr_module *module, mr_tensor *tensor);

void mr__list_free(mr__list *list);

/* The parameters that are the module's own, without those of its children. */
static inline mr_params mr__own_parameters(const mr_module *module)
{
    return (mr_params){ module->parameters.item, module->parameters.count };
}

/* Has all batch norms at and below a module begin their running values anew, as plain means over batches (torch's momentum
 * None): how many there are. And from then on as before. */
size_t mr__batch_norms_begin(mr_module *module);
void mr__batch_norms_end(mr_module *module);

/* Which of a module and those below it are in training mode, to be put back after an evaluation; no module is added meanwhile. */
typedef struct mr__modes {
    bool *training;
} mr__modes;
mr_status mr__modes_init(mr__modes *modes, const mr_module *module);
void mr__modes_save(mr__modes *modes, const mr_module *module);
void mr__modes_restore(const mr__modes *modes, mr_module *module);
void mr__modes_free(mr__modes *modes);

#endif
