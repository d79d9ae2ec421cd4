/* Every field of every options struct of nn.h and optim.h: unset, set, and where it is a number zero itself.
 * The results are compared with the formulas, written out here for one element in double. */
#include "check.h"

#include <millrace/optim.h>

#include <stddef.h>

/* All fields by position: one that is added makes a warning here, and then needs its row below. */
static const mr_sgd_opts all_of_sgd = { 0.5, 0.25, 0.125, false };
static const mr_adam_opts all_of_adam = { 0.5, 0.75, 0.1, 0.25, true };
static const mr_adamw_opts all_of_adamw = { 0.5, 0.75, 0.1, 0.25, true };
static const mr_linear_opts all_of_linear = { true, MR_FLOAT64 };
static const mr_loss_opts all_of_loss = { MR_REDUCE_SUM };
static const mr_cross_entropy_opts all_of_cross_entropy = { MR_REDUCE_SUM, true, 1, 0.25 };

typedef union options {
    mr_sgd_opts sgd;
    mr_adam_opts adam;
    mr_adamw_opts adamw;
    mr_cross_entropy_opts cross_entropy;
} options;

typedef double (*calculation)(const options *o);

/* A number among the options: its default, and another value. */
typedef struct number {
    const char *name;
    size_t offset;
    double fallback, set;
} number;

#define NUMBER(type, field, fallback, set)               \
    {                                                    \
#field, offsetof(type, field), (fallback), (set) \
    }

static double with(calculation f, const options *base, const number *field, double value)
{
    options o = *base;
    memcpy((char *)&o + field->offset, &value, sizeof value);
    return f(&o);
}

/* `library` is run with options as a user writes them, `formula` with the values that they stand for. `given`
 * are the other options, and `meant` what they stand for. */
static void check_numbers(const number *fields, size_t count, calculation library, calculation formula,
                          const options *given, const options *meant)
{
    for (size_t i = 0; i < count; i++) {
        const number *f = &fields[i];
        double zero = with(formula, meant, f, 0), fallback = with(formula, meant, f, f->fallback);
        double set = with(formula, meant, f, f->set);
        bool ok = CHECK_CLOSE(with(library, given, f, 0), fallback, 1e-13, 0);
        ok = CHECK_CLOSE(with(library, given, f, f->set), set, 1e-13, 0) && ok;
        ok = CHECK_CLOSE(with(library, given, f, MR_ZERO), zero, 1e-13, 0) && ok;
        /* What has no effect cannot be seen. */
        ok = CHECK(set != fallback && set != zero && (f->fallback == 0 || zero != fallback)) && ok;
        if (!ok)
            printf("    field %s\n", f->name);
    }
}

/* ---- optimizers ---- */

enum { STEPS = 4 };
static const double gradients[STEPS] = { 2, 0.5, -0.25, 1 }, rate = 0.125;

/* The parameter, 1 at first, after some steps. Adopts the optimizer. */
static double trained(mr_optim *optim, mr_tensor *p)
{
    mr_rng *rng = mr_rng_new(0);
    mr_tape *tape = mr_tape_new(rng);
    if (!CHECK(optim != NULL))
        printf("    %s\n", mr_error());
    for (int i = 0; i < STEPS && optim; i++) {
        mr_optim_zero_grad(optim);
        CHECK_EQ_I64(mr_backward(tape, mr_mul_scalar(tape, p, gradients[i])), MR_OK);
        CHECK_EQ_I64(mr_optim_step(optim), MR_OK);
        mr_tape_reset(tape);
    }
    double value = mr_item(p);
    mr_optim_free(optim);
    mr_tensor_free(p);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return value;
}

static mr_tensor *parameter(mr_params *params, mr_param *list)
{
    mr_tensor *p = mr_tensor_scalar(MR_FLOAT64, 1);
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    *list = (mr_param){ "p", p };
    *params = (mr_params){ list, 1 };
    return p;
}

static double library_sgd(const options *o)
{
    mr_param list;
    mr_params params;
    mr_tensor *p = parameter(&params, &list);
    return trained(mr_sgd_new(params, rate, &o->sgd), p);
}

static double library_adam(const options *o)
{
    mr_param list;
    mr_params params;
    mr_tensor *p = parameter(&params, &list);
    return trained(mr_adam_new(params, rate, &o->adam), p);
}

static double library_adamw(const options *o)
{
    mr_param list;
    mr_params params;
    mr_tensor *p = parameter(&params, &list);
    return trained(mr_adamw_new(params, rate, &o->adamw), p);
}

static double formula_sgd(const options *given)
{
    const mr_sgd_opts *o = &given->sgd;
    double p = 1, buffer = 0;
    for (int i = 0; i < STEPS; i++) {
        double g = gradients[i] + o->weight_decay * p;
        buffer = i == 0 ? g : o->momentum * buffer + (1 - o->dampening) * g;
        p -= rate * (o->momentum == 0 ? g : o->nesterov ? g + o->momentum * buffer : buffer);
    }
    return p;
}

static double formula_of_adam(double beta1, double beta2, double eps, double decay, bool amsgrad,
                              bool decoupled)
{
    double p = 1, m = 0, v = 0, largest = 0;
    for (int i = 0; i < STEPS; i++) {
        p *= decoupled ? 1 - rate * decay : 1;
        double g = gradients[i] + (decoupled ? 0 : decay * p);
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        largest = fmax(largest, v);
        double root = sqrt(amsgrad ? largest : v) / sqrt(1 - pow(beta2, i + 1));
        p -= rate / (1 - pow(beta1, i + 1)) * m / (root + eps);
    }
    return p;
}

static double formula_adam(const options *given)
{
    const mr_adam_opts *o = &given->adam;
    return formula_of_adam(o->beta1, o->beta2, o->eps, o->weight_decay, o->amsgrad, false);
}

static double formula_adamw(const options *given)
{
    const mr_adamw_opts *o = &given->adamw;
    return formula_of_adam(o->beta1, o->beta2, o->eps, o->weight_decay, o->amsgrad, true);
}

static void test_sgd(void)
{
    static const number momentum[] = { NUMBER(mr_sgd_opts, momentum, 0, 0.5),
                                       NUMBER(mr_sgd_opts, weight_decay, 0, 0.125) };
    static const number others[] = { NUMBER(mr_sgd_opts, momentum, 0, 0.75),
                                     NUMBER(mr_sgd_opts, dampening, 0, 0.5),
                                     NUMBER(mr_sgd_opts, weight_decay, 0, 0.5) };
    options none = { .sgd = { 0 } }, all = { .sgd = all_of_sgd };
    check_numbers(momentum, 2, library_sgd, formula_sgd, &none, &none);
    check_numbers(others, 3, library_sgd, formula_sgd, &all, &all);
    options plain = { .sgd = { .momentum = 0.5 } },
            nesterov = { .sgd = { .momentum = 0.5, .nesterov = true } };
    CHECK_CLOSE(library_sgd(&nesterov), formula_sgd(&nesterov), 1e-13, 0);
    CHECK(library_sgd(&nesterov) != library_sgd(&plain));
    /* Zero itself is no dampening: nesterov takes it. */
    nesterov.sgd.dampening = MR_ZERO;
    CHECK_CLOSE(library_sgd(&nesterov), formula_sgd(&nesterov), 1e-13, 0);
    mr_param list;
    mr_params params;
    mr_tensor *p = parameter(&params, &list);
    CHECK_CLOSE(trained(mr_sgd_new(params, rate, NULL), p), formula_sgd(&none), 1e-13, 0);
}

static void test_adam(void)
{
    static const number fields[] = { NUMBER(mr_adam_opts, beta1, 0.9, 0.5),
                                     NUMBER(mr_adam_opts, beta2, 0.999, 0.75),
                                     NUMBER(mr_adam_opts, eps, 1e-8, 0.25),
                                     NUMBER(mr_adam_opts, weight_decay, 0, 0.125) };
    options none = { .adam = { 0 } }, defaults = { .adam = { 0.9, 0.999, 1e-8, 0, false } };
    options all = { .adam = all_of_adam }, plain = all;
    plain.adam.amsgrad = false;
    check_numbers(fields, 4, library_adam, formula_adam, &none, &defaults);
    check_numbers(fields + 1, 3, library_adam, formula_adam, &all, &all);
    CHECK_CLOSE(library_adam(&all), formula_adam(&all), 1e-13, 0);
    CHECK_CLOSE(library_adam(&plain), formula_adam(&plain), 1e-13, 0);
    CHECK(library_adam(&all) != library_adam(&plain));
    mr_param list;
    mr_params params;
    mr_tensor *p = parameter(&params, &list);
    CHECK_CLOSE(trained(mr_adam_new(params, rate, NULL), p), formula_adam(&defaults), 1e-13, 0);
}

static void test_adamw(void)
{
    static const number fields[] = { NUMBER(mr_adamw_opts, beta1, 0.9, 0.5),
                                     NUMBER(mr_adamw_opts, beta2, 0.999, 0.75),
                                     NUMBER(mr_adamw_opts, eps, 1e-8, 0.25),
                                     NUMBER(mr_adamw_opts, weight_decay, 0.01, 0.125) };
    options none = { .adamw = { 0 } }, defaults = { .adamw = { 0.9, 0.999, 1e-8, 0.01, false } };
    options all = { .adamw = all_of_adamw }, plain = all;
    plain.adamw.amsgrad = false;
    check_numbers(fields, 4, library_adamw, formula_adamw, &none, &defaults);
    CHECK_CLOSE(library_adamw(&all), formula_adamw(&all), 1e-13, 0);
    CHECK_CLOSE(library_adamw(&plain), formula_adamw(&plain), 1e-13, 0);
    CHECK(library_adamw(&all) != library_adamw(&plain));
    mr_param list;
    mr_params params;
    mr_tensor *p = parameter(&params, &list);
    CHECK_CLOSE(trained(mr_adamw_new(params, rate, NULL), p), formula_adamw(&defaults), 1e-13, 0);
}

/* ---- Linear ---- */

static void check_linear(const mr_linear_opts *o, bool bias, mr_dtype dtype)
{
    mr_rng *rng = mr_rng_new(0);
    mr_module *m = mr_linear_new(2, 3, rng, o);
    mr_params p = mr_module_parameters(m);
    CHECK_EQ_I64(p.count, bias ? 2 : 1);
    for (size_t i = 0; i < p.count; i++)
        CHECK_EQ_I64(mr_tensor_dtype(p.item[i].tensor), dtype);
    mr_module_free(m);
    mr_rng_free(rng);
}

static void test_linear(void)
{
    check_linear(NULL, true, MR_FLOAT32);
    check_linear(&(mr_linear_opts){ 0 }, true, MR_FLOAT32);
    check_linear(&(mr_linear_opts){ .no_bias = true }, false, MR_FLOAT32);
    check_linear(&(mr_linear_opts){ .dtype = MR_FLOAT64 }, true, MR_FLOAT64);
    check_linear(&all_of_linear, false, MR_FLOAT64);
}

/* ---- losses ---- */

static mr_tape *tape;

static void check_values(const mr_tensor *y, int64_t count, double a, double b)
{
    double got[2] = { NAN, NAN };
    CHECK_EQ_I64(mr_tensor_ndim(y), count - 1);
    CHECK_EQ_I64(mr_copy_out(y, MR_FLOAT64, got, count), MR_OK);
    CHECK_CLOSE(got[0], a, 1e-15, 0);
    if (count == 2)
        CHECK_CLOSE(got[1], b, 1e-15, 0);
    mr_tape_reset(tape);
}

static void test_reductions(void)
{
    mr_tensor *x = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2), (double[]){ 1, 5 });
    mr_tensor *y = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2), (double[]){ 3, 4 });
    mr_loss_opts none = { .reduction = MR_REDUCE_NONE };
    check_values(mr_mse_loss(tape, x, y, NULL), 1, 2.5, 0);
    check_values(mr_mse_loss(tape, x, y, &(mr_loss_opts){ 0 }), 1, 2.5, 0);
    check_values(mr_mse_loss(tape, x, y, &all_of_loss), 1, 5, 0);
    check_values(mr_mse_loss(tape, x, y, &none), 2, 4, 1);
    check_values(mr_l1_loss(tape, x, y, NULL), 1, 1.5, 0);
    check_values(mr_l1_loss(tape, x, y, &(mr_loss_opts){ 0 }), 1, 1.5, 0);
    check_values(mr_l1_loss(tape, x, y, &all_of_loss), 1, 3, 0);
    check_values(mr_l1_loss(tape, x, y, &none), 2, 2, 1);
    mr_tensor_free(x);
    mr_tensor_free(y);
}

static mr_tensor *logits, *target;

static double library_cross_entropy(const options *o)
{
    double loss = mr_item(mr_cross_entropy(tape, logits, target, &o->cross_entropy));
    mr_tape_reset(tape);
    return loss;
}

/* -log p of a row's target, made smooth over the two classes. */
static double row(const double *x, int64_t t, double smoothing)
{
    double total = log(exp(x[0]) + exp(x[1]));
    return (1 - smoothing) * (total - x[t]) + smoothing / 2 * (2 * total - x[0] - x[1]);
}

static const double values[] = { 0.5, -1, 2, 0.25 };

static double formula_cross_entropy(const options *o)
{
    double a = row(values, 1, o->cross_entropy.label_smoothing);
    double b = row(values + 2, 0, o->cross_entropy.label_smoothing);
    return o->cross_entropy.reduction == MR_REDUCE_SUM ? a + b : (a + b) / 2;
}

static void test_cross_entropy(void)
{
    static const number smoothing = NUMBER(mr_cross_entropy_opts, label_smoothing, 0, 0.25);
    logits = mr_tensor_from(MR_FLOAT64, MR_SHAPE(2, 2), values);
    target = mr_tensor_from(MR_INT64, MR_SHAPE(2), (int64_t[]){ 1, 0 });
    options none = { .cross_entropy = { 0 } }, sum = { .cross_entropy = { .reduction = MR_REDUCE_SUM } };
    check_numbers(&smoothing, 1, library_cross_entropy, formula_cross_entropy, &none, &none);
    check_numbers(&smoothing, 1, library_cross_entropy, formula_cross_entropy, &sum, &sum);
    double a = row(values, 1, 0), b = row(values + 2, 0, 0);
    mr_cross_entropy_opts o = { .reduction = MR_REDUCE_NONE };
    check_values(mr_cross_entropy(tape, logits, target, NULL), 1, (a + b) / 2, 0);
    check_values(mr_cross_entropy(tape, logits, target, &o), 2, a, b);
    o.ignore_index = 1;
    check_values(mr_cross_entropy(tape, logits, target, &o), 2, 0, b);
    o.ignore_index = MR_ZERO_INT; /* zero is a class like others */
    check_values(mr_cross_entropy(tape, logits, target, &o), 2, a, 0);
    o.ignore_index = 0;
    check_values(mr_cross_entropy(tape, logits, target, &o), 2, a, b);
    o.has_ignore_index = true;
    check_values(mr_cross_entropy(tape, logits, target, &o), 2, a, 0);
    check_values(mr_cross_entropy(tape, logits, target, &all_of_cross_entropy), 1, row(values + 2, 0, 0.25),
                 0);
    CHECK_EQ_I64(mr_tensor_fill(target, -100), MR_OK); /* the default, which the switch turns off */
    check_values(mr_cross_entropy(tape, logits, target, &(mr_cross_entropy_opts){ 0 }), 1, NAN, 0);
    CHECK(mr_cross_entropy(tape, logits, target, &o) == NULL);
    CHECK_EQ_STR(mr_error(), "cross_entropy: target -100 of row 0 is no class of 2");
    mr_tape_reset(tape);
    /* Zero itself is no smoothing at all: an impossible class that is not the target costs nothing. */
    CHECK_EQ_I64(mr_tensor_fill(target, 0), MR_OK);
    ((double *)mr_tensor_data(logits))[1] = -INFINITY;
    options zero = { .cross_entropy = { .label_smoothing = MR_ZERO } };
    CHECK_CLOSE(library_cross_entropy(&zero), row(values + 2, 0, 0) / 2, 1e-13, 0);
    mr_tensor_free(logits);
    mr_tensor_free(target);
}

int main(void)
{
    mr_rng *rng = mr_rng_new(0);
    tape = mr_tape_new(rng);
    RUN(test_sgd);
    RUN(test_adam);
    RUN(test_adamw);
    RUN(test_linear);
    RUN(test_reductions);
    RUN(test_cross_entropy);
    mr_tape_free(tape);
    mr_rng_free(rng);
    return check_report();
}
