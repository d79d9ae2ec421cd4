/* Looking at a metric that is logged for epochs or validations. */
#ifndef MILLRACE_TRAIN_MONITOR_H
#define MILLRACE_TRAIN_MONITOR_H

#include "trainer.h"

typedef struct mr__monitor {
    int64_t count; /* values that were looked at */
} mr__monitor;

/* In on_metrics: the metric's value if this is a new one; MR_END if it is not. With `strict` it must have been there when an
 * epoch has ended, and where there is validation one of those. */
mr_status mr__monitor_look(mr__monitor *monitor, mr_step *step, const char *name, bool strict, double *value);

/* What a metric is now: behind a batch of training what that, or one before it in the epoch, has logged; elsewhere, and
 * where there is nothing, what was last logged for an epoch or a validation. NULL: there was none yet. */
const double *mr__monitor_now(const mr_step *step, const char *name);

#endif
