/* How the numbers of one tensor are printed: all of them alike, by torch's rules. */
#ifndef MILLRACE_TENSOR_PRINT_FORMAT_H
#define MILLRACE_TENSOR_PRINT_FORMAT_H

#include "base/strbuf.h"
#include "tensor/tensor.h"

typedef enum mr__print_style {
    MR__PRINT_INTEGER, /* 7, of an integer type */
    MR__PRINT_TRUTH,   /* True */
    MR__PRINT_WHOLE,   /* 7., of a floating type in which no shown number has a fraction */
    MR__PRINT_FIXED,   /* 7.0000 */
    MR__PRINT_SCIENCE  /* 7.0000e+00 */
} mr__print_style;

/* An element at its widest. */
typedef struct mr__print_value {
    double real;     /* of floating types */
    int64_t integer; /* of the others */
} mr__print_value;

mr__print_value mr__print_value_at(const mr_tensor *x, int64_t offset);

/* Begins as { .min = INFINITY } and is filled in two rounds over the elements that will be shown: survey, then
 * survey_end, find the style, and measure the width. */
typedef struct mr__print_format {
    mr__print_style style;
    int width;
    double min, max; /* the smallest and largest magnitudes, zero and what is not finite left out */
    bool fraction;   /* one of them is no whole number */
} mr__print_format;

void mr__print_survey(mr__print_format *format, mr__print_value value);
void mr__print_survey_end(mr__print_format *format, mr_dtype dtype);
void mr__print_measure(mr__print_format *format, mr__print_value value);

/* Appends the number, right-aligned to the width that was measured. */
void mr__print_value_append(mr__strbuf *out, const mr__print_format *format, mr__print_value value);

#endif
