/* Printing as Python's print does: a sample is a tuple of tensors, a batch a list of them, a shape a torch.Size. */
#ifndef EXAMPLES_SHOW_H
#define EXAMPLES_SHOW_H

#include <millrace/millrace.h>

#include <stdio.h>

/* The fields of a sample or a batch between `open` and `close`. Of NULL, the status of what went wrong before. */
static inline mr_status show_fields(const char *open, const mr_batch *b, const char *close)
{
    if (!b)
        return mr_error_status();
    fputs(open, stdout);
    for (int i = 0; i < b->field_count; i++) {
        fputs(i ? ", " : "", stdout);
        mr_tensor_print(stdout, b->field[i]);
    }
    fputs(close, stdout);
    return MR_OK;
}

static inline void show_size(const char *open, const mr_tensor *x, const char *close)
{
    printf("%storch.Size([", open);
    for (int i = 0; i < mr_tensor_ndim(x); i++)
        printf(i ? ", %lld" : "%lld", (long long)mr_tensor_size(x, i));
    printf("])%s", close);
}

/* print(x) */
static inline mr_status show_tensor(const mr_tensor *x)
{
    mr_status s = mr_tensor_print(stdout, x);
    if (s == MR_OK)
        putchar('\n');
    return s;
}

/* The end of main: 0, or 1 with the first thing that went wrong, in words. */
static inline int finish(mr_status status)
{
    if (status >= 0)
        return 0;
    fprintf(stderr, "%s\n", mr_error());
    return 1;
}

#endif
