/* Random programs, against PyTorch: what many operations on one tape make of gradients that are shared, split and
 * summed. */
#include "golden_run.h"

enum { MOST_TENSORS = 24 };

/* ---- steps, in the order of STEPS in make_chain.py ---- */

/* One step: its tensors and its other numbers. */
typedef struct step {
    mr_tape *tape;
    mr_tensor *a, *b;
    const double *number;
    int count;
} step;

static int whole(const step *s, int i)
{
    return (int)s->number[i];
}

static mr_dims dims(const step *s)
{
    mr_dims d = { s->count, { 0 } };
    for (int i = 0; i < s->count; i++)
        d.dim[i] = whole(s, i);
    return d;
}

static mr_shape shape(const step *s)
{
    mr_shape sizes = { s->count, { 0 } };
    for (int i = 0; i < s->count; i++)
        sizes.dim[i] = whole(s, i);
    return sizes;
}

static mr_tensor *without_gradient(const step *s)
{
    bool was = mr_tape_set_grad(s->tape, false);
    mr_tensor *y = mr_tanh(s->tape, s->a);
    mr_tape_set_grad(s->tape, was);
    return y;
}

static mr_tensor *tame_quotient(const step *s)
{
    return mr_div(s->tape, s->a, mr_add_scalar(s->tape, mr_square(s->tape, s->b), 1));
}

static mr_tensor *selected(const step *s)
{
    int64_t at[GOLDEN_NUMBERS];
    for (int i = 1; i < s->count; i++)
        at[i - 1] = whole(s, i);
    mr_tensor *index = mr_tensor_from(MR_INT64, MR_SHAPE(s->count - 1), at);
    mr_tensor *y = mr_index_select(s->tape, s->a, whole(s, 0), index);
    mr_tensor_free(index); /* was read */
    return y;
}

static mr_tensor *on_one(const step *s, int op)
{
    mr_tape *t = s->tape;
    mr_tensor *a = s->a;
    switch (op) {
    case 0:
        return mr_neg(t, a);
    case 1:
        return mr_tanh(t, a);
    case 2:
        return mr_sigmoid(t, a);
    case 3:
        return mr_sin(t, a);
    case 4:
        return mr_square(t, a);
    case 5:
        return mr_mul_scalar(t, a, 0.75);
    case 6:
        return mr_clone(t, a);
    case 7:
        return mr_detach(t, a);
    case 8:
        return mr_contiguous(t, a);
    case 9:
        return mr_squeeze_all(t, a);
    case 10:
        return mr_flatten(t, a, 0, -1);
    default:
        return without_gradient(s);
    }
}

static mr_tensor *on_two(const step *s, int op)
{
    mr_tape *t = s->tape;
    mr_tensor *a = s->a, *b = s->b;
    switch (op) {
    case 12:
        return mr_add(t, a, b);
    case 13:
        return mr_sub(t, a, b);
    case 14:
        return mr_mul(t, a, b);
    case 15:
        return mr_maximum(t, a, b);
    case 16:
        return mr_matmul(t, a, b);
    case 17:
        return mr_linear_no_bias(t, a, b);
    case 18:
        return mr_where(t, mr_lt(t, a, b), a, b);
    case 19:
        return tame_quotient(s);
    case 32:
        return mr_cat(t, (mr_tensor *[]){ a, b }, 2, whole(s, 0));
    default:
        return mr_stack(t, (mr_tensor *[]){ a, b }, 2, whole(s, 0));
    }
}

static mr_tensor *with_numbers(const step *s, int op)
{
    mr_tape *t = s->tape;
    mr_tensor *a = s->a;
    switch (op) {
    case 20:
        return mr_sum(t, a, dims(s), false);
    case 21:
        return mr_mean(t, a, dims(s), false);
    case 22:
        return mr_max(t, a, dims(s), false);
    case 23:
        return mr_var(t, a, dims(s), false, &(mr_var_opts){ .biased = true });
    case 24:
        return mr_reshape(t, a, shape(s));
    case 25:
        return mr_unsqueeze(t, a, whole(s, 0));
    case 26:
        return mr_transpose(t, a, whole(s, 0), whole(s, 1));
    case 27:
        return mr_permute(t, a, dims(s));
    case 28:
        return mr_expand(t, a, shape(s));
    case 29:
        return mr_slice(t, a, whole(s, 0), whole(s, 1), whole(s, 2), whole(s, 3));
    case 30:
        return mr_select(t, a, whole(s, 0), whole(s, 1));
    default:
        return selected(s);
    }
}

/* ---- programs ---- */

static mr_tensor *run_step(mr_tape *tape, const golden_parameter *p, mr_tensor **pool)
{
    int op = (int)p->value[0];
    bool two = (op >= 12 && op < 20) || op >= 32;
    step s = { tape, pool[(int)p->value[1]], two ? pool[(int)p->value[2]] : NULL, p->value + 2 + two,
               p->count - 2 - two };
    return two ? on_two(&s, op) : op < 12 ? on_one(&s, op) : with_numbers(&s, op);
}

static mr_tensor *run_chain(mr_tape *tape, const golden_case *c, mr_tensor **in, mr_tensor **second)
{
    mr_tensor *pool[MOST_TENSORS], *total = NULL;
    int count = 0;
    (void)second;
    for (; count < c->inputs; count++)
        pool[count] = in[count];
    for (int k = 0; k < c->parameters && count < MOST_TENSORS; k++, count++)
        pool[count] = run_step(tape, &c->parameter[k], pool);
    for (int k = 0; k < count; k++) {
        mr_tensor *part = mr_sum(tape, mr_tanh(tape, pool[k]), MR_ALL, false);
        part = mr_mul_scalar(tape, part, k + 1);
        total = total ? mr_add(tape, total, part) : part;
    }
    return total;
}

static golden_op ops[] = {
    GOLDEN_OP(chain, 512, 1024, 1, "sums of up to a hundred values of the size of 10, in another order"),
};

static void test_chain(void)
{
    GOLDEN_RUN("chain", ops);
}

int main(void)
{
    RUN(test_chain);
    return check_report();
}
