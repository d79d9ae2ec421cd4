/* Hyperparameters: a list by name, and hparams.yaml in the form that Lightning writes. */
#ifndef MILLRACE_LOGGERS_HPARAMS_H
#define MILLRACE_LOGGERS_HPARAMS_H

#include "base/strbuf.h"

#include <millrace/loggers.h>

/* By name; names and texts are copies. */
typedef struct mr__hparams {
    mr_hparam *item;
    size_t count, room;
} mr__hparams;

/* Sets one, in place of one of that name. Failures are in the name of `call`. */
mr_status mr__hparams_set(mr__hparams *list, const char *call, const mr_hparam *param);
void mr__hparams_free(mr__hparams *list);

/* Writes dir/hparams.yaml. */
mr_status mr__hparams_write(const mr__hparams *list, const char *dir);

/* What PyYAML's dump writes for a dict, but for texts of several lines, which are one line in double quotes here, and
 * long texts in double quotes, which are not folded. */
void mr__hparams_yaml(const mr__hparams *list, mr__strbuf *out);

#endif
