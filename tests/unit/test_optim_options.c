/* Every option of every optimizer: unset, its default given, another value, zero itself, a wrong value. Whether they do
 * what torch's do is tested in tests/ops. */
#include "check.h"

#include <millrace/optim.h>

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

/* Large enough for the options of all. */
typedef union options {
    double field[8];
    mr_sgd_opts sgd;
    mr_adam_opts adam;
    mr_adamw_opts adamw;
    mr_rmsprop_opts rmsprop;
    mr_adagrad_opts adagrad;
    mr_adadelta_opts adadelta;
    mr_adamax_opts adamax;
    mr_nadam_opts nadam;
    mr_radam_opts radam;
} options;

#define KIND(name)                                                                   \
    static mr_optim *new_##name(mr_params params, const options *o)                  \
    {                                                                                \
        return mr_##name##_new(params, 0.1, o ? &o->name : NULL);                    \
    }                                                                                \
    static mr_status add_##name(mr_optim *optim, mr_params params, const options *o) \
    {                                                                                \
        return mr_##name##_add_group(optim, params, 0.1, o ? &o->name : NULL);       \
    }
KIND(sgd)
KIND(adam)
KIND(adamw)
KIND(rmsprop)
KIND(adagrad)
KIND(adadelta)
KIND(adamax)
KIND(nadam)
KIND(radam)

typedef struct optim_kind {
    const char *name;
    mr_optim *(*make)(mr_params params, const options *o);
    mr_status (*add)(mr_optim *optim, mr_params params, const options *o);
    const char *momentum; /* the field that mr_optim_group_momentum is about, or NULL */
} optim_kind;

#define ROW(name, momentum) [name] = { #name, new_##name, add_##name, momentum }
enum { sgd, adam, adamw, rmsprop, adagrad, adadelta, adamax, nadam, radam, KINDS };
static const optim_kind kinds[KINDS] = { ROW(sgd, "momentum"),     ROW(adam, "beta1"),  ROW(adamw, "beta1"),
                                         ROW(rmsprop, "momentum"), ROW(adagrad, NULL),  ROW(adadelta, NULL),
                                         ROW(adamax, "beta1"),     ROW(nadam, "beta1"), ROW(radam, "beta1") };

static const struct field {
    int kind;
    const char *name;
    size_t at;
    double usual, other, wrong;
    const char *range;
} fields[] = {
#define FIELD(kind, field, usual, other, wrong, range)                              \
    {                                                                               \
        kind, #field, offsetof(mr_##kind##_opts, field), usual, other, wrong, range \
    }
    FIELD(sgd, momentum, 0, 0.5, -1, "[0, inf)"),
    FIELD(sgd, weight_decay, 0, 0.5, -1, "[0, inf)"),
    FIELD(adam, beta1, 0.9, 0.5, 1, "[0, 1)"),
    FIELD(adam, beta2, 0.999, 0.5, -0.1, "[0, 1)"),
    FIELD(adam, eps, 1e-8, 0.5, -1, "[0, inf)"),
    FIELD(adam, weight_decay, 0, 0.5, NAN, "[0, inf)"),
    FIELD(adamw, beta1, 0.9, 0.5, 1, "[0, 1)"),
    FIELD(adamw, beta2, 0.999, 0.5, 1, "[0, 1)"),
    FIELD(adamw, eps, 1e-8, 0.5, -1, "[0, inf)"),
    FIELD(adamw, weight_decay, 0.01, 0.5, -1, "[0, inf)"),
    FIELD(rmsprop, alpha, 0.99, 0.5, -1, "[0, inf)"),
    FIELD(rmsprop, eps, 1e-8, 0.5, -1, "[0, inf)"),
    FIELD(rmsprop, weight_decay, 0, 0.5, -1, "[0, inf)"),
    FIELD(rmsprop, momentum, 0, 0.5, -1, "[0, inf)"),
    FIELD(adagrad, lr_decay, 0, 0.5, -1, "[0, inf)"),
    FIELD(adagrad, weight_decay, 0, 0.5, -1, "[0, inf)"),
    FIELD(adagrad, initial_accumulator_value, 0, 0.5, INFINITY, "[0, inf)"),
    FIELD(adagrad, eps, 1e-10, 0.5, -1, "[0, inf)"),
    FIELD(adadelta, rho, 0.9, 0.5, 1.5, "[0, 1]"),
    FIELD(adadelta, eps, 1e-6, 0.5, -1, "[0, inf)"),
    FIELD(adadelta, weight_decay, 0, 0.5, -1, "[0, inf)"),
    FIELD(adamax, beta1, 0.9, 0.5, 1, "[0, 1)"),
    FIELD(adamax, beta2, 0.999, 0.5, 2, "[0, 1)"),
    FIELD(adamax, eps, 1e-8, 0.5, -1, "[0, inf)"),
    FIELD(adamax, weight_decay, 0, 0.5, -1, "[0, inf)"),
    FIELD(nadam, beta1, 0.9, 0.5, 1, "[0, 1)"),
    FIELD(nadam, beta2, 0.999, 0.5, 1, "[0, 1)"),
    FIELD(nadam, eps, 1e-8, 0.5, -1, "[0, inf)"),
    FIELD(nadam, weight_decay, 0, 0.5, -1, "[0, inf)"),
    FIELD(nadam, momentum_decay, 4e-3, 0.5, -1, "[0, inf)"),
    FIELD(radam, beta1, 0.9, 0.5, 1, "[0, 1)"),
    FIELD(radam, beta2, 0.999, 0.8, 1, "[0, 1)"),
    FIELD(radam, eps, 1e-8, 0.5, -1, "[0, inf)"),
    FIELD(radam, weight_decay, 0, 0.5, -1, "[0, inf)"),
};
enum { FIELDS = sizeof fields / sizeof *fields };

static mr_tape *tape;

static mr_tensor *parameter(mr_dtype dtype)
{
    mr_tensor *p = mr_tensor_ones(dtype, MR_SHAPE(2));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    return p;
}

static void backward(mr_tensor *p, double slope)
{
    mr_tensor_zero_grad(p);
    CHECK_EQ_I64(mr_backward(tape, mr_sum(tape, mr_mul_scalar(tape, p, slope), MR_ALL, false)), MR_OK);
    mr_tape_reset(tape);
}

/* Where ten steps with these options lead; as a group of its own, if asked. */
static double after_ten(const optim_kind *kind, mr_dtype dtype, const options *o, bool group)
{
    mr_tensor *p = parameter(dtype), *other = parameter(dtype);
    mr_param item = { "p", p }, other_item = { "other", other };
    double value[2] = { NAN, 0 };
    mr_optim *optim = kind->make((mr_params){ group ? &other_item : &item, 1 }, group ? NULL : o);
    if (CHECK(optim != NULL) && group)
        CHECK_EQ_I64(kind->add(optim, (mr_params){ &item, 1 }, o), MR_OK);
    for (int i = 0; i < 10 && optim; i++) {
        backward(p, i % 3 ? 0.5 : -0.2);
        CHECK_EQ_I64(mr_optim_step(optim), MR_OK);
    }
    CHECK_EQ_I64(mr_copy_out(p, MR_FLOAT64, value, 2), MR_OK);
    CHECK(value[0] == value[1] && isfinite(value[0]));
    mr_optim_free(optim);
    mr_tensor_free(p);
    mr_tensor_free(other);
    return value[0];
}

static options with(const struct field *f, double value)
{
    options o;
    memset(&o, 0, sizeof o);
    memcpy((char *)&o + f->at, &value, sizeof value);
    return o;
}

static void test_fields(void)
{
    for (int i = 0; i < FIELDS; i++)
        for (int d = MR_FLOAT32; d <= MR_FLOAT64; d++) {
            const struct field *f = &fields[i];
            const optim_kind *kind = &kinds[f->kind];
            const mr_dtype dtype = (mr_dtype)d;
            const options usual = with(f, f->usual), other = with(f, f->other), zero = with(f, MR_ZERO);
            const double unset = after_ten(kind, dtype, NULL, false);
            bool ok = CHECK(after_ten(kind, dtype, &usual, false) == unset);
            ok = CHECK(after_ten(kind, dtype, &other, false) != unset) && ok;
            ok = CHECK(after_ten(kind, dtype, &other, true) == after_ten(kind, dtype, &other, false)) && ok;
            if (f->usual == 0)
                ok = CHECK(after_ten(kind, dtype, &zero, false) == unset) && ok;
            else if (f->usual >= 1e-6) /* a smaller eps is lost in the rounding, or nearly */
                ok = CHECK((f->usual == 1e-6 || after_ten(kind, dtype, &zero, false) != unset)) && ok;
            if (!ok)
                printf("    %s of %s, %s\n", f->name, kind->name, mr_dtype_name(dtype));
        }
}

static void test_wrong_values(void)
{
    mr_tensor *p = parameter(MR_FLOAT32), *other = parameter(MR_FLOAT32);
    mr_param item = { "p", p }, other_item = { "other", other };
    char want[200];
    for (int i = 0; i < FIELDS; i++) {
        const struct field *f = &fields[i];
        const optim_kind *kind = &kinds[f->kind];
        const options wrong = with(f, f->wrong);
        CHECK(kind->make((mr_params){ &item, 1 }, &wrong) == NULL);
        snprintf(want, sizeof want, "%s: %s %g is not in %s", kind->name, f->name, f->wrong, f->range);
        CHECK_EQ_STR(mr_error(), want);
        mr_optim *optim = kind->make((mr_params){ &item, 1 }, NULL);
        CHECK_EQ_I64(kind->add(optim, (mr_params){ &other_item, 1 }, &wrong), MR_ERR_ARGUMENT);
        snprintf(want, sizeof want, "%s_add_group: %s %g is not in %s", kind->name, f->name, f->wrong,
                 f->range);
        CHECK_EQ_STR(mr_error(), want);
        CHECK_EQ_I64(mr_optim_group_count(optim), 1);
        mr_optim_free(optim);
    }
    mr_tensor_free(p);
    mr_tensor_free(other);
}

/* What kind takes groups of what, and which momentum it has. */
static void test_kinds(void)
{
    mr_tensor *p = parameter(MR_FLOAT32), *other = parameter(MR_FLOAT32);
    mr_param item = { "p", p }, other_item = { "other", other };
    const mr_params params = { &item, 1 }, more = { &other_item, 1 };
    char want[200];
    for (int a = 0; a < KINDS; a++) {
        mr_optim *optim = kinds[a].make(params, NULL);
        for (int b = 0; b < KINDS; b++) {
            if (a == b)
                continue;
            CHECK_EQ_I64(kinds[b].add(optim, more, NULL), MR_ERR_ARGUMENT);
            snprintf(want, sizeof want, "%s_add_group: the optimizer is of the kind %s", kinds[b].name,
                     kinds[a].name);
            CHECK_EQ_STR(mr_error(), want);
        }
        CHECK(kinds[a].make((mr_params){ NULL, 0 }, NULL) == NULL);
        snprintf(want, sizeof want, "%s: params is NULL", kinds[a].name);
        CHECK_EQ_STR(mr_error(), want);
        const double usual = !kinds[a].momentum ? NAN : strcmp(kinds[a].momentum, "beta1") ? 0 : 0.9;
        CHECK_NEAR(mr_optim_group_momentum(optim, 0), usual, 0);
        CHECK(mr_optim_set_group_momentum(optim, 0, 0.75) == (kinds[a].momentum != NULL));
        CHECK_NEAR(mr_optim_group_momentum(optim, 0), kinds[a].momentum ? 0.75 : NAN, 0);
        CHECK_EQ_STR(mr_error(), want); /* nothing new */
        backward(p, 1);
        CHECK_EQ_I64(mr_optim_step(optim), MR_OK);
        mr_optim_free(optim);
    }
    mr_tensor_free(p);
    mr_tensor_free(other);
}

/* The variance of equal gradients is zero but for rounding, whose root would be NaN. */
static void test_centered_rmsprop(void)
{
    for (int d = MR_FLOAT32; d <= MR_FLOAT64; d++)
        for (int k = 1; k <= 20; k++) {
            mr_tensor *p = parameter((mr_dtype)d);
            mr_param item = { "p", p };
            mr_optim *optim = mr_rmsprop_new((mr_params){ &item, 1 }, 1e-8,
                                             &(mr_rmsprop_opts){ .alpha = 0.5, .centered = true });
            double value[2];
            bool finite = true;
            for (int i = 0; i < 200; i++) {
                backward(p, 0.1 * k);
                finite = finite && mr_optim_step(optim) == MR_OK &&
                         mr_copy_out(p, MR_FLOAT64, value, 2) == MR_OK && isfinite(value[0]);
            }
            CHECK(finite);
            mr_optim_free(optim);
            mr_tensor_free(p);
        }
}

int main(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_fields);
    RUN(test_wrong_values);
    RUN(test_kinds);
    RUN(test_centered_rmsprop);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
