/* Backward compared with central differences, in double. The function's result is weighted with fixed
 * pseudo-random numbers, so that an error in one element cannot hide behind another. */
#include "tape.h"

#include <math.h>
#include <stdio.h>

typedef struct check {
    mr_function function;
    void *user;
    mr_tensor *const *inputs;
    int count;
    double step, tolerance;
    mr_tape *tape;
    mr_rng *rng;
    mr_tensor *weights; /* made by the first run, in the shape of the function's result */
    double *above;      /* the result with an element moved up, and down */
    double *below;
    double **first; /* for each input that requires a gradient: that of one backward */
} check;

/* ---- running the function ---- */

static bool result_fits(const check *c, const mr_tensor *out)
{
    if (out->dtype != MR_FLOAT64) {
        mr__raise(MR_ERR_DTYPE, "gradcheck: the function's result %s is %s, not float64",
                  mr__tensor_text(out).text, mr_dtype_name((mr_dtype)out->dtype));
        return false;
    }
    if (c->weights && !(c->weights->numel == out->numel && c->weights->ndim == out->ndim)) {
        mr__raise(MR_ERR_SHAPE, "gradcheck: the function's result was %s first and is %s now",
                  mr__tensor_text(c->weights).text, mr__tensor_text(out).text);
        return false;
    }
    return true;
}

/* The function's result on the emptied tape; NULL with a failure raised. */
static mr_tensor *run(check *c, bool with_grad)
{
    mr_tape_reset(c->tape);
    mr_tape_set_grad(c->tape, with_grad);
    mr_tensor *out = c->function(c->user, c->tape, c->inputs, c->count);
    if (!out) {
        if (!mr__pending() && c->tape->failed)
            mr__failure_raise(&c->tape->failure);
        if (!mr__pending())
            mr__raise(MR_ERR_CALLBACK, "gradcheck: the function returned NULL without a failure");
        return NULL;
    }
    return result_fits(c, out) ? out : NULL;
}

static bool make_weights(check *c, const mr_tensor *out)
{
    mr_shape shape = mr__shape_of(out);
    c->weights = mr__tensor_alloc("gradcheck", MR_FLOAT64, &shape);
    c->above = mr__alloc_array((size_t)out->numel, sizeof(double));
    c->below = mr__alloc_array((size_t)out->numel, sizeof(double));
    if (!c->weights || !c->above || !c->below)
        return false;
    double *w = (double *)c->weights->data;
    for (int64_t i = 0; i < out->numel; i++) { /* from -1.5 to -0.5 and from 0.5 to 1.5 */
        double u = mr_rng_uniform(c->rng);
        w[i] = u < 0.5 ? u - 1.5 : u + 0.5;
    }
    return true;
}

/* Adds the weighted result's gradients to those of the inputs. */
static bool run_backward(check *c)
{
    mr_tensor *out = run(c, true);
    if (!out || (!c->weights && !make_weights(c, out)))
        return false;
    return mr_backward_from(c->tape, out, c->weights) == MR_OK;
}

static bool run_into(check *c, double *values)
{
    const mr_tensor *out = run(c, false);
    if (out)
        mr__gather_elements(MR_FLOAT64, values, out);
    return out != NULL;
}

/* The derivative of the weighted result by one element of x. */
static bool difference(check *c, mr_tensor *x, int64_t element, double *derivative)
{
    double *at = (double *)x->data + element, value = *at;
    volatile double up = value + c->step, down = value - c->step; /* as far apart as they are once rounded */
    *at = up;
    mr__bump(x);
    bool ok = run_into(c, c->above);
    *at = down;
    mr__bump(x);
    ok = ok && run_into(c, c->below);
    *at = value;
    mr__bump(x);
    const double *w = (const double *)c->weights->data;
    double sum = 0;
    for (int64_t i = 0; ok && i < c->weights->numel; i++)
        if (c->above[i] != c->below[i]) /* also leaves out equal infinities */
            sum += w[i] * (c->above[i] - c->below[i]);
    *derivative = sum / (up - down);
    return ok;
}

/* ---- comparing ---- */

static double gradient_at(const mr_tensor *x, int64_t element)
{
    return x->grad->state == MR__GRAD_WRITTEN ? ((const double *)x->grad->data)[element] : 0;
}

static bool matches_differences(check *c, int number)
{
    mr_tensor *x = c->inputs[number];
    for (int64_t i = 0; i < x->numel; i++) {
        double analytic = c->first[number][i], numeric;
        if (!difference(c, x, i, &numeric))
            return false;
        if (!(fabs(analytic - numeric) <= c->tolerance * (1 + fabs(numeric)))) {
            mr__raise(MR_ERR_STATE,
                      "gradcheck: input %d %s, element %lld: backward gives %.10g, differences give %.10g",
                      number, mr__tensor_text(x).text, (long long)i, analytic, numeric);
            return false;
        }
    }
    return true;
}

/* After a second backward the gradients must have doubled. */
static bool has_doubled(const check *c, int number)
{
    const mr_tensor *x = c->inputs[number];
    for (int64_t i = 0; i < x->numel; i++) {
        double once = c->first[number][i], twice = gradient_at(x, i);
        if (!(fabs(twice - 2 * once) <= 1e-9 * (1 + fabs(once)))) {
            mr__raise(MR_ERR_STATE,
                      "gradcheck: input %d %s, element %lld: backward gives %.10g, and with a second "
                      "backward %.10g, "
                      "not twice as much",
                      number, mr__tensor_text(x).text, (long long)i, once, twice);
            return false;
        }
    }
    return true;
}

static bool keep_first(check *c)
{
    for (int n = 0; n < c->count; n++) {
        mr_tensor *x = c->inputs[n];
        if (!x->grad)
            continue;
        c->first[n] = mr__alloc_array((size_t)x->numel, sizeof(double));
        if (!c->first[n])
            return false;
        for (int64_t i = 0; i < x->numel; i++)
            c->first[n][i] = gradient_at(x, i);
    }
    return true;
}

static bool run_all(check *c)
{
    for (int n = 0; n < c->count; n++)
        mr_tensor_zero_grad(c->inputs[n]);
    if (!run_backward(c) || !keep_first(c))
        return false;
    for (int n = 0; n < c->count; n++)
        if (c->first[n] && !matches_differences(c, n))
            return false;
    if (!run_backward(c))
        return false;
    for (int n = 0; n < c->count; n++)
        if (c->first[n] && !has_doubled(c, n))
            return false;
    for (int n = 0; n < c->count; n++) /* leave one backward's */
        if (c->first[n] && c->inputs[n]->grad->state == MR__GRAD_WRITTEN)
            memcpy(c->inputs[n]->grad->data, c->first[n], (size_t)c->inputs[n]->numel * sizeof(double));
    return true;
}

/* ---- the call ---- */

static mr_status check_inputs(mr_function function, mr_tensor *const *inputs, int count)
{
    if (mr__pending())
        return mr__pending_status();
    if (!function)
        return mr__null("gradcheck", "function");
    if (!inputs && count > 0)
        return mr__null("gradcheck", "inputs");
    int wanted = 0;
    for (int n = 0; n < count; n++) {
        const mr_tensor *x = inputs[n];
        if (!x) {
            char what[32];
            snprintf(what, sizeof what, "input %d", n);
            return mr__null("gradcheck", what);
        }
        if (!x->grad)
            continue;
        if (x->tape || x->dtype != MR_FLOAT64)
            return mr__raise(MR_ERR_ARGUMENT, "gradcheck: input %d %s is %s%s, not a float64 leaf", n,
                             mr__tensor_text(x).text, x->tape ? "a result on a tape, " : "",
                             mr_dtype_name((mr_dtype)x->dtype));
        wanted++;
    }
    if (!wanted)
        return mr__raise(MR_ERR_ARGUMENT, "gradcheck: no input requires a gradient");
    return MR_OK;
}

mr_status mr_gradcheck(mr_function function, void *user, mr_tensor *const *inputs, int count,
                       const mr_gradcheck_opts *opts)
{
    mr_status status = check_inputs(function, inputs, count);
    if (status)
        return mr__settle(status);
    check c = { .function = function, .user = user, .inputs = inputs, .count = count };
    c.step = opts && opts->step != 0 ? opts->step : 1e-6;
    c.tolerance = opts && opts->tolerance != 0 ? opts->tolerance : 1e-5;
    c.rng = mr_rng_new(0);
    c.tape = c.rng ? mr_tape_new(c.rng) : NULL;
    c.first = mr__alloc_zeroed(mr__mul_size((size_t)count, sizeof *c.first));
    if (!c.tape || !c.first || !run_all(&c))
        status = mr_error_status();
    for (int n = 0; c.first && n < count; n++)
        mr__free(c.first[n]);
    mr__free(c.first);
    mr__free(c.above);
    mr__free(c.below);
    mr_tensor_free(c.weights);
    mr_tape_free(c.tape);
    mr_rng_free(c.rng);
    return mr__settle(status);
}
