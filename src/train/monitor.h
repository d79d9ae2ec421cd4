/* Looking at a metric that is logged for epochs or validations. */
#ifndef MILLRACE_TRAIN_MONITOR_H
#define MILLRACE_TRAIN_MONITOR_H

#include "trainer.h"

typedef struct mr__monitor {
    int64_t count; /* values that were looked at */
} mr__monitor;

/* In on_metrics: the metric's value if this is a new one; MR_END if it is not. */
mr_status mr__monitor_look(mr__monitor *monitor, mr_step *step, const char *name, double *value);

/* Raises that the metric is not there, with those that are. */
mr_status mr__monitor_missing(const mr_step *step, const char *name);

#endif
