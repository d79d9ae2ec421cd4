/* Printing as Python prints: a sample is a tuple of tensors, a batch a list of them, a shape a torch.Size. */
#ifndef EXAMPLES_SHOW_H
#define EXAMPLES_SHOW_H

#include <millrace/millrace.h>

#include <stdio.h>

static inline void show_fields(const char *open, const mr_batch *b, const char *close)
{
    fputs(open, stdout);
    for (int i = 0; i < b->field_count; i++) {
        fputs(i ? ", " : "", stdout);
        mr_tensor_print(stdout, b->field[i]);
    }
    fputs(close, stdout);
}

static inline void show_size(const mr_tensor *x)
{
    fputs("torch.Size([", stdout);
    for (int i = 0; i < mr_tensor_ndim(x); i++)
        printf(i ? ", %lld" : "%lld", (long long)mr_tensor_size(x, i));
    fputs("])", stdout);
}

/* The end of main: 0, or 1 with the first thing that went wrong. */
static inline int finish(mr_status status)
{
    if (status >= 0)
        return 0;
    fprintf(stderr, "%s\n", mr_error());
    return 1;
}

#endif
