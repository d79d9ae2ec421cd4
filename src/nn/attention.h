/* What the modules of attention share. */
#ifndef MILLRACE_NN_ATTENTION_H
#define MILLRACE_NN_ATTENTION_H

#include "module.h"

#include <millrace/layers.h>

/* False with a failure raised, and the tape stopped, unless the module can run and `forward` is its function. */
bool mr__is_kind(mr_module *module, mr_tape *tape, const char *call,
                 mr_tensor *(*forward)(mr_module *, mr_tape *, mr_tensor *), const char *what);

#endif
