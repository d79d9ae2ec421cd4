/* The table of a model's layers and parameters, as Lightning 2.0's ModelSummary prints it. */
#ifndef MILLRACE_TRAIN_SUMMARY_H
#define MILLRACE_TRAIN_SUMMARY_H

#include <millrace/nn.h>

/* The table, its lines ending in '\n' except the last; trailing spaces are part of it. The caller frees it
 * with mr__free; NULL with a failure raised. */
char *mr__summary_text(mr_module *module);

/* Sends an empty line and then the table to the log, line by line. */
mr_status mr__summary_log(mr_module *module);

#endif
