/* What gnuplot is told, word for word: a script in its place draws what it is told. */
#ifndef GNUPLOT_H
#define GNUPLOT_H

#include "check.h"
#include "files.h"

/* Puts that script into the test's folder and in front of the others, or takes it away from there. */
static inline void gnuplot_replaced(bool replaced)
{
    static char old_path[4096];
    char path[5000];
    const char *now = getenv("PATH");
    if (!*old_path)
        snprintf(old_path, sizeof old_path, "%s", now ? now : "/usr/bin:/bin");
    file_put(in_folder("gnuplot"), "#!/bin/sh\nexec cat\n", 19);
    CHECK(chmod(in_folder("gnuplot"), 0755) == 0);
    snprintf(path, sizeof path, "%s:%s", files_folder, old_path);
    setenv("PATH", replaced ? path : old_path, 1);
}

#endif
