/* Lines for people, through the hook of base.h. */
#ifndef MILLRACE_BASE_LOG_H
#define MILLRACE_BASE_LOG_H

#include <millrace/base.h>

void mr__log(mr_log_level level, const char *format, ...) MR_PRINTF(2, 3);

#endif
