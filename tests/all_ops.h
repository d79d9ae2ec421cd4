/* Every operation that takes tensors, for tests that try something on all of them. */
#ifndef ALL_OPS_H
#define ALL_OPS_H

#include <millrace/functions.h>

#include <string.h>

enum { MOST = 3 };

typedef struct op {
    const char *name;
    mr_tensor *(*run)(mr_tape *t, mr_tensor **x);
    int inputs;
    const char *input[MOST]; /* their names in messages */
    bool moves;              /* takes the types that are for loading only */
    bool reads_bool;         /* its first input is bool, or int64 positions are the second */
    bool floats;             /* takes floating types only */
} op;

#define OP(name, ...)                                       \
    static mr_tensor *run_##name(mr_tape *t, mr_tensor **x) \
    {                                                       \
        return mr_##name(t, __VA_ARGS__);                   \
    }
#define OF_ONE(name) OP(name, x[0])
#define OF_TWO(name) OP(name, x[0], x[1])
OF_ONE(neg)
OF_ONE(abs)
OF_ONE(square)
OF_ONE(reciprocal)
OF_ONE(exp)
OF_ONE(ln)
OF_ONE(sqrt)
OF_ONE(sin)
OF_ONE(cos)
OF_ONE(tanh)
OF_ONE(sigmoid)
OF_ONE(relu)
OF_ONE(selu)
OF_ONE(gelu)
OF_ONE(gelu_tanh)
OF_ONE(silu)
OF_ONE(mish)
OF_ONE(hardswish)
OP(leaky_relu, x[0], 0.1)
OP(elu, x[0], 1)
OP(softplus, x[0], NULL)
OP(hardtanh, x[0], -1, 1)
OP(glu, x[0], 0)
OP(clamp, x[0], 0, 1)
OP(add_scalar, x[0], 2)
OP(sub_scalar, x[0], 2)
OP(rsub_scalar, x[0], 2)
OP(mul_scalar, x[0], 2)
OP(div_scalar, x[0], 2)
OP(pow_scalar, x[0], 2)
OF_TWO(add)
OF_TWO(sub)
OF_TWO(mul)
OF_TWO(div)
OF_TWO(pow)
OF_TWO(minimum)
OF_TWO(maximum)
OF_TWO(eq)
OF_TWO(ne)
OF_TWO(lt)
OF_TWO(le)
OF_TWO(gt)
OF_TWO(ge)
OP(where, x[0], x[1], x[2])
OP(sum, x[0], MR_ALL, false)
OP(mean, x[0], MR_ALL, false)
OP(var, x[0], MR_ALL, false, NULL)
OP(max, x[0], MR_ALL, false)
OP(min, x[0], MR_ALL, false)
OP(max_dim, x[0], 0, false, &(mr_tensor *){ NULL })
OP(min_dim, x[0], 0, false, &(mr_tensor *){ NULL })
OP(argmax, x[0], MR_ALL, false)
OP(argmin, x[0], MR_ALL, false)
OF_TWO(matmul)
OP(linear, x[0], x[1], x[2])
OF_TWO(linear_no_bias)
OP(view, x[0], MR_SHAPE(4))
OP(reshape, x[0], MR_SHAPE(4))
OP(flatten, x[0], 0, -1)
OP(squeeze, x[0], 0)
OF_ONE(squeeze_all)
OP(unsqueeze, x[0], 0)
OP(transpose, x[0], 0, 1)
OP(permute, x[0], MR_DIMS(1, 0))
OP(expand, x[0], MR_SHAPE(3, 2, 2))
OP(slice, x[0], 0, 0, 1, 1)
OP(select, x[0], 0, 0)
OP(pad, x[0], MR_SHAPE(1, 1), NULL)
OP(cat, x, 2, 0)
OP(stack, x, 2, 0)
OP(index_select, x[0], 0, x[1])
OP(gather, x[0], 0, x[1])
OP(attention, x[0], x[1], x[2], NULL)
OP(cast, x[0], MR_FLOAT64)
OF_ONE(clone)
OF_ONE(contiguous)
OF_ONE(detach)

#define ONE(name)                                              \
    {                                                          \
#name, run_##name, 1, { "input" }, false, false, false \
    }
#define ONE_MOVES(name)                                       \
    {                                                         \
#name, run_##name, 1, { "input" }, true, false, false \
    }
#define ONE_FLOAT(name)                                       \
    {                                                         \
#name, run_##name, 1, { "input" }, false, false, true \
    }
#define TWO(name)                                                                    \
    {                                                                                \
#name, run_##name, 2, { "first input", "second input" }, false, false, false \
    }
#define PICKS(name)                                                                \
    {                                                                              \
#name, run_##name, 2, { "first input", "second input" }, true, true, false \
    }
#define JOINS(name)                                                    \
    {                                                                  \
#name, run_##name, 2, { "input", "input" }, true, false, false \
    }

static const op ops[] = {
    ONE(neg),
    ONE(abs),
    ONE(square),
    ONE(reciprocal),
    ONE(exp),
    ONE(ln),
    ONE(sqrt),
    ONE(sin),
    ONE(cos),
    ONE(tanh),
    ONE(sigmoid),
    ONE(relu),
    ONE_FLOAT(selu),
    ONE_FLOAT(gelu),
    ONE_FLOAT(gelu_tanh),
    ONE_FLOAT(silu),
    ONE_FLOAT(mish),
    ONE_FLOAT(hardswish),
    ONE_FLOAT(leaky_relu),
    ONE_FLOAT(elu),
    ONE_FLOAT(softplus),
    ONE_FLOAT(hardtanh),
    ONE_FLOAT(glu),
    ONE(clamp),
    ONE(add_scalar),
    ONE(sub_scalar),
    ONE(rsub_scalar),
    ONE(mul_scalar),
    ONE(div_scalar),
    ONE(pow_scalar),
    TWO(add),
    TWO(sub),
    TWO(mul),
    TWO(div),
    TWO(pow),
    TWO(minimum),
    TWO(maximum),
    TWO(eq),
    TWO(ne),
    TWO(lt),
    TWO(le),
    TWO(gt),
    TWO(ge),
    { "where", run_where, 3, { "condition", "first input", "second input" }, false, true, false },
    ONE(sum),
    ONE(mean),
    ONE(var),
    ONE(max),
    ONE(min),
    ONE(max_dim),
    ONE(min_dim),
    ONE(argmax),
    ONE(argmin),
    TWO(matmul),
    { "linear", run_linear, 3, { "input", "weight", "bias" }, false, false, false },
    { "linear", run_linear_no_bias, 2, { "input", "weight" }, false, false, false },
    { "attention", run_attention, 3, { "q", "k", "v" }, false, false, true },
    ONE_MOVES(view),
    ONE_MOVES(reshape),
    ONE_MOVES(flatten),
    ONE_MOVES(squeeze),
    ONE_MOVES(squeeze_all),
    ONE_MOVES(unsqueeze),
    ONE_MOVES(transpose),
    ONE_MOVES(permute),
    ONE_MOVES(expand),
    ONE_MOVES(slice),
    ONE_MOVES(select),
    ONE(pad),
    JOINS(cat),
    JOINS(stack),
    PICKS(index_select),
    PICKS(gather),
    ONE_MOVES(cast),
    ONE_MOVES(clone),
    ONE_MOVES(contiguous),
    ONE_MOVES(detach),
};
enum { OPS = sizeof ops / sizeof *ops };

static inline mr_dtype input_type(const op *o, int i, mr_dtype dtype)
{
    if (strcmp(o->name, "where") == 0)
        return i == 0 ? MR_BOOL : dtype;
    return o->reads_bool && i == 1 ? MR_INT64 : dtype;
}

/* Inputs that the operation takes: matrices, but vectors of positions and of biases. */
static inline void make_inputs(const op *o, mr_dtype dtype, mr_tensor **x)
{
    for (int i = 0; i < MOST; i++) {
        bool vector =
            (strcmp(o->name, "index_select") == 0 && i == 1) || (strcmp(o->name, "linear") == 0 && i == 2);
        x[i] = mr_tensor_zeros(input_type(o, i, dtype), vector ? MR_SHAPE(2) : MR_SHAPE(2, 2));
    }
}

static inline void free_inputs(mr_tensor **x)
{
    for (int i = 0; i < MOST; i++)
        mr_tensor_free(x[i]);
}

#endif
