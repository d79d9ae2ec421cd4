/* Names of checkpoints from a template: "{epoch}-{val_loss:.2f}" is "epoch=3-val_loss=0.25". */
#ifndef MILLRACE_TRAIN_FILE_NAME_H
#define MILLRACE_TRAIN_FILE_NAME_H

#include "base/strbuf.h"

/* The value of a name; false: there is none. */
typedef bool (*mr__name_value)(const void *user, const char *name, double *value, bool *whole);

/* Writes the name; NULL in place of `value_of` only looks whether the template makes sense. Raises what is wrong with
 * it. */
mr_status mr__file_name(mr__strbuf *out, const char *format, mr__name_value value_of, const void *user);

#endif
