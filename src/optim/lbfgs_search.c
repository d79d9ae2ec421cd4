/* The line search of L-BFGS: torch's, which is minFunc's, decision by decision. */
#include "lbfgs.h"

#include <math.h>

static const double C1 = 1e-4, C2 = 0.9;
static const double SMALLEST_BRACKET = 1e-9; /* whatever the optimizer's tolerance_change is */
enum { MAX_EVALUATIONS = 25 };

/* A place on the line: how far, the loss, the gradient and its product with the direction. */
typedef struct point {
    double t, f, gtd;
    mr__vector *g;
} point;

/* Python's, which keep the first of two where nothing can be said. */
static double least(double a, double b)
{
    return b < a ? b : a;
}

static double most(double a, double b)
{
    return b > a ? b : a;
}

/* Where the cubic through both points is least, within bounds. */
static double interpolate(const point *a, const point *b, double low, double high)
{
    double d1 = a->gtd + b->gtd - 3 * (a->f - b->f) / (a->t - b->t);
    double square = d1 * d1 - a->gtd * b->gtd;
    if (!(square >= 0))
        return (low + high) / 2;
    double d2 = sqrt(square), at;
    if (a->t <= b->t)
        at = b->t - (b->t - a->t) * ((b->gtd + d2 - d1) / (b->gtd - a->gtd + 2 * d2));
    else
        at = a->t - (a->t - b->t) * ((a->gtd + d2 - d1) / (a->gtd - b->gtd + 2 * d2));
    return least(most(at, low), high);
}

typedef struct search {
    mr_optim *optim;
    mr__lbfgs *l;
    point start, now;
    point end[2]; /* of the bracket, in the order in which they were found */
    int low;      /* the one with the lesser loss */
    int64_t evaluations, iterations;
    bool done;
} search;

/* Loss and gradient at t, with the parameters back in their place. */
static bool evaluate(search *s, double t)
{
    mr__lbfgs *l = s->l;
    s->now.t = t;
    mr__lbfgs_move(s->optim, t);
    bool ok = mr__lbfgs_evaluate(s->optim, &s->now.f, s->now.g);
    mr__lbfgs_put_back(s->optim);
    s->evaluations++;
    if (ok)
        s->now.gtd = mr__vector_dot(l, s->now.g, l->d);
    return ok;
}

/* Puts the current point in the place of `to`, whose vector is free for the next one. */
static void take(search *s, point *to)
{
    mr__vector *free_vector = to->g;
    *to = s->now;
    s->now.g = free_vector;
}

static bool too_high(const search *s)
{
    return s->now.f > s->start.f + C1 * s->now.t * s->start.gtd;
}

static bool flat_enough(const search *s)
{
    return fabs(s->now.gtd) <= -C2 * s->start.gtd;
}

/* Puts the current point at end i of the bracket. */
static void put(search *s, int i)
{
    take(s, &s->end[i]);
    s->low = s->end[0].f <= s->end[1].f ? 0 : 1;
}

static void put_start(search *s)
{
    s->end[0] = (point){ 0, s->start.f, s->start.gtd, s->end[0].g };
    mr__vector_copy(s->l, s->end[0].g, s->start.g);
}

/* Goes out until a bracket is found; until then end 0 is the point before the current one. */
static bool find_bracket(search *s)
{
    put_start(s);
    while (s->iterations < MAX_EVALUATIONS) {
        const point *before = &s->end[0], *now = &s->now;
        if (too_high(s) || (s->iterations > 1 && now->f >= before->f)) {
            put(s, 1);
            return true;
        }
        if (flat_enough(s)) {
            take(s, &s->end[0]);
            s->done = true;
            return true;
        }
        if (now->gtd >= 0) {
            put(s, 1);
            return true;
        }
        double t = interpolate(before, now, now->t + 0.01 * (now->t - before->t), now->t * 10);
        take(s, &s->end[0]);
        if (!evaluate(s, t))
            return false;
        s->iterations++;
    }
    put_start(s); /* out of patience: the better one of the start and the last */
    put(s, 1);
    return true;
}

/* The next place to try within the bracket, not too near to its ends twice in a row. */
static double next_place(const search *s, bool *insufficient)
{
    double low = least(s->end[0].t, s->end[1].t), high = most(s->end[0].t, s->end[1].t);
    double t = interpolate(&s->end[0], &s->end[1], low, high), margin = 0.1 * (high - low);
    if (!(least(high - t, t - low) < margin)) {
        *insufficient = false;
        return t;
    }
    if (!*insufficient && !(t >= high) && !(t <= low)) {
        *insufficient = true;
        return t;
    }
    *insufficient = false;
    return fabs(t - high) < fabs(t - low) ? high - margin : low + margin;
}

static bool zoom(search *s, double d_norm)
{
    bool insufficient = false;
    while (!s->done && s->iterations < MAX_EVALUATIONS) {
        if (fabs(s->end[1].t - s->end[0].t) * d_norm < SMALLEST_BRACKET)
            return true;
        if (!evaluate(s, next_place(s, &insufficient)))
            return false;
        s->iterations++;
        point *low = &s->end[s->low], *high = &s->end[1 - s->low];
        if (too_high(s) || s->now.f >= low->f) {
            put(s, 1 - s->low);
            continue;
        }
        if (flat_enough(s)) {
            s->done = true;
        } else if (s->now.gtd * (high->t - low->t) >= 0) {
            point old_high = *high; /* whose vector is free then */
            *high = *low;
            *low = old_high;
        }
        take(s, low);
    }
    return true;
}

bool mr__lbfgs_search(mr_optim *optim, double *loss, double gtd, int64_t *evaluations)
{
    mr__lbfgs *l = optim->lbfgs;
    mr__range *range = optim->first.slots[0].range;
    search s = { .optim = optim,
                 .l = l,
                 .start = { 0, *loss, gtd, l->flat_grad },
                 .end = { { .g = l->spare[0] }, { .g = l->spare[1] } },
                 .now.g = l->spare[2] };
    double d_norm = mr__vector_largest(l, l->d);
    mr__vector_copy(l, l->x_init, mr__memory_data(range->values));
    bool ok = evaluate(&s, l->t) && find_bracket(&s) && zoom(&s, d_norm);
    *evaluations = s.evaluations;
    if (!ok)
        return false;
    l->t = s.end[s.low].t;
    *loss = s.end[s.low].f;
    mr__vector_copy(l, l->flat_grad, s.end[s.low].g);
    return true;
}
