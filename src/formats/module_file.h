/* Loading a module from a file that was read. */
#ifndef MILLRACE_FORMATS_MODULE_FILE_H
#define MILLRACE_FORMATS_MODULE_FILE_H

#include "safetensors.h"

#include <millrace/nn.h>

/* Whether a file has all of a module's state, in the right shapes and types, and nothing else but what a trainer keeps
 * besides; if not, raises why, in the name of the path. */
mr_status mr__module_check(const char *path, mr_module *module, const mr__safetensors *file);

/* Copies it, after that. What the file lacks is left. */
void mr__module_take(mr_module *module, const mr__safetensors *file);

#endif
