/* The inside of a schedule. */
#ifndef MILLRACE_OPTIM_SCHEDULE_H
#define MILLRACE_OPTIM_SCHEDULE_H

#include "optim.h"

#include "base/strbuf.h"

#include <millrace/schedules.h>

/* A number that a kind keeps besides those that all have, by torch's name. */
typedef struct mr__schedule_entry {
    const char *name;
    mr_dtype dtype; /* float64 or int64 */
    size_t offset;  /* in mr_schedule */
} mr__schedule_entry;

/* What a kind of schedule does; in each file static consts. */
typedef struct mr__schedule_kind {
    const char *name; /* "step_lr" */
    /* The learning rate of a group at step `last_epoch`; `now` is what it is now. */
    bool (*rate)(const mr_schedule *s, size_t group, double now, double *rate);
    double (*momentum)(const mr_schedule *s, size_t group); /* optional: that at the same step */
    void (*move)(mr_schedule *s);                           /* optional: called before `rate` */
    bool relative; /* begun anew, it goes on from the rate that is there, not from the initial one */
    mr_status (*step)(mr_schedule *s); /* in place of all these, where there are schedules inside */
    mr_status (*step_metric)(mr_schedule *s, double metric); /* or where a metric is needed */
    void (*destroy)(mr_schedule *s);                         /* optional: frees what is in `of` */
    mr__schedule_entry own[3];
} mr__schedule_kind;

struct mr_schedule {
    const mr__schedule_kind *kind;
    mr_optim *optim; /* borrowed */
    size_t groups;
    int64_t last_epoch;         /* the step that was made last, as torch calls it; -1: none */
    bool adopted;               /* by another schedule, which frees it */
    double *base, *last, *next; /* for each group: the initial rate, the last, the one being made */
    double *max_lr, *base_momentum, *max_momentum; /* those of cycles */
    mr__state state;
    union {
        struct {
            int64_t size;
            double gamma;
        } step;
        struct {
            int64_t *milestones; /* owned */
            size_t count;
            double gamma;
        } multi;
        struct {
            double start, end, power;
            int64_t iters;
        } ramp;
        struct {
            double eta_min;
            int64_t t_max, t_mult, t_i, t_cur;
        } cosine;
        struct {
            mr_lr_factor factor;
            void *user;
        } lambda;
        struct {
            int64_t steps;
            double end[3], final_div;
            mr_anneal anneal;
            bool three_phase;
        } one;
        struct {
            double total, ratio, gamma;
            mr_cyclic_mode mode;
            double (*scale)(void *user, double x);
            void *user;
            bool by_step;
        } cyclic;
        struct {
            int64_t epochs;
            mr_anneal anneal;
        } swa; /* to max_lr */
        struct {
            mr_reduce_lr_on_plateau_opts opts; /* with the defaults filled in */
            double best;
            int64_t bad, cooling;
        } plateau;
        struct {
            mr_schedule **child; /* owned, as all in it */
            size_t count;
            int64_t *milestones; /* NULL: all at each step */
        } list;
    } of;
};

/* A schedule that has made no step yet; NULL after a failure. */
mr_schedule *mr__schedule_new(const mr__schedule_kind *kind, mr_optim *optim);

/* Makes step 0 of a schedule that has none. Returns it, or frees it and returns NULL after a failure. */
mr_schedule *mr__schedule_begin(mr_schedule *s);

/* Makes the next step; `anew`: step 0, as torch's step(0). */
mr_status mr__schedule_advance(mr_schedule *s, bool anew);

/* Notes what `lr` is, as torch's initial_lr of a group; or leaves what was noted before, and returns that. */
double mr__initial_lr(mr_optim *optim, size_t group);
void mr__set_initial_lr(mr_optim *optim, size_t group, double lr);

/* Raise a failure unless an integer is at least `low`, and a number neither negative nor too large. */
bool mr__schedule_at_least(const char *call, const char *name, int64_t value, int64_t low);
bool mr__schedule_finite(const char *call, const char *name, double value);

/* Writes one value for each group: the array's, or the same for all. False with a failure raised for one that is not as
 * above. */
bool mr__schedule_spread(const mr_schedule *s, const char *name, double *to, const double *array,
                         double value);

/* The rate of swa_lr at a step, from the one that is there. */
double mr__swa_rate(double now, double swa_lr, int64_t step, int64_t anneal_epochs, mr_anneal anneal);

/* Appends its kind, with those of the schedules in it: "sequential_lr(linear_lr, cosine_annealing_lr)"; "none" for NULL. */
void mr__schedule_text(const mr_schedule *s, mr__strbuf *out);

/* Whether `factor` lies in (0, 1], or if `zero` in [0, 1]. */
bool mr__schedule_factor(const char *call, const char *name, double factor, bool zero);

#endif
