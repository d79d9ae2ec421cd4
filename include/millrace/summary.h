/*
 * Millrace, train layer: the summary of a model, its modules with their parameters, and for a given input the sizes of
 * what goes in and comes out, operations, and memory.
 *
 * Threads: the model belongs to the caller meanwhile.
 */
#ifndef MILLRACE_SUMMARY_H
#define MILLRACE_SUMMARY_H

#include <millrace/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_summary mr_summary;

typedef struct mr_summary_opts {
    int max_depth; /* of modules in modules; default 1, the model's children; -1: all */
    /* An input of the model. It is run on it once, in evaluation mode, and nothing of it changes. */
    const mr_tensor *example;
} mr_summary_opts;

/* Makes a summary; it does not need the model any more. A failure of the model on the example is one. */
MR_API mr_summary *mr_summary_new(mr_module *model, const mr_summary_opts *opts);
MR_API void mr_summary_free(mr_summary *summary);

/* The table, as Lightning prints it, its lines ending in '\n' except the last; with an example also FLOPs, sizes, and bytes of
 * activations. A view. */
MR_API const char *mr_summary_text(const mr_summary *summary);

/* A module. Of those that the example has not run through mr_forward (a recurrent network with states of its own) `ran`
 * is false: then operations and bytes count for the module around it. */
typedef struct mr_summary_row {
    const char *name; /* "encoder.layers.0", from the model down */
    const char *type;
    int64_t parameters, trainable; /* those of modules in it included */
    bool ran;
    mr_shape in, out; /* of its first run */
    /* Of all its runs, modules in it included. FLOPs are those of products, convolutions, attention and recurrent layers, a
     * multiplication with its addition as two, as PyTorch's FlopCounterMode counts; backward takes about twice as many.
     * Bytes are those of the results of operations, views aside, which training keeps until backward. */
    double flops, activation_bytes;
} mr_summary_row;

/* The rows, in the order of adding, each before those in it; a module with several names has its first. Views *count of them. */
MR_API const mr_summary_row *mr_summary_rows(const mr_summary *summary, size_t *count);

/* All of the model: its name is "". A view. */
MR_API const mr_summary_row *mr_summary_total(const mr_summary *summary);

#ifdef __cplusplus
}
#endif
#endif
