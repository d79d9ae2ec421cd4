/*
 * Millrace, tensor layer: the operations.
 *
 * Each takes the tape first and returns a tensor that lives on it. Semantics, broadcasting, type promotion
 * and gradients are torch's for the operation of the same name. Operations never change what they are
 * given, and borrow it: tensors (and the modules and batches they belong to) must outlive the backward or the reset
 * of the tape that has seen them. Operations whose results are to have gradients take all their inputs from one tape.
 * NULL in gives NULL out; a failure (shapes that do not fit, out of memory) gives NULL, its text is
 * in mr_error(), and the tape's other operations do nothing until mr_tape_reset.
 *
 * Results marked "view" share memory with their input; all others are contiguous.
 */
#ifndef MILLRACE_OPS_H
#define MILLRACE_OPS_H

#include <millrace/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- constants on the tape ------------------------------------------------------------------------ */

/* A scalar; as an operand it counts as torch's zero-dimensional tensor does in type promotion. */
MR_API mr_tensor *mr_scalar(mr_tape *tape, mr_dtype dtype, double value);
MR_API mr_tensor *mr_full(mr_tape *tape, mr_dtype dtype, mr_shape shape, double value);

/* ---- elementwise arithmetic: broadcast and promoted --------------------------------------------------- */

/* a + b, a - b, a * b; of bools + is or, * is and, and there is no -. */
MR_API mr_tensor *mr_add(mr_tape *tape, mr_tensor *a, mr_tensor *b);
MR_API mr_tensor *mr_sub(mr_tape *tape, mr_tensor *a, mr_tensor *b);
MR_API mr_tensor *mr_mul(mr_tape *tape, mr_tensor *a, mr_tensor *b);
/* True division: integers give float32. */
MR_API mr_tensor *mr_div(mr_tape *tape, mr_tensor *a, mr_tensor *b);
/* a to the power b; integers to a negative power fail. */
MR_API mr_tensor *mr_pow(mr_tape *tape, mr_tensor *a, mr_tensor *b);
/* NaN in either gives NaN; where both are equal each gets half the gradient. */
MR_API mr_tensor *mr_minimum(mr_tape *tape, mr_tensor *a, mr_tensor *b);
MR_API mr_tensor *mr_maximum(mr_tape *tape, mr_tensor *a, mr_tensor *b);

/* With a number: floating types keep theirs, integers and bool become float32, as with a Python float.
 * For integer arithmetic use mr_scalar. mr_rsub_scalar is value - x. */
MR_API mr_tensor *mr_add_scalar(mr_tape *tape, mr_tensor *x, double value);
MR_API mr_tensor *mr_sub_scalar(mr_tape *tape, mr_tensor *x, double value);
MR_API mr_tensor *mr_rsub_scalar(mr_tape *tape, mr_tensor *x, double value);
MR_API mr_tensor *mr_mul_scalar(mr_tape *tape, mr_tensor *x, double value);
MR_API mr_tensor *mr_div_scalar(mr_tape *tape, mr_tensor *x, double value);
MR_API mr_tensor *mr_pow_scalar(mr_tape *tape, mr_tensor *x, double exponent);

/* ---- elementwise functions: integers and bool give float32, except neg, abs, square, relu and clamp --- */

/* -x, |x|, x*x, 1/x, e^x, the natural logarithm (torch.log: mr_log is the trainer's), the square root, sine and cosine of
 * radians, hyperbolic tangent, 1 / (1 + e^-x), and x where it is positive, else 0. */
MR_API mr_tensor *mr_neg(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_abs(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_square(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_reciprocal(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_exp(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_ln(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_sqrt(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_sin(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_cos(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_tanh(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_sigmoid(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_relu(mr_tape *tape, mr_tensor *x);

/* x limited to [low, high]; -INFINITY and INFINITY leave a side open. NaN stays. The dtype stays x's. */
MR_API mr_tensor *mr_clamp(mr_tape *tape, mr_tensor *x, double low, double high);

/* ---- comparisons and choice: bool, not differentiable ------------------------------------------------- */

/* a == b, !=, <, <=, >, >=: broadcast, and compared in the type that both promote to. */
MR_API mr_tensor *mr_eq(mr_tape *tape, mr_tensor *a, mr_tensor *b);
MR_API mr_tensor *mr_ne(mr_tape *tape, mr_tensor *a, mr_tensor *b);
MR_API mr_tensor *mr_lt(mr_tape *tape, mr_tensor *a, mr_tensor *b);
MR_API mr_tensor *mr_le(mr_tape *tape, mr_tensor *a, mr_tensor *b);
MR_API mr_tensor *mr_gt(mr_tape *tape, mr_tensor *a, mr_tensor *b);
MR_API mr_tensor *mr_ge(mr_tape *tape, mr_tensor *a, mr_tensor *b);

/* a where `condition` (bool), else b; all three broadcast. Differentiable in a and b. */
MR_API mr_tensor *mr_where(mr_tape *tape, mr_tensor *condition, mr_tensor *a, mr_tensor *b);

/* ---- reductions over the chosen dimensions (MR_ALL: all), which go away or stay as size 1 -------------- */

/* Integers and bool sum to int64. */
MR_API mr_tensor *mr_sum(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim);
/* Floating types only. Of no elements: NaN. */
MR_API mr_tensor *mr_mean(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim);

typedef struct mr_var_opts {
    bool biased; /* divide by n instead of n - 1 */
} mr_var_opts;
/* The variance, divided by n - 1 (NaN for one element) unless opts say otherwise. */
MR_API mr_tensor *mr_var(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim, const mr_var_opts *opts);

/* The largest and smallest values (torch.amax, amin): equal ones share the gradient evenly; NaN wins. */
MR_API mr_tensor *mr_max(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim);
MR_API mr_tensor *mr_min(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim);

/* Along one dimension with the positions (int64) too, as torch.max(x, dim): the gradient goes to the first
 * of equal ones. `indices` gets a tensor on the tape. */
MR_API mr_tensor *mr_max_dim(mr_tape *tape, mr_tensor *x, int dim, bool keepdim, mr_tensor **indices);
MR_API mr_tensor *mr_min_dim(mr_tape *tape, mr_tensor *x, int dim, bool keepdim, mr_tensor **indices);

/* The first position of the largest or smallest value along one dimension, or with MR_ALL in the flattened
 * tensor (int64). */
MR_API mr_tensor *mr_argmax(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim);
MR_API mr_tensor *mr_argmin(mr_tape *tape, mr_tensor *x, mr_dims dims, bool keepdim);

/* ---- products ----------------------------------------------------------------------------------------- */

/* torch.matmul: vectors, matrices, and batches of them, which broadcast. */
MR_API mr_tensor *mr_matmul(mr_tape *tape, mr_tensor *a, mr_tensor *b);

/* x weight^T + bias. x: (*, in); weight: (out, in); bias: (out); result: (*, out). */
MR_API mr_tensor *mr_linear(mr_tape *tape, mr_tensor *x, mr_tensor *weight, mr_tensor *bias);
MR_API mr_tensor *mr_linear_no_bias(mr_tape *tape, mr_tensor *x, mr_tensor *weight);

/* ---- shapes ----------------------------------------------------------------------------------------------
 * One size of a new shape may be -1 and is worked out. */

/* View; fails when the strides do not allow it. */
MR_API mr_tensor *mr_view(mr_tape *tape, mr_tensor *x, mr_shape shape);
/* View where the strides allow it, else a copy. */
MR_API mr_tensor *mr_reshape(mr_tape *tape, mr_tensor *x, mr_shape shape);
/* Joins dimensions first … last into one, as mr_reshape. */
MR_API mr_tensor *mr_flatten(mr_tape *tape, mr_tensor *x, int first, int last);
/* Splits dimension `dim` into several, of which one size may be -1, as mr_reshape. */
MR_API mr_tensor *mr_unflatten(mr_tape *tape, mr_tensor *x, int dim, mr_shape sizes);
/* Views. mr_squeeze leaves a dimension whose size is not 1 as it is. */
MR_API mr_tensor *mr_squeeze(mr_tape *tape, mr_tensor *x, int dim);
MR_API mr_tensor *mr_squeeze_all(mr_tape *tape, mr_tensor *x);
MR_API mr_tensor *mr_unsqueeze(mr_tape *tape, mr_tensor *x, int dim);
MR_API mr_tensor *mr_transpose(mr_tape *tape, mr_tensor *x, int dim0, int dim1);
MR_API mr_tensor *mr_permute(mr_tape *tape, mr_tensor *x, mr_dims order);
MR_API mr_tensor *mr_expand(mr_tape *tape, mr_tensor *x, mr_shape shape); /* -1 keeps a size */
/* x[..., start:end:step, ...] with Python's rules; MR_TO_END leaves the end open. step >= 1. */
#define MR_TO_END INT64_MAX
MR_API mr_tensor *mr_slice(mr_tape *tape, mr_tensor *x, int dim, int64_t start, int64_t end, int64_t step);
MR_API mr_tensor *mr_select(mr_tape *tape, mr_tensor *x, int dim, int64_t index);

/* ---- joining and picking --------------------------------------------------------------------------------- */

/* Joins `count` tensors along an existing dimension, or along a new one. */
MR_API mr_tensor *mr_cat(mr_tape *tape, mr_tensor *const *tensors, int count, int dim);
MR_API mr_tensor *mr_stack(mr_tape *tape, mr_tensor *const *tensors, int count, int dim);

/* Rows of dimension `dim` by a vector of int64 or int32 positions. An index out of range fails with its
 * place and value. */
MR_API mr_tensor *mr_index_select(mr_tape *tape, mr_tensor *x, int dim, mr_tensor *index);
/* result[i][j] = x[index[i][j]][j] for dim 0, and so on; index (int64) has x's number of dimensions. */
MR_API mr_tensor *mr_gather(mr_tape *tape, mr_tensor *x, int dim, mr_tensor *index);

/* ---- copies ---------------------------------------------------------------------------------------------- */

/* To another element type; x itself when it has it already. Between floating types differentiable. */
MR_API mr_tensor *mr_cast(mr_tape *tape, mr_tensor *x, mr_dtype dtype);
/* A contiguous copy, differentiable. */
MR_API mr_tensor *mr_clone(mr_tape *tape, mr_tensor *x);
/* x itself when it is contiguous, else a copy. */
MR_API mr_tensor *mr_contiguous(mr_tape *tape, mr_tensor *x);
/* View through which no gradient flows. */
MR_API mr_tensor *mr_detach(mr_tape *tape, mr_tensor *x);

/* ---- operations of your own ---------------------------------------------------------------------- */

/* What a call of an operation is told. What it makes on the tape (mr_tape_empty, mr_tape_memory, and every operation)
 * is there until the tape's reset. Neither callback is recorded. */
typedef struct mr_op_call {
    mr_tape *tape;
    const void *attributes; /* a copy of what mr_apply was given */
    /* Not to be written to; of any type and strides: mr_contiguous gives one to loop over. */
    mr_tensor *const *input;
    mr_tensor **output; /* forward sets each; backward finds them again */
    /* Backward: of each output, contiguous, zeros where nothing has arrived; NULL for one of integers. Only until
     * backward returns. */
    mr_tensor *const *grad;
    void *saved; /* forward may leave something here that backward reads */
    int inputs, outputs;
} mr_op_call;

/* What a kind of operation does; one static const table for each kind (torch.autograd.Function). */
typedef struct mr_op {
    const char *name; /* in messages */
    /* Sets call->output[i], each made by mr_tape_empty and written to, or by other operations. mr_gradcheck needs it to
     * take float64. */
    mr_status (*forward)(mr_op_call *call);
    /* Calls mr_op_add_grad for every input that mr_tensor_requires_grad asks it for. NULL: the outputs take no
     * gradient. */
    mr_status (*backward)(mr_op_call *call);
    uint32_t unread; /* bit i: backward does not read the elements of input i, which may change until then */
} mr_op;

/* Runs an operation of one output. `op` and the tensors are borrowed until the tape's reset, the `size` bytes at
 * `attributes` copied. When a callback returns another status than MR_OK the tape has failed, with the text that
 * mr_fail was given. */
MR_API mr_tensor *mr_apply(mr_tape *tape, const mr_op *op, mr_tensor *const *inputs, int count,
                           const void *attributes, size_t size);

/* The same with as many outputs as there are places at `outputs`; they are NULL after a failure. */
MR_API void mr_apply_many(mr_tape *tape, const mr_op *op, mr_tensor *const *inputs, int count,
                          const void *attributes, size_t size, mr_tensor **outputs, int output_count);

/* In backward: adds a tensor to the gradient of an input, cast to its type. It has the input's shape, or one that the
 * input broadcasts to: then it is summed. Passes over inputs that take no gradient. */
MR_API void mr_op_add_grad(mr_op_call *call, int input, mr_tensor *grad);

#ifdef __cplusplus
}
#endif
#endif
