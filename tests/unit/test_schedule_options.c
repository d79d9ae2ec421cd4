/* Every option of every schedule: unset, its default given, another value, zero itself, a wrong value. Whether they do
 * what torch's do is tested in tests/ops. */
#include "check.h"

#include <millrace/schedules.h>

#include <stddef.h>

enum { STEPS = 12, MAX_GROUPS = 2 };

typedef struct bench {
    mr_tensor *p[MAX_GROUPS];
    mr_optim *optim;
    int groups;
} bench;

static void add_group(bench *b, double lr)
{
    mr_tensor *p = b->p[b->groups] = mr_tensor_ones(MR_FLOAT32, MR_SHAPE(2));
    CHECK_EQ_I64(mr_tensor_set_requires_grad(p, true), MR_OK);
    const mr_param item = { "p", p };
    const mr_params params = { &item, 1 };
    if (b->optim)
        CHECK_EQ_I64(mr_sgd_add_group(b->optim, params, lr, NULL), MR_OK);
    else
        b->optim = mr_sgd_new(params, lr, NULL);
    b->groups++;
}

static bench two_groups(void)
{
    bench b = { { 0 }, NULL, 0 };
    add_group(&b, 0.5);
    add_group(&b, 0.25);
    return b;
}

static void drop(bench *b)
{
    mr_optim_free(b->optim);
    for (int i = 0; i < b->groups; i++)
        mr_tensor_free(b->p[i]);
}

/* ---- options ---- */

typedef union options {
    double room[24]; /* first, so that { 0 } is all zero */
    mr_step_lr_opts step_lr;
    mr_multi_step_lr_opts multi_step_lr;
    mr_constant_lr_opts constant_lr;
    mr_linear_lr_opts linear_lr;
    mr_polynomial_lr_opts polynomial_lr;
    mr_cosine_annealing_lr_opts cosine_annealing_lr;
    mr_cosine_annealing_warm_restarts_opts cosine_annealing_warm_restarts;
    mr_one_cycle_lr_opts one_cycle_lr;
    mr_cyclic_lr_opts cyclic_lr;
    mr_reduce_lr_on_plateau_opts reduce_lr_on_plateau;
} options;

static const int64_t stones[] = { 2, 5 };

#define KIND(name, call)                                                \
    static mr_schedule *new_##name(mr_optim *optim, const options *all) \
    {                                                                   \
        const mr_##name##_opts *o = all ? &all->name : NULL;            \
        return call;                                                    \
    }
KIND(step_lr, mr_step_lr_new(optim, 3, o))
KIND(multi_step_lr, mr_multi_step_lr_new(optim, stones, 2, o))
KIND(constant_lr, mr_constant_lr_new(optim, o))
KIND(linear_lr, mr_linear_lr_new(optim, o))
KIND(polynomial_lr, mr_polynomial_lr_new(optim, o))
KIND(cosine_annealing_lr, mr_cosine_annealing_lr_new(optim, 5, o))
KIND(cosine_annealing_warm_restarts, mr_cosine_annealing_warm_restarts_new(optim, 2, o))
KIND(one_cycle_lr, mr_one_cycle_lr_new(optim, 1, STEPS, o))
KIND(cyclic_lr, mr_cyclic_lr_new(optim, 0.01, 1, o))
KIND(reduce_lr_on_plateau, mr_reduce_lr_on_plateau_new(optim, o))

typedef mr_schedule *(*maker)(mr_optim *optim, const options *o);

/* Where so many steps lead: all rates and momenta of the way in one number; NAN when it cannot be made. */
static double way(maker make, const options *o)
{
    bench b = two_groups();
    mr_schedule *s = make(b.optim, o);
    double sum = s ? 0 : NAN;
    for (int step = 0; s && step <= STEPS; step++) {
        for (int i = 0; i < b.groups; i++)
            sum += (step + 1) * (mr_optim_group_lr(b.optim, i) + mr_optim_group_momentum(b.optim, i));
        if (step == STEPS)
            break;
        if (make == new_reduce_lr_on_plateau)
            CHECK_EQ_I64(mr_schedule_step_metric(s, 2 - 3e-5 * step), MR_OK);
        else
            CHECK_EQ_I64(mr_schedule_step(s), MR_OK);
    }
    mr_schedule_free(s);
    drop(&b);
    return sum;
}

/* What else is given, where a field alone would not be seen. */
static const options none = { { 0 } }, up = { .cyclic_lr = { .step_size_up = 3 } },
                     range = { .cyclic_lr = { .step_size_up = 3, .mode = MR_CYCLIC_EXP_RANGE } },
                     patient = { .reduce_lr_on_plateau = { .patience = 2 } },
                     hopeless = { .reduce_lr_on_plateau = { .threshold = 1 } };

typedef struct field {
    maker make;
    const char *name;
    size_t at;
    bool whole; /* an integer, not a double */
    const options *given;
    double usual, other, wrong;
    const char *text; /* of what is wrong */
    const char *zero; /* of zero; TAKEN: it is another value; SMALL: too little is changed to be seen */
} field;

#define TAKEN NULL
#define SMALL ""
#define FIELD(kind, field, whole, ...)                                            \
    {                                                                             \
        new_##kind, #field, offsetof(mr_##kind##_opts, field), whole, __VA_ARGS__ \
    }

static const field fields[] = {
    FIELD(step_lr, gamma, false, &none, 0.1, 0.5, -1, "gamma -1 is not in [0, inf)", TAKEN),
    FIELD(multi_step_lr, gamma, false, &none, 0.1, 0.5, INFINITY, "gamma inf is not in [0, inf)", TAKEN),
    FIELD(constant_lr, factor, false, &none, 1.0 / 3, 0.5, 1.5, "factor 1.5 is not in (0, 1]",
          "factor 0 is not in (0, 1]"),
    FIELD(constant_lr, total_iters, true, &none, 5, 3, -1, "total_iters -1 is less than 1",
          "total_iters 0 is less than 1"),
    FIELD(linear_lr, start_factor, false, &none, 1.0 / 3, 0.5, NAN, "start_factor nan is not in (0, 1]",
          "start_factor 0 is not in (0, 1]"),
    FIELD(linear_lr, end_factor, false, &none, 1, 0.5, -0.5, "end_factor -0.5 is not in [0, 1]", TAKEN),
    FIELD(linear_lr, total_iters, true, &none, 5, 3, -1, "total_iters -1 is less than 1",
          "total_iters 0 is less than 1"),
    FIELD(polynomial_lr, total_iters, true, &none, 5, 3, -1, "total_iters -1 is less than 1",
          "total_iters 0 is less than 1"),
    FIELD(polynomial_lr, power, false, &none, 1, 2, -1, "power -1 is not in [0, inf)", TAKEN),
    FIELD(cosine_annealing_lr, eta_min, false, &none, 0, 0.01, -1, "eta_min -1 is not in [0, inf)", TAKEN),
    FIELD(cosine_annealing_warm_restarts, t_mult, true, &none, 1, 2, -2, "t_mult -2 is less than 1",
          "t_mult 0 is less than 1"),
    FIELD(cosine_annealing_warm_restarts, eta_min, false, &none, 0, 0.01, -1, "eta_min -1 is not in [0, inf)",
          TAKEN),
    FIELD(one_cycle_lr, pct_start, false, &none, 0.3, 0.5, 1.5, "pct_start 1.5 is not in [0, 1]", TAKEN),
    FIELD(one_cycle_lr, base_momentum, false, &none, 0.85, 0.5, 1, "base_momentum 1 is not in [0, 1)", TAKEN),
    FIELD(one_cycle_lr, max_momentum, false, &none, 0.95, 0.5, -1, "max_momentum -1 is not in [0, inf)",
          TAKEN),
    FIELD(one_cycle_lr, div_factor, false, &none, 25, 5, -1, "div_factor -1 is not positive",
          "div_factor 0 is not positive"),
    FIELD(one_cycle_lr, final_div_factor, false, &none, 1e4, 5, NAN, "final_div_factor nan is not positive",
          "final_div_factor 0 is not positive"),
    FIELD(cyclic_lr, step_size_up, true, &none, 2000, 5, -1, "step_size_up -1 is less than 1",
          "step_size_up 0 is less than 1"),
    FIELD(cyclic_lr, step_size_down, true, &up, 3, 5, -1, "step_size_down -1 is less than 1",
          "step_size_down 0 is less than 1"),
    FIELD(cyclic_lr, gamma, false, &range, 1, 0.5, -1, "gamma -1 is not in [0, inf)", TAKEN),
    FIELD(cyclic_lr, base_momentum, false, &up, 0.8, 0.5, -1, "base_momentum -1 is not in [0, inf)", TAKEN),
    FIELD(cyclic_lr, max_momentum, false, &up, 0.9, 0.5, 1, "max_momentum 1 is not in [0, 1)", TAKEN),
    FIELD(reduce_lr_on_plateau, factor, false, &patient, 0.1, 0.5, 1, "factor 1 is not in [0, 1)", TAKEN),
    FIELD(reduce_lr_on_plateau, patience, true, &hopeless, 10, 3, -1, "patience -1 is less than 0", TAKEN),
    FIELD(reduce_lr_on_plateau, threshold, false, &patient, 1e-4, 1e-6, -1, "threshold -1 is not in [0, inf)",
          TAKEN),
    FIELD(reduce_lr_on_plateau, cooldown, true, &patient, 0, 3, -1, "cooldown -1 is less than 0", TAKEN),
    FIELD(reduce_lr_on_plateau, min_lr, false, &patient, 0, 0.2, -1, "min_lr -1 is not in [0, inf)", TAKEN),
    FIELD(reduce_lr_on_plateau, eps, false, &patient, 1e-8, 0.6, -1, "eps -1 is not in [0, inf)", SMALL),
};
enum { FIELDS = sizeof fields / sizeof *fields };

static options with(const field *f, double value)
{
    options o = *f->given;
    const int64_t integer = !f->whole ? 0 : value == MR_ZERO ? MR_ZERO_INT : (int64_t)value;
    memcpy((char *)&o + f->at, f->whole ? (const void *)&integer : (const void *)&value, 8);
    return o;
}

/* The failure that is there ends in `text`, behind the name of the schedule. */
static bool failed_with(const char *text)
{
    const char *error = mr_error(), *colon = strstr(error, ": ");
    return CHECK_EQ_STR(colon ? colon + 2 : error, text);
}

static void test_fields(void)
{
    for (int i = 0; i < FIELDS; i++) {
        const field *f = &fields[i];
        const options usual = with(f, f->usual), other = with(f, f->other), zero = with(f, MR_ZERO);
        const options wrong = with(f, f->wrong);
        const double unset = way(f->make, f->given);
        bool ok = CHECK(isfinite(unset) && way(f->make, &usual) == unset);
        ok = CHECK(way(f->make, &other) != unset) && ok;
        const double of_zero = way(f->make, &zero);
        if (f->zero && *f->zero)
            ok = CHECK(isnan(of_zero)) && failed_with(f->zero) && ok;
        else if (!f->zero)
            ok = CHECK(isfinite(of_zero) && (of_zero != unset) == (f->usual != 0)) && ok;
        ok = CHECK(isnan(way(f->make, &wrong))) && failed_with(f->text) && ok;
        if (f->given == &none)
            ok = CHECK(way(f->make, NULL) == unset) && ok;
        if (!ok)
            printf("    row %d: %s\n", i, f->name);
    }
}

static double half(void *user, double x)
{
    (void)user;
    return x / 2;
}

/* Switches, enumerations and arrays: each changes the way, and none but those in range is taken. */
static void test_switches(void)
{
    const double usual_one = way(new_one_cycle_lr, NULL), usual_up = way(new_cyclic_lr, &up);
    const double usual_plateau = way(new_reduce_lr_on_plateau, &patient);
    const double two[] = { 0.75, 0.625 }, bad[] = { 0.5, -1 }, high[] = { 0.5, 1 };
#define ONE(...) way(new_one_cycle_lr, &(options){ .one_cycle_lr = { __VA_ARGS__ } })
#define CYCLIC(...) way(new_cyclic_lr, &(options){ .cyclic_lr = { .step_size_up = 3, __VA_ARGS__ } })
#define PLATEAU(...) \
    way(new_reduce_lr_on_plateau, &(options){ .reduce_lr_on_plateau = { .patience = 2, __VA_ARGS__ } })
    CHECK(ONE(.anneal = MR_ANNEAL_COS) == usual_one && ONE(.anneal = MR_ANNEAL_LINEAR) != usual_one);
    CHECK(ONE(.no_cycle_momentum = true) != usual_one && ONE(.three_phase = true) != usual_one);
    CHECK(ONE(.max_lrs = two) != usual_one && ONE(.base_momenta = two) != usual_one);
    CHECK(ONE(.max_momenta = two) != usual_one);
    CHECK(CYCLIC(.mode = MR_CYCLIC_TRIANGULAR) == usual_up);
    CHECK(CYCLIC(.mode = MR_CYCLIC_TRIANGULAR2) != usual_up);
    CHECK(CYCLIC(.no_cycle_momentum = true) != usual_up && CYCLIC(.base_lrs = two) != usual_up);
    CHECK(CYCLIC(.max_lrs = two) != usual_up && CYCLIC(.base_momenta = two) != usual_up);
    CHECK(CYCLIC(.max_momenta = two) != usual_up && CYCLIC(.scale = half) != usual_up);
    CHECK(CYCLIC(.scale = half, .by_step = true) != CYCLIC(.scale = half) &&
          CYCLIC(.by_step = true) == usual_up);
    CHECK(PLATEAU(.mode = MR_PLATEAU_MIN) == usual_plateau &&
          PLATEAU(.mode = MR_PLATEAU_MAX) != usual_plateau);
    CHECK(PLATEAU(.min_lrs = two) != usual_plateau);
    CHECK(PLATEAU(.threshold_mode = MR_THRESHOLD_REL) == usual_plateau);
    CHECK(PLATEAU(.threshold_mode = MR_THRESHOLD_ABS) != usual_plateau);

    CHECK(isnan(ONE(.anneal = (mr_anneal)2)) && failed_with("there is no way 2 to anneal"));
    CHECK(isnan(CYCLIC(.mode = (mr_cyclic_mode)3)) && failed_with("there is no mode 3"));
    CHECK(isnan(PLATEAU(.mode = (mr_plateau_mode)2)) &&
          failed_with("there is no mode 2 with a threshold mode 0"));
    CHECK(isnan(PLATEAU(.threshold_mode = (mr_threshold_mode)2)) &&
          failed_with("there is no mode 0 with a threshold mode 2"));
    CHECK(isnan(ONE(.max_lrs = bad)) && failed_with("max_lr -1 is not in [0, inf)"));
    CHECK(isnan(ONE(.base_momenta = high)) && failed_with("base_momentum 1 is not in [0, 1)"));
    CHECK(isnan(ONE(.max_momenta = bad)) && failed_with("max_momentum -1 is not in [0, inf)"));
    CHECK(isnan(CYCLIC(.base_lrs = bad)) && failed_with("base_lr -1 is not in [0, inf)"));
    CHECK(isnan(CYCLIC(.max_lrs = bad)) && failed_with("max_lr -1 is not in [0, inf)"));
    CHECK(isnan(PLATEAU(.min_lrs = bad)) && failed_with("min_lr -1 is not in [0, inf)"));
}

int main(void)
{
    RUN(test_fields);
    RUN(test_switches);
    return check_report();
}
