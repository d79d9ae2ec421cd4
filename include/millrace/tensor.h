/*
 * Millrace, tensor layer: tensors, the tape that records what is done with them, backward, printing.
 *
 * A tensor made by a mr_tensor_… call is yours: free it. A tensor returned by an operation (ops.h) lives
 * on the tape it was recorded on and dies when that tape is reset.
 *
 * Every call takes NULL tensors: they are the mark of an earlier failure and make the call a no-op that
 * returns NULL, so that one check of mr_backward's status covers a whole step.
 *
 * Threads: a tape belongs to one thread at a time. Tensors that no one writes may be read by any number
 * of tapes at once.
 */
#ifndef MILLRACE_TENSOR_H
#define MILLRACE_TENSOR_H

#include <millrace/base.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr_tensor mr_tensor;
typedef struct mr_tape mr_tape;

/* ---- element types and shapes ---------------------------------------------------------------- */

/* Element types. Gradients flow through MR_FLOAT32 and MR_FLOAT64. Those behind MR_BOOL are for loading:
 * they can be held, copied and cast, but not computed with. */
typedef enum mr_dtype {
    MR_FLOAT32 = 0,
    MR_FLOAT64,
    MR_INT64,
    MR_INT32,
    MR_UINT8,
    MR_BOOL,
    MR_FLOAT16,
    MR_BFLOAT16,
    MR_INT8,
    MR_INT16,
    MR_UINT16
} mr_dtype;

/* "float32", "int64", …; "?" for a value that is none of them. */
MR_API const char *mr_dtype_name(mr_dtype dtype);

/* Bytes of one element. */
MR_API size_t mr_dtype_size(mr_dtype dtype);

/* The type of an operation on two tensors of these types with at least one dimension, by torch's rules
 * (torch.promote_types). */
MR_API mr_dtype mr_dtype_promote(mr_dtype a, mr_dtype b);

#define MR_MAX_DIMS 8

/* The sizes of a tensor, outermost first. No dimensions: a scalar. */
typedef struct mr_shape {
    int ndim;
    int64_t dim[MR_MAX_DIMS];
} mr_shape;

/* A choice of dimensions, negative ones counted from the end. None chosen: all of them. */
typedef struct mr_dims {
    int count;
    int dim[MR_MAX_DIMS];
} mr_dims;

#define MR__COUNT(...) MR__NINTH(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define MR__NINTH(a, b, c, d, e, f, g, h, n, ...) n
#ifdef __cplusplus
#define MR__LITERAL(type) type
#else
#define MR__LITERAL(type) (type)
#endif
/* MR_SHAPE(32, 1), MR_SCALAR, MR_DIMS(0, -1), MR_ALL: values for arguments of the two types. No dimensions at all are
 * MR_SCALAR, not MR_SHAPE(). */
#define MR_SHAPE(...) (MR__LITERAL(mr_shape){ MR__COUNT(__VA_ARGS__), { __VA_ARGS__ } })
#define MR_DIMS(...) (MR__LITERAL(mr_dims){ MR__COUNT(__VA_ARGS__), { __VA_ARGS__ } })
#define MR_SCALAR (MR__LITERAL(mr_shape){ 0, { 0 } })
#define MR_ALL (MR__LITERAL(mr_dims){ 0, { 0 } })

/* ---- tensors of your own: each call makes one, you free it ------------------------------------- */

/* Filled with zeros, ones, one value. */
MR_API mr_tensor *mr_tensor_zeros(mr_dtype dtype, mr_shape shape);
MR_API mr_tensor *mr_tensor_ones(mr_dtype dtype, mr_shape shape);
MR_API mr_tensor *mr_tensor_full(mr_dtype dtype, mr_shape shape, double value);

/* A scalar: no dimensions, one element. */
MR_API mr_tensor *mr_tensor_scalar(mr_dtype dtype, double value);

/* Copies the elements at `data` (of type `dtype`, row-major). */
MR_API mr_tensor *mr_tensor_from(mr_dtype dtype, mr_shape shape, const void *data);

/* Borrows the elements at `data`: nothing is copied, and `data` is not freed with the tensor. Calls that
 * write to a tensor write there. */
MR_API mr_tensor *mr_tensor_wrap(mr_dtype dtype, mr_shape shape, void *data);

/* start, start + step, … up to but without `end`; ceil((end - start) / step) elements, each with one
 * rounding, as torch 2 does. For an integer type start and step lose their fractions first. Not for bool. */
MR_API mr_tensor *mr_tensor_arange(mr_dtype dtype, double start, double end, double step);

/* `steps` values from start to end, both included. Each half is counted from its own end with one
 * rounding, as torch 2 does; torch 1.13 differs in the last bits (docs/differences.md). For an integer type
 * both ends lose their fractions first, the values afterwards. Not for bool. */
MR_API mr_tensor *mr_tensor_linspace(mr_dtype dtype, double start, double end, int64_t steps);

/* Random: uniform in [0, 1); standard normal; integers in [low, high); a permutation of 0 … count-1
 * (int64). Draws are torch.rand's, randn's, randint's and randperm's. `rng` is used for the call only.
 * MR_ERR_ARGUMENT when `dtype` does not hold the integers. */
MR_API mr_tensor *mr_tensor_rand(mr_rng *rng, mr_dtype dtype, mr_shape shape);
MR_API mr_tensor *mr_tensor_randn(mr_rng *rng, mr_dtype dtype, mr_shape shape);
MR_API mr_tensor *mr_tensor_randint(mr_rng *rng, mr_dtype dtype, int64_t low, int64_t high, mr_shape shape);
MR_API mr_tensor *mr_tensor_randperm(mr_rng *rng, int64_t count);

/* An independent, contiguous, detached copy of any tensor, one on a tape included. */
MR_API mr_tensor *mr_tensor_keep(const mr_tensor *x);

/* Frees a tensor that a call above made. One on a tape, a module's parameter and what mr_tensor_grad gave belong to
 * others and are left alone. */
MR_API void mr_tensor_free(mr_tensor *x);

/* ---- looking at a tensor ------------------------------------------------------------------------ */

/* Of a NULL tensor: MR_FLOAT32, an empty shape, 0, false, NULL. */
MR_API mr_dtype mr_tensor_dtype(const mr_tensor *x);
MR_API mr_shape mr_tensor_shape(const mr_tensor *x);
MR_API int mr_tensor_ndim(const mr_tensor *x);
MR_API int64_t mr_tensor_numel(const mr_tensor *x);

/* Size and stride (in elements) of one dimension, negative ones counted from the end; -1 when there is
 * no such dimension. */
MR_API int64_t mr_tensor_size(const mr_tensor *x, int dim);
MR_API int64_t mr_tensor_stride(const mr_tensor *x, int dim);
MR_API bool mr_tensor_is_contiguous(const mr_tensor *x);

/* Views the first element; the others lie at the tensor's strides. Valid as long as the tensor is. Whoever
 * writes through it tells the tape by mr_tensor_touch. */
MR_API void *mr_tensor_data(const mr_tensor *x);

/* Marks the elements as changed from outside, so that a backward that needs the old ones fails. */
MR_API void mr_tensor_touch(mr_tensor *x);

/* The value of a tensor with one element, as double or as int64. Fails (NAN, 0) when there is not exactly
 * one, naming the shape. */
MR_API double mr_item(const mr_tensor *x);
MR_API int64_t mr_item_int64(const mr_tensor *x);

/* Writes all elements, row-major and cast to `dtype`, to `out`, which has room for `count` of them.
 * MR_ERR_ARGUMENT unless `count` is the tensor's number of elements. */
MR_API MR_CHECKED mr_status mr_copy_out(const mr_tensor *x, mr_dtype dtype, void *out, int64_t count);

/* ---- writing to a tensor of your own --------------------------------------------------------------
 * These are not recorded. A backward that still needs the old values fails and names the tensor. */

/* Sets every element; copies `src`, cast and broadcast to dst's shape (so a hidden state crosses steps
 * without allocation, detached). */
MR_API mr_status mr_tensor_fill(mr_tensor *dst, double value);
MR_API mr_status mr_tensor_copy(mr_tensor *dst, const mr_tensor *src);

/* dst += alpha * src, same shapes, float types: `mr_tensor_add_scaled(p, -lr, mr_tensor_grad(p))` is
 * torch's p.sub_(lr * p.grad). */
MR_API mr_status mr_tensor_add_scaled(mr_tensor *dst, double alpha, const mr_tensor *src);

/* ---- gradients --------------------------------------------------------------------------------- */

/* Whether operations on `x` are recorded so that backward gives it a gradient. Only for your own tensors
 * (leaves) of a floating type. */
MR_API mr_status mr_tensor_set_requires_grad(mr_tensor *x, bool requires_grad);
MR_API bool mr_tensor_requires_grad(const mr_tensor *x);

/* The gradient that backward calls have summed up so far: same dtype and shape as x, contiguous. Views it,
 * valid as long as x. A failure, naming x, when there is none yet: mr_tensor_has_grad asks first. */
MR_API mr_tensor *mr_tensor_grad(mr_tensor *x);
MR_API bool mr_tensor_has_grad(const mr_tensor *x);

/* The next backward starts from zero. Where there was a gradient it is zero now, as after torch 1.13's
 * optimizer.zero_grad(). */
MR_API void mr_tensor_zero_grad(mr_tensor *x);

/* Keeps the gradient of a result of an operation, so that mr_tensor_grad gives it after backward, until
 * the tape is reset; to be asked for before backward. Without it, gradients of intermediates are dropped as soon
 * as they are used. A view of a whole tensor (mr_reshape, mr_unsqueeze, …) has that tensor's gradient: the sum
 * of what arrives by all ways, in the view's shape. */
MR_API mr_status mr_tensor_retain_grad(mr_tensor *x);

/* A name for error messages (copied). Parameters of modules have one: "layer1.weight". */
MR_API void mr_tensor_set_name(mr_tensor *x, const char *name);
MR_API const char *mr_tensor_name(const mr_tensor *x);

/* ---- the tape ------------------------------------------------------------------------------------ */

/* Makes a tape: the scope of everything that operations make, and the record that backward follows.
 * Operations that draw (dropout) draw from `rng`, which is borrowed; it is never NULL. */
MR_API mr_tape *mr_tape_new(mr_rng *rng);
MR_API void mr_tape_free(mr_tape *tape);

/* Ends the life of every tensor on the tape and lets operations go on after a failure (whose text stays pending until
 * somebody has heard it); the memory stays for the next step, and so does whether gradients are recorded.
 * Using a tensor from before the reset is the caller's error; AddressSanitizer and Debug builds catch it. */
MR_API void mr_tape_reset(mr_tape *tape);

/* A tensor on the tape over elements of the caller's, row-major: nothing is copied or allocated, so that a step
 * can begin with an array (an image to classify, a row of a batch). Borrows `data`, which must stay as it is
 * until the reset. It takes no gradient. */
MR_API mr_tensor *mr_tape_wrap(mr_tape *tape, mr_dtype dtype, mr_shape shape, const void *data);

/* A tensor on the tape whose elements are not set, contiguous, to be written through mr_tensor_data; and `bytes`
 * bytes aligned to 64, for anything else. For operations of your own (mr_apply). They take no gradient. */
MR_API mr_tensor *mr_tape_empty(mr_tape *tape, mr_dtype dtype, mr_shape shape);
MR_API void *mr_tape_memory(mr_tape *tape, size_t bytes);

/* Switches recording on or off and returns what it was: `bool was = mr_tape_set_grad(tape, false)` opens
 * a region without gradients (torch.no_grad), `mr_tape_set_grad(tape, was)` closes it. */
MR_API bool mr_tape_set_grad(mr_tape *tape, bool enabled);

/* MR_OK, or the first failure of an operation since the last reset, whose text is then mr_error()'s. */
MR_API MR_CHECKED mr_status mr_tape_status(mr_tape *tape);

/* The most bytes the tape may take (gradients of intermediates included), so that a forgotten reset ends
 * in a message; 0 restores the default, three quarters of the machine's memory. And what it takes now. */
MR_API void mr_tape_set_max_bytes(mr_tape *tape, size_t bytes);
MR_API size_t mr_tape_bytes(const mr_tape *tape);

/* The most bytes that results, the record, and gradients of results in backward have taken between two resets so far:
 * the memory of a step beside its parameters. */
MR_API size_t mr_tape_peak_bytes(const mr_tape *tape);

/* The generator it was made with. Views it. */
MR_API mr_rng *mr_tape_rng(const mr_tape *tape);

/* Runs backward from a scalar: adds d loss / d leaf to the gradient of every leaf that requires one. The
 * record is used up by it; a second call fails. Returns also the first failure of any operation before. */
MR_API MR_CHECKED mr_status mr_backward(mr_tape *tape, mr_tensor *loss);

/* The same from a tensor of any shape with a gradient given (same dtype and shape). */
MR_API MR_CHECKED mr_status mr_backward_from(mr_tape *tape, mr_tensor *output, const mr_tensor *gradient);

/* ---- checking gradients --------------------------------------------------------------------------- */

/* A function of `count` tensors on a tape, for mr_gradcheck. */
typedef mr_tensor *(*mr_function)(void *user, mr_tape *tape, mr_tensor *const *inputs, int count);

typedef struct mr_gradcheck_opts {
    double step;      /* of the central difference; default 1e-6 */
    double tolerance; /* |analytic - numeric| <= tolerance * (1 + |numeric|); default 1e-5 */
} mr_gradcheck_opts;

/* Compares backward with central differences for every element of every input that requires a gradient.
 * Inputs are float64 leaves; their gradients are overwritten. MR_ERR_STATE names the input, the element
 * and both values when they differ. Not for functions that draw. */
MR_API MR_CHECKED mr_status mr_gradcheck(mr_function function, void *user, mr_tensor *const *inputs,
                                         int count, const mr_gradcheck_opts *opts);

/* ---- printing ----------------------------------------------------------------------------------- */

/* Writes the tensor as Python's print(tensor) shows it in torch with its default options: four digits, a
 * common scale, lines of 80 columns, "..." beyond 1,000 elements, the dtype when it is not the default.
 * No newline at the end. */
MR_API mr_status mr_tensor_print(FILE *file, const mr_tensor *x);

/* The same text in a string that the caller frees with free(); NULL after a failure. */
MR_API char *mr_tensor_to_string(const mr_tensor *x);

#ifdef __cplusplus
}
#endif
#endif
