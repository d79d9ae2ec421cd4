/* Ranges of a file, from here and there: several requests on their way at once, each for ranges that lie close to each other. */
#ifndef MILLRACE_SOURCES_HTTP_RANGES_H
#define MILLRACE_SOURCES_HTTP_RANGES_H

#include "file.h"

/* Reads them in full; of what is between them only gaps that are not worth a request of their own. With a cache whole
 * blocks, which are kept. From any number of threads at a time. */
mr_status mr__web_read_scattered(const mr__web *web, const char *url, const mr__identity *identity,
                                 const mr_file_range *ranges, int64_t count);

#endif
