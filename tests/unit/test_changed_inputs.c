/* Inputs that are changed between an operation and its backward. Either backward fails, and then the gradients do hang
 * on what was changed, or it succeeds, and then they are those of the elements as they were. */
#include "all_ops.h"
#include "check.h"

#include <stdlib.h>

static mr_rng *rng;
static mr_tape *tape;

enum { MOST_BYTES = MOST * 64 };

/* The elements of input i before the change and after it: of other signs, in another order. */
static void set_elements(mr_tensor *x, bool changed)
{
    for (int64_t i = 0; i < mr_tensor_numel(x); i++) {
        double before = 0.3 + 0.4 * (double)i, after = -0.9 + 0.5 * (double)((i + 2) % 3);
        double value = changed ? after : before;
        if (mr_tensor_dtype(x) == MR_FLOAT64)
            ((double *)mr_tensor_data(x))[i] = value;
        else if (mr_tensor_dtype(x) == MR_FLOAT32)
            ((float *)mr_tensor_data(x))[i] = (float)value;
        else if (mr_tensor_dtype(x) == MR_INT64)
            ((int64_t *)mr_tensor_data(x))[i] = changed ? 1 - i % 2 : i % 2;
        else
            ((uint8_t *)mr_tensor_data(x))[i] = changed ? i < 2 : i % 2 == 0;
    }
}

/* Runs backward from y with a gradient of different numbers, and puts all gradients one behind the other. */
static mr_status gradients(mr_tensor *y, const op *o, mr_tensor **x, char *out)
{
    mr_tensor *up = mr_tensor_arange(mr_tensor_dtype(y), 1, (double)mr_tensor_numel(y) + 1, 1);
    mr_status status = mr_backward_from(tape, y, mr_reshape(tape, up, mr_tensor_shape(y)));
    memset(out, 0, MOST_BYTES);
    for (int i = 0; status == MR_OK && i < o->inputs; i++)
        if (mr_tensor_has_grad(x[i]))
            memcpy(out + 64 * i, mr_tensor_data(mr_tensor_grad(x[i])),
                   (size_t)mr_tensor_numel(x[i]) * mr_dtype_size(mr_tensor_dtype(x[i])));
    mr_tensor_free(up);
    return status;
}

/* The gradients that a run gives whose input `which` has been changed before it. */
static bool run_through(const op *o, mr_tensor **x, int which, char *out)
{
    for (int i = 0; i < o->inputs; i++) {
        set_elements(x[i], i == which);
        mr_tensor_touch(x[i]);
        mr_tensor_zero_grad(x[i]);
    }
    bool ok = gradients(o->run(tape, x), o, x, out) == MR_OK;
    mr_tape_reset(tape);
    return CHECK(ok);
}

static void try_change(const op *o, mr_tensor **x, int which)
{
    char before[MOST_BYTES], after[MOST_BYTES], got[MOST_BYTES];
    if (!run_through(o, x, which, after) || !run_through(o, x, -1, before))
        return;
    for (int i = 0; i < o->inputs; i++)
        mr_tensor_zero_grad(x[i]);
    mr_tensor *y = o->run(tape, x);
    set_elements(x[which], true);
    mr_tensor_touch(x[which]);
    mr_status status = gradients(y, o, x, got);
    bool ok = status == MR_OK ? memcmp(got, before, MOST_BYTES) == 0
                              : status == MR_ERR_STATE && memcmp(after, before, MOST_BYTES) != 0 &&
                                    strstr(mr_error(), "they have been changed since");
    if (!CHECK(ok))
        printf("    %s of %s, input %d changed: %s\n", o->name,
               mr_dtype_name(mr_tensor_dtype(x[o->inputs - 1])), which,
               status == MR_OK ? "backward has used the new elements" : mr_error());
    mr_tape_reset(tape);
    mr_error_clear();
}

static void test_all(void)
{
    for (int i = 0; i < OPS; i++)
        for (int dtype = MR_FLOAT32; dtype <= MR_FLOAT64; dtype++)
            for (int grads = 1; grads < 1 << ops[i].inputs; grads++) {
                mr_tensor *x[MOST];
                bool fits = true;
                make_inputs(&ops[i], (mr_dtype)dtype, x);
                for (int k = 0; k < ops[i].inputs; k++) {
                    set_elements(x[k], false);
                    if (grads >> k & 1)
                        fits = fits && mr_tensor_set_requires_grad(x[k], true) == MR_OK;
                }
                mr_error_clear();
                bool tracked = fits && mr_tensor_requires_grad(ops[i].run(tape, x));
                mr_tape_reset(tape);
                for (int k = 0; tracked && k < ops[i].inputs; k++)
                    try_change(&ops[i], x, k);
                free_inputs(x);
            }
}

/* Which operations need nothing. */
static void test_needs_nothing(void)
{
    static const char *names[] = { "neg",         "add",        "sub",          "add_scalar", "sub_scalar",
                                   "rsub_scalar", "mul_scalar", "div_scalar",   "exp",        "tanh",
                                   "sigmoid",     "sqrt",       "reciprocal",   "sum",        "mean",
                                   "view",        "reshape",    "flatten",      "squeeze",    "unsqueeze",
                                   "transpose",   "permute",    "expand",       "slice",      "select",
                                   "cat",         "stack",      "index_select", "gather",     "clone" };
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        for (int i = 0; i < OPS; i++) {
            mr_tensor *x[MOST];
            char out[MOST_BYTES];
            if (strcmp(ops[i].name, names[n]) != 0)
                continue;
            make_inputs(&ops[i], MR_FLOAT32, x);
            CHECK(mr_tensor_set_requires_grad(x[0], true) == MR_OK);
            mr_tensor *y = ops[i].run(tape, x);
            for (int k = 0; k < ops[i].inputs; k++)
                mr_tensor_touch(x[k]);
            if (!CHECK(gradients(y, &ops[i], x, out) == MR_OK))
                printf("    %s: %s\n", names[n], mr_error());
            mr_tape_reset(tape);
            free_inputs(x);
        }
}

int main(void)
{
    rng = mr_rng_new(1);
    tape = mr_tape_new(rng);
    RUN(test_all);
    RUN(test_needs_nothing);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
