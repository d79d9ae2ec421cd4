/* Memory runs out while optimizers are made, get groups and buffers, list and load their state, or grow a history. */
#include "refuse.h"

#include <millrace/millrace.h>

/* Two parameters of different types on a tape, in two lists. */
typedef struct things {
    mr_tensor *a, *b;
    mr_tape *tape;
    mr_rng *rng;
    mr_param list[2];
    mr_optim *optim;
} things;

static mr_tensor *parameter(mr_dtype dtype)
{
    mr_tensor *p = mr_tensor_ones(dtype, MR_SHAPE(300));
    (void)mr_tensor_set_requires_grad(p, true);
    return p;
}

static things make_things(mr_dtype second)
{
    things t = { .a = parameter(MR_FLOAT32), .b = parameter(second), .rng = mr_rng_new(1) };
    t.tape = mr_tape_new(t.rng);
    t.list[0] = (mr_param){ "a", t.a };
    t.list[1] = (mr_param){ "b", t.b };
    return t;
}

static void free_things(things *t)
{
    mr_optim_free(t->optim);
    mr_tensor_free(t->a);
    mr_tensor_free(t->b);
    mr_tape_free(t->tape);
    mr_rng_free(t->rng);
}

/* sum of a^2, plus sum of b^4: not a problem that L-BFGS solves at once */
static mr_status closure(void *user, double *loss)
{
    things *t = user;
    mr_optim_zero_grad(t->optim);
    mr_tensor *b = mr_square(t->tape, mr_square(t->tape, t->b));
    mr_tensor *y = mr_add(t->tape, mr_sum(t->tape, mr_square(t->tape, t->a), MR_ALL, false),
                          mr_sum(t->tape, b, MR_ALL, false));
    mr_status status = mr_backward(t->tape, y);
    *loss = status ? 0 : mr_item(y);
    mr_tape_reset(t->tape);
    return status;
}

static double first_values(const things *t)
{
    return (double)*(float *)mr_tensor_data(t->a) + *(double *)mr_tensor_data(t->b);
}

/* A group and a momentum that come later, and a state that goes into another optimizer. */
static double groups(mr_status *status)
{
    things t = make_things(MR_FLOAT64), other = make_things(MR_FLOAT64);
    double result = 0;
    t.optim = mr_rmsprop_new((mr_params){ t.list, 1 }, 0.1, &(mr_rmsprop_opts){ .centered = true });
    (void)mr_rmsprop_add_group(t.optim, (mr_params){ t.list + 1, 1 }, 0.2, NULL);
    mr_optim_set_group_momentum(t.optim, 1, 0.5);
    other.optim = mr_rmsprop_new((mr_params){ other.list, 1 }, 0.1, &(mr_rmsprop_opts){ .centered = true });
    (void)mr_rmsprop_add_group(other.optim, (mr_params){ other.list + 1, 1 }, 0.2, NULL);
    *status = mr_optim_step_closure(t.optim, closure, &t, NULL);
    if (*status == MR_OK)
        *status = mr_clip_grad_norm((mr_params){ t.list, 2 }, 1, NULL, NULL);
    if (*status == MR_OK)
        *status = mr_optim_load_state(other.optim, mr_optim_state(t.optim));
    if (*status == MR_OK)
        *status = mr_optim_step_closure(other.optim, closure, &other, NULL);
    if (*status == MR_OK)
        result = first_values(&t) + first_values(&other);
    free_things(&t);
    free_things(&other);
    return result;
}

static double lbfgs(mr_status *status)
{
    things t = make_things(MR_FLOAT32), other = make_things(MR_FLOAT32);
    const mr_lbfgs_opts opts = { .strong_wolfe = true, .history_size = 3, .max_iter = 6 };
    double loss = 0;
    t.optim = mr_lbfgs_new((mr_params){ t.list, 2 }, 0.1, &opts);
    other.optim = mr_lbfgs_new((mr_params){ other.list, 2 }, 0.1, &opts);
    *status = mr_optim_step_closure(t.optim, closure, &t, NULL);
    if (*status == MR_OK)
        *status = mr_optim_load_state(other.optim, mr_optim_state(t.optim));
    if (*status == MR_OK)
        *status = mr_optim_step_closure(other.optim, closure, &other, &loss);
    free_things(&t);
    free_things(&other);
    return loss;
}

int main(void)
{
    refuse_begin();
    refuse_each("groups", groups, 30);
    refuse_each("lbfgs", lbfgs, 60);
    refuse_end();
    return check_report();
}
