/* MAE, MSE and R2: sums with twice a double's digits. */
#include "metrics.h"

#include <math.h>

/* ---- sums ---- */

/* a + b as a rounded sum and what the rounding lost (Knuth). */
static mr__sum two_sum(double a, double b)
{
    const double s = a + b, c = s - a;
    return (mr__sum){ s, isfinite(s) ? (a - (s - c)) + (b - c) : 0 };
}

/* The same of a product. */
static mr__sum two_product(double a, double b)
{
    const double p = a * b;
    return (mr__sum){ p, isfinite(p) ? fma(a, b, -p) : 0 };
}

static mr__sum plus(mr__sum a, mr__sum b)
{
    const mr__sum s = two_sum(a.high, b.high);
    return two_sum(s.high, s.low + (a.low + b.low));
}

static mr__sum times(mr__sum a, double b)
{
    const mr__sum p = two_product(a.high, b);
    return two_sum(p.high, p.low + a.low * b);
}

/* ---- MAE and MSE ---- */

static bool mae_update(mr_metric *m, const mr__batch *b)
{
    for (int64_t i = 0; i < b->samples; i++)
        m->sum = plus(m->sum, (mr__sum){ fabs(b->predictions[i] - b->targets[i]), 0 });
    m->count += b->samples;
    return true;
}

static bool mse_update(mr_metric *m, const mr__batch *b)
{
    for (int64_t i = 0; i < b->samples; i++) {
        const double d = b->predictions[i] - b->targets[i];
        m->sum = plus(m->sum, two_product(d, d));
    }
    m->count += b->samples;
    return true;
}

static bool mean_merge(mr_metric *m, const mr_metric *from)
{
    m->sum = plus(m->sum, from->sum);
    return true;
}

static bool mean_values(const mr_metric *m, double *values)
{
    *values = (m->sum.high + m->sum.low) / (double)m->count;
    return true;
}

mr_metric *mr_mae_new(void)
{
    static const mr__metric_kind kind = { .name = "mae",
                                          .numbers = true,
                                          .needs = 1,
                                          .update = mae_update,
                                          .merge = mean_merge,
                                          .values = mean_values };
    return mr__metric_new(&kind, 0);
}

mr_metric *mr_mse_new(void)
{
    static const mr__metric_kind kind = { .name = "mse",
                                          .numbers = true,
                                          .needs = 1,
                                          .update = mse_update,
                                          .merge = mean_merge,
                                          .values = mean_values };
    return mr__metric_new(&kind, 0);
}

/* ---- R2 ---- */

/* Makes the columns when the first batch says how many there are. */
static bool make_columns(mr_metric *m, int64_t columns)
{
    if (m->columns)
        return true;
    mr__column *column = mr__alloc_array((size_t)columns, sizeof *column);
    if (!column)
        return false;
    mr__free(m->column);
    m->column = column;
    m->columns = columns;
    for (int64_t k = 0; k < columns; k++)
        column[k] = (mr__column){ .lowest = INFINITY, .highest = -INFINITY };
    return true;
}

static bool r2_update(mr_metric *m, const mr__batch *b)
{
    if (!make_columns(m, b->width))
        return false;
    for (int64_t i = 0; i < b->samples * b->width; i++) {
        mr__column *c = &m->column[i % b->width];
        const double target = b->targets[i], d = b->predictions[i] - target;
        c->errors = plus(c->errors, two_product(d, d));
        c->targets = plus(c->targets, (mr__sum){ target, 0 });
        c->squares = plus(c->squares, two_product(target, target));
        c->lowest = target < c->lowest ? target : c->lowest;
        c->highest = target > c->highest ? target : c->highest;
    }
    m->count += b->samples;
    return true;
}

static bool r2_merge(mr_metric *m, const mr_metric *from)
{
    if (!from->columns)
        return true;
    if (m->columns && m->columns != from->columns) {
        mr__raise(MR_ERR_SHAPE, "metric_merge: %s of %lld columns and of %lld", m->kind->name,
                  (long long)m->columns, (long long)from->columns);
        return false;
    }
    if (!make_columns(m, from->columns))
        return false;
    for (int64_t k = 0; k < m->columns; k++) {
        mr__column *c = &m->column[k];
        const mr__column *more = &from->column[k];
        c->errors = plus(c->errors, more->errors);
        c->targets = plus(c->targets, more->targets);
        c->squares = plus(c->squares, more->squares);
        c->lowest = fmin(c->lowest, more->lowest);
        c->highest = fmax(c->highest, more->highest);
    }
    return true;
}

/* The sum of (target - mean)^2, which for any number near the mean, such as the mean rounded to a double, is
 * squares - 2 mean targets + n mean^2. */
static double spread(const mr__column *c, double n)
{
    const double mean = (c->targets.high + c->targets.low) / n;
    const mr__sum sum =
        plus(c->squares, plus(times(c->targets, -2 * mean), times(two_product(mean, mean), n)));
    return sum.high + sum.low;
}

static double r2_of(const mr__column *c, double n)
{
    const double errors = c->errors.high + c->errors.low;
    if (c->lowest == c->highest)
        return isnan(errors) ? NAN : errors == 0 ? 1 : 0;
    return 1 - errors / spread(c, n);
}

static bool r2_values(const mr_metric *m, double *values)
{
    double sum = 0;
    for (int64_t k = 0; k < m->columns; k++)
        sum += r2_of(&m->column[k], (double)m->count);
    *values = sum / (double)m->columns;
    return true;
}

mr_metric *mr_r2_new(void)
{
    static const mr__metric_kind kind = {
        .name = "r2", .numbers = true, .needs = 2, .update = r2_update, .merge = r2_merge, .values = r2_values
    };
    return mr__metric_new(&kind, 0);
}
